module TincPure.Core.Tests.MetaLineTests

open System
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Meta
open TincPure.Core.Tests
open TincPure.Core.Tests.MetaVectors
open Xunit

let private check (property: Property) = Check.One(Config.QuickThrowOnFailure.WithMaxTest 2000, property)

[<Fact>]
let ``a message printed and parsed again is the same message`` () =
    Prop.forAll (Arb.fromGen MetaMessages.permitted) (fun (struct (permitted, message)) ->
        Parse.line permitted (Print.line message) = Ok message)
    |> check

[<Fact>]
let ``whatever can be read is still the same when printed and read again`` () =
    Prop.forAll (Arb.fromGen MetaMessages.damagedLines) (fun line ->
        MetaMessages.allPermitted
        |> List.forall (fun permitted ->
            match Parse.line permitted line with
            | Ok message -> Parse.line permitted (Print.line message) = Ok message
            | Error _ -> true))
    |> check

[<Fact>]
let ``any bytes give a message or an error`` () =
    let bytes =
        Gen.oneof
            [ ArbMap.defaults |> ArbMap.generate<byte[]>
              ArbMap.defaults
              |> ArbMap.generate<byte[]>
              |> Gen.map2
                  (fun number rest -> Array.append (Text.Encoding.ASCII.GetBytes(string number + " ")) rest)
                  (Gen.choose (-1, 25)) ]

    Prop.forAll (Arb.fromGen bytes) (fun bytes ->
        for permitted in MetaMessages.allPermitted do
            match Parse.bytes permitted (ReadOnlySpan bytes) with
            | Ok message -> Print.line message |> ignore
            | Error error -> Assert.NotEmpty(ParseError.log "a (b)" error))
    |> check

let private activeRequests = "authentication requests on an active connection"

let private parseErrorTexts (error: ParseError) =
    ParseError.log "fake (127.0.0.1 port N)" error
    |> List.map (fun line -> ({ Priority = line.Priority; Text = line.Text }: Logged))

/// The part of a case's log that stems from a line that could not be read.
let private syntaxErrors (log: Logged list) =
    let closing (line: Logged) = line.Text.StartsWith("Closing connection", StringComparison.Ordinal)

    let isSyntax (line: Logged) =
        [ "Bogus data"; "Unknown request"; "Unauthorized"; "Error while processing" ]
        |> List.exists (fun start -> line.Text.StartsWith(start, StringComparison.Ordinal))

    if List.exists isSyntax log then List.filter (closing >> not) log else []

/// The errors in what was sent, in order. A record behind a PACKET line is no line.
let private errorsIn (sent: Sent list) =
    let folder struct (errors, length) (item: Sent) =
        match item with
        | SentRaw _ -> struct (errors, 0)
        | SentRecord _ when length > 0 -> struct (errors, 0)
        | SentLine _
        | SentRecord _ ->
            let result =
                match item with
                | SentLine line -> Parse.line Permitted.All line
                | SentRecord payload -> Parse.bytes Permitted.All (ReadOnlySpan payload)
                | SentRaw _ -> Ok Message.Ping

            match result with
            | Ok(Message.Packet length) -> struct (errors, length)
            | Ok _ -> struct (errors, 0)
            | Error error -> struct (error :: errors, 0)

    let struct (errors, _) = List.fold folder (struct ([], 0)) sent
    List.rev errors

[<Fact>]
let ``lines on an active connection are read or refused as by the stock daemon`` () =
    for case in MetaVectors.activeCases.Value do
        let errors = errorsIn case.Sent

        if case.Section = activeRequests then
            // Stock daemons let these through to handlers that are not prepared for them (spec 02 §22.1).
            Assert.Equal<ParseError list>([ ParseError.Unauthorized ], errors)
        else
            let expected = syntaxErrors case.Log
            let actual = List.collect parseErrorTexts errors

            Assert.True(
                (expected = actual),
                case.Section + ": " + case.Title + "\nexpected " + string expected + "\nbut got " + string actual
            )

            if not errors.IsEmpty then
                Assert.Equal(Closed, case.Verdict)

[<Fact>]
let ``first lines are read or refused as by the stock daemon`` () =
    for case in MetaVectors.preauthCases.Value do
        let struct (framed, _) = Framing.start |> Framing.receive case.Sent |> Framing.next
        let peer = "<unknown> (127.0.0.1 port N)"

        let refused (lines: LogLine list) =
            let expected =
                case.Log
                |> List.filter (fun line -> not (line.Text.StartsWith("Closing connection", StringComparison.Ordinal)))

            Assert.Equal<Logged list>(
                expected,
                lines |> List.map (fun line -> { Priority = line.Priority; Text = line.Text })
            )

        match framed with
        | BufferFull -> refused [ Framing.fullLog peer ]
        | Line line ->
            match Parse.line Permitted.Id line with
            | Error error -> refused (ParseError.log peer error)
            | Ok(Message.Id _) ->
                let text start (line: Logged) = line.Text.StartsWith(start, StringComparison.Ordinal)

                // Refused for what it says, if at all.
                Assert.DoesNotContain(case.Log, (fun line -> line.Text = "Got bad ID from " + peer))
                Assert.DoesNotContain(case.Log, text "Bogus data")
            | Ok _ -> Assert.Fail(case.Title)
        | _ -> Assert.Fail(case.Title)

