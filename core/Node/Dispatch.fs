/// What comes in on a meta connection, piece by piece (spec 02 §3, §9).
module TincPure.Node.Dispatch

open System
open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Sptps
open TincPure.Meta
open TincPure.Routing

/// Largest frame that PACKET may carry; larger ones are dropped without a word (spec 02 §9.8).
let private largestFrame = Protocol.maxSize - 12

let private permitted (connection: Connection) : Permitted =
    match connection.Stage with
    | Established _ -> Permitted.All
    | Stage.Control _ -> Permitted.Control
    | Authenticating _ -> Permitted.Ack
    | Proving(_, _, state) -> LegacyLogin.permitted state
    | Upgrading _ -> Permitted.AckUpgrade
    | Leaving -> Permitted.TermReq
    | Connecting
    | Greeting
    | Inviting _
    | Identified _ -> Permitted.Id

let private logAll (turn: Turn) (lines: LogLine list) =
    for line in lines do
        turn.Log(line.Level, line.Priority, line.Text)

/// Nothing more is read: control connections close at once, others fall silent.
let private abandon (turn: Turn) (connection: Connection) =
    match connection.Stage with
    | Stage.Control _ -> Termination.close turn connection.Id Termination.Silent Termination.Closed
    | _ -> Termination.drop turn connection.Id

let private flooded (turn: Turn) (connection: Connection) (peer: int) (line: string) (message: Message) =
    let struct (seen, cache) = Seen.check turn.Now line turn.Node.Seen
    turn.Node <- { turn.Node with Seen = cache }

    if seen then
        turn.Log(DebugLevel.scaryThings, Priority.Debug, "Already seen request")
        EdgeGossip.repeated turn connection.Id message
    else
        let arrival: Gossip.Arrival =
            { Connection = connection.Id
              From = Label.connection connection
              Sender = peer
              Line = line }

        match message with
        | Message.AddSubnet(_, owner, subnet) -> SubnetGossip.addSubnet turn arrival owner subnet
        | Message.DelSubnet(_, owner, subnet) -> SubnetGossip.delSubnet turn arrival owner subnet
        | Message.AddEdge report -> EdgeGossip.addEdge turn arrival report
        | Message.DelEdge(_, from, target) -> EdgeGossip.delEdge turn arrival from target
        | Message.KeyChanged(_, name) -> Keys.keyChanged turn connection.Id arrival.From line name
        | _ -> ()

let private pong (turn: Turn) (connection: Connection) =
    turn.SetConnection(Measure.ponged turn { connection with PingSent = false })

    match connection.Outgoing |> ValueOption.bind (Outgoing.tryFind turn) with
    | ValueSome record when record.BackOff > 0 ->
        Outgoing.succeeded turn record.Target

        match struct (Peers.tryFind turn record.Target, connection.Id, connection.Remote) with
        | struct (ValueSome peer, ConnectionId.Outgoing _, Tcp endpoint) -> Peers.remember turn peer.Index endpoint
        | _ -> ()
    | _ -> ()

let private established (turn: Turn) (connection: Connection) (peer: int) (line: string) (message: Message) =
    let sender = Label.connection connection

    match message with
    | Message.Ping -> Wire.send turn connection.Id Message.Pong
    | Message.Pong -> pong turn connection
    | Message.TermReq -> Termination.drop turn connection.Id
    | Message.AddSubnet _
    | Message.DelSubnet _
    | Message.AddEdge _
    | Message.DelEdge _
    | Message.KeyChanged _ -> flooded turn connection peer line message
    | Message.ReqKey(from, target, request) -> Keys.requestReceived turn sender line from target request
    | Message.AnsKey answer -> Keys.answerReceived turn sender line answer
    | Message.Packet length ->
        turn.SetConnection { connection with Reader = Framing.expectPacket length connection.Reader }
    | Message.SptpsPacket length ->
        turn.SetConnection { connection with Reader = Framing.expectSptpsPacket length connection.Reader }
    | Message.UdpInfo(from, target, address) -> Info.udpInfoReceived turn sender from target address
    | Message.MtuInfo(from, target, mtu) -> Info.mtuInfoReceived turn sender from target mtu
    | Message.Id _
    | Message.MetaKey _
    | Message.Challenge _
    | Message.ChalReply _
    | Message.Ack _
    | Message.AckUpgrade _
    | Message.AckControl _
    | Message.AckInvitation _
    | Message.Control _ -> ()

