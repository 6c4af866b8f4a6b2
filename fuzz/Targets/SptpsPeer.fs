/// A peer with the right keys that sends what it likes.
module TincPure.Fuzz.SptpsPeer

open System
open TincPure.Sptps

let private ours = Fixed.keyPair 1

let private theirs = Fixed.keyPair 2

let private label = Handshake.Label.meta (Fixed.name "theirs") (Fixed.name "ours")

let private random number = Fixed.bytes number Handshake.RandomSize

/// Both sides behind the handshake.
let private session, private party =
    let struct (ourKex, session) =
        Stream.start (random 3) { Role = Handshake.Responder; Own = ours; Peer = theirs.Public; Label = label }

    let struct (theirKex, party) =
        Party.start (random 4) { Role = Handshake.Initiator; Own = theirs; Peer = ours.Public; Label = label }

    let struct (theirSig, _, party) = Party.receive (random 5) (Array.concat ourKex) party
    let mutable session = session
    let mutable party = party

    for bytes in [ theirKex; theirSig ] do
        match Stream.receive (random 3) (ReadOnlySpan bytes) session with
        | Ok received ->
            session <- received.Session

            for answer in received.Outgoing do
                let struct (_, _, next) = Party.receive (random 5) answer party
                party <- next
        | Error error -> Target.broken (Error.text error)

    session, party

/// A conversation: what we make of each of the peer's moves.
let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    let mutable session = session
    let mutable party = party
    let mutable unread = [||]
    let mutable isAlive = true

    let send expected (bytes: byte[]) =
        let mutable rest = bytes
        let mutable records = []

        while isAlive && rest.Length > 0 do
            match Stream.receive (random 6) (ReadOnlySpan rest) session with
            | Error error ->
                behaviour.SawText(Error.text error)
                isAlive <- false
            | Ok received ->
                session <- received.Session
                rest <- Array.skip received.Consumed rest
                unread <- Array.append unread (Array.concat received.Outgoing)

                match received.Event with
                | ValueSome(Stream.Record(kind, data)) -> records <- (kind, data) :: records
                | ValueSome Stream.HandshakeComplete -> behaviour.Saw "complete"
                | ValueNone -> ()

        behaviour.Saw("records", records.Length)
        Target.check (not isAlive || records = expected) "a record did not arrive as it was sent"

    let say (struct (bytes, next)) =
        party <- next
        bytes

    let mutable moves = 0

    while isAlive && not tape.AtEnd && moves < 64 do
        moves <- moves + 1

        match tape.Below 8 with
        | 0
        | 1 ->
            let kind = tape.Byte()
            let data = tape.Block()
            let isData = Record.isApplication kind
            send (if isData then [ kind, data ] else []) (say (Party.seal kind data party))
            Target.check (isData || kind = Record.Handshake || not isAlive) "a record of an unknown type is taken"
        | 2 -> send [] (say (Party.seal Record.Handshake (tape.Block()) party))
        | 3 -> send [] (say (Party.rekey (random 7) party))
        | 4 ->
            let struct (answer, _, next) = Party.receive (random 8) unread party
            party <- next
            unread <- [||]
            send [] answer
        | 5 ->
            // Large records need not stand in the input.
            let data = Array.create (tape.Word()) (tape.Byte())
            send [ 0uy, data ] (say (Party.seal 0uy data party))
        | 6 ->
            match Stream.forceRekey (random 9) session with
            | Ok struct (records, next) ->
                session <- next
                unread <- Array.append unread (Array.concat records)
            | Error error -> behaviour.SawText(Error.text error)
        | _ ->
            let record = say (Party.seal 0uy [| 1uy |] party)
            record[tape.Below record.Length] <- tape.Byte()
            // It may be the byte that was there; a length of its own makes it wait for more.
            isAlive <- false
            behaviour.Saw "damage"

    match Stream.send 0uy (ReadOnlySpan [| 1uy |]) session with
    | Ok _ -> ()
    | Error error -> Target.broken ("cannot send: " + Error.text error)

let private seeds () =
    [ [| 0uy; 0uy; 3uy; 1uy; 2uy; 3uy |]
      [| 3uy; 4uy; 4uy; 4uy; 0uy; 0uy; 1uy; 7uy |]
      [| 6uy; 4uy; 4uy; 0uy; 5uy; 0uy; 3uy; 4uy |]
      [| 2uy; 0uy |]
      Array.append [| 2uy; 65uy |] (Array.zeroCreate 65)
      Array.concat [ [| 3uy; 2uy; 65uy |]; Array.zeroCreate 65; [| 2uy; 64uy |]; Array.zeroCreate 64 ]
      [| 5uy; 255uy; 255uy; 1uy; 0uy; 128uy; 0uy; 0uy; 200uy; 0uy |] ]

let target =
    { Target.create "sptps-peer" "a peer's data arrive as sent until it breaks the rules" seeds run with
        MaxSize = 2048 }