let private permittedFor (shown: ShownRequest) =
    match shown.Request with
    | "ID" -> Permitted.Id
    | "METAKEY" -> Permitted.MetaKey
    | "CHALLENGE" -> Permitted.Challenge
    | "CHAL_REPLY" -> Permitted.ChalReply
    | "ACK" when shown.Line.Split(' ').Length = 2 -> Permitted.AckUpgrade
    | "ACK" -> Permitted.Ack
    | _ -> Permitted.All

[<Fact>]
let ``every line of the transcripts is read and printed as it was`` () =
    let shown =
        [ for transcript in MetaVectors.transcripts.Value do
              for _, lines in transcript.Logs do
                  for line in lines do
                      match line.Request with
                      | ValueSome shown -> shown
                      | ValueNone -> () ]

    Assert.True(shown.Length > 200)

    for shown in shown do
        match Parse.line (permittedFor shown) shown.Line with
        | Ok message ->
            Assert.Equal(shown.Line, Print.line message)
            Assert.Equal(shown.Request, Request.name (Message.request message))
        | Error error -> Assert.Fail(shown.Line + ": " + string error)

[<Theory>]
[<InlineData("8", "8")>]
[<InlineData(" 8", "8")>]
[<InlineData("8abc", "8")>]
[<InlineData("+8", "8")>]
[<InlineData("4294967304", "8")>]
[<InlineData("10 0X1F fake 10.0.0.0/8", "10 1f fake 10.0.0.0/8")>]
[<InlineData("10abc fake 10.0.0.0/8", "10 abc fake 10.0.0.0/8")>]
[<InlineData("10 -1 fake\t\r 10.0.0.0/8 more", "10 ffffffff fake 10.0.0.0/8")>]
[<InlineData("10 123456789 fake 10.0.0.0/8", "10 23456789 fake 10.0.0.0/8")>]
[<InlineData("10 11223344556677889 fake 10.0.0.0/8", "10 ffffffff fake 10.0.0.0/8")>]
[<InlineData("17 65537", "17 1")>]
[<InlineData("23 a b 4294967808", "23 a b 512")>]
[<InlineData("15 a b 0 data", "15 a b")>]
[<InlineData("15 a b xyz", "15 a b")>]
[<InlineData("16 a b k 1 2 3 4 host", "16 a b k 1 2 3 4")>]
[<InlineData("8\n9", "8")>]
let ``numbers and blanks are read as C reads them`` (line: string, printed: string) =
    match Parse.bytes Permitted.All (ReadOnlySpan(Text.Encoding.Latin1.GetBytes line)) with
    | Ok message -> Assert.Equal(printed, Print.line message)
    | Error error -> Assert.Fail(string error)

[<Fact>]
let ``a word longer than a field can be goes on in the next field`` () =
    let line = "14 1 " + String('a', 2049)
    Assert.Equal(Ok(Message.KeyChanged(1u, String('a', 2048))), Parse.line Permitted.All line)

    match Parse.line Permitted.All ("15 " + String('a', 2050)) with
    | Ok(Message.ReqKey(from, target, KeyRequest.Legacy)) ->
        Assert.Equal(2048, from.Text.Length)
        Assert.Equal("aa", target.Text)
    | other -> Assert.Fail(string other)

[<Fact>]
let ``the version of an ID has two and three digits`` () =
    Assert.Equal(Ok(Message.Id("a", 17, ValueNone)), Parse.line Permitted.Id "0 a 170.7")
    Assert.Equal(Ok(Message.Id("a", 17, ValueSome 123)), Parse.line Permitted.Id "0 a 17.1234")
    Assert.Equal(Ok(Message.Id("a", 17, ValueNone)), Parse.line Permitted.Id "0 a 17.x")

[<Fact>]
let ``every request has a number and a name`` () =
    for number in 0..23 do
        match Request.ofNumber number with
        | ValueSome request -> Assert.Equal(number, Request.number request)
        | ValueNone -> Assert.Fail(string number)

    Assert.True((Request.ofNumber 24).IsNone)
    Assert.True((Request.ofNumber -1).IsNone)

[<Fact>]
let ``a line that a peer cannot take is not made`` () =
    Assert.True((Line.toBytes (String('a', 2176))).IsNone)
    Assert.Equal(2176, (Line.toBytes (String('a', 2175))).Value.Length)
