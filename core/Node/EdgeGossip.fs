/// Which nodes are connected, as they tell everybody (spec 02 §9.4, §9.5).
module TincPure.Node.EdgeGossip

open TincPure.Primitives
open TincPure.Topology
open TincPure.Meta
open TincPure.Node.Gossip

/// To those that watch.
let tellEdge (turn: Turn) (kind: string) (from: int) (target: int) (weight: int voption) : unit =
    turn.Tell(
        kind,
        [ "from", (turn.Peer from).Name.Text
          "to", (turn.Peer target).Name.Text
          match weight with
          | ValueSome weight -> "weight", weight.ToString()
          | ValueNone -> () ]
    )

/// How the graph stands after a change of the edges between two nodes. Only a pair of edges means anything to it, and a
/// removal can make a node unreachable only if the spanning tree went through the pair (spec 04 §18).
let private changed (node: Node) (after: Topology) (left: int) (right: int) (isRemoval: bool) : GraphState =
    match node.GraphState with
    | Current when not (Graph.isAffected node.Paths node.Topology after left right) -> Current
    | Shrunk -> Shrunk
    | _ when isRemoval && Graph.isOnTree left right node.Paths -> Shrunk
    | _ -> Grown

/// Puts an edge into the graph or changes it there. An earlier removal must have taken effect first, or a peer that
/// restarted would keep its old keys.
let setEdge (turn: Turn) (edge: Edge) : unit =
    if turn.Node.GraphState = Shrunk then
        Reachability.settle turn

    let node = turn.Node
    let isNew = (Topology.tryEdge edge.From edge.To node.Topology).IsNone
    let after = Topology.setEdge edge node.Topology

    turn.Node <-
        { node with
            Topology = after
            EdgeCount = node.EdgeCount + (if isNew then 1 else 0)
            GraphState = changed node after edge.From edge.To false }

    if isNew then
        tellEdge turn "edge-added" edge.From edge.To (ValueSome edge.Weight)

/// Takes an edge out of the graph.
let removeEdge (turn: Turn) (from: int) (target: int) : unit =
    let node = turn.Node
    let after = Topology.removeEdge from target node.Topology

    turn.Node <-
        { node with
            Topology = after
            EdgeCount = node.EdgeCount - 1
            GraphState = changed node after from target true }

    tellEdge turn "edge-removed" from target ValueNone

let private differs (known: Edge) (report: AddEdge) =
    known.Weight <> report.Weight
    || known.Options <> report.Options
    || known.Address <> report.Address
    || (match report.Local with
        | ValueSome(Inet _ as local) -> known.LocalAddress <> local
        | _ -> false)

let private isOverlong (address: Address) =
    match address with
    | Textual(host, port) -> host.Length + port.Length > Bounds.addressText
    | _ -> false

// ---- Neighbours that see an edge otherwise

/// One end at least is reached.
let isReached (turn: Turn) (edge: Edge) : bool =
    Graph.isReachable edge.From turn.Node.Paths || Graph.isReachable edge.To turn.Node.Paths

let private agreed (turn: Turn) (connection: ConnectionId) from target =
    turn.Node <-
        { turn.Node with
            Doubts = Doubts.settle connection from target turn.Node.Doubts }

