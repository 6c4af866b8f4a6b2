/// Path search, spanning tree, transitions and purge (spec 04 §4 and §5).
module TincPure.Core.Tests.TopologyGraphTests

open System
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Topology
open TincPure.Core.Tests.GraphVectors
open TincPure.Core.Tests.TopologySubnetTests
open TincPure.Core.Tests.TopologyGraphVectorTests
open Xunit

let private edge weight options (from, target) : VectorEdge =
    { From = from
      To = target
      Weight = weight
      Options = options
      Address = "192.0.2.1"
      Port = "655" }

/// Edges among a few nodes; most, but not all, in both directions.
let private edgesGen (weights: Gen<int>) (options: Gen<uint32>) : Gen<VectorEdge list> =
    let names = [ "me"; "B"; "_a"; "b"; "9"; "z1"; "Z"; "c" ]

    let pair =
        gen {
            let! from = Gen.elements names
            let! target = Gen.elements (List.except [ from ] names)
            let! there = Gen.map2 (fun weight options -> edge weight options (from, target)) weights options
            let! back = Gen.map2 (fun weight options -> edge weight options (target, from)) weights options
            return! Gen.frequency [ 5, Gen.constant [ there; back ]; 1, Gen.constant [ there ] ]
        }

    Gen.listOf pair
    |> Gen.map (fun edges -> List.concat edges |> List.distinctBy (fun edge -> edge.From, edge.To))

let private anyOptions = Gen.frequency [ 3, Gen.constant 0xcu; 1, Gen.constant 0xdu ]
let private anyWeight =
    Gen.frequency [ 9, Gen.choose (0, 9); 1, Gen.elements [ -3; Int32.MaxValue; Int32.MinValue ] ]

let private check (property: 'a -> bool) (gen: Gen<'a>) =
    Check.One(Config.QuickThrowOnFailure.WithMaxTest 300, Prop.forAll (Arb.fromGen gen) property)

/// Edges that have a counterpart.
let private paired (edges: VectorEdge list) =
    let both = edges |> List.map (fun edge -> edge.From, edge.To) |> Set.ofList
    edges |> List.filter (fun edge -> both.Contains((edge.To, edge.From)))

/// Fewest hops, and the least weight of a path of so few hops, by trying all edges again until nothing changes.
let private naiveDistances (self: string) (edges: VectorEdge list) : Map<string, int * int64> =
    let step (found: Map<string, int * int64>) =
        List.fold
            (fun found (edge: VectorEdge) ->
                match Map.tryFind edge.From found with
                | None -> found
                | Some(hops, weight) ->
                    let candidate = hops + 1, weight + int64 edge.Weight

                    match Map.tryFind edge.To found with
                    | Some current when current <= candidate -> found
                    | _ -> Map.add edge.To candidate found)
            found
            (paired edges)

    let rec settle found =
        let next = step found
        if next = found then found else settle next

    settle (Map.ofList [ self, (0, 0L) ])

[<Fact>]
let ``without indirect edges every node is reached in the fewest hops, and the lightest of such paths`` () =
    edgesGen (Gen.choose (0, 9)) (Gen.constant 0xcu)
    |> check (fun edges ->
        let topology = build "me" edges
        let paths = computeAfresh topology
        let expected = naiveDistances "me" edges

        Topology.nodes topology
        |> Seq.forall (fun number ->
            let route = Graph.route number paths

            match Map.tryFind (nameOf topology number) expected with
            | Some(hops, weight) -> (route.Distance, route.WeightedDistance) = (hops, weight)
            | None -> not route.Reachable && route.NextHop = -1 && route.Via = -1))

[<Fact>]
let ``without indirect edges next hops lead to every node without loops, each node using its own paths`` () =
    edgesGen (Gen.choose (0, 9)) (Gen.constant 0xcu)
    |> check (fun edges ->
        let topology = build "me" edges

        let routesOf =
            Topology.nodes topology
            |> Seq.map (fun number ->
                let self = nameOf topology number
                let own = build self edges
                self, (own, computeAfresh own))
            |> Map.ofSeq

        let distance from target =
            let topology, paths = routesOf[from]
            (Graph.route (find topology target) paths).Distance

        // The node "me" may have no edges, and then others do not know it.
        let known =
            Map.keys routesOf |> Seq.filter (fun text -> edges |> List.exists (fun edge -> edge.From = text))

        Seq.allPairs known known
        |> Seq.forall (fun (from, target) ->
            let topology, paths = routesOf[from]

            match Topology.tryFind (name target) topology with
            | ValueSome number when from <> target && Graph.isReachable number paths ->
                let route = Graph.route number paths
                distance (nameOf topology route.NextHop) target = route.Distance - 1
            | _ -> true))

