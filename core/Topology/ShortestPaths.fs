namespace TincPure.Topology

open System.Collections.Generic
open TincPure.Primitives

/// How a node is reached. Nodes are numbers, -1 for none.
[<Struct>]
type Route =
    {
        Reachable: bool
        /// Not to be sent UDP directly: some edge on the path is indirect.
        Indirect: bool
        /// Hops; -1 if unreachable.
        Distance: int
        /// Sum of the weights on the path that `NextHop` begins.
        WeightedDistance: int64
        /// Neighbour to which traffic goes hop by hop; the own node for itself.
        NextHop: int
        /// Last node on the path that can be reached directly, possibly the own node.
        Via: int
        /// Node before this one on the path; -1 for the own node.
        Previous: int
        /// Options of the last edge of the path.
        Options: uint32
    }

/// Path search as the newest stock version does it: breadth first with repeated relaxation (spec 04 §4.2). Hop count
/// decides first, total weight breaks ties, a direct path replaces an indirect one even if it is longer.
module ShortestPaths =

    /// The route of a node that no path leads to.
    let unreachable: Route =
        { Reachable = false
          Indirect = true
          Distance = -1
          WeightedDistance = 0L
          NextHop = -1
          Via = -1
          Previous = -1
          Options = 0u }

    /// The route to the own node.
    let own: Route =
        { Reachable = true
          Indirect = false
          Distance = 0
          WeightedDistance = 0L
          NextHop = Topology.self
          Via = Topology.self
          Previous = -1
          Options = 0u }

    /// The route to `edge.To` that continues `before`, the route to `edge.From`, if it replaces `current`.
    let private tryRelax (before: Route) (edge: Edge) (current: Route) : Route voption =
        let weight = before.WeightedDistance + int64 edge.Weight
        let indirect = before.Indirect || Options.has Options.indirect edge.Options

        let lighter = current.Distance = before.Distance + 1 && current.WeightedDistance > weight

        let better = not current.Reachable || lighter

        if better || (current.Indirect && not indirect) then
            ValueSome
                { Reachable = true
                  Indirect = indirect
                  Distance = before.Distance + 1
                  // A direct path that only replaces an indirect one keeps weight and next hop of the latter.
                  WeightedDistance = if better then weight else current.WeightedDistance
                  NextHop =
                    if not better then current.NextHop
                    elif before.NextHop = Topology.self then edge.To
                    else before.NextHop
                  Via = if indirect then before.Via else edge.To
                  Previous = edge.From
                  Options = edge.Options }
        else
            ValueNone

    /// Routes by node number. `relaxed` is told of every edge that improved the route to its end, in order, because the
    /// addresses of those edges become UDP addresses (step 3.7).
    let compute (relaxed: Edge -> unit) (topology: Topology) : Route[] =
        let count = Topology.nodeCount topology
        let routes = Array.create count unreachable
        routes[Topology.self] <- own

        let queue = Queue<int>()
        queue.Enqueue Topology.self

        // Nonnegative weights settle within a few visits per node. Negative weights of a hostile node may never settle.
        let mutable visits = 64 * count

        while queue.Count > 0 && visits > 0 do
            visits <- visits - 1
            let node = queue.Dequeue()

            topology
            |> Topology.iterPairs
                (fun edge _ ->
                    if edge.To <> Topology.self then
                        match tryRelax routes[node] edge routes[edge.To] with
                        | ValueSome route ->
                            routes[edge.To] <- route
                            relaxed edge
                            queue.Enqueue edge.To
                        | ValueNone -> ())
                node

        routes
