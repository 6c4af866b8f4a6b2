/// What control clients ask of the daemon, and the answers (spec 06 §15).
module TincPure.Node.Control

open System
open System.Text
open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Config
open TincPure.Topology
open TincPure.Meta
open TincPure.Routing

/// Answer codes: `EINVAL` of the C library, and a connection that does not exist.
let private invalidArgument = 22

let private noSuchConnection = -2

let private reply (turn: Turn) (id: ConnectionId) (fields: string list) =
    Wire.sendRaw turn id (Encoding.UTF8.GetBytes("18 " + String.Join(' ', fields) + "\n"))

let private answer (turn: Turn) (id: ConnectionId) (sub: int) (result: int) =
    reply turn id [ sub.ToString(); result.ToString() ]

let private hex (value: uint32) = value.ToString "x"

// ---- Dumps

let private bit (position: int) (condition: bool) = if condition then 1u <<< position else 0u

/// The status word of a node (spec 06 §16).
let nodeStatus (node: Node) (peer: PeerState) : uint32 =
    let isOwn = peer.Index = 0

    bit 1 (Tunnels.isReady peer)
    ||| bit 2 (Tunnels.isWaiting peer)
    ||| bit 3 (isOwn || peer.Reachable)
    ||| bit 4 peer.Reachable
    ||| bit 5 (not isOwn && peer.Reachable && (Graph.route peer.Index node.Paths).Indirect)
    ||| bit 6 peer.Sptps
    ||| bit 7 peer.Discovery.Confirmed
    ||| bit
            11
            (match peer.Host with
             | ValueSome host -> not host.Addresses.IsEmpty
             | ValueNone -> false)
    ||| bit 12 peer.Discovery.PingInFlight

let private addressFields (node: Node) (address: Address) : string list =
    let struct (host, port) = Label.addressFields node address
    [ host; "port"; port ]

let private hostFields (node: Node) (peer: PeerState) : string list =
    match peer.Address with
    | _ when peer.Index = Topology.self -> (Label.peerHost node peer).Split ' ' |> List.ofArray
    | Unspecified -> [ "unknown"; "port"; "unknown" ]
    | address -> addressFields node address

let private nodeName (node: Node) (index: int) = if index < 0 then "-" else node.Peers[index].Name.Text

/// Cipher, digest and MAC length of what we send to a node without SPTPS.
let private legacyAlgorithms (peer: PeerState) : string list =
    match peer.LegacyKey with
    | ValueSome algorithms ->
        [ (PacketAlgorithms.cipherNid algorithms).ToString()
          (PacketAlgorithms.digestNid algorithms).ToString()
          algorithms.MacLength.ToString() ]
    | ValueNone -> [ "0"; "0"; "0" ]

let private dumpNode (turn: Turn) (id: ConnectionId) (traffic: int -> TrafficCount) (peer: PeerState) =
    let node = turn.Node
    let route = Graph.route peer.Index node.Paths
    let counts = traffic peer.Index
    let (NodeId nodeId) = peer.Id

    reply
        turn
        id
        ([ ControlRequest.dumpNodes.ToString(); peer.Name.Text; nodeId.ToString "x12" ]
         @ hostFields node peer
         @ legacyAlgorithms peer
         @ [ peer.SendCompression.ToString()
             hex peer.Options
             hex (nodeStatus node peer)
             nodeName node route.NextHop
             nodeName node route.Via
             route.Distance.ToString()
             peer.PathMtu.Mtu.ToString()
             peer.PathMtu.MinMtu.ToString()
             peer.PathMtu.MaxMtu.ToString()
             (Instant.seconds peer.ChangedAt).ToString()
             (match peer.Discovery.RoundTrip with
              | ValueSome microseconds -> microseconds.ToString()
              | ValueNone -> "-1")
             counts.InPackets.ToString()
             counts.InBytes.ToString()
             counts.OutPackets.ToString()
             counts.OutBytes.ToString() ])

