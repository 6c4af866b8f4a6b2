/// What nodes tell everybody (spec 02 §9.2 to §9.5): the messages, and how contradictions about what is ours are answered. Names
/// and syntax were checked by the parser, and repetitions dropped by the seen cache.
module TincPure.Node.Gossip

open TincPure.Primitives
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

/// For what is ignored, or not as we know it.
let warn (turn: Turn) (text: string) : unit = turn.Log(DebugLevel.protocol, Priority.Warning, text)

/// The node is neither we nor the neighbour that tells of it.
let isIndirect (arrival: Arrival) (node: int voption) : bool =
    match node with
    | ValueSome index -> index <> 0 && index <> arrival.Sender
    | ValueNone -> true

/// The ADD_SUBNET of a node's subnet.
let addSubnetMessage (turn: Turn) (owner: NodeName) (subnet: Subnet) : Message =
    Message.AddSubnet(turn.RandomUInt32(), owner, subnet)

/// The DEL_SUBNET of a node's subnet.
let delSubnetMessage (turn: Turn) (owner: NodeName) (subnet: Subnet) : Message =
    Message.DelSubnet(turn.RandomUInt32(), owner, subnet)

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

/// The DEL_EDGE of the edge from one node to another.
let delEdgeMessage (turn: Turn) (from: int) (target: int) : Message =
    Message.DelEdge(turn.RandomUInt32(), (turn.Peer from).Name, (turn.Peer target).Name)

// ---- Contradictions

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

/// Contradicts what a neighbour says about us: at once, or together with more in a while.
let correct (turn: Turn) (connection: ConnectionId) (subject: Corrections.Subject) : unit =
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
