namespace TincPure.Topology

open System
open System.Numerics
open TincPure.Primitives

/// A subnet and whose it is. A broadcast subnet belongs to nobody: its owner is `OwnedSubnet.nobody`, without a name.
type OwnedSubnet =
    {
        Subnet: Subnet
        /// Node number, or `OwnedSubnet.nobody`.
        Owner: int
        OwnerName: NodeName voption
    }

module OwnedSubnet =

    /// The owner of broadcast subnets.
    [<Literal>]
    let nobody = -1

    let by (owner: int) (name: NodeName) (subnet: Subnet) : OwnedSubnet =
        { Subnet = subnet; Owner = owner; OwnerName = ValueSome name }

    let broadcast (subnet: Subnet) : OwnedSubnet = { Subnet = subnet; Owner = nobody; OwnerName = ValueNone }

    /// The order in which lookups prefer subnets and dumps list them: `Subnet.compare`, then broadcast subnets before
    /// those of nodes, then the owner's name (spec 04 §6.2).
    let compare (left: OwnedSubnet) (right: OwnedSubnet) : int =
        match Subnet.compare left.Subnet right.Subnet with
        | 0 ->
            match left.OwnerName, right.OwnerName with
            | ValueSome left, ValueSome right -> String.CompareOrdinal(left.Text, right.Text)
            | ValueNone, ValueNone -> 0
            | ValueNone, ValueSome _ -> -1
            | ValueSome _, ValueNone -> 1
        | order -> order

/// A node of a path-compressed binary trie over left-aligned 128-bit keys: the first `length` bits of a key, the subnets
/// of exactly that network in order of preference, and what lies behind a zero or a one. A node without subnets has both
/// children. Public only because lookups are inlined into the packet plane.
[<Sealed>]
type PrefixNode
    (high: uint64, low: uint64, length: int, subnets: OwnedSubnet[], zero: PrefixNode | null, one: PrefixNode | null) =

    let struct (highMask, lowMask) = Subnet.mask length

    member _.High = high
    member _.Low = low
    member _.Length = length
    member _.Subnets = subnets
    member _.Zero = zero
    member _.One = one

    /// Does the key begin with this node's bits?
    member _.Covers(keyHigh: uint64, keyLow: uint64) =
        ((keyHigh ^^^ high) &&& highMask) ||| ((keyLow ^^^ low) &&& lowMask) = 0UL

    /// The child on the key's side.
    member _.Towards(keyHigh: uint64, keyLow: uint64) =
        let bit = if length < 64 then keyHigh >>> (63 - length) else keyLow >>> (127 - length)

        if bit &&& 1UL = 0UL then zero else one