let private dumpTraffic (turn: Turn) (id: ConnectionId) (traffic: int -> TrafficCount) (peer: PeerState) =
    let counts = traffic peer.Index

    reply
        turn
        id
        [ ControlRequest.dumpTraffic.ToString()
          peer.Name.Text
          counts.InPackets.ToString()
          counts.InBytes.ToString()
          counts.OutPackets.ToString()
          counts.OutBytes.ToString() ]

let private endOfDump (turn: Turn) (id: ConnectionId) (sub: int) = reply turn id [ sub.ToString() ]

/// The answer to a request of the client waits for the packet plane or for files. Its next request waits too, so that
/// answers come in the order of the requests.
let isWaiting (turn: Turn) (id: ConnectionId) : bool =
    turn.Node.PendingDumps |> List.exists (fun (_, waiting, _) -> waiting = id)
    || List.contains id turn.Node.PendingReloads

/// Of everything that came in and was dropped, how often: `18 103 CAUSE NUMBER` for each cause that there is.
let private dumpDrops (turn: Turn) (id: ConnectionId) (drops: int64[]) =
    let sub = ControlRequest.dumpDrops

    for cause in 0 .. drops.Length - 1 do
        reply turn id [ sub.ToString(); DropCause.name (enum cause); drops[cause].ToString() ]

    endOfDump turn id sub

/// A line for each node, in which there is what was counted for it.
let private dumpCounted (turn: Turn) (id: ConnectionId) (sub: int) (counts: TrafficCount[]) =
    let byPeer = Map.ofArray [| for count in counts -> count.Peer, count |]

    let traffic index =
        match byPeer.TryFind index with
        | Some count -> count
        // Whoever had no traffic is not in the report.
        | None -> { Peer = index; InPackets = 0L; InBytes = 0L; OutPackets = 0L; OutBytes = 0L }

    let dump = if sub = ControlRequest.dumpNodes then dumpNode else dumpTraffic

    for index in Topology.nodes turn.Node.Topology do
        dump turn id traffic (turn.Peer index)

    endOfDump turn id sub

/// The packet plane has counted; the dump that waits for it can be written. Says who waited.
let trafficCounted (turn: Turn) (token: int) (counts: TrafficCount[]) (drops: int64[]) : ConnectionId voption =
    match turn.Node.PendingDumps |> List.tryFind (fun (waiting, _, _) -> waiting = token) with
    | None -> ValueNone
    | Some(_, id, sub) ->
        turn.Node <-
            { turn.Node with
                PendingDumps = turn.Node.PendingDumps |> List.filter (fun (waiting, _, _) -> waiting <> token) }

        if sub = ControlRequest.dumpDrops then
            dumpDrops turn id drops
        else
            dumpCounted turn id sub counts

        ValueSome id

let private askTraffic (turn: Turn) (id: ConnectionId) (sub: int) =
    let token = turn.Node.NextRequest

    turn.Node <-
        { turn.Node with
            NextRequest = token + 1
            PendingDumps = (token, id, sub) :: turn.Node.PendingDumps }

    turn.Packet(ReportTraffic token)

let private dumpEdges (turn: Turn) (id: ConnectionId) =
    let node = turn.Node
    let sub = ControlRequest.dumpEdges

    for index in Topology.nodes node.Topology do
        for edge in Topology.edgesFrom index node.Topology do
            reply
                turn
                id
                ([ sub.ToString(); nodeName node edge.From; nodeName node edge.To ]
                 @ addressFields node edge.Address
                 @ addressFields node edge.LocalAddress
                 @ [ hex edge.Options; edge.Weight.ToString() ])

    endOfDump turn id sub

let private dumpSubnets (turn: Turn) (id: ConnectionId) =
    let sub = ControlRequest.dumpSubnets

    for entry in SubnetTable.toArray (Topology.subnets turn.Node.Topology) do
        let name = if entry.Owner < 0 then "(broadcast)" else nodeName turn.Node entry.Owner

        reply turn id [ sub.ToString(); Subnet.toText entry.Subnet; name ]

    endOfDump turn id sub