[<Fact>]
let ``nodes are reachable exactly if pairs of edges lead to them, whatever the options`` () =
    edgesGen anyWeight anyOptions
    |> check (fun edges ->
        let topology = build "me" edges
        let paths = computeAfresh topology
        let connected =
            naiveDistances "me" (edges |> List.map (fun (edge: VectorEdge) -> { edge with Weight = 1 }))

        Topology.nodes topology
        |> Seq.forall (fun number -> Graph.isReachable number paths = connected.ContainsKey(nameOf topology number)))

/// The procedure of spec 04 §4.5, word by word.
let private literalTree (self: string) (edges: VectorEdge list) : Set<Set<string>> =
    let reachable =
        naiveDistances self (edges |> List.map (fun (edge: VectorEdge) -> { edge with Weight = 1 }))
    let order (edge: VectorEdge) = edge.Weight, edge.From, edge.To

    let sorted =
        edges
        |> List.sortWith (fun left right ->
            let leftWeight, leftFrom, leftTo = order left
            let rightWeight, rightFrom, rightTo = order right

            [ compare leftWeight rightWeight
              String.CompareOrdinal(leftFrom, rightFrom)
              String.CompareOrdinal(leftTo, rightTo) ]
            |> List.tryFind (fun order -> order <> 0)
            |> Option.defaultValue 0)

    let usable = paired edges |> List.map order |> Set.ofList

    let rec scan visited tree (rest: VectorEdge list) skipped =
        match rest with
        | [] -> tree
        | edge :: rest when
            not (usable.Contains(order edge)) || Set.contains edge.From visited = Set.contains edge.To visited
            ->
            scan visited tree rest true
        | edge :: rest ->
            let visited = visited |> Set.add edge.From |> Set.add edge.To
            let tree = Set.add (Set.ofList [ edge.From; edge.To ]) tree
            scan visited tree (if skipped then sorted else rest) false

    match sorted |> List.tryFind (fun edge -> reachable.ContainsKey edge.From) with
    | Some first -> scan (Set.singleton first.From) Set.empty sorted false
    | None -> Set.empty

[<Fact>]
let ``the spanning tree is the one that the reference's procedure finds`` () =
    edgesGen anyWeight anyOptions
    |> check (fun edges ->
        let topology = build "me" edges

        namedTree (computeAfresh topology) topology
        |> List.map (fun (left, right) -> Set.ofList [ left; right ])
        |> Set.ofList
        |> (=) (literalTree "me" edges))

[<Fact>]
let ``the spanning tree connects all reachable nodes and has no loops`` () =
    edgesGen anyWeight anyOptions
    |> check (fun edges ->
        let topology = build "me" edges
        let paths = computeAfresh topology
        let reachable =
            Topology.nodes topology |> Seq.filter (fun number -> Graph.isReachable number paths) |> Set.ofSeq

        let rec spread visited =
            let next =
                paths.Tree
                |> Array.fold
                    (fun visited (struct (left, right)) ->
                        if Set.contains left visited then Set.add right visited
                        elif Set.contains right visited then Set.add left visited
                        else visited)
                    visited

            if next = visited then visited else spread next

        spread (Set.singleton 0) = reachable && paths.Tree.Length = reachable.Count - 1)

[<Fact>]
let ``the order in which edges became known does not matter`` () =
    gen {
        let! edges = edgesGen anyWeight anyOptions
        let! shuffled = Gen.shuffle edges
        return edges, List.ofArray shuffled
    }
    |> check (fun (edges, shuffled) ->
        let one = build "me" edges
        let other = build "me" shuffled
        summary (computeAfresh one) one = summary (computeAfresh other) other)

