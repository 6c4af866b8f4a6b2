/// The handshake of SPTPS over the bodies of its records, the same for streams and datagrams (spec 01 §9 and §10).
///
/// In a session, both sides send KEX at once; the initiator signs as soon as it has the responder's KEX, the responder
/// only after it has seen a good signature. The first handshake switches keys without a word; a rekey ends with an ACK
/// each, sealed with the old key, after which its sender seals with the new one.
module TincPure.Sptps.Handshake

open System
open System.Security.Cryptography
open System.Text
open TincPure.Crypto
open TincPure.Primitives

type Role =
    | Initiator
    | Responder

type Parameters =
    {
        Role: Role
        Own: Ed25519.KeyPair
        /// The peer's Ed25519 public key, 32 bytes.
        Peer: byte[]
        /// See `Label`; both sides must use the same bytes.
        Label: byte[]
    }

/// Which session this is goes into its signatures and keys (spec 01 §8.2).
module Label =

    let private ofNames (purpose: string) (initiator: NodeName) (responder: NodeName) =
        Encoding.ASCII.GetBytes(purpose + " key expansion " + initiator.Text + " " + responder.Text + "\000")

    /// A meta connection; the initiator is who opened it.
    let meta (initiator: NodeName) (responder: NodeName) : byte[] = ofNames "tinc TCP" initiator responder

    /// A session between two nodes; the initiator is who sent REQ_KEY.
    let data (initiator: NodeName) (responder: NodeName) : byte[] = ofNames "tinc UDP" initiator responder

    let invitation: byte[] = Encoding.ASCII.GetBytes "tinc invitation"

let errorText (error: Error) : string = Error.text error

[<Literal>]
let Version = 0uy

[<Literal>]
let private NonceSize = 32

[<Literal>]
let KexSize = 65

[<Literal>]
let SigSize = 64

/// Random bytes that a KEX is made of: nonce and seed of the ephemeral key.
[<Literal>]
let RandomSize = 64

/// Each direction's key, of which ChaChaPoly uses the first half.
[<Literal>]
let KeySize = 64

/// What we have said, and the ephemeral key behind it.
type OwnKex = private { Body: byte[]; Ephemeral: Secret }

type Phase =
    /// Our KEX has been sent, the peer's is missing.
    | AwaitingKex of OwnKex
    | AwaitingSig of OwnKex * peerKex: byte[]
    /// A rekey: the peer has all that it needs, but still seals with the old key.
    | AwaitingAck
    /// Nothing is missing; a KEX begins a rekey.
    | Established

/// A handshake at a moment. `Encrypted` once the first one was completed.
type State = { Parameters: Parameters; Phase: Phase; Encrypted: bool }

/// What follows from an input, in order.
type Output =
    /// Send this body in a handshake record, sealed with the send key of this point in the list.
    | Send of body: byte[]
    /// From here on seal with this key.
    | UseSendKey of key: byte[]
    /// The peer may seal with this key from its ACK on, which our side may see later than what follows it.
    | OfferReceiveKey of key: byte[]
    /// From here on the peer seals with the key offered last.
    | ActivateReceiveKey
    | Complete
    /// The body was no good. The state is as before it, except that an own KEX that it called forth stays valid.
    | Refused of Error

let private makeKex (random: byte[]) : OwnKex =
    let ephemeral = Ed25519.generate (ReadOnlySpan(random, NonceSize, Ed25519.SeedSize))

    { Body = Array.concat [ [| Version |]; Array.truncate NonceSize random; ephemeral.Public ]
      Ephemeral = ephemeral.Private }

/// Starts a session by sending our KEX. `random` is 64 secret random bytes, used for nothing else.
let start (random: byte[]) (parameters: Parameters) : struct (State * Output list) =
    let own = makeKex random

    struct ({ Parameters = parameters; Phase = AwaitingKex own; Encrypted = false }, [ Send own.Body ])

let private signedText (signer: Role) (signersKex: byte[]) (othersKex: byte[]) (label: byte[]) =
    let role =
        match signer with
        | Initiator -> 1uy
        | Responder -> 0uy

    Array.concat [ [| role |]; signersKex; othersKex; label ]

let private sign (parameters: Parameters) (own: OwnKex) (peerKex: byte[]) =
    let text = signedText parameters.Role own.Body peerKex parameters.Label
    Ed25519.sign parameters.Own.Private.Span (ReadOnlySpan parameters.Own.Public) (ReadOnlySpan text)

let private verifies (parameters: Parameters) (own: OwnKex) (peerKex: byte[]) (signature: byte[]) =
    let peersRole =
        match parameters.Role with
        | Initiator -> Responder
        | Responder -> Initiator

    let text = signedText peersRole peerKex own.Body parameters.Label
    Ed25519.verify (ReadOnlySpan parameters.Peer) (ReadOnlySpan text) (ReadOnlySpan signature)

