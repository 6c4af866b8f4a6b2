/// Puts requests on meta connections (spec 02 §3, §8).
module TincPure.Node.Wire

open System
open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Config
open TincPure.Sptps
open TincPure.Meta

/// Output that a peer lets pile up before we give it up: far more than the largest mesh's first exchange.
let maxQueued = 16 * 1024 * 1024

/// Connections that are past ACK, oldest first.
let established (turn: Turn) : (Connection * int) list =
    [ for entry in turn.Node.Established do
          match turn.TryConnection entry.Value with
          | ValueSome connection ->
              match connection.Stage with
              | Established peer -> connection, peer
              | _ -> ()
          | ValueNone -> () ]

let private enqueue (turn: Turn) (connection: Connection) (bytes: byte[]) =
    turn.SetConnection { connection with Queued = connection.Queued + bytes.Length }

    turn.Emit(Send(connection.Id, bytes))

/// Behind METAKEY everything passes through a cipher.
let private encrypt (turn: Turn) (connection: Connection) (cipher: StreamCipher) (data: byte[]) =
    match StreamCipher.encrypt (ReadOnlySpan data) cipher with
    | ValueSome(struct (bytes, cipher)) -> enqueue turn { connection with Encryption = ValueSome cipher } bytes
    | ValueNone ->
        turn.Log(
            DebugLevel.meta,
            Priority.Error,
            "Byte limit exceeded for encryption to " + Label.connection connection
        )

/// Bytes as they are, past any session: ID lines, raw blocks, control replies.
let sendRaw (turn: Turn) (connection: ConnectionId) (bytes: byte[]) : unit =
    match turn.TryConnection connection with
    | ValueSome connection -> enqueue turn connection bytes
    | ValueNone -> ()

/// One application record of a type where a session runs, plain bytes where none does.
let private sendRecordAs (turn: Turn) (connection: Connection) (recordType: byte) (data: byte[]) =
    match struct (connection.Session, connection.Encryption) with
    | struct (ValueNone, ValueNone) -> enqueue turn connection data
    | struct (ValueNone, ValueSome cipher) -> encrypt turn connection cipher data
    | struct (ValueSome session, _) ->
        match Stream.send recordType (ReadOnlySpan data) session with
        | Ok struct (bytes, session) -> enqueue turn { connection with Session = ValueSome session } bytes
        | Error error ->
            turn.Log(DebugLevel.traffic, Priority.Error, Error.text error + " from " + Label.connection connection)

let private sendRecord (turn: Turn) (connection: Connection) (data: byte[]) = sendRecordAs turn connection 0uy data

/// One application record of another type than requests have (invitations).
let sendRecordOf (turn: Turn) (id: ConnectionId) (recordType: byte) (data: byte[]) : unit =
    match turn.TryConnection id with
    | ValueSome connection -> sendRecordAs turn connection recordType data
    | ValueNone -> ()

let private logSending (turn: Turn) (target: string) (name: string) (line: string) =
    turn.Log(DebugLevel.meta, Priority.Debug, "Sending " + name + " to " + target + ": " + line)

/// `bytes` is the line with its newline; none if it is too long to be sent.
let private sendLine (turn: Turn) (id: ConnectionId) (bytes: byte[] voption) =
    match struct (turn.TryConnection id, bytes) with
    | struct (ValueSome connection, ValueSome bytes) -> sendRecord turn connection bytes
    | struct (ValueSome connection, ValueNone) ->
        let line = Framing.overflowLog (Label.connection connection)
        turn.Log(line.Level, line.Priority, line.Text)
    | _ -> ()

/// One request to one connection.
let send (turn: Turn) (id: ConnectionId) (message: Message) : unit =
    let line = Print.line message

    if turn.Shows DebugLevel.meta then
        match turn.TryConnection id with
        | ValueSome connection ->
            logSending turn (Label.connection connection) (Request.name (Message.request message)) line
        | ValueNone -> ()

    sendLine turn id (Line.toBytes line)

/// ID bypasses the session (spec 02 §3.1).
let sendPlain (turn: Turn) (id: ConnectionId) (message: Message) : unit =
    let line = Print.line message

    match turn.TryConnection id with
    | ValueSome connection ->
        if turn.Shows DebugLevel.meta then
            logSending turn (Label.connection connection) (Request.name (Message.request message)) line

        match Line.toBytes line with
        | ValueSome bytes -> enqueue turn connection bytes
        | ValueNone -> ()
    | ValueNone -> ()

/// One request to every active connection; the caller has put a nonce in it.
let broadcast (turn: Turn) (message: Message) : unit =
    let line = Print.line message

    if turn.Shows DebugLevel.meta then
        logSending turn "everyone (BROADCAST)" (Request.name (Message.request message)) line

    let bytes = Line.toBytes line

    for connection, _ in established turn do
        sendLine turn connection.Id bytes

/// A received line to every other active connection, byte for byte.
let forward (turn: Turn) (from: ConnectionId) (name: string) (line: string) : unit =
    if not turn.Node.Settings.TunnelServer then
        if turn.Shows DebugLevel.meta then
            match turn.TryConnection from with
            | ValueSome connection ->
                turn.Log(
                    DebugLevel.meta,
                    Priority.Debug,
                    "Forwarding " + name + " from " + Label.connection connection + ": " + line
                )
            | ValueNone -> ()

        let bytes = Line.toBytes line

        for connection, _ in established turn do
            if connection.Id <> from then
                sendLine turn connection.Id bytes

/// A message to a node that may be far away: to the neighbour in front of it.
let sendTowards (turn: Turn) (index: int) (message: Message) : unit =
    match Peers.nextHopConnection turn index with
    | ValueSome hop -> send turn hop message
    | ValueNone -> ()

/// A received line towards one connection, byte for byte or with something appended.
let passOn (turn: Turn) (target: ConnectionId) (name: string) (line: string) : unit =
    if turn.Shows DebugLevel.meta then
        match turn.TryConnection target with
        | ValueSome connection -> logSending turn (Label.connection connection) name line
        | ValueNone -> ()

    sendLine turn target (Line.toBytes line)

/// What may be on its way from us through the host to the socket without the socket being full: the reference writes to the
/// socket itself, so that its queue holds only what that refused.
let private onItsWay = 256 * 1024

/// Random early drop of packets on a connection whose queue fills up (spec 02 §3.4).
let private dropsEarly (turn: Turn) (connection: Connection) =
    let half = turn.Node.Settings.MaxOutputBufferSize / 2
    let excess = connection.Queued - onItsWay - half
    excess > 0 && (half <= 0 || turn.RandomBelow half < excess)

/// A whole frame as PACKET: the line, then a record of its own.
let sendFrame (turn: Turn) (id: ConnectionId) (frame: byte[]) : unit =
    match turn.TryConnection id with
    | ValueSome connection when not (dropsEarly turn connection) ->
        send turn id (Message.Packet frame.Length)

        match turn.TryConnection id with
        | ValueSome connection -> sendRecord turn connection frame
        | ValueNone -> ()
    | _ -> ()

/// A datagram with its node IDs as SPTPS_PACKET: the line, then a raw block beside the session.
let sendDatagram (turn: Turn) (id: ConnectionId) (block: byte[]) : unit =
    match turn.TryConnection id with
    | ValueSome connection when not (dropsEarly turn connection) ->
        send turn id (Message.SptpsPacket block.Length)
        sendRaw turn id block
    | _ -> ()