[<Fact>]
let ``a change that is said not to affect the graph does not`` () =
    let change edges =
        Gen.oneof
            [ Gen.map Choice1Of2 (Gen.elements edges)
              Gen.map
                  Choice1Of2
                  (Gen.elements edges |> Gen.map (fun (edge: VectorEdge) -> { edge with Weight = edge.Weight / 2 }))
              Gen.map Choice2Of2 (Gen.elements edges) ]

    gen {
        let! edges = edgesGen anyWeight anyOptions |> Gen.filter (fun edges -> edges.Length > 0)
        let! known = Gen.subListOf edges
        let! changes = Gen.listOf (change edges)
        return known, changes
    }
    |> check (fun (known, changes) ->
        let topology = build "me" known

        let apply (topology, paths, good) change =
            let next, (edge: VectorEdge) =
                match change with
                | Choice1Of2 edge -> addEdge edge topology, edge
                | Choice2Of2 edge ->
                    let struct (from, topology) = node edge.From topology
                    let struct (target, topology) = node edge.To topology
                    Topology.removeEdge from target topology, edge

            let struct (from, before) = node edge.From topology
            let struct (target, before) = node edge.To before
            let afresh = computeAfresh next

            if Graph.isAffected paths before next from target then
                next, afresh, good
            else
                next, paths, good && summary paths next = summary afresh next

        let _, _, good = List.fold apply (topology, computeAfresh topology, true) changes
        good)

[<Fact>]
let ``edges are stored as they were set, from both ends, in the order of names`` () =
    edgesGen anyWeight anyOptions
    |> check (fun edges ->
        let topology = build "me" edges
        let order left right = String.CompareOrdinal(left, right)

        let expectedFrom text =
            edges |> List.filter (fun edge -> edge.From = text) |> List.map _.To |> List.sortWith order

        let expectedTo text =
            edges |> List.filter (fun edge -> edge.To = text) |> List.map _.From |> List.sortWith order

        Topology.nodes topology
        |> Seq.forall (fun number ->
            let text = nameOf topology number

            List.ofSeq (Topology.edgesFrom number topology) |> List.map (fun edge -> nameOf topology edge.To) =
                expectedFrom text
            && List.ofSeq (Topology.edgesTo number topology) |> List.map (fun edge -> nameOf topology edge.From) =
                expectedTo text)
        && Seq.length (Topology.edges topology) = edges.Length)

[<Fact>]
let ``weights of a hostile node that never settle do not stop the computation`` () =
    let weights = Gen.choose (-1000000000, 1000000000)

    edgesGen weights (Gen.elements [ 0xcu; 0xdu ])
    |> check (fun edges -> (computeAfresh (build "me" edges)).Routes.Length > 0)

[<Fact>]
let ``a purge withdraws what belongs to unreachable nodes and spares a node that an edge points to`` () =
    let pair from target = [ edge 1 0xcu (from, target); edge 1 0xcu (target, from) ]

    let topology =
        build "me" (List.concat [ pair "me" "near"; pair "gone" "away"; [ edge 1 0xcu ("near", "gone") ] ])

    let gone = find topology "gone"
    let away = find topology "away"
    let near = find topology "near"

    let topology =
        topology
        |> Topology.addSubnet gone (subnet "10.1.0.0/16")
        |> Topology.addSubnet near (subnet "10.2.0.0/16")

    let paths = computeAfresh topology
    let result = Purge.run false false paths topology

    Assert.Equal<int list>([ away; gone ], result.Purged |> List.map _.Node)
    Assert.Equal<int list>([ away ], result.Forgotten)
    Assert.Equal(ValueNone, Topology.tryFind (name "away") result.Topology)
    Assert.Equal(ValueSome gone, Topology.tryFind (name "gone") result.Topology)
    Assert.True((SubnetTable.lookupV4 (fun _ -> true) 0x0a010001u (Topology.subnets result.Topology)).IsNone)
    Assert.True((SubnetTable.lookupV4 (fun _ -> true) 0x0a020001u (Topology.subnets result.Topology)).IsSome)
    Assert.Equal(3, Seq.length (Topology.edges result.Topology))

    let strict = Purge.run true false paths topology
    Assert.True(Topology.hasSubnet gone (subnet "10.1.0.0/16") strict.Topology)
    Assert.Empty (Purge.run false true paths topology).Forgotten

    let struct (again, back) = Topology.intern (name "away") result.Topology
    Assert.Equal(away, again)
    Assert.Empty(Topology.edgesFrom again back)