/// Our send and receive keys; nothing if the peer's ephemeral key is of small order.
let private deriveKeys (parameters: Parameters) (own: OwnKex) (peerKex: byte[]) =
    let nonce (kex: byte[]) = Array.sub kex 1 NonceSize
    let shared =
        Ecdh.sharedSecret own.Ephemeral.Span (ReadOnlySpan(peerKex, 1 + NonceSize, Ed25519.PublicKeySize))

    let struct (initiatorsNonce, respondersNonce) =
        match parameters.Role with
        | Initiator -> struct (nonce own.Body, nonce peerKex)
        | Responder -> struct (nonce peerKex, nonce own.Body)

    let seed =
        Array.concat [ Encoding.ASCII.GetBytes "key expansion"; initiatorsNonce; respondersNonce; parameters.Label ]

    if shared.Span.IndexOfAnyExcept 0uy < 0 then
        ValueNone
    else
        let material = Prf.derive shared.Span (ReadOnlySpan seed) (2 * KeySize)
        shared.Wipe()
        let toInitiator = Array.sub material 0 KeySize
        let toResponder = Array.sub material KeySize KeySize
        CryptographicOperations.ZeroMemory(Span material)

        match parameters.Role with
        | Initiator -> ValueSome struct (toResponder, toInitiator)
        | Responder -> ValueSome struct (toInitiator, toResponder)

let private refuse (state: State) (error: Error) : struct (State * Output list) = struct (state, [ Refused error ])

/// In a rekey the responder seals with its new key as soon as it has sent its SIG and ACK; by TCP these may arrive later than
/// data by UDP. So the initiator, whose SIG the responder waits for, opens with that key before it sends it. The KEX that the
/// key comes from is authentic already: it came in the session.
let private offerEarly (state: State) (own: OwnKex) (peerKex: byte[]) : Output list =
    if not state.Encrypted then
        []
    else
        match deriveKeys state.Parameters own peerKex with
        | ValueSome struct (_, receiveKey) -> [ OfferReceiveKey receiveKey ]
        | ValueNone -> []

let private receiveKex (own: OwnKex) (body: byte[]) (state: State) : struct (State * Output list) =
    if body.Length <> KexSize then
        refuse state InvalidKexLength
    elif body[0] <> Version then
        refuse state (IncorrectVersion body[0])
    else
        let outputs =
            match state.Parameters.Role with
            | Initiator -> offerEarly state own body @ [ Send(sign state.Parameters own body) ]
            | Responder -> []

        struct ({ state with Phase = AwaitingSig(own, body) }, outputs)

let private receiveSig (own: OwnKex) (peerKex: byte[]) (body: byte[]) (state: State) : struct (State * Output list) =
    if body.Length <> SigSize then
        refuse state InvalidKexLength
    elif not (verifies state.Parameters own peerKex body) then
        refuse state SignatureMismatch
    else
        match deriveKeys state.Parameters own peerKex with
        | ValueNone -> refuse state NoSharedSecret
        | ValueSome struct (sendKey, receiveKey) ->
            let signature =
                match state.Parameters.Role with
                | Initiator -> []
                | Responder -> [ Send(sign state.Parameters own peerKex) ]

            if state.Encrypted then
                let offer =
                    match state.Parameters.Role with
                    | Initiator -> [] // done at the KEX
                    | Responder -> [ OfferReceiveKey receiveKey ]

                struct ({ state with Phase = AwaitingAck }, signature @ [ Send [||]; UseSendKey sendKey ] @ offer)
            else
                struct ({ state with Phase = Established; Encrypted = true },
                        signature @ [ UseSendKey sendKey; OfferReceiveKey receiveKey; ActivateReceiveKey; Complete ])

let private receiveAck (body: byte[]) (state: State) : struct (State * Output list) =
    if body.Length > 0 then
        refuse state InvalidAckLength
    else
        struct ({ state with Phase = Established }, [ ActivateReceiveKey; Complete ])

/// Takes the body of a handshake record. `random` is 64 secret random bytes, used (and used up) only when the body starts a
/// rekey, which our own KEX answers.
///
/// When the body that starts a rekey is no good, our KEX is on its way all the same and the next good one counts as its
/// answer; the reference is stuck from there on (spec 01 §12.1).
let receive (random: byte[]) (body: byte[]) (state: State) : struct (State * Output list) =
    match state.Phase with
    | AwaitingKex own -> receiveKex own body state
    | AwaitingSig(own, peerKex) -> receiveSig own peerKex body state
    | AwaitingAck -> receiveAck body state
    | Established ->
        let own = makeKex random
        let struct (state, outputs) = receiveKex own body { state with Phase = AwaitingKex own }
        struct (state, Send own.Body :: outputs)

/// Starts a rekey of an established session. `random` is 64 secret random bytes.
let forceRekey (random: byte[]) (state: State) : Result<struct (State * Output list), Error> =
    match state.Phase with
    | Established ->
        let own = makeKex random
        Ok struct ({ state with Phase = AwaitingKex own }, [ Send own.Body ])
    | AwaitingKex _
    | AwaitingSig _
    | AwaitingAck -> Error CannotForceKex
