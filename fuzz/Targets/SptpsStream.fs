/// The bytes of a stream on their way to us: an attacker changes them, without any key.
module TincPure.Fuzz.SptpsStream

open System
open TincPure.Sptps

let private ours = Fixed.keyPair 1

let private theirs = Fixed.keyPair 2

let private label = Handshake.Label.meta (Fixed.name "theirs") (Fixed.name "ours")

let private random = Fixed.bytes 3 Handshake.RandomSize

/// Where a run begins: at once, or behind the handshake.
let private fresh, private established, private handshakeLength, private genuine =
    let struct (ourKex, session) =
        Stream.start random { Role = Handshake.Responder; Own = ours; Peer = theirs.Public; Label = label }

    let struct (theirKex, party) =
        Party.start
            (Fixed.bytes 4 Handshake.RandomSize)
            { Role = Handshake.Initiator; Own = theirs; Peer = ours.Public; Label = label }

    let mutable party = party
    let mutable stream = theirKex
    let mutable running = session
    let mutable handshakeLength = 0

    /// Both sides talk until there is nothing more to say.
    let rec exchange (toThem: byte[]) (toUs: byte[]) =
        let struct (answer, _, next) = Party.receive (Fixed.bytes 5 Handshake.RandomSize) toThem party
        party <- next
        let mutable input = Array.append toUs answer
        stream <- Array.append stream answer
        let mutable output = []

        while input.Length > 0 do
            match Stream.receive random (ReadOnlySpan input) running with
            | Ok received ->
                running <- received.Session
                output <- output @ received.Outgoing
                input <- Array.skip received.Consumed input
            | Error error -> Target.broken (Error.text error)

        if not output.IsEmpty then
            exchange (Array.concat output) [||]

    let say (struct (bytes, next)) =
        party <- next
        stream <- Array.append stream bytes
        exchange [||] bytes

    exchange (Array.concat ourKex) theirKex
    handshakeLength <- stream.Length
    let behind = running
    say (Party.seal 0uy [| 1uy; 2uy; 3uy |] party)
    say (Party.seal 1uy [||] party)
    say (Party.seal 127uy (Array.zeroCreate 300) party)
    say (Party.rekey (Fixed.bytes 6 Handshake.RandomSize) party)
    say (Party.seal 0uy [| 9uy |] party)
    session, behind, handshakeLength, stream

type private Heard = { Events: Stream.Event list; Sent: byte[] list; Failure: Error voption }

let private hear (start: Stream.Session) (portions: byte[] list) : Heard =
    let mutable session = start
    let events = ResizeArray()
    let sent = ResizeArray()
    let mutable failure = ValueNone

    for portion in portions do
        let mutable input = portion

        while failure.IsNone && input.Length > 0 do
            match Stream.receive random (ReadOnlySpan input) session with
            | Error error -> failure <- ValueSome error
            | Ok received ->
                Target.check (received.Consumed > 0 && received.Consumed <= input.Length) "takes too much or nothing"
                ValueOption.iter events.Add received.Event
                sent.AddRange received.Outgoing
                session <- received.Session
                input <- Array.skip received.Consumed input

    { Events = List.ofSeq events; Sent = List.ofSeq sent; Failure = failure }

let private data (heard: Heard) = heard.Events |> List.filter _.IsRecord

let private whole = hear fresh [ genuine ]

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    let start = if tape.Flag() then established else fresh
    let sizes = tape.Block()
    let stream = tape.Rest()
    let heard = hear start [ stream ]

    for event in heard.Events do
        behaviour.Saw(if event.IsRecord then "record" else "complete")

    behaviour.Saw("sent", heard.Sent.Length)

    match heard.Failure with
    | ValueSome error -> behaviour.SawText(Error.text error)
    | ValueNone -> behaviour.Saw "no failure"

    let expected = data whole
    let records = data heard
    Target.check (records = List.truncate records.Length expected) "data that nobody sent"
    Target.check (heard.Events.Length <= whole.Events.Length) "handshakes that nobody did"
    Target.check (hear start (MetaFraming.portions sizes stream) = heard) "other events in other portions"

let private seeds () =
    Target.check ((data whole).Length = 4 && whole.Failure.IsNone) "the genuine stream is no good"
    let vectors = Corpus.hex "01-sptps-errors.json" [ "data" ]

    [ Array.append [| 0uy; 2uy; 1uy; 70uy |] genuine
      Array.append [| 1uy; 1uy; 30uy |] (Array.skip handshakeLength genuine) ]
    @ List.map (Array.append [| 0uy; 0uy |]) vectors

let target =
    Target.create "sptps-stream" "a changed stream yields only genuine data, however it is cut" seeds run