/// Every request that there is, before anything else is made of it. A control client's cookie is nobody's business.
let private logGot (turn: Turn) (connection: Connection) (line: string) =
    match Parse.request line with
    | Ok(struct (request, _)) ->
        let shown = if request = Request.Id && line.Contains '^' then "0 ^<cookie>" else line
        let text = "Got " + Request.name request + " from " + Label.connection connection + ": " + shown
        turn.Log(DebugLevel.meta, Priority.Debug, text)
    | Error _ -> ()

/// Garbage in the middle of a legacy login has a likely reason.
let private logHint (turn: Turn) (connection: Connection) =
    match connection.Stage with
    | Proving(_, _, state) -> LegacyLogin.hint state |> ValueOption.iter (fun line -> logAll turn [ line ])
    | _ -> ()

let private line (turn: Turn) (connection: Connection) (text: string) =
    if turn.Shows DebugLevel.meta then
        logGot turn connection text

    match Parse.line (permitted connection) text with
    | Error error ->
        logAll turn (ParseError.log (Label.connection connection) error)
        logHint turn connection
        abandon turn connection
    | Ok message ->
        match struct (connection.Stage, message) with
        | struct (Established peer, message) -> established turn connection peer text message
        | struct (Authenticating(peer, _), Message.Ack(port, weight, options)) ->
            Activation.ackReceived turn connection peer port weight options
        | struct (Proving(peer, identity, state), message) ->
            Login.legacyReceived turn connection peer identity state message
        | struct (Upgrading peer, Message.AckUpgrade key) -> Login.upgradeReceived turn connection peer key
        | struct (Leaving, _) -> Termination.close turn connection.Id Termination.Reported Termination.Closed
        | struct (Stage.Control _, Message.Control(sub, arguments)) -> Control.request turn connection.Id sub arguments
        | struct (_, Message.Id(name, major, minor)) -> Login.idReceived turn connection name major minor
        | _ -> ()

let private frame (turn: Turn) (connection: Connection) (bytes: byte[]) =
    match connection.Stage with
    | Established peer when bytes.Length <= largestFrame -> turn.Packet(RouteFrame(peer, bytes))
    | _ -> ()

let private block (turn: Turn) (connection: Connection) (bytes: byte[]) =
    if not (Keys.packetReceived turn (Label.connection connection) bytes) then
        abandon turn connection

let private piece (turn: Turn) (connection: Connection) (framed: Framed) =
    match framed with
    | Line text -> line turn connection text
    | PacketBlock bytes -> frame turn connection bytes
    | SptpsPacketBlock bytes -> block turn connection bytes
    | BufferFull ->
        logAll turn [ Framing.fullLog (Label.connection connection) ]
        logHint turn connection
        abandon turn connection
    | WrongPacketLength -> abandon turn connection
    | ForSession _
    | Starved -> ()

let private sessionEvent (turn: Turn) (id: ConnectionId) (event: Stream.Event) =
    match turn.TryConnection id with
    | ValueNone -> ()
    | ValueSome connection ->
        match struct (event, connection.Stage) with
        | struct (Stream.HandshakeComplete, Authenticating(peer, _)) -> Activation.sendAck turn connection peer
        | struct (Stream.HandshakeComplete, _) -> ()
        | struct (Stream.Record(recordType, data), Inviting stage) ->
            Invitations.recordReceived turn connection stage recordType data
        | struct (Stream.Record(_, data), _) ->
            let struct (framed, reader) = Framing.record data connection.Reader
            let connection = { connection with Reader = reader }
            turn.SetConnection connection
            piece turn connection framed

