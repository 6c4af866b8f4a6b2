/// What a daemon writes into its log when it gets a signal, in the form of tinc 1.0, which scripts read (spec 08 §20).
module TincPure.Node.LogDump

open System
open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Topology
open TincPure.Routing

/// Shown at every debug level.
let private say (turn: Turn) (text: string) = turn.Log(DebugLevel.always, Priority.Debug, text)

let private bit (position: int) (condition: bool) = if condition then 1u <<< position else 0u

let private host (address: Address) : string =
    match address with
    | Unspecified -> "(null)"
    | address -> Address.toText address

let private nameOf (node: Node) (index: int) = if index < 0 then "-" else node.Peers[index].Name.Text

// ---- USR1

let private connectionStatus (connection: Connection) : uint32 =
    bit 0 connection.PingSent
    ||| bit 1 (connection.Stage.IsEstablished)
    ||| bit 2 (connection.Stage = Connecting)
    ||| bit 6 (connection.Encryption.IsSome || connection.Session.IsSome)
    ||| bit 7 (connection.Decryption.IsSome || connection.Session.IsSome)
    ||| bit 8 connection.OnTree

/// Our number of the connection, as in `dump connections`: what stands for a socket.
let private number (id: ConnectionId) =
    match id with
    | ConnectionId.Outgoing number -> 2 * number
    | ConnectionId.Incoming number -> 2 * number + 1

/// All meta connections.
let connections (turn: Turn) : unit =
    say turn "Connections:"

    for connection in turn.Node.Connections |> Map.toList |> List.map snd |> List.sortBy _.Serial do
        say
            turn
            (" "
             + connection.Name
             + " at "
             + Label.connectionHost connection
             + " options "
             + connection.Options.ToString "x"
             + " socket "
             + (number connection.Id).ToString()
             + " status "
             + (connectionStatus connection).ToString "x4"
             + " outbuf "
             + connection.Queued.ToString()
             + "/0/"
             + connection.Queued.ToString())

    say turn "End of connections."

// ---- USR2

let private statistics (turn: Turn) (counts: TrafficCount[]) (drops: int64[]) =
    let launch = turn.Node.Launch

    // What is counted for ourselves came from the device, or went into it.
    let struct (bytesIn, bytesOut) =
        match Array.tryFind (fun (count: TrafficCount) -> count.Peer = Topology.self) counts with
        | Some own -> struct (own.InBytes, own.OutBytes)
        | None -> struct (0L, 0L)

    let device = String.Join(' ', List.choose ValueOption.toOption [ launch.DeviceInfo; launch.Device ])

    say turn ("Statistics for " + device + ":")
    say turn (" total bytes in:  " + bytesIn.ToString().PadLeft 10)
    say turn (" total bytes out: " + bytesOut.ToString().PadLeft 10)

    // 1.0 does not count them, so there is no line where there is nothing to tell.
    for cause in 0 .. drops.Length - 1 do
        if drops[cause] > 0L then
            say turn (" dropped: " + drops[cause].ToString() + " " + DropCause.text (enum cause))

let private nodes (turn: Turn) =
    let node = turn.Node
    say turn "Nodes:"

    for index in Topology.nodes node.Topology do
        let peer = node.Peers[index]
        let route = Graph.route index node.Paths
        let isOwn = index = Topology.self

        let algorithms =
            match peer.LegacyKey with
            | ValueSome algorithms -> algorithms
            | ValueNone -> { Cipher = ValueNone; Digest = ValueNone; MacLength = 0 }

        say
            turn
            (" "
             + peer.Name.Text
             + " at "
             + (if isOwn then "MYSELF" else host peer.Address)
             + " cipher "
             + (PacketAlgorithms.cipherNid algorithms).ToString()
             + " digest "
             + (PacketAlgorithms.digestNid algorithms).ToString()
             + " maclength "
             + algorithms.MacLength.ToString()
             + " compression "
             + peer.SendCompression.ToString()
             + " options "
             + (if isOwn then node.OwnOptions else peer.Options).ToString "x"
             + " status "
             // Those bits that 1.0 has.
             + (Control.nodeStatus node peer &&& 0x3au).ToString "x4"
             + " nexthop "
             + nameOf node route.NextHop
             + " via "
             + nameOf node route.Via
             + " pmtu "
             + peer.PathMtu.Mtu.ToString()
             + " (min "
             + peer.PathMtu.MinMtu.ToString()
             + " max "
             + peer.PathMtu.MaxMtu.ToString()
             + ")")

    say turn "End of nodes."

let private edges (turn: Turn) =
    let node = turn.Node
    say turn "Edges:"

    for index in Topology.nodes node.Topology do
        for edge in Topology.edgesFrom index node.Topology do
            say
                turn
                (" "
                 + nameOf node edge.From
                 + " to "
                 + nameOf node edge.To
                 + " at "
                 + host edge.Address
                 + " options "
                 + edge.Options.ToString "x"
                 + " weight "
                 + edge.Weight.ToString())

    say turn "End of edges."

let private subnets (turn: Turn) =
    say turn "Subnet list:"

    for entry in SubnetTable.toArray (Topology.subnets turn.Node.Topology) do
        if entry.Owner >= 0 then
            say turn (" " + Subnet.toLongText entry.Subnet + " owner " + nameOf turn.Node entry.Owner)

    say turn "End of subnet list."

/// Everything that is known of the mesh. The packet plane counts first: `counted` goes on.
let mesh (turn: Turn) : unit =
    let token = turn.Node.NextRequest

    turn.Node <- { turn.Node with NextRequest = token + 1; PendingLogDump = ValueSome token }

    turn.Packet(ReportTraffic token)

/// The packet plane has counted; true if it was for the log.
let counted (turn: Turn) (token: int) (counts: TrafficCount[]) (drops: int64[]) : bool =
    if turn.Node.PendingLogDump = ValueSome token then
        turn.Node <- { turn.Node with PendingLogDump = ValueNone }
        statistics turn counts drops
        nodes turn
        edges turn
        subnets turn
        true
    else
        false