module private PrefixNode =

    let leaf high low length subnets = PrefixNode(high, low, length, subnets, null, null)

    /// Puts `child` below a node in place of the one on the side of the child's key.
    let withChild (keyHigh: uint64) (keyLow: uint64) (child: PrefixNode | null) (node: PrefixNode) =
        let towardsOne =
            if node.Length < 64 then
                (keyHigh >>> (63 - node.Length)) &&& 1UL = 1UL
            else
                (keyLow >>> (127 - node.Length)) &&& 1UL = 1UL

        if towardsOne then
            PrefixNode(node.High, node.Low, node.Length, node.Subnets, node.Zero, child)
        else
            PrefixNode(node.High, node.Low, node.Length, node.Subnets, child, node.One)

    let withSubnets (subnets: OwnedSubnet[]) (node: PrefixNode) =
        PrefixNode(node.High, node.Low, node.Length, subnets, node.Zero, node.One)

    /// Number of leading bits that the keys share, at most `limit`.
    let private sharedBits (limit: int) (highDifference: uint64) (lowDifference: uint64) =
        let shared =
            if highDifference <> 0UL then
                BitOperations.LeadingZeroCount highDifference
            else
                64 + BitOperations.LeadingZeroCount lowDifference

        min limit shared

    /// Changes the subnets of one network, given as masked key and length. A network that is not there yet has none.
    let rec update change high low length (root: PrefixNode | null) : PrefixNode | null =
        match root with
        | null ->
            match change [||] with
            | [||] -> null
            | subnets -> leaf high low length subnets
        | node ->
            let shared = sharedBits (min length node.Length) (high ^^^ node.High) (low ^^^ node.Low)

            if shared = node.Length && shared = length then
                tidy (withSubnets (change node.Subnets) node)
            elif shared = node.Length then
                let child = update change high low length (node.Towards(high, low))
                tidy (withChild high low child node)
            else
                match update change high low length null with
                | null -> node
                | added when shared = length -> withChild node.High node.Low node added
                | added ->
                    let struct (highMask, lowMask) = Subnet.mask shared

                    leaf (high &&& highMask) (low &&& lowMask) shared [||]
                    |> withChild node.High node.Low node
                    |> withChild high low added

    /// A node that holds nothing and does not fork gives way to its child.
    and private tidy (node: PrefixNode) : PrefixNode | null =
        match node.Zero, node.One with
        | zero, null when node.Subnets.Length = 0 -> zero
        | null, one when node.Subnets.Length = 0 -> one
        | _ -> node

    let rec fold (folder: 's -> OwnedSubnet -> 's) (state: 's) (root: PrefixNode | null) : 's =
        match root with
        | null -> state
        | node ->
            let state = Array.fold folder state node.Subnets
            fold folder (fold folder state node.Zero) node.One

/// All subnets of the network, for lookups by address: one trie per family. Persistent; adding or removing a subnet copies
/// at most as many trie nodes as its prefix has bits, and the list of the subnets of that same network.
type SubnetTable =
    { Mac: PrefixNode | null
      V4: PrefixNode | null
      V6: PrefixNode | null
      Count: int }

module SubnetTable =

    let empty: SubnetTable = { Mac = null; V4 = null; V6 = null; Count = 0 }

    let private update (change: OwnedSubnet[] -> OwnedSubnet[]) (subnet: Subnet) (table: SubnetTable) =
        let struct (highMask, lowMask) = Subnet.mask subnet.Prefix

        let inline within trie =
            PrefixNode.update change (subnet.High &&& highMask) (subnet.Low &&& lowMask) subnet.Prefix trie

        match subnet.Family with
        | Family.Mac -> { table with Mac = within table.Mac }
        | Family.IPv4 -> { table with V4 = within table.V4 }
        | _ -> { table with V6 = within table.V6 }

    let private indexOf (entry: OwnedSubnet) (subnets: OwnedSubnet[]) =
        Array.BinarySearch(subnets, entry, Collections.Generic.Comparer.Create OwnedSubnet.compare)

    /// The table with this subnet; unchanged if it is there already.
    let add (entry: OwnedSubnet) (table: SubnetTable) : SubnetTable =
        let mutable added = 0

        let insert subnets =
            match indexOf entry subnets with
            | index when index < 0 ->
                added <- 1
                Array.insertAt (~~~index) entry subnets
            | _ -> subnets

        let table = update insert entry.Subnet table

        { table with Count = table.Count + added }

    /// The table without this subnet; unchanged if it is not there.
    let remove (entry: OwnedSubnet) (table: SubnetTable) : SubnetTable =
        let mutable removed = 0

        let take subnets =
            match indexOf entry subnets with
            | index when index < 0 -> subnets
            | index ->
                removed <- 1
                Array.removeAt index subnets

        let table = update take entry.Subnet table

        { table with Count = table.Count - removed }

    /// The subnet that an address belongs to (spec 04 §6.3): the first match, in the order of `OwnedSubnet.compare`, whose
    /// owner is reachable or nobody; if there is none, the last match.
    let inline lookup
        ([<InlineIfLambda>] reachable: int -> bool)
        (high: uint64)
        (low: uint64)
        (root: PrefixNode | null)
        : OwnedSubnet voption =
        let mutable best = ValueNone
        let mutable last = ValueNone
        let mutable node = root
        let mutable searching = true

        // From short prefixes to long ones: what is found later is preferred.
        while searching do
            match node with
            | null -> searching <- false
            | prefix when not (prefix.Covers(high, low)) -> searching <- false
            | prefix ->
                let subnets = prefix.Subnets
                let mutable i = 0

                while i < subnets.Length && subnets[i].Owner <> OwnedSubnet.nobody && not (reachable subnets[i].Owner) do
                    i <- i + 1

                if i < subnets.Length then
                    best <- ValueSome subnets[i]
                elif last.IsNone && i > 0 then
                    last <- ValueSome subnets[i - 1]

                node <- prefix.Towards(high, low)

        match best with
        | ValueSome _ -> best
        | ValueNone -> last

    /// The upper half of the key of an IPv4 address; the lower is zero.
    let inline keyOfV4 (address: uint32) : uint64 = uint64 address <<< 32

    /// The upper half of the key of a MAC address, which is in the low 48 bits; the lower is zero.
    let inline keyOfMac (address: uint64) : uint64 = address <<< 16

    /// The subnet of an IPv4 address. `reachable` tells of a node number whether that node is reachable. Inlined, without
    /// allocation.
    let inline lookupV4 ([<InlineIfLambda>] reachable: int -> bool) (address: uint32) (table: SubnetTable) =
        lookup reachable (keyOfV4 address) 0UL table.V4

    /// The subnet of an IPv6 address.
    let inline lookupV6 ([<InlineIfLambda>] reachable: int -> bool) (high: uint64) (low: uint64) (table: SubnetTable) =
        lookup reachable high low table.V6

    /// The subnet of a MAC address, which is in the low 48 bits.
    let inline lookupMac ([<InlineIfLambda>] reachable: int -> bool) (address: uint64) (table: SubnetTable) =
        lookup reachable (keyOfMac address) 0UL table.Mac

    /// All subnets in the order of `OwnedSubnet.compare`. Sorts: for dumps, not for packets.
    let toArray (table: SubnetTable) : OwnedSubnet[] =
        let collect (found: ResizeArray<OwnedSubnet>) entry =
            found.Add entry
            found

        let found = ResizeArray table.Count

        for trie in [ table.Mac; table.V4; table.V6 ] do
            PrefixNode.fold collect found trie |> ignore

        found.Sort OwnedSubnet.compare
        found.ToArray()
