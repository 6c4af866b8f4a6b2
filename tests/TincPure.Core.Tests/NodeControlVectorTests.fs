/// The recorded conversations of control clients with a stock daemon (06-control-protocol.json), held with a node of ours.
module TincPure.Core.Tests.NodeControlVectorTests

open System
open System.Globalization
open System.Text
open System.Text.Json
open TincPure.Primitives
open TincPure.Config
open TincPure.Routing
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit
open Xunit.Abstractions

type private Step =
    | Sent of string
    | Answered of string
    /// The daemon closed the connection.
    | Ended

type private Conversation = { Name: string; Steps: Step list }

let private stepOf (element: JsonElement) : Step option =
    match element.TryGetProperty "send", element.TryGetProperty "recv", element.TryGetProperty "event" with
    | (true, _), _, _ -> Some(Sent(Vectors.text "send" element))
    | _, (true, _), _ -> Some(Answered(Vectors.text "recv" element))
    | _, _, (true, _) -> Some Ended
    | _ -> None

let private conversations: Lazy<Conversation list> =
    lazy
        [ for transcript in Vectors.items "transcripts" (Vectors.load "06-control-protocol.json") do
              { Name = Vectors.text "name" transcript
                Steps = Vectors.items "steps" transcript |> List.choose stepOf } ]

/// Conversations that are not played, and why.
let private leftOut (name: string) : string voption =
    if name.StartsWith("log ", StringComparison.Ordinal) then
        ValueSome "messages are streamed as 1.1pre18 streams them, without time and priority"
    elif name.StartsWith("pcap ", StringComparison.Ordinal) then
        ValueSome "frames come from the packet plane: played by themselves"
    elif name = "greeting version number is not checked" then
        ValueSome "a client that wants SPTPS is refused before it is a control client, and tarpitted like any stranger"
    else
        ValueNone

let private settings: Settings =
    let reachable name = { hostOf name with Addresses = [ { Host = "127.0.0.1"; Port = "655" } ] }

    { settingsOf "alpha" [] with
        Own =
            { reachable "alpha" with
                Subnets = [ subnet "10.0.1.0/24"; subnet "2001:db8:1::/48#5" ] }
        Hosts = Map.ofList [ for name in [ "beta"; "gamma" ] -> nodeName name, reachable name ] }

/// alpha with the neighbour beta, and gamma behind it.
let private playground () : Rig =
    let rig = Rig(settings, { launch with DebugLevel = 2 })
    rig.Start 10655

    let beta = rig.Arrive("beta", { manner with Address = endpoint "127.0.0.1" 45176; AckPort = "10656" })

    rig.Flood(beta, "12", "beta alpha 127.0.0.1 10655 700000c 0 127.0.0.1 10656")
    rig.Flood(beta, "12", "beta gamma 127.0.0.1 10657 700000b 0 127.0.0.1 10656")
    rig.Flood(beta, "12", "gamma beta 127.0.0.1 10656 700000b 0 127.0.0.1 10657")

    for text in [ "2:0:5e:10:0:2"; "10.0.1.128/25#20"; "10.0.2.0/24" ] do
        rig.Flood(beta, "10", "beta " + text)

    rig.Flood(beta, "10", "gamma 10.0.3.1")
    rig

/// Reachable, visited, SPTPS, address known: what does not depend on the moment.
let private lastingStatus = 0x858

/// Counters, times, sockets, ephemeral ports and the state of a search for a path are not compared.
let private lasting (line: string) : string =
    let fields = line.Split ' '

    let kept =
        match fields with
        | _ when fields.Length = 25 && line.StartsWith("18 3 ", StringComparison.Ordinal) ->
            let status = Int32.Parse(fields[12], NumberStyles.AllowHexSpecifier)
            Array.concat [ fields[..11]; [| (status &&& lastingStatus).ToString "x" |]; fields[13..16] ]
        | _ when fields.Length = 9 && line.StartsWith("18 6 ", StringComparison.Ordinal) ->
            [| yield! fields[..4]; fields[6]; fields[8] |]
        | _ when fields.Length = 7 && line.StartsWith("18 13 ", StringComparison.Ordinal) -> fields[..2]
        | _ -> fields

    String.Join(' ', kept)

