/// The minimum spanning tree along which broadcast frames travel. Every node of a mesh must find the same one, or broadcasts
/// loop and get lost (spec 04 §4.5).
module TincPure.Topology.SpanningTree

open System

/// The representative of the tree that a node is part of so far; shortens the way to it for the next time.
let rec private find (parents: int[]) (node: int) =
    let parent = parents[node]

    if parent = node then
        node
    else
        parents[node] <- parents[parent]
        find parents parent

/// The place of every known node in the order of names, by number.
let private ranks (topology: Topology) =
    let ranks = Array.zeroCreate (Topology.nodeCount topology)
    let next = ref 0

    topology
    |> Topology.iterNodes (fun node ->
        ranks[node] <- next.Value
        next.Value <- next.Value + 1)

    ranks

/// The edges of the tree that spans the reachable nodes, as pairs of nodes, the first in name order first. A pair of edges
/// counts as the smaller of the two in the order of (weight, name of from, name of to).
let compute (reachable: int -> bool) (topology: Topology) : struct (int * int)[] =
    let ranks = ranks topology
    let keys = ResizeArray<UInt128>()
    let pairs = ResizeArray<struct (int * int)>()

    let key (edge: Edge) =
        let weight = uint64 (int64 edge.Weight - int64 Int32.MinValue)
        UInt128(weight, (uint64 ranks[edge.From] <<< 32) ||| uint64 ranks[edge.To])

    let collect (out: Edge) (back: Edge) =
        if ranks[out.From] < ranks[out.To] then
            keys.Add(UInt128.Min(key out, key back))
            pairs.Add(struct (out.From, out.To))

    topology
    |> Topology.iterNodes (fun node ->
        if reachable node then
            Topology.iterPairs collect node topology)

    let sorted = pairs.ToArray()
    Array.Sort(keys.ToArray(), sorted)

    let parents = Array.init ranks.Length id

    sorted
    |> Array.filter (fun struct (left, right) ->
        let leftRoot = find parents left
        let rightRoot = find parents right
        parents[leftRoot] <- rightRoot
        leftRoot <> rightRoot)

/// The nodes that the tree connects with a node, in name order: where that node sends broadcasts.
let neighbours (node: int) (tree: struct (int * int)[]) (topology: Topology) : int list =
    let ends =
        tree
        |> Array.choose (fun struct (left, right) ->
            if left = node then Some right
            elif right = node then Some left
            else None)

    ends
    |> Array.sortWith (fun left right ->
        String.CompareOrdinal((Topology.name left topology).Text, (Topology.name right topology).Text))
    |> List.ofArray
