/// Agrees on data keys with one peer: an SPTPS session in datagram mode whose handshake records travel on meta connections
/// (spec 03 §11). The established session itself lives in the packet plane; this decides when one begins, changes its keys
/// and ends, so that nothing that happens to datagrams on their way can make a storm of handshakes (spec 03 §11.6).
module TincPure.Tunnel.KeyExchange

open System
open System.Buffers.Binary
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Sptps

type Settings =
    {
        Own: NodeName
        Peer: NodeName
        /// `NAME (HOST)` of the peer, as logs show it.
        Label: string
        OwnKey: Ed25519.KeyPair
        /// 32 bytes. None as long as we know no Ed25519 key of the peer.
        PeerKey: byte[] voption
    }

type Phase =
    | Idle
    /// Waiting for the peer. When both sides began at the same time there may be two attempts, and what comes next decides.
    | Pending of initiator: FirstHandshake.Attempt voption * responder: FirstHandshake.Attempt voption
    | Established of KeyChange.State

type State =
    {
        Phase: Phase
        /// No new session of our own accord before this moment.
        RetryAt: Instant
        /// When the peer may be asked for its public key again.
        AskAt: Instant
        /// A session is to begin as soon as the peer's public key is known.
        Wanted: bool
        /// The peer asked for our public key since we began, so it could not answer our request.
        PeerLacksKey: bool
        /// The packet plane holds a session with the peer, current or retired.
        HasSession: bool
    }

/// How a datagram of the session reached us.
type Way =
    | Udp
    /// SPTPS_PACKET.
    | RawTcp
    /// REQ_KEY with sub-request 21.
    | KeyRequest
    /// ANS_KEY.
    | KeyAnswer

/// Why the packet plane could not open one.
type Failure =
    /// The tag did not verify: the so manieth in a row, which began at `since`.
    | BadTag of inARow: int * since: Instant
    | NoSession
    /// Anything that an intact session can suffer from: replays, contents that make no sense.
    | Harmless

type Input =
    /// Something is to be sent to the peer, or the peer is being maintained.
    | Want
    /// REQ_KEY 15: the peer begins a session with this datagram.
    | RequestReceived of datagram: byte[]
    /// ANS_KEY.
    | AnswerReceived of datagram: byte[]
    /// The packet plane opened a handshake record of the established session.
    | HandshakeOpened of body: byte[]
    /// The packet plane sealed one, as `SealHandshake` asked.
    | HandshakeSealed of datagram: byte[]
    | OpenFailed of Way * Failure
    /// KeyExpire is over.
    | Rekey
    /// The peer's public key is in the settings now.
    | PeerKeyLearned
    /// REQ_KEY 19: the peer asks for our public key.
    | PublicKeyAsked
    /// Reachability changed: every trace of a session goes.
    | Reset

type Output =
    /// As `15 OWN PEER 15 BASE64`.
    | SendKeyRequest of datagram: byte[]
    /// As `16 OWN PEER BASE64 -1 -1 -1 LEVEL`.
    | SendKeyAnswer of datagram: byte[]
    /// As `15 OWN PEER 19`.
    | AskPublicKey
    /// Commands to the packet plane; the same words as there.
    | StartSession of sendKey: byte[] * receiveKey: byte[]
    | UseSendKey of byte[]
    | OfferReceiveKey of byte[]
    | ActivateReceiveKey
    | SealHandshake of body: byte[]
    | OpenDatagram of Way * datagram: byte[]
    | RetireSession
    | DropSession
    | Log of LogLine

let initial: State =
    { Phase = Idle
      RetryAt = Instant.never
      AskAt = Instant.never
      Wanted = false
      PeerLacksKey = false
      HasSession = false }

/// We can encrypt to the peer.
let hasKey (state: State) : bool =
    match state.Phase with
    | Established _ -> true
    | _ -> false

/// Bytes of fresh randomness that `step` wants with every input.
let entropySize = Handshake.RandomSize

/// A request, a retry, a restart: at least so far apart (spec 03 §11.6 rule 2).
let private retryInterval = 10L * Instant.second

/// Two sides that wait for each other must not wait equally long (spec 03 §11.6 rule 7).
let private retryJitter = 2L * Instant.second

/// So long nothing valid must have come before bad tags say that the peer has other keys (spec 03 §11.6 rule 2).
let private patience = 5L * Instant.second

/// Fewer bad tags than this are an accident or an attack.
let private fewestBadTags = 3

/// A change of keys that takes longer than this has lost a record and will not end.
let private rekeyPatience = 60L * Instant.second

/// Both ends have a timer: what the peer's has just done need not be done again.
let private rekeyPause = 3L * Instant.second

/// When `Want` would next do something.
let nextDue (state: State) : Instant =
    match state.Phase with
    | Established _ -> Instant.distant
    | _ -> max state.RetryAt state.AskAt

let private line level priority text = Log { Level = level; Priority = priority; Text = text }

