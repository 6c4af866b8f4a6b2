/// What nodes tell everybody: subnets and edges (spec 02 §9.2 to §9.5). Names and syntax were checked by the parser, and
/// repetitions dropped by the seen cache.
module TincPure.Node.Gossip

open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Meta

/// A flooded line that is being worked on.
[<Struct>]
type Arrival =
    {
        Connection: ConnectionId
        /// `NAME (ADDR port PORT)` of the connection.
        From: string
        /// The node at the other end.
        Sender: int
        Line: string
    }

let private warn (turn: Turn) (text: string) = turn.Log(DebugLevel.protocol, Priority.Warning, text)

let private addSubnetMessage (turn: Turn) owner subnet = Message.AddSubnet(turn.RandomUInt32(), owner, subnet)

let private delSubnetMessage (turn: Turn) owner subnet = Message.DelSubnet(turn.RandomUInt32(), owner, subnet)

/// The ADD_EDGE that announces an edge of ours or passes on what we know of another's.
let addEdgeMessage (turn: Turn) (edge: Edge) : Message =
    Message.AddEdge
        { Nonce = turn.RandomUInt32()
          From = (turn.Peer edge.From).Name
          To = (turn.Peer edge.To).Name
          Address = edge.Address
          Options = edge.Options
          Weight = edge.Weight
          Local =
            match edge.LocalAddress with
            | Unspecified -> ValueNone
            | local -> ValueSome local }

let private delEdgeMessage (turn: Turn) (from: int) (target: int) =
    Message.DelEdge(turn.RandomUInt32(), (turn.Peer from).Name, (turn.Peer target).Name)

/// Says what is true about a subject of ours.
let private tell (turn: Turn) (connection: ConnectionId) (subject: Corrections.Subject) =
    match subject with
    | Corrections.OwnEdge other ->
        let edge =
            Topology.tryFind other turn.Node.Topology
            |> ValueOption.bind (fun index -> Topology.tryEdge 0 index turn.Node.Topology)

        match edge with
        | ValueSome edge -> Wire.send turn connection (addEdgeMessage turn edge)
        | ValueNone -> Wire.send turn connection (Message.DelEdge(turn.RandomUInt32(), turn.Node.Own, other))
    | Corrections.OwnSubnet text ->
        match Subnet.tryParse text with
        | Ok subnet when Topology.hasSubnet 0 subnet turn.Node.Topology ->
            Wire.send turn connection (addSubnetMessage turn turn.Node.Own subnet)
        | Ok subnet -> Wire.send turn connection (delSubnetMessage turn turn.Node.Own subnet)
        | Error _ -> ()

let private correct (turn: Turn) (connection: ConnectionId) (subject: Corrections.Subject) =
    let struct (now, corrections) = Corrections.request turn.Now connection subject turn.Node.Corrections

    turn.Node <- { turn.Node with Corrections = corrections }

    if now then
        tell turn connection subject

/// Says what had to wait. Called by the periodic check.
let sayDueCorrections (turn: Turn) : unit =
    let struct (due, corrections) = Corrections.due turn.Now turn.Node.Corrections

    turn.Node <- { turn.Node with Corrections = corrections }

    for struct (connection, subject) in due do
        tell turn connection subject

let private isIndirect (arrival: Arrival) (node: int voption) =
    match node with
    | ValueSome index -> index <> 0 && index <> arrival.Sender
    | ValueNone -> true

// ---- Subnets

let private tellSubnet (turn: Turn) kind (owner: int) (subnet: Subnet) =
    turn.Tell(kind, [ "subnet", Subnet.toText subnet; "owner", (turn.Peer owner).Name.Text ])

let private tellEdge (turn: Turn) kind (from: int) (target: int) (weight: int voption) =
    turn.Tell(
        kind,
        [ "from", (turn.Peer from).Name.Text
          "to", (turn.Peer target).Name.Text
          match weight with
          | ValueSome weight -> "weight", weight.ToString()
          | ValueNone -> () ]
    )

/// Puts a subnet into the tables, if it is new there.
let insertSubnet (turn: Turn) (owner: int) (subnet: Subnet) : unit =
    let peer = turn.Peer owner

    turn.Node <-
        { turn.Node with
            Topology = Topology.addSubnet owner subnet turn.Node.Topology
            FibDirty = true }

    tellSubnet turn "subnet-added" owner subnet

    if peer.Reachable then
        Scripts.subnet turn peer subnet true

/// Takes a subnet out of the tables.
let removeSubnet (turn: Turn) (owner: int) (subnet: Subnet) : unit =
    let peer = turn.Peer owner

    if peer.Reachable then
        Scripts.subnet turn peer subnet false

    turn.Node <-
        { turn.Node with
            Topology = Topology.removeSubnet owner subnet turn.Node.Topology
            FibDirty = true }

    tellSubnet turn "subnet-removed" owner subnet

