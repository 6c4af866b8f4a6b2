module TincPure.Core.Tests.SptpsVectorTests

open System
open System.Security.Cryptography
open System.Text.Json
open TincPure.Crypto
open TincPure.Primitives
open TincPure.Sptps
open TincPure.Core.Tests.SptpsParty
open Xunit
open Xunit.Abstractions

let private find (name: string) (element: JsonElement) : JsonElement voption =
    match element.TryGetProperty name with
    | true, value -> ValueSome value
    | _ -> ValueNone

let private optionalText (name: string) (element: JsonElement) : string =
    match find name element with
    | ValueSome _ -> Vectors.text name element
    | ValueNone -> ""

/// The random bytes that a step draws; those it would have drawn had it gone otherwise do not matter.
let private drawn (step: JsonElement) : byte[] =
    match find "random_consumed" step with
    | ValueSome _ -> Vectors.bytes "random_consumed" step
    | ValueNone -> Array.zeroCreate Handshake.RandomSize

let private callbacks (step: JsonElement) : (byte * byte[]) list =
    Vectors.items "callbacks" step
    |> List.map (fun callback -> byte (Vectors.number "type" callback), Vectors.bytes "data" callback)

let private completed: byte * byte[] = Record.Handshake, [||]

/// A party of a transcript, whatever its mode: what it says and reports, as the transcripts put it.
[<AbstractClass>]
type private Party() =
    abstract Start: random: byte[] -> byte[] list
    abstract Send: recordType: byte * data: byte[] -> Result<byte[], string>
    abstract ForceKex: random: byte[] -> Result<byte[] list, string>
    /// Consumed, callbacks, wire output, log.
    abstract Receive: random: byte[] * data: byte[] -> struct (int * (byte * byte[]) list * byte[] list * string)

let private unstarted () = failwith "the transcript uses a party before it starts"

type private StreamParty(parameters) =
    inherit Party()
    let mutable state: Stream.Session voption = ValueNone
    let session () = ValueOption.defaultWith unstarted state

    override _.Start random =
        let struct (records, started) = Stream.start random parameters
        state <- ValueSome started
        records

    override _.Send(recordType, data) =
        match Stream.send recordType (ReadOnlySpan data) (session ()) with
        | Ok struct (record, next) ->
            state <- ValueSome next
            Ok record
        | Error error -> Error(Error.text error)

    override _.ForceKex random =
        match Stream.forceRekey random (session ()) with
        | Ok struct (records, next) ->
            state <- ValueSome next
            Ok records
        | Error error -> Error(Error.text error)

    override _.Receive(random, data) =
        match Stream.receive random (ReadOnlySpan data) (session ()) with
        | Error error -> struct (0, [], [], Error.text error)
        | Ok received ->
            state <- ValueSome received.Session

            let reported =
                match received.Event with
                | ValueSome(Stream.Record(recordType, data)) -> [ recordType, data ]
                | ValueSome Stream.HandshakeComplete -> [ completed ]
                | ValueNone -> []

            struct (received.Consumed, reported, received.Outgoing, "")

type private DatagramParty(parameters) =
    inherit Party()
    let mutable state: Datagrams voption = ValueNone
    let party () = ValueOption.defaultWith unstarted state

    let after struct (next: Datagrams, reaction: Reaction) =
        state <- ValueSome next
        reaction

    override _.Start random = List.map snd (after (startDatagrams random parameters)).Outgoing

    override _.Send(recordType, data) = Result.mapError Error.text (sendDatagram recordType data (party ()))

    override _.ForceKex random =
        match forceDatagramRekey random (party ()) with
        | Ok result -> Ok(List.map snd (after result).Outgoing)
        | Error error -> Error(Error.text error)

    override _.Receive(random, data) =
        let reaction = after (receiveDatagram random data (party ()))

        let reported =
            ValueOption.toList reaction.Application @ (if reaction.Completed then [ completed ] else [])

        let consumed = if reaction.Log = "" then data.Length else 0
        struct (consumed, reported, List.map snd reaction.Outgoing, reaction.Log)

let private wires (step: JsonElement) : byte[] list = Vectors.items "wire_out" step |> List.map (Vectors.bytes "wire")

