/// From the first line of a meta connection until both sides are known to each other (spec 02 §5, §6).
module TincPure.Node.Login

open System
open System.Text
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Crypto.Legacy
open TincPure.Config
open TincPure.Topology
open TincPure.Sptps
open TincPure.Meta

let private logAll (turn: Turn) (lines: LogLine list) =
    for line in lines do
        turn.Log(line.Level, line.Priority, line.Text)

let private reject (turn: Turn) (id: ConnectionId) (lines: LogLine list) =
    logAll turn lines
    Termination.drop turn id

let private role (connection: Connection) : Authentication.Role =
    match struct (connection.Id, connection.Outgoing) with
    | struct (ConnectionId.Outgoing _, ValueSome target) -> Authentication.Role.Initiator target
    | _ -> Authentication.Role.Responder

let private label (connection: Connection) : Authentication.Label =
    { Name = connection.Name; Host = Label.remote connection.Remote }

// ---- ID

let private sendIdOf (turn: Turn) (connection: Connection) (minor: int) =
    turn.SetConnection { connection with IdSent = turn.Now }
    Wire.sendPlain turn connection.Id (Authentication.ownId turn.Node.Own minor)

let private sendId (turn: Turn) (connection: Connection) (keyKnown: bool) =
    let experimental = turn.Node.Settings.ExperimentalProtocol
    sendIdOf turn connection (Authentication.ownMinor experimental (role connection) keyKnown)

/// The stream that we asked for is there: we speak first.
let private speakFirst (turn: Turn) (connection: Connection) =
    let keyKnown =
        match connection.Outgoing |> ValueOption.bind (Peers.tryFind turn) with
        | ValueSome peer -> peer.PublicKey.IsSome
        | ValueNone -> false

    sendId turn connection keyKnown

/// The proxy is told where to; the ID follows without waiting for its answer (spec 02 §17).
let private askProxy (turn: Turn) (connection: Connection) kind user password (target: Endpoint) =
    match ProxyDialogue.request kind user password target with
    | Error line ->
        logAll turn [ line ]
        Termination.close turn connection.Id Termination.Reported Termination.Closed
    | Ok struct (request, expected) ->
        let connection = { connection with Proxy = ValueSome expected }

        turn.SetConnection connection
        Wire.sendRaw turn connection.Id request

        match turn.TryConnection connection.Id with
        | ValueSome connection -> speakFirst turn connection
        | ValueNone -> ()

let connected (turn: Turn) (id: ConnectionId) (local: Endpoint voption) : unit =
    match turn.TryConnection id with
    | ValueNone -> turn.Emit(Close id)
    | ValueSome connection ->
        turn.Log(DebugLevel.connections, Priority.Info, "Connected to " + Label.connection connection)

        let connection = { connection with Stage = Greeting; Local = local; Clock = turn.Now }

        turn.SetConnection connection

        match struct (connection.Through, connection.Remote) with
        | struct (ServerProxy(kind, _, user, password), Tcp target) ->
            askProxy turn connection kind user password target
        | _ -> speakFirst turn connection

/// Whether somebody new may come in.
let private admits (turn: Turn) (remote: Remote) =
    match remote with
    | UnixSocket -> true
    | Tcp endpoint ->
        let struct (admitted, state) =
            AcceptLimit.admit turn.Node.Settings.MaxConnectionBurst turn.Now endpoint.Ip turn.Node.AcceptLimit

        turn.Node <- { turn.Node with AcceptLimit = state }

        admitted
        && turn.Now >= turn.Node.SilentUntil
        && Links.unauthenticated turn.Node < Bounds.unauthenticated

/// Somebody connected to us. The acceptor is silent until it has seen a valid ID.
let accepted (turn: Turn) (id: ConnectionId) (local: Endpoint voption) (remote: Remote) : unit =
    if turn.Node.Stopping || not (admits turn remote) then
        turn.Emit(Tarpit id)
    else
        let name =
            match remote with
            | UnixSocket -> "<control>"
            | Tcp _ -> "<unknown>"

        turn.Log(DebugLevel.connections, Priority.Notice, "Connection from " + Label.remote remote)
        Links.add turn id remote local name Greeting ValueNone

let private welcomeControl (turn: Turn) (connection: Connection) =
    turn.SetConnection
        { connection with
            Name = "<control>"
            Stage = Stage.Control(ValueNone, ValueNone) }

    let minor = if turn.Node.Settings.ExperimentalProtocol then Protocol.minor else 0
    Wire.sendPlain turn connection.Id (Authentication.ownId turn.Node.Own minor)
    Wire.sendPlain turn connection.Id (Message.AckControl(Protocol.controlVersion, turn.Node.Launch.ProcessId))

/// A caller is called by its name as soon as that is one, even if it is refused for its version.
let private adoptName (turn: Turn) (connection: Connection) (name: string) =
    match struct (role connection, NodeName.tryParse name) with
    | struct (Authentication.Role.Responder, ValueSome valid) when valid <> turn.Node.Own ->
        turn.SetConnection { connection with Name = name }
    | _ -> ()