/// A host that was behind our device showed up behind another's: our claim ends with the next look at learned addresses,
/// unless the host is heard of here again (spec 04 §6.4 step 6).
let private handOver (turn: Turn) (subnet: Subnet) =
    match Subnet.macAddress subnet with
    | ValueSome address when Subnet.weight subnet = Subnet.defaultWeight && turn.Node.Learned.ContainsKey address ->
        turn.Node <- { turn.Node with Learned = turn.Node.Learned.Add(address, Instant.never) }
    | _ -> ()

let addSubnet (turn: Turn) (arrival: Arrival) (owner: NodeName) (subnet: Subnet) : unit =
    let settings = turn.Node.Settings
    let known = Topology.tryFind owner turn.Node.Topology

    if settings.TunnelServer && isIndirect arrival known then
        warn turn ("Ignoring indirect ADD_SUBNET from " + arrival.From + " for " + Subnet.toText subnet)
    else
        match Peers.intern turn owner with
        | ValueNone -> ()
        | ValueSome peer when Topology.hasSubnet peer.Index subnet turn.Node.Topology -> ()
        | ValueSome peer when peer.Index = 0 ->
            warn turn ("Got ADD_SUBNET from " + arrival.From + " for ourself")
            correct turn arrival.Connection (Corrections.OwnSubnet(Subnet.toText subnet))
        | ValueSome _ when settings.TunnelServer || settings.StrictSubnets ->
            turn.Log(
                DebugLevel.always,
                Priority.Warning,
                "Ignoring unauthorized ADD_SUBNET from " + arrival.From + ": " + Subnet.toText subnet
            )

            Wire.forward turn arrival.Connection "ADD_SUBNET" arrival.Line
        | ValueSome _ when (Topology.subnets turn.Node.Topology).Count >= Bounds.subnets ->
            warn turn ("Too many subnets, ignoring " + Subnet.toText subnet + " of " + owner.Text)
        | ValueSome peer ->
            insertSubnet turn peer.Index subnet
            Wire.forward turn arrival.Connection "ADD_SUBNET" arrival.Line
            handOver turn subnet

let delSubnet (turn: Turn) (arrival: Arrival) (owner: NodeName) (subnet: Subnet) : unit =
    let settings = turn.Node.Settings
    let known = Topology.tryFind owner turn.Node.Topology
    let forward () = Wire.forward turn arrival.Connection "DEL_SUBNET" arrival.Line

    if settings.TunnelServer && isIndirect arrival known then
        warn turn ("Ignoring indirect DEL_SUBNET from " + arrival.From + " for " + Subnet.toText subnet)
    else
        match known with
        | ValueNone ->
            warn turn ("Got DEL_SUBNET from " + arrival.From + " for " + owner.Text + " which is not in our node tree")
        | ValueSome index when not (Topology.hasSubnet index subnet turn.Node.Topology) ->
            warn
                turn
                ("Got DEL_SUBNET from "
                 + arrival.From
                 + " for "
                 + owner.Text
                 + " which does not appear in his subnet tree")

            if settings.StrictSubnets then
                forward ()
        | ValueSome 0 ->
            warn turn ("Got DEL_SUBNET from " + arrival.From + " for ourself")
            correct turn arrival.Connection (Corrections.OwnSubnet(Subnet.toText subnet))
        | ValueSome index ->
            if not settings.TunnelServer then
                forward ()

                if not settings.StrictSubnets then
                    removeSubnet turn index subnet

// ---- Edges

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

let private isReached (turn: Turn) (edge: Edge) =
    Graph.isReachable edge.From turn.Node.Paths || Graph.isReachable edge.To turn.Node.Paths

let private agreed (turn: Turn) (connection: ConnectionId) from target =
    turn.Node <-
        { turn.Node with
            Doubts = Doubts.settle connection from target turn.Node.Doubts }

let private doubted (turn: Turn) (connection: ConnectionId) from target (doubt: Doubts.Doubt) =
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

// ---- The own side

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

/// A subnet of ours, or under StrictSubnets of anybody, came or went with a reload.
let announceSubnet (turn: Turn) (owner: int) (subnet: Subnet) (added: bool) : unit =
    let tell message =
        if owner = Topology.self || not turn.Node.Settings.TunnelServer then
            Wire.broadcast turn (message turn (turn.Peer owner).Name subnet)

    if added then
        insertSubnet turn owner subnet
        tell addSubnetMessage
    else
        tell delSubnetMessage
        removeSubnet turn owner subnet

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