let private lines (text: string) : string list =
    // What follows an ID in binary is another session every time.
    text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
    |> Array.takeWhile (fun line -> line |> Seq.forall (fun c -> c >= ' ' && c < '\127'))
    |> Array.map lasting
    |> List.ofArray

let private filled (text: string) =
    text.Replace("{{COOKIE}}", launch.Cookie).Replace("{{PID}}", string launch.ProcessId)

/// The host's part of what a request asks for.
let private serve (rig: Rig) =
    for effect in rig.Effects do
        match effect with
        | Packet(ReportTraffic token) -> rig.Feed(Punted(Traffic(token, [||], [||])))
        | ReadConfiguration -> rig.Feed(ConfigurationRead([], ValueSome settings))
        | _ -> ()

let private play (conversation: Conversation) =
    let rig = playground ()

    let remote =
        if conversation.Name.Contains "TCP" then
            Tcp(endpoint "127.0.0.1" 40001)
        else
            UnixSocket

    let id = rig.Open(remote, [||])
    let mutable answers = ""
    rig.Forget()

    for step in conversation.Steps do
        match step with
        | Sent text ->
            rig.Forget()
            rig.Feed(Received(id, Encoding.Latin1.GetBytes(filled text)))
            serve rig
            answers <- Encoding.Latin1.GetString(rig.SentOn id)
        | Answered text ->
            Assert.Equal<string list>(lines (filled text), lines answers)
            answers <- ""
        | Ended -> Assert.True(List.contains (Close id) rig.Effects || List.contains (Exit 0) rig.Effects)

    // What was not answered in the recording is not answered here.
    Assert.Empty(lines answers)

type Conversations(output: ITestOutputHelper) =

    [<Fact>]
    member _.``control clients are answered as by the stock daemon``() =
        let mutable played = 0

        for conversation in conversations.Value do
            match leftOut conversation.Name with
            | ValueSome reason -> output.WriteLine(conversation.Name + ": not played: " + reason)
            | ValueNone ->
                output.WriteLine conversation.Name
                play conversation
                played <- played + 1

        Assert.InRange(played, 20, conversations.Value.Length)

    [<Fact>]
    member _.``captured frames are streamed as by the stock daemon``() =
        let transcripts =
            Vectors.items "transcripts" (Vectors.load "06-control-protocol.json")
            |> Seq.filter (fun transcript -> (Vectors.text "name" transcript).StartsWith "pcap ")
            |> List.ofSeq

        Assert.Equal(3, transcripts.Length)

        for transcript in transcripts do
            output.WriteLine(Vectors.text "name" transcript)
            let steps = Vectors.items "steps" transcript |> List.ofSeq
            let request = steps |> List.choose stepOf |> List.last

            match request with
            | Sent text ->
                let rig = playground ()
                let id = rig.Open(UnixSocket, Encoding.ASCII.GetBytes("0 ^" + launch.Cookie + " 0\n"))
                rig.Forget()
                rig.Feed(Received(id, Encoding.ASCII.GetBytes text))
                let answer = List.last steps

                let snapLength =
                    rig.Commands
                    |> List.pick (fun command ->
                        match command with
                        | CaptureFrames length -> Some length
                        | _ -> None)

                for frame in Vectors.items "parsed" answer do
                    // The recording does not have what was cut off.
                    let rest = if snapLength = 0 then [||] else Array.zeroCreate 30
                    rig.Feed(Punted(Captured(Array.append (Vectors.bytes "data_hex" frame) rest)))

                Assert.Equal<byte>(Vectors.bytes "recv_hex" answer, rig.SentOn id)
            | _ -> Assert.Fail "no request"
