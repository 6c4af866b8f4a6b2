/// Two nodes agree on data keys over a network that loses, repeats, reorders, damages and forges; each with its packet
/// plane. Afterwards the network behaves, and they have to find together.
module TincPure.Fuzz.KeyAgreement

open System
open System.Collections.Generic
open TincPure.Core.Tests
open TincPure.Primitives
open TincPure.Sptps
open TincPure.Tunnel
open TincPure.Packet
open TincPure.Routing

type private Message =
    | Request of byte[]
    | Answer of byte[]
    | AskKey
    | TellKey
    /// By UDP.
    | Datagram of byte[]

let private names = [| Fixed.name "alpha"; Fixed.name "beta" |]

let private keyPairs = [| Fixed.keyPair 1; Fixed.keyPair 2 |]

let private address side = ForwardFixture.endpoint (1 + side)

let private fibs =
    [| for side in 0..1 ->
           let peers =
               [ { ForwardFixture.peer 0 names[side].Text with Neighbour = false }
                 { ForwardFixture.peer 1 names[1 - side].Text with
                     Neighbour = false
                     Address = ValueSome(address (1 - side))
                     UdpConfirmed = true } ]

           ForwardFixture.fib 0 peers [] ForwardFixture.settings |]

let private outbox = Outbox(65536, 64, 64)

