/// The control plane of one node: a value, and one function that says what an input makes of it.
[<CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module TincPure.Node.Node

open System
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Config
open TincPure.Topology
open TincPure.Meta
open TincPure.Tunnel
open TincPure.Routing

/// Period of the same-name guard and of AutoConnect, in seconds.
let private guardPeriod = 5

let private initialTimers (settings: Settings) (now: Instant) : Timers =
    // Nobody slept before the first check.
    let firstCheck = Instant.addSeconds settings.PingTimeout now

    { Check = firstCheck
      LastCheck = firstCheck
      Guard = now
      Ageing = Instant.distant
      Network = Instant.distant
      LastNetwork = Instant.never
      GraphDump = Instant.addSeconds 60 now
      KeyExpiry =
        if settings.KeyExpire > 0 then
            Instant.addSeconds settings.KeyExpire now
        else
            Instant.distant }

/// A node that knows only itself and its host files. `launch.Seed` decides everything that it will ever choose at random.
let create (settings: Settings) (launch: Launch) (now: Instant) : Node =
    let own = Topology.create settings.Name

    let topology =
        settings.BroadcastSubnets
        |> List.fold (fun topology subnet -> Topology.addBroadcastSubnet subnet topology) own

    let node: Node =
        { Settings = settings
          Launch = launch
          DebugLevel = launch.DebugLevel
          Random = Drbg.create launch.Seed
          Own = settings.Name
          OwnOptions = Settings.ownOptions settings
          OwnKey =
            match struct (settings.PrivateKey, settings.PublicKey) with
            | struct (ValueSome privateKey, ValueSome publicKey) when settings.ExperimentalProtocol ->
                ValueSome { Private = Secret privateKey; Public = publicKey }
            | _ -> ValueNone
          UdpSockets = [||]
          TcpSockets = [||]
          Topology = topology
          EdgeCount = 0
          Paths = Graph.initial
          GraphState = Current
          GraphChanged = true
          Peers = Vector.empty
          Connections = Map.empty
          Established = Map.empty
          NextSerial = 0
          NextConnection = 0
          Outgoing = Map.empty
          HostNames = Map.empty
          Resolving = Map.empty
          Names = Map.empty
          NextRequest = 0
          Seen = Seen.create (int64 settings.PingInterval * Instant.second)
          Corrections = Corrections.empty
          Learned = Map.empty
          Doubts = Doubts.empty
          PeerDeadlines = Set.empty
          Timers = initialTimers settings now
          AcceptLimit = AcceptLimit.empty
          ContradictingAdds = 0
          ContradictingDeletes = 0
          GuardSeconds = 10
          SilentUntil = Instant.never
          PendingDumps = []
          Measurements = []
          Watch = { Clients = Map.empty; Peers = Vector.empty; Paths = Graph.initial }
          PendingLogDump = ValueNone
          ById = HashTrie.empty
          ByAddress = HashTrie.empty
          DirtyPeers = Set.empty
          FibDirty = true
          Fib = Forwarding.none
          StreamLevel = -1
          PendingReloads = []
          Stopping = false
          Confined = false
          WakeAt = Instant.distant }

    let turn = Turn(node, now)

    match Peers.intern turn settings.Name with
    | ValueSome own ->
        turn.SetPeer
            { own with
                Host = ValueSome settings.Own
                Sptps = settings.ExperimentalProtocol
                Options = turn.Node.OwnOptions }
    | ValueNone -> ()

    Reload.learn turn settings
    turn.Node

let private started (turn: Turn) (udpSockets: Endpoint list) (tcpSockets: Endpoint list) =
    turn.Node <-
        { turn.Node with
            UdpSockets = Array.ofList udpSockets
            TcpSockets = Array.ofList tcpSockets }

    // The own host text shows the port.
    turn.SetPeer(turn.Peer Topology.self)

    match turn.Node.Launch.DeviceAddress with
    | ValueSome address -> turn.Packet(UseHostAddress address)
    | ValueNone -> ()

    if not turn.Node.Settings.DeviceStandby then
        Scripts.device turn true

    for subnet in Topology.subnetsOf Topology.self turn.Node.Topology do
        Scripts.subnet turn (turn.Peer Topology.self) subnet true

    turn.Emit DropPrivileges
    turn.Node <- { turn.Node with Confined = turn.Node.Settings.Sandbox = HighSandbox }
    turn.Log(DebugLevel.always, Priority.Notice, "Ready")

    for target in turn.Node.Settings.ConnectTo do
        Outgoing.want turn target true

// ---- Time

let private expireKeys (turn: Turn) =
    let settings = turn.Node.Settings
    turn.Log(DebugLevel.status, Priority.Info, "Expiring symmetric keys")
    Wire.broadcast turn (Message.KeyChanged(turn.RandomUInt32(), turn.Node.Own.Text))
    LegacyKeys.renewAll turn
    Tunnels.rekeyAll turn

    turn.Node <-
        { turn.Node with
            Timers =
                { turn.Node.Timers with
                    KeyExpiry =
                        if settings.KeyExpire > 0 then
                            Instant.add (turn.Jitter()) (Instant.addSeconds settings.KeyExpire turn.Now)
                        else
                            Instant.distant } }

let private guard (turn: Turn) =
    Guard.run turn

    if not (Guard.isSilent turn) then
        AutoConnect.run turn
        Lookups.refresh turn

    turn.Node <-
        { turn.Node with
            Timers =
                { turn.Node.Timers with
                    Guard = Instant.add (turn.Jitter()) (Instant.addSeconds guardPeriod turn.Now) } }

let private woken (turn: Turn) =
    if not turn.Node.Stopping then
        if turn.Now >= turn.Node.Timers.Check then
            Keepalive.run turn

        if turn.Now >= turn.Node.Timers.Guard then
            guard turn

        if turn.Now >= turn.Node.Timers.KeyExpiry then
            expireKeys turn

        if turn.Now >= turn.Node.Timers.Ageing then
            Learning.age turn

        if turn.Now >= turn.Node.Timers.Network then
            LocalNetwork.tryAgain turn

        if turn.Now >= GraphDump.due turn.Node then
            GraphDump.run turn

        Outgoing.retryDue turn
        Tunnels.checkDeadlines turn

let private nextWake (node: Node) : Instant =
    let timers = node.Timers

    let peers =
        if node.PeerDeadlines.IsEmpty then
            Instant.distant
        else
            let struct (at, _) = node.PeerDeadlines.MinimumElement
            Instant at

    node.Outgoing
    |> Map.fold
        (fun earliest _ record ->
            match record.RetryAt with
            | ValueSome at -> min earliest at
            | ValueNone -> earliest)
        (peers
         |> min timers.Check
         |> min timers.Guard
         |> min timers.KeyExpiry
         |> min timers.Ageing
         |> min timers.Network
         |> min (GraphDump.due node))

// ---- Packet plane

let private keyFailure (failure: OpenFailure) : KeyExchange.Failure =
    match failure with
    | OpenFailure.BadTag(inARow, since) -> KeyExchange.BadTag(inARow, since)
    | OpenFailure.NoSession -> KeyExchange.NoSession
    | OpenFailure.Replayed
    | OpenFailure.TooShort
    | OpenFailure.BadPayload _ -> KeyExchange.Harmless

let private way (carrier: Carrier voption) : KeyExchange.Way =
    match carrier with
    | ValueNone -> KeyExchange.Udp
    | ValueSome Carrier.RawTcp -> KeyExchange.RawTcp
    | ValueSome Carrier.KeyRequest -> KeyExchange.KeyRequest
    | ValueSome Carrier.KeyAnswer -> KeyExchange.KeyAnswer

/// A datagram for another node takes the next hop's meta connection, in the form that this understands.
let private datagramOverTcp (turn: Turn) (source: int) (destination: int) (datagram: byte[]) =
    let hop = Peers.nextHop turn destination

    match Peers.nextHopConnection turn destination with
    | ValueNone -> ()
    | ValueSome connection ->
        let from = turn.Peer source
        let target = turn.Peer destination

        if Options.minor (turn.Peer hop).Options >= MinorVersion.sptpsPacket then
            let block = Array.zeroCreate<byte>(2 * NodeId.size + datagram.Length)
            NodeId.write target.Id (Span(block, 0, NodeId.size))
            NodeId.write from.Id (Span(block, NodeId.size, NodeId.size))
            datagram.CopyTo(block, 2 * NodeId.size)
            Wire.sendDatagram turn connection block
        else
            let text = Base64.encode (ReadOnlySpan datagram)
            Wire.send turn connection (Message.ReqKey(from.Name, target.Name, KeyRequest.SptpsPacket text))

let private punted (turn: Turn) (punt: Punt) =
    match punt with
    | Transmitted(peer, largestReceived) -> Tunnels.transmitted turn peer largestReceived
    | ProbeReceived(peer, payload, source, socket) -> Tunnels.probeReceived turn peer payload source socket
    | HandshakeSealed(peer, datagram) -> Tunnels.keys turn peer (KeyExchange.HandshakeSealed datagram)
    | HandshakeOpened(peer, body) -> Tunnels.keys turn peer (KeyExchange.HandshakeOpened body)
    | DataOpened(peer, _) -> Info.sendMtuInfo turn Topology.self peer Protocol.mtu
    | OpenFailed(peer, carrier, failure) ->
        Tunnels.keys turn peer (KeyExchange.OpenFailed(way carrier, keyFailure failure))
    | SourceMoved(peer, source, socket) ->
        Tunnels.moveTo turn peer (Inet source)
        turn.SetPeer { turn.Peer peer with Socket = socket }
    | RelayedDataReceived(source, _) -> Info.sendMtuInfo turn Topology.self source Protocol.mtu
    | DetourSeen(source, _) -> Info.sendUdpInfo turn Topology.self source
    | FrameOverTcp(peer, frame) ->
        match (turn.Peer peer).Connection with
        | ValueSome connection -> Wire.sendFrame turn connection frame
        | ValueNone -> ()
    | DatagramOverTcp(source, destination, datagram) -> datagramOverTcp turn source destination datagram
    | LegacyKeyWornOut _ -> expireKeys turn
    | PathTooSmall(peer, size) -> Tunnels.tooBig turn peer size
    | TimeExceeded(source, frame, sender) -> turn.Emit(AskLocalAddress(source, frame, sender))
    | MacSeen address -> Learning.seen turn address
    | UnknownSource(source, _) ->
        turn.Log(
            DebugLevel.protocol,
            Priority.Warning,
            "Received UDP packet from unknown source " + Endpoint.toText source
        )
    | Traffic(token, counts, drops) ->
        if not (LogDump.counted turn token counts drops) then
            match Control.trafficCounted turn token counts drops with
            | ValueSome id -> Dispatch.pump turn id
            | ValueNone -> ()
    | Captured frame -> Control.frameCaptured turn frame
    | PacketLog line -> turn.Log(line.Level, line.Priority, line.Text)

// ---- Inputs

let private hostFileRead (turn: Turn) (name: NodeName) (file: HostFile) =
    match file, Peers.tryFind turn name with
    | Present _, _ ->
        match Peers.intern turn name with
        | ValueSome peer when peer.Index <> Topology.self ->
            let hadKey = peer.PublicKey.IsSome
            Peers.setHost turn peer.Index file

            if not hadKey && (turn.Peer peer.Index).PublicKey.IsSome then
                Tunnels.keys turn peer.Index KeyExchange.PeerKeyLearned
        | _ -> ()
    | Missing, ValueSome peer when peer.Index <> Topology.self -> Peers.setHost turn peer.Index file
    | _ -> ()

    for id in Login.hostFileRead turn name do
        Dispatch.pump turn id

    Outgoing.hostFileRead turn name

let private configurationRead (turn: Turn) (log: LogLine list) (settings: Settings voption) =
    for line in log do
        turn.Log(line.Level, line.Priority, line.Text)

    match settings with
    | ValueSome settings -> Reload.apply turn settings
    | ValueNone -> turn.Log(DebugLevel.always, Priority.Error, "Unable to reread configuration file.")

    for id in Control.reloaded turn settings.IsSome do
        Dispatch.pump turn id

let private signalled (turn: Turn) (signal: Signal) =
    let notice text = turn.Log(DebugLevel.always, Priority.Notice, text)

    match signal with
    | Hangup ->
        notice "Got Hangup signal"
        turn.Emit ReopenLog
        turn.Emit ReadConfiguration
    | Alarm ->
        notice "Got Alarm clock signal"
        Keepalive.retry turn
    | Terminate ->
        notice "Got Terminated signal"
        Shutdown.run turn
    | Interrupt ->
        notice "Got Interrupt signal"
        Shutdown.run turn
    | Quit ->
        notice "Got Quit signal"
        Shutdown.run turn
    | User1 -> LogDump.connections turn
    | User2 -> LogDump.mesh turn
    | WindowChange -> MeshGossip.purge turn

let private connectFailed (turn: Turn) (id: ConnectionId) (reason: string) =
    match turn.TryConnection id with
    | ValueNone -> ()
    | ValueSome connection ->
        turn.Log(
            DebugLevel.connections,
            Priority.Debug,
            "Error while connecting to " + Label.connection connection + ": " + reason
        )

        Links.forget turn connection

        match connection.Outgoing with
        | ValueSome target -> Outgoing.lost turn connection target
        | ValueNone -> ()

let private lost (turn: Turn) (id: ConnectionId) (reason: string voption) =
    match turn.TryConnection id with
    | ValueNone -> ()
    | ValueSome connection ->
        match reason with
        | ValueNone ->
            turn.Log(DebugLevel.connections, Priority.Notice, "Connection closed by " + Label.connection connection)
        | ValueSome reason ->
            turn.Log(
                DebugLevel.always,
                Priority.Error,
                "Metadata socket read error for " + Label.connection connection + ": " + reason
            )

        Termination.close turn id Termination.Reported Termination.Closed

/// Control connections that stream the log, and up to which level.
let private listeners (node: Node) : (ConnectionId * int) list =
    [ for KeyValue(id, connection) in node.Connections do
          match connection.Stage with
          | Stage.Control(ValueSome level, _) -> id, (if level < 0 then node.DebugLevel else level)
          | _ -> () ]

let private tell (turn: Turn) (listeners: (ConnectionId * int) list) (line: LogLine) =
    for id, level in listeners do
        if line.Level <= level then
            Control.sendLogLine turn id line

let private handle (turn: Turn) (input: Input) =
    match input with
    | Started(udpSockets, tcpSockets) -> started turn udpSockets tcpSockets
    | Woken -> woken turn
    | Accepted(id, local, remote) -> Login.accepted turn id local remote
    | Connected(id, local) -> Login.connected turn id local
    | ConnectFailed(id, reason) -> connectFailed turn id reason
    | Received(id, bytes) -> Dispatch.received turn id bytes
    | Sent(id, count) ->
        match turn.TryConnection id with
        | ValueSome connection -> turn.SetConnection { connection with Queued = max 0 (connection.Queued - count) }
        | ValueNone -> ()
    | Lost(id, reason) -> lost turn id reason
    | Resolved(request, result) -> Outgoing.resolved turn request result
    | NameFound(ip, name) -> HostNames.found turn ip name
    | Punted punt -> punted turn punt
    | HostFileRead(name, file) -> hostFileRead turn name file
    | InvitationTaken(id, file) -> Invitations.taken turn id file
    | HostFileCreated(id, problem) -> Invitations.hostFileCreated turn id problem
    | ConfigurationRead(log, settings) -> configurationRead turn log settings
    | PathMtuKnown(peer, isV6, result) -> Tunnels.kernelMtuKnown turn peer isV6 result
    | LocalAddressKnown(source, frame, address) -> turn.Packet(SendTimeExceeded(source, frame, address))
    | Entropy bytes -> turn.Node <- { turn.Node with Random = Drbg.reseed bytes turn.Node.Random }
    | Signalled signal -> signalled turn signal
    | NetworkChanged interfaceName -> LocalNetwork.changed turn interfaceName
    | DeviceLost -> Shutdown.run turn
    | Said line -> tell turn (listeners turn.Node) line

/// Copies what was logged to the control connections that asked for it (spec 06 §15.7). Lines that come of sending these
/// are not logged again.
let private streamLog (turn: Turn) =
    if turn.Node.StreamLevel >= 0 then
        let listeners = listeners turn.Node
        let highest = listeners |> List.fold (fun highest (_, level) -> max highest level) -1

        if highest <> turn.Node.StreamLevel then
            turn.Node <- { turn.Node with StreamLevel = highest; FibDirty = true }

        for effect in turn.Effects do
            match effect with
            | Log line -> tell turn listeners line
            | _ -> ()

/// The end of a turn: the node as it is now, and its effects. Lines that only streams want are not for the host.
let private finish (turn: Turn) : struct (Node * Effect list) =
    let level = turn.Node.DebugLevel

    let isForHost (effect: Effect) =
        match effect with
        | Log line -> line.Level <= level
        | _ -> true

    let effects =
        if turn.Node.StreamLevel > level then
            List.filter isForHost turn.Effects
        else
            turn.Effects

    struct (turn.Node, effects)

/// What an input makes of a node, and what the node then wants, in order. Changes of the graph and of the forwarding
/// table are only noted; `settle` draws the conclusions once for many inputs.
let step (now: Instant) (input: Input) (node: Node) : struct (Node * Effect list) =
    let turn = Turn(node, now)
    handle turn input
    streamLog turn
    Watch.publish turn
    finish turn

/// To be called after each batch of inputs: recomputes paths if edges have changed, publishes the forwarding table, and
/// says when to be woken.
let settle (now: Instant) (node: Node) : struct (Node * Effect list) =
    let turn = Turn(node, now)
    Reachability.settle turn
    streamLog turn
    Watch.compare turn
    Watch.publish turn
    Forwarding.publish turn
    let wake = nextWake turn.Node

    if wake <> turn.Node.WakeAt then
        turn.Node <- { turn.Node with WakeAt = wake }
        turn.Emit(WakeAt wake)

    finish turn