/// One record, or part of one. `random` is for the answer to a rekey.
let private session
    (turn: Turn)
    (connection: Connection)
    (session: Stream.Session)
    (random: byte[])
    (bytes: ReadOnlyMemory<byte>)
    =
    match Stream.receive random bytes.Span session with
    | Error error ->
        turn.Log(DebugLevel.traffic, Priority.Error, Error.text error + " from " + Label.connection connection)

        abandon turn connection
    | Ok received ->
        turn.SetConnection
            { connection with
                Session = ValueSome received.Session
                Reader = Framing.consumed received.Consumed connection.Reader }

        for bytes in received.Outgoing do
            Wire.sendRaw turn connection.Id bytes

        match received.Event with
        | ValueSome event -> sessionEvent turn connection.Id event
        | ValueNone -> ()

/// What the proxy says comes before anything of the peer's. False while there is nothing more to understand.
let private proxy (turn: Turn) (connection: Connection) (expected: ProxyDialogue.Expected) : bool =
    let goOn consumed next =
        turn.SetConnection
            { connection with
                Reader = Framing.consumed consumed connection.Reader
                Proxy = next }

        true

    match ProxyDialogue.receive expected (Framing.peek connection.Reader).Span with
    | ProxyDialogue.Incomplete -> false
    | ProxyDialogue.Continue(consumed, next) -> goOn consumed (ValueSome next)
    | ProxyDialogue.Granted consumed ->
        logAll turn [ ProxyDialogue.grantedLog ]
        goOn consumed ValueNone
    | ProxyDialogue.Refused line ->
        logAll turn [ line ]
        Termination.close turn connection.Id Termination.Reported Termination.Closed
        false

let rec private pumpWith (turn: Turn) (id: ConnectionId) (random: byte[]) : unit =
    match turn.TryConnection id with
    | ValueNone
    | ValueSome { Stage = Identified _ }
    | ValueSome { Stage = Connecting } -> ()
    | ValueSome { Stage = Stage.Control _ } when Control.isWaiting turn id -> ()
    | ValueSome({ Proxy = ValueSome expected } as connection) ->
        if proxy turn connection expected then
            pumpWith turn id random
    | ValueSome connection ->
        let struct (framed, reader) = Framing.next connection.Reader
        let connection = { connection with Reader = reader }

        match struct (framed, connection.Session) with
        | struct (Starved, _) -> turn.SetConnection connection
        | struct (ForSession bytes, ValueSome running) ->
            session turn connection running random bytes
            pumpWith turn id random
        | _ ->
            turn.SetConnection connection
            piece turn connection framed
            pumpWith turn id random

/// Reads on as far as it goes. Randomness drawn once is enough: no second rekey can be answered within one portion, as the
/// first is over only when the peer has signed the KEX that it has not seen yet.
let pump (turn: Turn) (id: ConnectionId) : unit = pumpWith turn id (turn.RandomBytes Handshake.RandomSize)

/// Bytes that may pile up while a host file is being read, or an answer is not ready.
let private maxUnread = 128 * 1024

/// What a legacy cipher makes of bytes from the socket; none if it may not decrypt so many more.
let private decrypted (connection: Connection) (bytes: byte[]) : struct (byte[] * Connection) voption =
    match connection.Decryption with
    | ValueNone -> ValueSome(struct (bytes, connection))
    | ValueSome cipher ->
        StreamCipher.decrypt (ReadOnlySpan bytes) cipher
        |> ValueOption.map (fun (struct (plain, cipher)) ->
            struct (plain, { connection with Decryption = ValueSome cipher }))

/// Bytes from the socket.
let received (turn: Turn) (id: ConnectionId) (bytes: byte[]) : unit =
    match
        turn.TryConnection id
        |> ValueOption.map (fun connection -> struct (connection, decrypted connection bytes))
    with
    | ValueNone -> ()
    | ValueSome(struct (connection, ValueNone)) ->
        turn.Log(
            DebugLevel.meta,
            Priority.Error,
            "Byte limit exceeded for decryption from " + Label.connection connection
        )

        abandon turn connection
    | ValueSome(struct (_, ValueSome(struct (bytes, connection)))) ->
        let reader = Framing.receive bytes connection.Reader

        turn.SetConnection { connection with Reader = reader }

        match connection.Stage with
        | Stage.Control _
        | Identified _ when Framing.unread reader > maxUnread ->
            turn.Log(DebugLevel.always, Priority.Error, "Input buffer full for " + Label.connection connection)
            abandon turn connection
        | _ -> pump turn id