/// One node: its half of the exchange, its packet plane, and what it asked for so far.
type private Side(number: int, knowsKey: bool, behaviour: Behaviour, send: int -> Message -> unit) =
    let forwarder = Forwarder()
    let mutable state = KeyExchange.initial
    let mutable knowsKey = knowsKey
    let mutable steps = 0

    /// Requests of its own accord, and moments that excuse one at once.
    member val Requests = 0 with get, set
    member val Excuses = 1 with get, set
    /// Probes of the other side that it opened.
    member val Heard = 0 with get, set

    member _.IsEstablished = KeyExchange.hasKey state

    member private this.Plane(now: Instant, act: unit -> unit) =
        outbox.Reset()
        act ()

        for entry in outbox.Entries do
            if entry.Kind = EntryKind.Datagram then
                send (1 - number) (Datagram(Array.sub outbox.Arena entry.Offset entry.Length))

        for punt in outbox.Punts.ToArray() do
            match punt with
            | HandshakeSealed(_, datagram) -> this.Step(now, KeyExchange.HandshakeSealed datagram)
            | HandshakeOpened(_, body) -> this.Step(now, KeyExchange.HandshakeOpened body)
            | OpenFailed(_, carrier, failure) ->
                let way =
                    match carrier with
                    | ValueSome KeyAnswer -> KeyExchange.KeyAnswer
                    | ValueSome KeyRequest -> KeyExchange.KeyRequest
                    | ValueSome RawTcp -> KeyExchange.RawTcp
                    | ValueNone -> KeyExchange.Udp

                match failure with
                | BadTag(inARow, since) ->
                    this.Step(now, KeyExchange.OpenFailed(way, KeyExchange.BadTag(inARow, since)))
                | NoSession -> this.Step(now, KeyExchange.OpenFailed(way, KeyExchange.NoSession))
                | _ -> this.Step(now, KeyExchange.OpenFailed(way, KeyExchange.Harmless))
            | ProbeReceived _ -> this.Heard <- this.Heard + 1
            | _ -> ()

    member this.Apply(now: Instant, command: PacketCommand) : unit =
        this.Plane(now, fun () -> forwarder.Apply(command, now, outbox))

    member this.Start(now: Instant) : unit = this.Apply(now, Publish fibs[number])

    member this.Step(now: Instant, input: KeyExchange.Input) : unit =
        steps <- steps + 1

        let settings: KeyExchange.Settings =
            { Own = names[number]
              Peer = names[1 - number]
              Label = names[1 - number].Text
              OwnKey = keyPairs[number]
              PeerKey = (if knowsKey then ValueSome keyPairs[1 - number].Public else ValueNone) }

        let entropy = Fixed.bytes (1000 + 7919 * number + steps) KeyExchange.entropySize
        let struct (next, outputs) = KeyExchange.step settings now entropy input state
        state <- next
        Target.check (outputs.Length <= 12) "much said about one input"

        for output in outputs do
            match output with
            | KeyExchange.SendKeyRequest datagram ->
                this.Requests <- this.Requests + 1
                send (1 - number) (Request datagram)
            | KeyExchange.SendKeyAnswer datagram -> send (1 - number) (Answer datagram)
            | KeyExchange.AskPublicKey -> send (1 - number) AskKey
            | KeyExchange.StartSession(sendKey, receiveKey) ->
                behaviour.Saw "session"
                this.Apply(now, StartSession(1, sendKey, receiveKey, 16))
            | KeyExchange.UseSendKey key -> this.Apply(now, UseSendKey(1, key))
            | KeyExchange.OfferReceiveKey key -> this.Apply(now, OfferReceiveKey(1, key))
            | KeyExchange.ActivateReceiveKey -> this.Apply(now, ActivateReceiveKey 1)
            | KeyExchange.SealHandshake body -> this.Apply(now, SealHandshake(1, body))
            | KeyExchange.OpenDatagram(_, datagram) -> this.Apply(now, OpenDatagram(1, KeyAnswer, datagram))
            | KeyExchange.RetireSession -> this.Apply(now, RetireSession 1)
            | KeyExchange.DropSession -> this.Apply(now, DropSession 1)
            | KeyExchange.Log line -> behaviour.SawText line.Text

    member this.Receive(now: Instant, message: Message) : unit =
        match message with
        | Request datagram -> this.Step(now, KeyExchange.RequestReceived datagram)
        | Answer datagram -> this.Step(now, KeyExchange.AnswerReceived datagram)
        | AskKey ->
            this.Step(now, KeyExchange.PublicKeyAsked)
            send (1 - number) TellKey
        | TellKey ->
            if not knowsKey then
                this.Excuses <- this.Excuses + 1

            knowsKey <- true
            this.Step(now, KeyExchange.PeerKeyLearned)
        | Datagram bytes ->
            let copy = Array.copy bytes
            this.Plane(now, fun () -> forwarder.FromSocket(0, address (1 - number), Span copy, now, outbox))

    member this.Probe(now: Instant) : unit =
        this.Apply(now, SendProbe(1, address (1 - number), 0, Array.zeroCreate Probe.minimumSize))

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    let network = [| List<Message>(); List<Message>() |]
    let start = ForwardFixture.at 0
    let mutable now = start
    let mutable moves = 0

    /// More than this in flight is lost.
    let send (target: int) (message: Message) =
        if network[target].Count < 64 then
            network[target].Add message

    let flags = tape.Byte()
    let sides = [| for number in 0..1 -> Side(number, (flags >>> number) &&& 1uy = 0uy, behaviour, send) |]

    for side in sides do
        side.Start now

    let someMessage (target: int) =
        let messages = network[target]
        if messages.Count = 0 then -1 else tape.Below messages.Count

    let take (target: int) (at: int) =
        let message = network[target][at]
        network[target].RemoveAt at
        message

    let damage (bytes: byte[]) =
        let bytes = Array.copy bytes

        if bytes.Length > 0 then
            let at = tape.Below bytes.Length
            bytes[at] <- bytes[at] ^^^ max 1uy (tape.Byte())

        bytes

    while not tape.AtEnd && moves < 200 do
        moves <- moves + 1
        behaviour.Anew()
        let target = tape.Below 2

        match tape.Below 14 with
        | 0
        | 1 -> sides[target].Step(now, KeyExchange.Want)
        | 2
        | 3
        | 4 ->
            match someMessage target with
            | -1 -> ()
            | at -> sides[target].Receive(now, take target at)
        | 5 ->
            match someMessage target with
            | -1 -> ()
            | at -> take target at |> ignore
        | 6 ->
            match someMessage target with
            | -1 -> ()
            | at -> send target (network[target][at])
        | 7 ->
            match someMessage target with
            | -1 -> ()
            | at ->
                match network[target][at] with
                | Request bytes -> sides[target].Receive(now, Request(damage bytes))
                | Answer bytes -> sides[target].Receive(now, Answer(damage bytes))
                | Datagram bytes -> sides[target].Receive(now, Datagram(damage bytes))
                | AskKey
                | TellKey -> ()
        | 8 ->
            let bytes = tape.Block()
            sides[target].Receive(now, (if tape.Flag() then Request bytes else Answer bytes))
        | 9 ->
            sides[target].Excuses <- sides[target].Excuses + 1
            sides[target].Step(now, KeyExchange.Reset)
        | 10 -> sides[target].Step(now, KeyExchange.Rekey)
        | 11 -> sides[target].Probe now
        | 12 ->
            let bytes = tape.Block()
            sides[target].Receive(now, Datagram(Array.append (Array.zeroCreate Datagram.idsSize) bytes))
        | _ -> now <- Instant.add (int64 (tape.Word()) * Instant.millisecond) now

        for side in sides do
            let elapsed = Instant.between start now / (10L * Instant.second)
            Target.check (side.Requests <= side.Excuses + int elapsed + 1) "a storm of requests"

    behaviour.Saw(if sides[0].IsEstablished then "first has keys" else "first has none")
    behaviour.Saw(if sides[1].IsEstablished then "second has keys" else "second has none")

    // From now on everything arrives, and both have something to say. Seconds in a row in which both are heard:
    let mutable good = 0
    let mutable second = 0

    while good < 12 do
        second <- second + 1
        now <- Instant.addSeconds 1 now
        Target.check (second < 120) "in two minutes of quiet they do not find together"

        for side in sides do
            side.Heard <- 0
            side.Step(now, KeyExchange.Want)
            side.Probe now

        let mutable rounds = 0

        while network[0].Count + network[1].Count > 0 do
            rounds <- rounds + 1
            Target.check (rounds < 1000) "a talk without end"

            for target in 0..1 do
                if network[target].Count > 0 then
                    sides[target].Receive(now, take target 0)

        let isGood = sides |> Array.forall (fun side -> side.IsEstablished && side.Heard > 0)
        good <- if isGood then good + 1 else 0

