/// The first handshake of a data session, whose records are sent in plain and numbered from 0 by each side
/// (spec 03 §11.1). It ends with the keys of the session.
module TincPure.Tunnel.FirstHandshake

open TincPure.Sptps

/// A handshake under way: the numbers of the next records from us and from the peer.
type Attempt = { Handshake: Handshake.State; Sent: uint32; Expected: uint32 }

/// Keys of 64 bytes each, seen from our side.
[<Struct>]
type Keys = { Send: byte[]; Receive: byte[] }

/// What a record from the peer leads to: datagrams to send, in order, and the keys if it was the last one.
type Progress = { Attempt: Attempt; Answers: byte[] list; Keys: Keys voption }

let private fold (attempt: Attempt) (outputs: Handshake.Output list) : Result<Progress, Error> =
    let mutable sent = attempt.Sent
    let mutable answers = []
    let mutable keys = { Send = [||]; Receive = [||] }
    let mutable complete = false
    let mutable refused = ValueNone

    for output in outputs do
        match output with
        | Handshake.Send body ->
            answers <- Record.plainDatagram sent body :: answers
            sent <- sent + 1u
        | Handshake.UseSendKey key -> keys <- { keys with Send = key }
        | Handshake.OfferReceiveKey key -> keys <- { keys with Receive = key }
        | Handshake.ActivateReceiveKey -> ()
        | Handshake.Complete -> complete <- true
        | Handshake.Refused error -> refused <- ValueSome error

    match refused with
    | ValueSome error -> Error error
    | ValueNone ->
        Ok
            { Attempt = { attempt with Sent = sent }
              Answers = List.rev answers
              Keys = if complete then ValueSome keys else ValueNone }

/// Begins, in either role, with our KEX. `random` is 64 secret random bytes.
let start (random: byte[]) (parameters: Handshake.Parameters) : struct (Attempt * byte[] list) =
    let struct (handshake, outputs) = Handshake.start random parameters

    let attempt = { Handshake = handshake; Sent = 0u; Expected = 0u }

    match fold attempt outputs with
    | Ok progress -> struct (progress.Attempt, progress.Answers)
    | Error _ -> struct (attempt, [])

/// Takes a plain datagram from the peer. An error leaves the attempt as it was: the right record may still come.
let receive (datagram: byte[]) (attempt: Attempt) : Result<Progress, Error> =
    match Record.readPlainDatagram attempt.Expected datagram with
    | Error error -> Error error
    | Ok body ->
        // Randomness is for rekeys only.
        let struct (handshake, outputs) = Handshake.receive [||] body attempt.Handshake

        fold { attempt with Handshake = handshake; Expected = attempt.Expected + 1u } outputs