/// The neighbour at the other end of a connection may see an edge otherwise than we do: it is looked at again in a while.
let doubted (turn: Turn) (connection: ConnectionId) (from: int) (target: int) (doubt: Doubts.Doubt) : unit =
    if not turn.Node.Settings.TunnelServer then
        turn.Node <-
            { turn.Node with
                Doubts = Doubts.raise' turn.Now connection from target doubt turn.Node.Doubts }

/// A line that we had seen before is no news, but shows what the neighbour heard last.
let repeated (turn: Turn) (connection: ConnectionId) (message: Message) : unit =
    let topology = turn.Node.Topology

    let withEnds from target action =
        match struct (Topology.tryFind from topology, Topology.tryFind target topology) with
        | struct (ValueSome from, ValueSome target) -> action from target (Topology.tryEdge from target topology)
        | _ -> ()

    match message with
    | Message.DelEdge(_, from, target) ->
        withEnds from target (fun from target known ->
            match known with
            | ValueSome _ -> doubted turn connection from target Doubts.SeesOtherwise
            | ValueNone -> agreed turn connection from target)
    | Message.AddEdge report ->
        withEnds report.From report.To (fun from target known ->
            match known with
            // Which of the two is right its owner will say, whom one of them reaches.
            | ValueSome known when differs known report -> doubted turn connection from target Doubts.SeesOtherwise
            | ValueSome _ -> agreed turn connection from target
            | ValueNone when from = Topology.self -> doubted turn connection from target Doubts.SeesOtherwise
            | ValueNone -> doubted turn connection from target (Doubts.Has report))
    | _ -> ()

/// The edge as a neighbour reported it.
let private reported (from: int) (target: int) (report: AddEdge) : Edge =
    { From = from
      To = target
      Address = report.Address
      LocalAddress =
        match report.Local with
        | ValueSome(Inet _ as local) -> local
        | _ -> Unspecified
      Options = report.Options
      Weight = report.Weight }

/// Ends disagreements that last: neighbours are told of edges that they lack, and believed about edges that we lack. If
/// the edge is gone, that reaches its owner, who takes it back. Called by the periodic check.
let resolveDoubts (turn: Turn) : unit =
    let struct (due, doubts) = Doubts.due turn.Now turn.Node.Doubts
    turn.Node <- { turn.Node with Doubts = doubts }

    for struct (connection, from, target), entry in due do
        match struct (Topology.tryEdge from target turn.Node.Topology, entry.Doubt) with
        | struct (ValueSome edge, _) when isReached turn edge -> Wire.send turn connection (addEdgeMessage turn edge)
        | struct (ValueSome _, _) -> doubted turn connection from target Doubts.SeesOtherwise
        | struct (ValueNone, Doubts.Has report) when
            turn.Node.EdgeCount < Bounds.edges && not (isOverlong report.Address)
            ->
            let edge = reported from target report
            setEdge turn edge
            Wire.broadcast turn (addEdgeMessage turn edge)
        | struct (ValueNone, _) when from = Topology.self -> Wire.send turn connection (delEdgeMessage turn from target)
        | _ -> ()

// ---- Edges from others

/// ADD_EDGE (spec 02 §9.4): takes it up and passes it on, unless it is ours to say.
let addEdge (turn: Turn) (arrival: Arrival) (report: AddEdge) : unit =
    let topology = turn.Node.Topology
    let isIndirectEnd name = isIndirect arrival (Topology.tryFind name topology)

    if turn.Node.Settings.TunnelServer && isIndirectEnd report.From && isIndirectEnd report.To then
        warn turn ("Ignoring indirect ADD_EDGE from " + arrival.From)
    elif isOverlong report.Address then
        warn turn ("Ignoring ADD_EDGE from " + arrival.From + " with an overlong address")
    else
        match struct (Peers.intern turn report.From, Peers.intern turn report.To) with
        | struct (ValueSome from, ValueSome target) ->
            let agree () = agreed turn arrival.Connection from.Index target.Index

            let accept (edge: Edge) =
                agree ()
                setEdge turn edge
                Wire.forward turn arrival.Connection "ADD_EDGE" arrival.Line

            match Topology.tryEdge from.Index target.Index turn.Node.Topology with
            | ValueSome known when not (differs known report) -> agree ()
            | ValueSome _ when from.Index = 0 ->
                warn turn ("Got ADD_EDGE from " + arrival.From + " for ourself which does not match existing entry")

                correct turn arrival.Connection (Corrections.OwnEdge target.Name)
            | ValueSome known ->
                warn turn ("Got ADD_EDGE from " + arrival.From + " which does not match existing entry")

                let edge = reported from.Index target.Index report

                accept
                    { edge with
                        LocalAddress =
                            if edge.LocalAddress = Unspecified then
                                known.LocalAddress
                            else
                                edge.LocalAddress }
            | ValueNone when from.Index = 0 ->
                warn turn ("Got ADD_EDGE from " + arrival.From + " for ourself which does not exist")

                turn.Node <- { turn.Node with ContradictingAdds = turn.Node.ContradictingAdds + 1 }

                correct turn arrival.Connection (Corrections.OwnEdge target.Name)
            | ValueNone when turn.Node.EdgeCount >= Bounds.edges ->
                warn turn ("Too many edges, ignoring ADD_EDGE from " + arrival.From)
            | ValueNone -> accept (reported from.Index target.Index report)
        | _ -> ()

/// A node that we lost may still have an edge to us, which nobody else would take back (spec 02 §9.5 step 6).
let retractLostEdge (turn: Turn) (index: int) (report: bool) : unit =
    if not (turn.Peer index).Reachable && (Topology.tryEdge index 0 turn.Node.Topology).IsSome then
        if report && not turn.Node.Settings.TunnelServer then
            Wire.broadcast turn (delEdgeMessage turn index 0)

        // Its reverse is gone already, so that this edge meant nothing to the graph any more.
        turn.Node <-
            { turn.Node with
                Topology = Topology.removeEdge index 0 turn.Node.Topology
                EdgeCount = turn.Node.EdgeCount - 1 }

        tellEdge turn "edge-removed" index 0 ValueNone

/// DEL_EDGE (spec 02 §9.5): takes it away and passes it on, unless it is ours to say.
let delEdge (turn: Turn) (arrival: Arrival) (from: NodeName) (target: NodeName) : unit =
    let topology = turn.Node.Topology
    let fromIndex = Topology.tryFind from topology
    let targetIndex = Topology.tryFind target topology

    let absent = "Got DEL_EDGE from " + arrival.From + " which does not appear in the edge tree"

    if turn.Node.Settings.TunnelServer && isIndirect arrival fromIndex && isIndirect arrival targetIndex then
        warn turn ("Ignoring indirect DEL_EDGE from " + arrival.From)
    else
        match struct (fromIndex, targetIndex) with
        | struct (ValueSome from, ValueSome target) ->
            match Topology.tryEdge from target topology with
            | ValueNone ->
                agreed turn arrival.Connection from target
                warn turn absent
            | ValueSome _ when from = 0 ->
                warn turn ("Got DEL_EDGE from " + arrival.From + " for ourself")

                turn.Node <- { turn.Node with ContradictingDeletes = turn.Node.ContradictingDeletes + 1 }

                correct turn arrival.Connection (Corrections.OwnEdge (turn.Peer target).Name)
            | ValueSome _ ->
                Wire.forward turn arrival.Connection "DEL_EDGE" arrival.Line
                agreed turn arrival.Connection from target
                removeEdge turn from target

                if (Topology.tryEdge target 0 turn.Node.Topology).IsSome then
                    Reachability.settle turn
                    retractLostEdge turn target true
        | _ -> turn.Log(DebugLevel.protocol, Priority.Error, absent)

// ---- Edges of ours

/// The edge to a new neighbour is ours to announce.
let announceOwnEdge (turn: Turn) (connection: ConnectionId) (edge: Edge) : unit =
    let message = addEdgeMessage turn edge

    if turn.Node.Settings.TunnelServer then
        Wire.send turn connection message
    else
        Wire.broadcast turn message

/// The edge to a neighbour is gone, and everybody is told unless that is not to be reported.
let retractOwnEdge (turn: Turn) (neighbour: int) (report: bool) : unit =
    if report && not turn.Node.Settings.TunnelServer then
        Wire.broadcast turn (delEdgeMessage turn 0 neighbour)

    removeEdge turn 0 neighbour
    Reachability.settle turn

    if report then
        retractLostEdge turn neighbour true