/// With --bypass-security whoever says who it is is believed: ACK in the clear at once (spec 05 §1.1).
let private believe (turn: Turn) (connection: Connection) (identity: Authentication.Identity) =
    match Peers.intern turn identity.Name with
    | ValueNone -> Termination.drop turn connection.Id
    | ValueSome peer ->
        if role connection = Authentication.Role.Responder then
            sendId turn connection true

        match turn.TryConnection connection.Id with
        | ValueSome connection ->
            let connection =
                { connection with
                    Name = identity.Name.Text
                    Stage = Authenticating(peer.Index, identity) }

            turn.SetConnection connection
            Activation.sendAck turn connection peer.Index
        | ValueNone -> ()

/// ID. What follows it waits until the host file of the node has been read again.
let idReceived (turn: Turn) (connection: Connection) (name: string) (major: int) (minor: int voption) : unit =
    let node = turn.Node

    match
        Authentication.greet node.Settings node.Launch.Cookie (role connection) (label connection) name major minor
    with
    | Authentication.Refused lines ->
        adoptName turn connection name
        reject turn connection.Id lines
    | Authentication.ControlClient -> welcomeControl turn connection
    | Authentication.Invited key -> Invitations.welcome turn connection key
    | Authentication.Node identity when node.Settings.BypassSecurity -> believe turn connection identity
    | Authentication.Node identity ->
        turn.SetConnection { connection with Name = identity.Name.Text; Stage = Identified identity }

        turn.Emit(ReadHostFile identity.Name)

let private startSession
    (turn: Turn)
    (connection: Connection)
    (identity: Authentication.Identity)
    (peer: PeerState)
    (ownKey: Ed25519.KeyPair)
    (sessionLabel: byte[])
    (peerKey: byte[])
    =
    let isResponder = role connection = Authentication.Role.Responder

    if isResponder then
        sendId turn connection true

    let parameters: Handshake.Parameters =
        { Role = if isResponder then Handshake.Responder else Handshake.Initiator
          Own = ownKey
          Peer = peerKey
          Label = sessionLabel }

    let struct (records, session) = Stream.start (turn.RandomBytes Handshake.RandomSize) parameters

    match turn.TryConnection connection.Id with
    | ValueNone -> ()
    | ValueSome connection ->
        turn.SetConnection
            { connection with
                Stage = Authenticating(peer.Index, identity)
                Session = ValueSome session
                Reader = Framing.startSptps connection.Reader }

        for record in records do
            Wire.sendRaw turn connection.Id record

/// METAKEY is the last line in the clear.
let private sendMetaKey
    (turn: Turn)
    (connection: Connection)
    (identity: Authentication.Identity)
    (own: RsaPrivateKey)
    (peerKey: RsaPublicKey)
    =
    let parameters: LegacyLogin.Parameters =
        { IsInitiator = role connection <> Authentication.Role.Responder
          Own = own
          Peer = peerKey
          Label = Label.connection connection }

    let cipher = LegacyLogin.streamCipher turn.Node.Settings.PacketAlgorithms.Cipher
    let random = turn.RandomBytes(LegacyLogin.startEntropy parameters)

    match struct (LegacyLogin.start cipher random parameters, Peers.intern turn identity.Name) with
    | struct (ValueSome(struct (message, stream, state)), ValueSome peer) ->
        Wire.send turn connection.Id message

        match turn.TryConnection connection.Id with
        | ValueSome connection ->
            turn.SetConnection
                { connection with
                    Stage = Proving(peer.Index, identity, state)
                    Encryption = ValueSome stream }
        | ValueNone -> ()
    | _ -> Termination.drop turn connection.Id

/// `identity` bears the effective minor version, `caller` the one that the peer sent.
let private startLegacy
    (turn: Turn)
    (connection: Connection)
    (identity: Authentication.Identity)
    (hostFile: HostSettings voption)
    (caller: Authentication.Identity)
    =
    let host = Label.remote connection.Remote
    let settings = turn.Node.Settings

    if role connection = Authentication.Role.Responder then
        if Authentication.answersUpgrade settings caller hostFile then
            sendIdOf turn connection 1
        else
            sendId turn connection false

    let peerKey = hostFile |> ValueOption.bind _.RsaKey

    match struct (settings.RsaKey, peerKey, turn.TryConnection connection.Id) with
    | struct (ValueNone, _, _) -> reject turn connection.Id (Authentication.noLegacy host identity)
    | struct (_, ValueNone, _) ->
        let problems =
            match hostFile with
            | ValueSome file -> file.RsaKeyProblems
            | ValueNone -> []

        reject turn connection.Id (Authentication.noPublicKey host identity problems)
    | struct (ValueSome own, ValueSome peerKey, ValueSome connection) ->
        sendMetaKey turn connection identity own peerKey
    | _ -> ()