let private seeds () =
    let want side = [| side; 0uy |]
    let deliver side = [| side; 2uy; 0uy |]
    let all =
        Array.concat
            [ for _ in 1..4 do
                  yield deliver 1uy
                  yield deliver 0uy ]

    [ [| 0uy |]
      [| 3uy |]
      Array.concat [ [| 0uy |]; want 0uy; all; [| 0uy; 11uy; 1uy; 2uy; 0uy |] ]
      Array.concat [ [| 0uy |]; want 0uy; want 1uy; all; all ]
      Array.concat [ [| 3uy |]; want 0uy; all; all; all ]
      Array.concat [ [| 0uy |]; want 0uy; all; [| 0uy; 10uy |]; all; [| 1uy; 10uy |]; all ]
      Array.concat
          [ [| 0uy |]
            want 0uy
            all
            [| 1uy; 9uy |]
            want 1uy
            all
            [| 0uy; 13uy; 60uy; 0uy |]
            want 0uy
            all ]
      Array.concat
          [ [| 0uy |]
            want 0uy
            all
            [| 0uy; 10uy; 1uy; 5uy; 0uy; 0uy; 13uy; 255uy; 255uy; 0uy; 10uy |]
            all ]
      Array.concat [ [| 0uy |]; want 0uy; [| 1uy; 7uy; 0uy; 9uy; 1uy |]; all; [| 1uy; 6uy; 0uy |]; all ] ]

let target =
    { Target.create "key-exchange" "whatever the network did, two nodes find together, without a storm" seeds run with
        MaxSize = 1024 }
