/// How long lookups and graph computations take: `dotnet run -c Release -- topology`.
module TincPure.Benchmarks.TopologyBenchmarks

open System
open TincPure.Benchmarks.Measure
open TincPure.Primitives
open TincPure.Topology

let private name (text: string) : NodeName =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> invalidArg (nameof text) text

let private ofRandom (random: Random) = uint32 (random.NextInt64(1L <<< 32))

/// A table of so many random networks of 1,000 owners, and 65,536 addresses inside them in no order.
let private networks (count: int) =
    let random = Random 1
    let owners = 1000
    let owner = name "owner"

    let entry _ =
        let address = ofRandom random
        let prefix = random.Next(12, 33)
        let masked = address &&& (UInt32.MaxValue <<< (32 - prefix))
        OwnedSubnet.by (random.Next owners) owner (Subnet.v4 masked prefix 10).Value

    let entries = Array.init count entry
    let table = entries |> Array.fold (fun table entry -> SubnetTable.add entry table) SubnetTable.empty

    let addresses =
        Array.init (1 <<< 16) (fun _ ->
            uint32 (entries[random.Next count].Subnet.High >>> 32) ||| (ofRandom random &&& 0xffu))

    struct (entries, table, addresses)

let subnets (count: int) : struct (SubnetTable * uint32[]) =
    let struct (_, table, addresses) = networks count
    struct (table, addresses)

let private lookups (count: int) =
    let struct (entries, table, addresses) = networks count
    let random = Random 2
    let reachable = Array.init 1000 (fun _ -> random.Next 10 > 0)
    let mask = addresses.Length - 1
    let mutable hits = 0

    let find address =
        match SubnetTable.lookupV4 (fun owner -> reachable[owner]) address table with
        | ValueSome _ -> hits <- hits + 1
        | ValueNone -> ()

    report
        (count.ToString "N0" + " subnets: lookup, random address")
        (measure 1000000 (fun i -> find addresses[i &&& mask]))
    report
        (count.ToString "N0" + " subnets: lookup, one of 16 addresses")
        (measure 1000000 (fun i -> find addresses[i &&& 15]))

    report
        (count.ToString "N0" + " subnets: remove and add again")
        (measure 100000 (fun i ->
            let entry = entries[i % count]
            table |> SubnetTable.remove entry |> SubnetTable.add entry |> ignore))

/// Pairs of edges of a random connected network.
let private randomPairs (nodes: int) (pairs: int) : (int * int * int)[] =
    let random = Random 2
    let tree = [| for i in 1 .. nodes - 1 -> random.Next i, i, random.Next 1000 |]

    let others =
        Seq.initInfinite (fun _ -> random.Next nodes, random.Next nodes, random.Next 1000)
        |> Seq.filter (fun (left, right, _) -> left <> right)
        |> Seq.truncate (pairs - tree.Length)

    Array.append tree (Array.ofSeq others)

let private edge from target weight : Edge =
    { From = from
      To = target
      Address = Inet(Endpoint.create (Ip.v4 (uint32 target)) 655us)
      LocalAddress = Unspecified
      Options = 0x0700000cu
      Weight = weight }

let private addNodes count topology =
    let add topology i =
        let struct (_, topology) = Topology.intern (name ("node" + string i)) topology
        topology

    Seq.fold add topology [ 1 .. count - 1 ]

let private addPair topology (left, right, weight) =
    topology |> Topology.setEdge (edge left right weight) |> Topology.setEdge (edge right left weight)

let private graphs (nodes: int) (pairs: int) =
    let links = randomPairs nodes pairs
    let size = nodes.ToString "N0" + " nodes, " + pairs.ToString "N0" + " links: "
    let bare = Topology.create (name "node0") |> addNodes nodes
    let topology = Array.fold addPair bare links
    let paths = Graph.compute Graph.initial (fun _ -> false) topology
    let repeats = max 3 (200000 / pairs)

    report (size + "compute") (measure repeats (fun _ -> Graph.compute paths (fun _ -> true) topology |> ignore))

    report
        (size + "store one by one, compute once")
        (measure (max 3 (repeats / 10)) (fun _ ->
            let topology = Array.fold addPair bare links
            Graph.compute Graph.initial (fun _ -> false) topology |> ignore))

    let learn (topology, paths) link =
        let next = addPair topology link
        let left, right, _ = link

        if Graph.isAffected paths topology next left right then
            next, Graph.compute paths (fun _ -> true) next
        else
            next, paths

    report
        (size + "store and compute one by one")
        (measure 1 (fun _ -> Array.fold learn (bare, Graph.initial) links |> ignore))

let run () : unit =
    for count in [ 10; 1000; 100000 ] do
        lookups count

    for nodes, pairs in [ 100, 300; 1000, 3000 ] do
        graphs nodes pairs