/// What stock's dump of nodes has no place for: `18 100 NAME PINGS ANSWERED KEYAGE ROUNDTRIP`. PINGS are the last so many by UDP, KEYAGE
/// is in seconds and ROUNDTRIP, over the meta connection, in microseconds; -1 where there is none.
let private dumpPaths (turn: Turn) (id: ConnectionId) =
    let sub = ControlRequest.dumpPaths

    for index in Topology.nodes turn.Node.Topology do
        let peer = turn.Peer index
        let struct (pings, answered) = TincPure.Tunnel.UdpDiscovery.outcomes peer.Discovery

        let keyAge =
            if Tunnels.isReady peer then
                Instant.between peer.KeyedAt turn.Now / Instant.second
            else
                -1L

        let roundTrip =
            peer.Connection
            |> ValueOption.bind turn.TryConnection
            |> ValueOption.bind _.RoundTrip
            |> ValueOption.defaultValue -1L

        reply
            turn
            id
            [ sub.ToString()
              peer.Name.Text
              pings.ToString()
              answered.ToString()
              keyAge.ToString()
              roundTrip.ToString() ]

    endOfDump turn id sub

/// The status word of a connection (spec 06 §16).
let private connectionStatus (connection: Connection) : uint32 =
    bit 0 connection.PingSent
    ||| bit 2 (connection.Stage = Connecting)
    ||| bit 8 connection.OnTree
    ||| (match connection.Stage with
         | Stage.Control(log, capture) -> bit 9 true ||| bit 10 capture.IsSome ||| bit 11 log.IsSome
         | _ -> 0u)

let private dumpConnections (turn: Turn) (id: ConnectionId) =
    let sub = ControlRequest.dumpConnections

    let connections =
        turn.Node.Connections
        |> Map.toList
        |> List.map snd
        |> List.sortBy (fun connection -> connection.Serial)

    for connection in connections do
        let number =
            match connection.Id with
            | ConnectionId.Outgoing number -> 2 * number
            | ConnectionId.Incoming number -> 2 * number + 1

        reply
            turn
            id
            [ sub.ToString()
              connection.Name
              Label.connectionHost connection
              hex connection.Options
              number.ToString()
              hex (connectionStatus connection) ]

    endOfDump turn id sub

// ---- Requests

let private disconnect (turn: Turn) (id: ConnectionId) (arguments: string) =
    let sub = ControlRequest.disconnect
    let name = arguments.Trim().Split(' ')[0]

    if name = "" then
        answer turn id sub -1
    elif (NodeName.tryParse name).IsNone then
        answer turn id sub noSuchConnection
    else
        let found =
            turn.Node.Connections |> Map.toList |> List.filter (fun (_, connection) -> connection.Name = name)

        for other, _ in found do
            Termination.close turn other Termination.Reported Termination.Closed

        answer turn id sub (if found.IsEmpty then noSuchConnection else 0)

let private firstNumber (arguments: string) : int voption =
    match Int32.TryParse(arguments.Trim().Split(' ')[0]) with
    | true, number -> ValueSome number
    | _ -> ValueNone

let private setDebug (turn: Turn) (id: ConnectionId) (arguments: string) =
    match firstNumber arguments with
    | ValueNone -> Termination.close turn id Termination.Silent Termination.Closed
    | ValueSome level ->
        answer turn id ControlRequest.setDebug turn.Node.DebugLevel

        if level >= 0 then
            turn.Node <- { turn.Node with DebugLevel = level; FibDirty = true }
            turn.Emit(ShowUpTo level)

let private streamLog (turn: Turn) (id: ConnectionId) (arguments: string) =
    match turn.TryConnection id with
    | ValueSome({ Stage = Stage.Control(_, capture) } as connection) ->
        let level = firstNumber arguments |> ValueOption.defaultValue 0 |> max -1 |> min 10

        turn.SetConnection { connection with Stage = Stage.Control(ValueSome level, capture) }

        let shown = if level < 0 then turn.Node.DebugLevel else level

        turn.Node <-
            { turn.Node with
                StreamLevel = max shown turn.Node.StreamLevel
                FibDirty = true }
    | _ -> ()