let private sessionError settings error =
    line DebugLevel.traffic Priority.Error (Error.text error + " from " + settings.Label)

let private retryAfter now (entropy: byte[]) =
    // The first bytes become the nonce of the handshake, which everybody may see: so may the jitter.
    let jitter = BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan entropy)

    Instant.add (retryInterval + int64 jitter % retryJitter) now

/// A first handshake in either role, with the datagrams that begin it.
let private attempt settings peerKey role entropy : struct (FirstHandshake.Attempt * byte[] list) =
    let label =
        match role with
        | Handshake.Initiator -> Handshake.Label.data settings.Own settings.Peer
        | Handshake.Responder -> Handshake.Label.data settings.Peer settings.Own

    FirstHandshake.start entropy { Role = role; Own = settings.OwnKey; Peer = peerKey; Label = label }

/// The key of the peer is missing: ask for it, but not with every packet (spec 03 §11.2).
let private askKey settings now (state: State) : struct (State * Output list) =
    let wanting = { state with Wanted = true }

    if now < state.AskAt then
        struct (wanting, [])
    else
        struct ({ wanting with AskAt = Instant.add retryInterval now },
                [ line DebugLevel.protocol Priority.Debug ("No Ed25519 key known for " + settings.Label)
                  AskPublicKey ])

/// Nothing more is sealed with the session that was; what is in flight may still be opened (spec 03 §11.6 rule 3).
let private retire (state: State) =
    match state.Phase with
    | Established _ -> [ RetireSession ]
    | _ -> []

let private start settings now entropy (state: State) : struct (State * Output list) =
    match settings.PeerKey with
    | ValueNone -> askKey settings now state
    | ValueSome key ->
        let struct (initiator, kex) = attempt settings key Handshake.Initiator entropy

        struct ({ state with
                    Phase = Pending(ValueSome initiator, ValueNone)
                    RetryAt = retryAfter now entropy
                    Wanted = false
                    PeerLacksKey = false },
                retire state @ List.map SendKeyRequest kex)

let private want settings now entropy (state: State) : struct (State * Output list) =
    let missing = line DebugLevel.traffic Priority.Info ("No valid key known yet for " + settings.Label)

    match state.Phase with
    | Established _ -> struct (state, [])
    | _ when now < state.RetryAt -> struct (state, [ missing ])
    | Idle ->
        let struct (state, outputs) = start settings now entropy state
        struct (state, missing :: outputs)
    | Pending _ ->
        let overdue =
            line
                DebugLevel.always
                Priority.Debug
                ("No key from " + settings.Peer.Text + " after 10 seconds, restarting SPTPS")

        let struct (state, outputs) = start settings now entropy state
        struct (state, missing :: overdue :: outputs)

/// Our own attempt, if it may go on beside the one that the peer just began: it is young, and the peer was able to
/// understand it (spec 03 §11.6 rule 5).
let private crossing now (state: State) =
    match state.Phase with
    | Pending(initiator, _) when now < state.RetryAt && not state.PeerLacksKey -> initiator
    | _ -> ValueNone

let private requested settings now entropy datagram (state: State) : struct (State * Output list) =
    let known =
        match state.Phase with
        | Idle -> []
        | _ ->
            [ line
                  DebugLevel.always
                  Priority.Debug
                  ("Got REQ_KEY from " + settings.Peer.Text + " while we already started a SPTPS session!") ]

    match settings.PeerKey, crossing now state with
    | ValueNone, _ -> askKey settings now state
    // The peer will answer ours: its name comes later.
    | _, ValueSome own when own.Expected = 0u && settings.Own < settings.Peer -> struct (state, known)
    | ValueSome key, own ->
        let struct (responder, kex) = attempt settings key Handshake.Responder entropy

        match FirstHandshake.receive datagram responder with
        | Error error -> struct (state, known @ [ sessionError settings error ])
        | Ok progress ->
            struct ({ state with
                        Phase = Pending(own, ValueSome progress.Attempt)
                        RetryAt = retryAfter now entropy
                        Wanted = false },
                    known @ retire state @ List.map SendKeyAnswer kex)

/// A first handshake has gone a step. Of two attempts the one that did not is given up.
let private advance
    settings
    now
    role
    (progress: FirstHandshake.Progress)
    (state: State)
    : struct (State * Output list) =
    let answers = List.map SendKeyAnswer progress.Answers

    match progress.Keys, role with
    | ValueSome keys, _ ->
        struct ({ state with
                    Phase = Established(KeyChange.ofHandshake now progress.Attempt.Handshake)
                    HasSession = true },
                answers
                @ [ StartSession(keys.Send, keys.Receive)
                    line DebugLevel.meta Priority.Info ("SPTPS key exchange with " + settings.Label + " successful") ])
    | ValueNone, Handshake.Initiator ->
        struct ({ state with Phase = Pending(ValueSome progress.Attempt, ValueNone) }, answers)
    | ValueNone, Handshake.Responder ->
        struct ({ state with Phase = Pending(ValueNone, ValueSome progress.Attempt) }, answers)

