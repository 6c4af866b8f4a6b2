namespace TincPure.Routing

open System
open TincPure.Primitives
open TincPure.Topology

/// Which addresses an answer about a subnet is for.
type private Kind =
    /// Nothing was asked yet.
    | None = 0uy
    | V4 = 1uy
    | V6 = 2uy
    | Mac = 3uy

/// Who owns an address, left-aligned as in the table of subnets.
[<Struct; NoEquality; NoComparison>]
type private OwnerAnswer = { Kind: Kind; High: uint64; Low: uint64; Owner: int }

/// Who sends from an address; -1 if nobody is known to.
[<Struct; NoEquality; NoComparison>]
type private SourceAnswer = { IsKnown: bool; Source: Endpoint; Sender: int }

/// Who has an ID; -1 if nobody.
[<Struct; NoEquality; NoComparison>]
type private IdAnswer = { IsThere: bool; Id: NodeId; Node: int }

/// Questions to the forwarding table, and the answers that it gave last: packets come in flows, which ask the same time after time,
/// and one that comes alone finds the table itself long gone from the processor's caches. Owned by one thread. What is kept does not
/// grow: an answer stands where its question's last bits say, in place of the one before.
[<Sealed>]
type internal FibCache(first: Fib) =
    let mutable fib = first
    let owners = Array.zeroCreate<OwnerAnswer> 64
    let sources = Array.zeroCreate<SourceAnswer> 16
    let ids = Array.zeroCreate<IdAnswer> 16

    let orNobody (found: int voption) =
        match found with
        | ValueSome node -> node
        | ValueNone -> -1

    let owner (found: OwnedSubnet voption) =
        match found with
        | ValueSome subnet -> subnet.Owner
        | ValueNone -> Decision.NoOwner

    let askOwner (kind: Kind) (high: uint64) (low: uint64) =
        let subnets =
            match kind with
            | Kind.V4 -> fib.Subnets.V4
            | Kind.V6 -> fib.Subnets.V6
            | _ -> fib.Subnets.Mac

        owner (SubnetTable.lookup (fun node -> Decision.isReachable fib node) high low subnets)

    let ownerOf (place: uint64) (kind: Kind) (high: uint64) (low: uint64) =
        let index = int place &&& (owners.Length - 1)
        let answer = &owners[index]

        if answer.Kind = kind && answer.High = high && answer.Low = low then
            answer.Owner
        else
            let owner = askOwner kind high low
            owners[index] <- { Kind = kind; High = high; Low = low; Owner = owner }
            owner

    /// The table in force.
    member _.Fib = fib

    /// From now on ask this table, and forget what may be otherwise in it.
    member _.Use(newer: Fib) : unit =
        // Whether owners are reachable may have changed with any of the peers.
        Array.Clear owners

        if not (obj.ReferenceEquals(newer.ByAddress, fib.ByAddress)) then
            Array.Clear sources

        if not (obj.ReferenceEquals(newer.ById, fib.ById)) then
            Array.Clear ids

        fib <- newer

    /// The owner of the subnet that an IPv4 address belongs to, or `Decision.NoOwner`.
    member _.OwnerV4(address: uint32) : int = ownerOf (uint64 address) Kind.V4 (SubnetTable.keyOfV4 address) 0UL

    /// The owner of the subnet that an IPv6 address belongs to, or `Decision.NoOwner`.
    member _.OwnerV6(address: Ip) : int = ownerOf address.Low Kind.V6 address.High address.Low

    /// The node that has announced an Ethernet address, or `Decision.NoOwner`.
    member _.OwnerMac(address: uint64) : int = ownerOf address Kind.Mac (SubnetTable.keyOfMac address) 0UL

    /// The node that is known to send from a UDP address, -1 if there is none.
    member _.Sender(source: Endpoint) : int =
        let index = int (source.Ip.Low ^^^ uint64 source.Port) &&& (sources.Length - 1)
        let answer = &sources[index]

        if answer.IsKnown && Endpoint.same answer.Source source then
            answer.Sender
        else
            let node = orNobody (HashTrie.tryFind source fib.ByAddress)
            sources[index] <- { IsKnown = true; Source = source; Sender = node }
            node

    /// The node with an ID, -1 if there is none.
    member _.Node(id: NodeId) : int =
        let index = int id.Value &&& (ids.Length - 1)
        let answer = &ids[index]

        if answer.IsThere && answer.Id.Value = id.Value then
            answer.Node
        else
            let node = orNobody (HashTrie.tryFind id fib.ById)
            ids[index] <- { IsThere = true; Id = id; Node = node }
            node