let private checkStep (party: Party) (where: string) (step: JsonElement) =
    let equal (expected: 'a) (actual: 'a) = Assert.True((expected = actual), where)

    match Vectors.text "op" step with
    | "start" -> equal (wires step) (party.Start(drawn step))
    | "send" ->
        let result = party.Send(byte (Vectors.number "type" step), Vectors.bytes "data" step)

        if (step.GetProperty "ok").GetBoolean() then
            equal (Ok(List.exactlyOne (wires step))) result
        else
            equal (Error(Vectors.text "log" step)) result
    | "force_kex" ->
        let result = party.ForceKex(drawn step)

        if (step.GetProperty "ok").GetBoolean() then
            equal (Ok(wires step)) result
        else
            equal (Error(Vectors.text "log" step)) result
    | "receive" ->
        let struct (consumed, reported, outgoing, log) = party.Receive(drawn step, Vectors.bytes "data" step)

        equal (optionalText "log" step) log
        equal (Vectors.number "consumed" step) consumed
        equal (callbacks step) reported
        equal (wires step) outgoing
    | other -> failwith ("unknown step " + other)

let private replay (file: string) (makeParty: Handshake.Parameters -> Party) =
    for transcript in Vectors.items "transcripts" (Vectors.load file) do
        let label = Vectors.bytes "label" transcript
        let initiator = makeParty (parameters Handshake.Initiator label transcript)
        let responder = makeParty (parameters Handshake.Responder label transcript)

        for step in Vectors.items "steps" transcript do
            let who = Vectors.text "who" step
            let party = if who = "initiator" then initiator else responder

            let where =
                Vectors.text "description" transcript
                + ", step "
                + (Vectors.number "n" step).ToString()
                + " ("
                + who
                + ")"

            checkStep party where step

[<Fact>]
let ``stream transcripts replay byte for byte`` () =
    replay "01-sptps-stream.json" (fun parameters -> StreamParty parameters)

[<Fact>]
let ``datagram transcripts replay byte for byte`` () =
    replay "01-sptps-datagram.json" (fun parameters -> DatagramParty parameters)

[<Fact>]
let ``labels are those of the vectors`` () =
    let name text = NodeName.tryParse text |> ValueOption.defaultWith unstarted

    let label file = Vectors.bytes "label" (List.head (Vectors.items "transcripts" (Vectors.load file)))

    Assert.Equal<byte[]>(label "01-sptps-stream.json", Handshake.Label.meta (name "alpha") (name "beta"))
    Assert.Equal<byte[]>(label "01-sptps-datagram.json", Handshake.Label.data (name "alpha") (name "beta"))
    Assert.Equal<byte[]>("tinc invitation"B, Handshake.Label.invitation)

