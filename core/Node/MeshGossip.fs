/// What is said and forgotten of the whole mesh at once.
module TincPure.Node.MeshGossip

open TincPure.Primitives
open TincPure.Topology
open TincPure.Node.Gossip
open TincPure.Node.SubnetGossip
open TincPure.Node.EdgeGossip

/// Everything that we know, for a new neighbour (spec 02 §7 step 3), but for edges among nodes that nobody reaches.
let tellEverything (turn: Turn) (connection: ConnectionId) : unit =
    Reachability.settle turn
    let topology = turn.Node.Topology

    let subnetsOf index =
        for subnet in Topology.subnetsOf index topology do
            Wire.send turn connection (addSubnetMessage turn (turn.Peer index).Name subnet)

    if turn.Node.Settings.TunnelServer then
        subnetsOf 0
    else
        for index in Topology.nodes topology do
            subnetsOf index

            for edge in Topology.edgesFrom index topology do
                if isReached turn edge || not (Doubts.hasRoom turn.Node.Doubts) then
                    Wire.send turn connection (addEdgeMessage turn edge)
                else
                    doubted turn connection edge.From edge.To Doubts.SeesOtherwise

/// The last neighbour is gone. What we know of the mesh behind it gets older from now on, and to tell it to the next
/// neighbour would only stir up contradictions.
let forgetMesh (turn: Turn) : unit =
    let remove topology (edge: Edge) =
        tellEdge turn "edge-removed" edge.From edge.To ValueNone
        Topology.removeEdge edge.From edge.To topology

    Reachability.settle turn

    turn.Node <-
        { turn.Node with
            Topology = Topology.edges turn.Node.Topology |> List.ofSeq |> List.fold remove turn.Node.Topology
            EdgeCount = 0 }

/// Takes back what is known of nodes that nobody reaches (spec 04 §5).
let purge (turn: Turn) : unit =
    let settings = turn.Node.Settings
    turn.Log(DebugLevel.protocol, Priority.Debug, "Purging unreachable nodes")
    Reachability.settle turn

    let result = Purge.run settings.StrictSubnets settings.AutoConnect turn.Node.Paths turn.Node.Topology

    for purged in result.Purged do
        let peer = turn.Peer purged.Node
        turn.Log(DebugLevel.scaryThings, Priority.Debug, "Purging node " + Label.peer turn.Node peer)

        for subnet in purged.Subnets do
            Wire.broadcast turn (delSubnetMessage turn peer.Name subnet)
            tellSubnet turn "subnet-removed" purged.Node subnet

        for edge in purged.Edges do
            tellEdge turn "edge-removed" purged.Node edge.To ValueNone

            if not settings.TunnelServer then
                Wire.broadcast turn (delEdgeMessage turn purged.Node edge.To)

    turn.Node <-
        { turn.Node with
            Topology = result.Topology
            EdgeCount = turn.Node.EdgeCount - (result.Purged |> List.sumBy _.Edges.Length)
            FibDirty = true }
