namespace TincPure.Topology

open TincPure.Primitives

/// What one computation of the graph found.
type Paths =
    {
        /// By node number. Nodes that were numbered later are unreachable: see `Graph.route`.
        Routes: Route[]
        /// Edges of the spanning tree as pairs of nodes.
        Tree: struct (int * int)[]
        /// Neighbours of the own node on the spanning tree, in name order.
        TreeNeighbours: int list
        /// UDP addresses that edges gave to nodes, in the order in which to set them; a node may get several in turn.
        Addresses: struct (int * Address) list
    }

/// A node that became reachable or unreachable.
[<Struct>]
type Transition = { Node: int; Up: bool }

module Graph =

    /// Before the first computation: the own node alone is reachable.
    let initial: Paths =
        { Routes = [| ShortestPaths.own |]
          Tree = [||]
          TreeNeighbours = []
          Addresses = [] }

    let route (node: int) (paths: Paths) : Route =
        if node < paths.Routes.Length then
            paths.Routes[node]
        else
            ShortestPaths.unreachable

    let isReachable (node: int) (paths: Paths) : bool = node < paths.Routes.Length && paths.Routes[node].Reachable

    /// Paths and spanning tree of a topology. `previous` tells which nodes were reachable so far, `hasAddress` which have a
    /// UDP address: a node that was unreachable takes the address of every edge that improves its route, one that was
    /// reachable only the first, if it has none yet (spec 04 §4.2 step 3.7).
    let compute (previous: Paths) (hasAddress: int -> bool) (topology: Topology) : Paths =
        let addresses = ResizeArray<struct (int * Address)>()
        let addressed = Array.zeroCreate<bool>(Topology.nodeCount topology)

        let relaxed (edge: Edge) =
            let node = edge.To

            let takes =
                not (isReachable node previous)
                || (match edge.Address with
                    | Inet _ -> not addressed[node] && not (hasAddress node)
                    | Textual _
                    | Unspecified -> false)

            if takes then
                addressed[node] <- true
                addresses.Add(struct (node, edge.Address))

        let routes = ShortestPaths.compute relaxed topology
        let tree = SpanningTree.compute (fun node -> routes[node].Reachable) topology

        { Routes = routes
          Tree = tree
          TreeNeighbours = SpanningTree.neighbours Topology.self tree topology
          Addresses = List.ofSeq addresses }

    /// Nodes whose reachability differs between two computations, in name order (spec 04 §4.3).
    let transitions (before: Paths) (after: Paths) (topology: Topology) : Transition list =
        let changed = ResizeArray()

        topology
        |> Topology.iterNodes (fun node ->
            let up = isReachable node after

            if up <> isReachable node before then
                changed.Add { Node = node; Up = up })

        List.ofSeq changed

    /// Does the spanning tree go straight from one node to the other? While it does not, the edges between them can go
    /// and no node becomes unreachable.
    let isOnTree (left: int) (right: int) (paths: Paths) : bool =
        paths.Tree
        |> Array.exists (fun struct (first, second) ->
            (first = left && second = right) || (first = right && second = left))

    /// Does a change of the edges between two nodes need a new computation? `paths` must be up to date with `before`. An
    /// edge without its counterpart needs none, nor do edges among nodes that no path leads to (spec 04 §18).
    let isAffected (paths: Paths) (before: Topology) (after: Topology) (left: int) (right: int) : bool =
        let pair topology =
            match Topology.tryLink left right topology with
            | ValueSome(Both(out, back)) -> ValueSome(struct (out, back))
            | _ -> ValueNone

        (isReachable left paths || isReachable right paths) && pair before <> pair after
