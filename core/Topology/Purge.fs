/// Removal of what is known of unreachable nodes, on command only (spec 04 §5).
module TincPure.Topology.Purge

/// What goes with one unreachable node; each subnet and edge is also withdrawn from the mesh.
type Purged = { Node: int; Subnets: Subnet list; Edges: Edge list }

/// The topology after a purge, what was withdrawn, node by node in name order, and which nodes are forgotten.
type Result = { Topology: Topology; Purged: Purged list; Forgotten: int list }

/// Purges the edges and subnets of all unreachable nodes. With `strictSubnets` subnets are withdrawn but kept, and their
/// owners with them; with `keepNodes` (AutoConnect) no node is forgotten. A node that an edge still points to stays.
let run (strictSubnets: bool) (keepNodes: bool) (paths: Paths) (topology: Topology) : Result =
    let purged =
        [ for node in Topology.nodes topology do
              if not (Graph.isReachable node paths) then
                  { Node = node
                    Subnets = List.ofSeq (Topology.subnetsOf node topology)
                    Edges = List.ofSeq (Topology.edgesFrom node topology) } ]

    let removeEdges topology purged =
        purged.Edges
        |> List.fold (fun topology edge -> Topology.removeEdge edge.From edge.To topology) topology

    let removeSubnets topology purged =
        purged.Subnets
        |> List.fold (fun topology subnet -> Topology.removeSubnet purged.Node subnet topology) topology

    let topology = List.fold removeEdges topology purged

    let topology = if strictSubnets then topology else List.fold removeSubnets topology purged

    let isForgotten purged =
        Seq.isEmpty (Topology.edgesTo purged.Node topology)
        && Set.isEmpty (Topology.subnetsOf purged.Node topology)

    let forgotten = if keepNodes then [] else purged |> List.filter isForgotten |> List.map _.Node

    { Topology = List.fold (fun topology node -> Topology.forget node topology) topology forgotten
      Purged = purged
      Forgotten = forgotten }