type ErrorVectors(output: ITestOutputHelper) =

    let vectors = Vectors.load "01-sptps-errors.json"

    let responderRandom = Vectors.bytes "responder_random" vectors

    /// The responder draws 64 bytes at a time.
    let portion (index: int) = Array.sub responderRandom (Handshake.RandomSize * index) Handshake.RandomSize

    let bringUp (makeParty: Handshake.Parameters -> Party) (mode: JsonElement) (fedBefore: byte[] list) =
        let party = makeParty (parameters Handshake.Responder (Vectors.bytes "label" mode) vectors)

        party.Start(portion 0) |> ignore

        for data in fedBefore do
            let struct (consumed, _, _, _) = party.Receive(portion 1, data)
            Assert.Equal(data.Length, consumed)

        party

    let fed (case: JsonElement) =
        Vectors.items "fed_before" case |> List.map (fun data -> Convert.FromHexString(string data))

    let wireTexts (case: JsonElement) =
        Vectors.items "wire_out" case |> List.map (fun wire -> Convert.FromHexString(string wire))

    let check (mode: JsonElement) (makeParty: Handshake.Parameters -> Party) =
        for case in Vectors.items "cases" mode do
            let note = Vectors.text "note" case
            let party = bringUp makeParty mode (fed case)

            let struct (consumed, reported, outgoing, log) = party.Receive(portion 1, Vectors.bytes "data" case)

            let refusedByUser = note = "application refuses the record"

            if refusedByUser then
                // Whether to go on is the user's to decide when it has the event: sessions have no callback.
                output.WriteLine("verdict of the application left out: " + note)
            else
                Assert.True((Vectors.number "consumed" case = consumed), note)
                Assert.True((Vectors.text "log" case = log), note)

            Assert.True((callbacks case = reported), note)

            if
                note.StartsWith "empty handshake record out of the blue"
                && makeParty (parameters Handshake.Responder [||] vectors) :? StreamParty
            then
                // A stream that has failed sends nothing any more: the connection is closed.
                output.WriteLine("not answered before closing: " + note)
            else
                Assert.True((wireTexts case = outgoing), note)

            match find "then" case with
            | ValueNone -> ()
            | ValueSome next ->
                let struct (consumed, _, outgoing, log) = party.Receive(portion 2, Vectors.bytes "data" next)

                if note.StartsWith "empty handshake record out of the blue" then
                    // Done better (spec 01 §12.1): the KEX already sent stands, the next good one is taken.
                    output.WriteLine("accepted where the reference is stuck: " + note)
                    Assert.Equal((Vectors.bytes "data" next).Length, consumed)
                    Assert.Equal("", log)
                else
                    Assert.True((Vectors.number "consumed" next = consumed), note)
                    Assert.True((Vectors.text "log" next = log), note)
                    Assert.True((wireTexts next = outgoing), note)

    [<Fact>]
    member _.``a stream refuses what the reference refuses``() =
        check (vectors.GetProperty "stream") (fun parameters -> StreamParty parameters)

    [<Fact>]
    member _.``a datagram session refuses what the reference refuses``() =
        check (vectors.GetProperty "datagram") (fun parameters -> DatagramParty parameters)

    [<Fact>]
    member _.``a stream comes through in portions of any size``() =
        let mode = vectors.GetProperty "stream"
        let chunking = mode.GetProperty "chunking"
        let stream = Vectors.bytes "stream" chunking

        for case in Vectors.items "cases" chunking do
            let chunk = Vectors.number "chunk" case

            let party = bringUp (fun parameters -> StreamParty parameters) mode (fed chunking)

            let rec feed at taken reported =
                if at = stream.Length then
                    struct (List.rev taken, List.rev reported)
                else
                    let portion = Array.sub stream at (min chunk (stream.Length - at))
                    let struct (consumed, events, _, log) = party.Receive([||], portion)
                    Assert.Equal("", log)

                    let reported =
                        match events with
                        | [ recordType, data: byte[] ] -> (int recordType, data.Length, at + consumed) :: reported
                        | _ -> reported

                    feed (at + consumed) (consumed :: taken) reported

            let struct (taken, reported) = feed 0 [] []

            let expected =
                Vectors.items "callbacks" case
                |> List.map (fun callback ->
                    Vectors.number "type" callback,
                    Vectors.number "length" callback,
                    Vectors.number "after_byte" callback)

            Assert.Equal<(int * int * int) list>(expected, reported)

            // Portions of one and two bytes are told by their number only.
            match (case.GetProperty "consumed_per_call").ValueKind with
            | JsonValueKind.Array -> Assert.Equal<int list>(Vectors.numbers "consumed_per_call" case, taken)
            | _ -> Assert.Equal(Vectors.number "calls" case, taken.Length)

    [<Fact>]
    member _.``the largest record goes and comes``() =
        let mode = vectors.GetProperty "stream"
        let largest = mode.GetProperty "largest"
        let before = fed (mode.GetProperty "chunking")

        // The initiator's key, as the responder learns it.
        let receiveKey =
            let parameters = parameters Handshake.Responder (Vectors.bytes "label" mode) vectors

            let struct (state, _) = Handshake.start (portion 0) parameters

            let feed struct (state, _) (record: byte[]) = Handshake.receive (portion 1) (Array.skip 3 record) state

            let struct (_, outputs) = List.fold feed (struct (state, [])) before

            outputs
            |> List.pick (fun output ->
                match output with
                | Handshake.OfferReceiveKey key -> Some key
                | _ -> None)

        let data = Array.init (Vectors.number "callback_length" largest) byte
        let wire = Array.create (Vectors.number "wire_length" largest) 0xffuy
        let plaintext = Array.append [| 0uy |] data
        ChaChaPoly.seal (ReadOnlySpan receiveKey) 2UL (ReadOnlySpan plaintext) (Span(wire, 2, wire.Length - 2))
        Assert.Equal<byte[]>(Vectors.bytes "sha256_of_wire" largest, SHA256.HashData wire)

        let party = bringUp (fun parameters -> StreamParty parameters) mode before
        let struct (consumed, reported, _, log) = party.Receive([||], wire)
        Assert.Equal("", log)
        Assert.Equal(wire.Length, consumed)
        Assert.Equal<(byte * byte[]) list>([ 0uy, data ], reported)
        Assert.True(Result.isOk (party.Send(0uy, data)))
        Assert.Equal(Error(Error.text RecordTooLong), party.Send(0uy, Array.zeroCreate 65536))