/// How much of a frame the clients want that look at what is routed: all if 0, nothing if there are none.
let private captured (turn: Turn) : (Connection * int) list =
    [ for entry in turn.Node.Connections do
          match entry.Value.Stage with
          | Stage.Control(_, ValueSome snapLength) -> entry.Value, snapLength
          | _ -> () ]

let private updateCapture (turn: Turn) =
    match captured turn |> List.map snd with
    | [] -> turn.Packet(CaptureFrames -1)
    | lengths -> turn.Packet(CaptureFrames(if List.contains 0 lengths then 0 else List.max lengths))

let private streamPackets (turn: Turn) (id: ConnectionId) (arguments: string) =
    match turn.TryConnection id with
    | ValueSome({ Stage = Stage.Control(log, _) } as connection) ->
        let snapLength = firstNumber arguments |> ValueOption.defaultValue 0 |> max 0
        turn.SetConnection { connection with Stage = Stage.Control(log, ValueSome snapLength) }
        updateCapture turn
    | _ -> ()

/// What may wait for a client that cannot keep up with the packets; then packets are left out.
let private maxCaptureQueued = 1024 * 1024

/// A frame is about to be routed. The packet plane learns that nobody looks any more by what comes of its next report.
let frameCaptured (turn: Turn) (frame: byte[]) : unit =
    match captured turn with
    | [] -> updateCapture turn
    | clients ->
        for connection, snapLength in clients do
            if connection.Queued < maxCaptureQueued then
                let length = if snapLength = 0 then frame.Length else min snapLength frame.Length
                let header =
                    Encoding.ASCII.GetBytes("18 " + ControlRequest.pcap.ToString() + " " + length.ToString() + "\n")
                Wire.sendRaw turn connection.Id (Array.append header (Array.truncate length frame))

/// One line of the log for a client that streams it.
let sendLogLine (turn: Turn) (id: ConnectionId) (line: LogLine) : unit =
    let text = Encoding.UTF8.GetBytes line.Text
    reply turn id [ ControlRequest.log.ToString(); text.Length.ToString() ]
    Wire.sendRaw turn id text

/// One request of a control client.
let request (turn: Turn) (id: ConnectionId) (sub: int) (arguments: string) : unit =
    if sub = ControlRequest.stop then
        Shutdown.run turn
    elif sub = ControlRequest.reload then
        turn.Log(DebugLevel.always, Priority.Notice, "Got 'reload' command")

        turn.Node <- { turn.Node with PendingReloads = id :: turn.Node.PendingReloads }

        turn.Emit ReadConfiguration
    elif sub = ControlRequest.dumpNodes || sub = ControlRequest.dumpTraffic || sub = ControlRequest.dumpDrops then
        askTraffic turn id sub
    elif sub = ControlRequest.dumpEdges then
        dumpEdges turn id
    elif sub = ControlRequest.dumpSubnets then
        dumpSubnets turn id
    elif sub = ControlRequest.dumpConnections then
        dumpConnections turn id
    elif sub = ControlRequest.purge then
        MeshGossip.purge turn
        answer turn id sub 0
    elif sub = ControlRequest.setDebug then
        setDebug turn id arguments
    elif sub = ControlRequest.retry then
        Keepalive.retry turn
        answer turn id sub 0
    elif sub = ControlRequest.disconnect then
        disconnect turn id arguments
    elif sub = ControlRequest.dumpPaths then
        dumpPaths turn id
    elif sub = ControlRequest.ping && Ping.run turn id arguments then
        ()
    elif sub = ControlRequest.events then
        Watch.subscribe turn id
    elif sub = ControlRequest.pcap then
        streamPackets turn id arguments
    elif sub = ControlRequest.log then
        streamLog turn id arguments
    else
        reply turn id [ ControlRequest.invalid.ToString() ]

/// What the last reload led to. Says who waited.
let reloaded (turn: Turn) (succeeded: bool) : ConnectionId list =
    let waiting = turn.Node.PendingReloads
    turn.Node <- { turn.Node with PendingReloads = [] }

    for id in waiting do
        answer turn id ControlRequest.reload (if succeeded then 0 else invalidArgument)

    waiting