/// The next record of a first handshake, for whichever attempt it fits.
let private answered settings now datagram initiator responder (state: State) : struct (State * Output list) =
    let receive attempt = attempt |> ValueOption.map (FirstHandshake.receive datagram)

    match receive initiator with
    | ValueSome(Ok progress) -> advance settings now Handshake.Initiator progress state
    | first ->
        match first, receive responder with
        | _, ValueSome(Ok progress) -> advance settings now Handshake.Responder progress state
        | ValueSome(Error error), _
        | ValueNone, ValueSome(Error error) -> struct (state, [ sessionError settings error ])
        | _ -> struct (state, [])

/// What a change of keys means to the packet plane, which seals and opens its records.
let private command settings (output: Handshake.Output) : Output list =
    match output with
    | Handshake.Send body -> [ SealHandshake body ]
    | Handshake.UseSendKey key -> [ UseSendKey key ]
    | Handshake.OfferReceiveKey key -> [ OfferReceiveKey key ]
    | Handshake.ActivateReceiveKey -> [ ActivateReceiveKey ]
    | Handshake.Complete -> []
    | Handshake.Refused error -> [ sessionError settings error ]

/// A record of a handshake that changes the keys of an established session.
let private opened settings now entropy body session (state: State) : struct (State * Output list) =
    let struct (session, outputs) = KeyChange.receive now entropy body session
    struct ({ state with Phase = Established session }, List.collect (command settings) outputs)

let private rekey settings now entropy (session: KeyChange.State) (state: State) : struct (State * Output list) =
    match KeyChange.force now entropy session with
    | _ when now < Instant.add rekeyPause session.At -> struct (state, [])
    | Ok(struct (session, outputs)) ->
        struct ({ state with Phase = Established session }, List.collect (command settings) outputs)
    // Records of the last change got lost with a meta connection: it would be in the way for ever.
    | Error _ when now >= Instant.add rekeyPatience session.At && now >= state.RetryAt ->
        start settings now entropy state
    | Error error -> struct (state, [ sessionError settings error ])

let private restart settings now entropy way (state: State) : struct (State * Output list) =
    let carrier =
        match way with
        | Udp
        | RawTcp -> "raw TCP"
        | KeyRequest -> "TCP"
        | KeyAnswer -> "handshake TCP"

    let text = "Failed to decode " + carrier + " packet from " + settings.Label + ", restarting SPTPS"

    let struct (state, outputs) = start settings now entropy state

    struct (state, line DebugLevel.protocol Priority.Error text :: outputs)

let private failed settings now entropy way failure (state: State) : struct (State * Output list) =
    let gotPacket text = line DebugLevel.traffic Priority.Debug ("Got packet from " + settings.Label + text)

    match failure, state.Phase with
    | BadTag(inARow, since), Established _ when
        inARow >= fewestBadTags && now >= Instant.add patience since && now >= state.RetryAt
        ->
        restart settings now entropy way state
    | NoSession, Idle when now >= state.RetryAt && way = Udp ->
        let struct (state, outputs) = start settings now entropy state
        struct (state, gotPacket " but we haven't exchanged keys yet" :: outputs)
    | NoSession, Idle when now >= state.RetryAt -> restart settings now entropy way state
    | NoSession, Pending _ -> struct (state, [ gotPacket " but he hasn't got our key yet" ])
    | _ -> struct (state, [])

/// One step. `entropy` is `entropySize` fresh random bytes.
let step
    (settings: Settings)
    (now: Instant)
    (entropy: byte[])
    (input: Input)
    (state: State)
    : struct (State * Output list) =
    match input, state.Phase with
    | Want, _ -> want settings now entropy state
    | RequestReceived datagram, _ -> requested settings now entropy datagram state
    | AnswerReceived datagram, Pending(initiator, responder) -> answered settings now datagram initiator responder state
    | AnswerReceived datagram, Established _ -> struct (state, [ OpenDatagram(KeyAnswer, datagram) ])
    // The peer goes on with a session that we have forgotten.
    | AnswerReceived _, Idle when now >= state.RetryAt -> restart settings now entropy KeyAnswer state
    | HandshakeOpened body, Established session -> opened settings now entropy body session state
    | HandshakeSealed datagram, Established _ -> struct (state, [ SendKeyAnswer datagram ])
    | OpenFailed(way, failure), _ -> failed settings now entropy way failure state
    | Rekey, Established session -> rekey settings now entropy session state
    | PeerKeyLearned, (Idle | Pending _) when state.Wanted -> start settings now entropy state
    | PublicKeyAsked, _ -> struct ({ state with PeerLacksKey = true }, [])
    | Reset, _ -> struct (initial, (if state.HasSession then [ DropSession ] else []))
    // Late records of a session that is no more, and wishes that are met already.
    | (AnswerReceived _ | HandshakeOpened _ | HandshakeSealed _ | Rekey | PeerKeyLearned), _ -> struct (state, [])