/// The host file of the node at the other end has been read: whether, and how, we go on.
let private identified (turn: Turn) (connection: Connection) (identity: Authentication.Identity) =
    let hostFile = Peers.tryFind turn identity.Name |> ValueOption.bind _.Host
    let host = Label.remote connection.Remote

    match Authentication.decide turn.Node.Settings (role connection) host identity hostFile with
    | Authentication.Reject lines -> reject turn connection.Id lines
    | Authentication.StartLegacy minor -> startLegacy turn connection { identity with Minor = minor } hostFile identity
    | Authentication.StartSptps(sessionLabel, peerKey) ->
        match struct (turn.Node.OwnKey, Peers.intern turn identity.Name) with
        | struct (ValueSome ownKey, ValueSome peer) ->
            startSession turn connection identity peer ownKey sessionLabel peerKey
        | _ -> Termination.drop turn connection.Id

/// Connections that waited for this host file; those that are still there can be read on.
let hostFileRead (turn: Turn) (name: NodeName) : ConnectionId list =
    let waiting =
        turn.Node.Connections
        |> Map.toList
        |> List.choose (fun (id, connection) ->
            match connection.Stage with
            | Identified identity when identity.Name = name -> Some(id, identity)
            | _ -> None)

    for id, identity in waiting do
        match turn.TryConnection id with
        | ValueSome connection -> identified turn connection identity
        | ValueNone -> ()

    List.map fst waiting

// ---- The legacy login

/// The peer has proved who it is: ACK, or our Ed25519 key in its place.
let private proved (turn: Turn) (connection: Connection) (peer: int) (identity: Authentication.Identity) =
    match struct (identity.Minor, turn.Node.Settings.PublicKey) with
    | struct (1, ValueSome key) ->
        turn.SetConnection { connection with Stage = Upgrading peer }
        Wire.send turn connection.Id (Message.AckUpgrade(KeyFile.publicText key))
    | _ ->
        let connection = { connection with Stage = Authenticating(peer, identity) }
        turn.SetConnection connection
        Activation.sendAck turn connection peer

/// Where bytes that came behind METAKEY begin to be encrypted.
let private decryptRest (cipher: StreamCipher) (connection: Connection) : Connection =
    let mutable decryption = cipher

    let reader =
        Framing.mapRest
            (fun bytes ->
                match StreamCipher.decrypt (ReadOnlySpan bytes) cipher with
                | ValueSome(struct (plain, rest)) ->
                    decryption <- rest
                    plain
                | ValueNone -> [||])
            connection.Reader

    { connection with Reader = reader; Decryption = ValueSome decryption }

/// METAKEY, CHALLENGE and CHAL_REPLY.
let legacyReceived
    (turn: Turn)
    (connection: Connection)
    (peer: int)
    (identity: Authentication.Identity)
    (state: LegacyLogin.State)
    (message: Message)
    : unit =
    let random = turn.RandomBytes(LegacyLogin.receiveEntropy (LegacyLogin.parameters state))

    match LegacyLogin.receive random message state with
    | Error lines -> reject turn connection.Id lines
    | Ok step ->
        let connection =
            match step.Decrypt with
            | ValueSome cipher -> decryptRest cipher connection
            | ValueNone -> connection

        turn.SetConnection(
            match step.Progress with
            | LegacyLogin.Next state -> { connection with Stage = Proving(peer, identity, state) }
            | LegacyLogin.Authenticated -> connection
        )

        for message in step.Send do
            Wire.send turn connection.Id message

        match struct (step.Progress, turn.TryConnection connection.Id) with
        | struct (LegacyLogin.Authenticated, ValueSome connection) -> proved turn connection peer identity
        | _ -> ()

/// The peer's Ed25519 key in place of its ACK: both know the other's now, and the next connection uses SPTPS (spec 02 §5.5).
let upgradeReceived (turn: Turn) (connection: Connection) (index: int) (text: string) : unit =
    let peer = turn.Peer index
    let label = Label.connection connection
    let line priority text : LogLine = { Level = DebugLevel.always; Priority = priority; Text = text }
    let processing = line Priority.Error ("Error while processing ACK from " + label)

    let leave () =
        turn.SetConnection { connection with Stage = Leaving }
        Wire.send turn connection.Id Message.TermReq

    match struct (KeyFile.parsePublic text, peer.PublicKey) with
    | struct (Error _, _) ->
        let refused = line Priority.Info ("Got bad Ed25519 public key from " + label + ", not upgrading.")
        reject turn connection.Id [ refused; processing ]
    | struct (Ok key, ValueSome known) when key = known ->
        logAll turn [ line Priority.Info ("Already have Ed25519 public key from " + label + ", ignoring.") ]
        leave ()
    | struct (Ok _, ValueSome _) ->
        let different =
            "Already have an Ed25519 public key from "
            + label
            + " which is different from the one presented now!"

        reject turn connection.Id [ line Priority.Error different; processing ]
    | struct (Ok key, ValueNone) ->
        logAll turn [ line Priority.Info ("Got Ed25519 public key from " + label + ", upgrading!") ]
        turn.SetPeer { peer with PublicKey = ValueSome key }
        turn.Emit(AppendHostFile(peer.Name, Keys.learnedKeyText key))
        ValueOption.iter (Outgoing.succeeded turn) connection.Outgoing
        leave ()
