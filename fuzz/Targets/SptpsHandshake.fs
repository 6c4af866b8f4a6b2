/// Bodies of handshake records, genuine ones and others, in any order.
module TincPure.Fuzz.SptpsHandshake

open TincPure.Sptps
open TincPure.Tunnel

let private ours = Fixed.keyPair 1

let private theirs = Fixed.keyPair 2

let private label = Handshake.Label.data (Fixed.name "ours") (Fixed.name "theirs")

let private random number = Fixed.bytes number Handshake.RandomSize

let private parameters role own peer : Handshake.Parameters = { Role = role; Own = own; Peer = peer; Label = label }

let private sent outputs =
    outputs
    |> List.choose (fun output ->
        match output with
        | Handshake.Send body -> Some body
        | _ -> None)

let private other role =
    match role with
    | Handshake.Initiator -> Handshake.Responder
    | Handshake.Responder -> Handshake.Initiator

/// Our start in a role, and the KEX and SIG with which a genuine peer answers it.
let private stage role =
    let struct (us, ourKex) = Handshake.start (random 3) (parameters role ours theirs.Public)
    let struct (them, theirKex) = Handshake.start (random 4) (parameters (other role) theirs ours.Public)
    let struct (them, first) = Handshake.receive (random 5) (sent ourKex).Head them
    let kex = (sent theirKex).Head

    let signature =
        match sent first with
        | signature :: _ -> signature
        | [] ->
            // A responder signs after our signature.
            let struct (_, outputs) = Handshake.receive (random 6) kex us
            let struct (_, answers) = Handshake.receive (random 5) (sent outputs).Head them
            (sent answers).Head

    us, kex, signature

let private stages = [| stage Handshake.Initiator; stage Handshake.Responder |]

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    let start, kex, signature = stages[tape.Below 2]
    let mutable state = start
    let mutable attempt: FirstHandshake.Attempt voption =
        ValueSome { Handshake = start; Sent = 1u; Expected = 0u }
    let mutable isOver = false
    /// The KEX that was taken, if it was the genuine one.
    let mutable hasGenuineKex = false
    let mutable moves = 0

    let body () =
        let genuine = if tape.Flag() then kex else signature

        match tape.Below 4 with
        | 0 -> genuine
        | 1 ->
            let changed = Array.copy genuine
            let at = tape.Below changed.Length
            changed[at] <- changed[at] ^^^ tape.Byte()
            changed
        | 2 -> Array.append (Array.truncate (tape.Below 70) genuine) (tape.Block())
        | _ -> tape.Block()

    while not isOver && not tape.AtEnd && moves < 16 do
        moves <- moves + 1
        let body = body ()
        let before = state
        let struct (after, outputs) = Handshake.receive (random 7) body state
        let refused = outputs |> List.exists _.IsRefused

        for output in outputs do
            match output with
            | Handshake.Refused error -> behaviour.SawText(Error.text error)
            | Handshake.Send body -> behaviour.Saw("send", body.Length)
            | Handshake.Complete -> behaviour.Saw "complete"
            | Handshake.UseSendKey key
            | Handshake.OfferReceiveKey key -> Target.check (key.Length = Handshake.KeySize) "a key of another size"
            | Handshake.ActivateReceiveKey -> ()

        match before.Phase with
        | Handshake.AwaitingKex _ when not refused -> hasGenuineKex <- body = kex
        | _ -> ()

        Target.check
            (not refused || after.Phase.IsAwaitingKex = before.Phase.IsAwaitingKex)
            "a refusal has consequences"
        isOver <- outputs |> List.exists _.IsComplete
        Target.check (not isOver || (hasGenuineKex && body = signature)) "a handshake with somebody else is complete"
        state <- after

        match attempt with
        | ValueNone -> ()
        | ValueSome pending ->
            let number = if tape.Below 8 = 0 then uint32 (tape.Byte()) else pending.Expected

            match FirstHandshake.receive (Record.plainDatagram number body) pending with
            | Ok progress ->
                behaviour.Saw("progress", progress.Answers.Length)
                // With the keys the session is out of its hands.
                attempt <- if progress.Keys.IsSome then ValueNone else ValueSome progress.Attempt
            | Error error -> behaviour.SawText(Error.text error)

let private seeds () =
    [ for role in 0uy .. 1uy do
          [| role; 1uy; 0uy; 1uy; 0uy; 0uy; 1uy |]
          [| role; 0uy; 0uy; 1uy; 1uy; 0uy; 1uy; 0uy; 1uy; 40uy; 3uy; 1uy |]
          [| role; 1uy; 1uy; 0uy; 1uy; 1uy; 1uy; 0uy; 1uy; 0uy; 0uy; 1uy |]
          [| role; 1uy; 3uy; 2uy; 0uy; 0uy; 1uy; 1uy; 2uy; 65uy; 0uy; 1uy |] ]

let target =
    { Target.create "sptps-handshake" "a handshake is completed only by whom it was begun with" seeds run with
        MaxSize = 512 }
