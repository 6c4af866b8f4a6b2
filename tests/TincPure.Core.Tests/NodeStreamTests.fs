/// Control clients that want to hear of everything: streams of log messages and of packets (spec 06 §15.6, §15.7).
module TincPure.Core.Tests.NodeStreamTests

open TincPure.Primitives
open TincPure.Routing
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open TincPure.Core.Tests.NodeControlTests
open Xunit

/// The messages of a log stream.
let private records (rig: Rig) (id: ConnectionId) : string list =
    let rec read (text: string) =
        if text = "" then
            []
        else
            let newline = text.IndexOf '\n'
            let length = int (text.Substring(0, newline).Split(' ')[2])
            Assert.StartsWith("18 15 ", text)
            text.Substring(newline + 1, length) :: read (text.Substring(newline + 1 + length))

    read (textOn rig id)

[<Fact>]
let ``log messages are streamed up to the level asked for`` () =
    let rig = begun ()
    let control = client rig
    let quiet = client rig
    Assert.Empty(ask rig control "18 15 1")
    Assert.Empty(ask rig quiet "18 15 0 1")
    let fake = rig.Neighbour "fake"

    Assert.Equal<string list>(
        [ "Connection from 192.0.2.3 port 40000"; "Connection with fake (192.0.2.3 port 40000) activated" ],
        records rig control
    )

    rig.Forget()
    rig.Say(fake, "hello")
    Assert.Equal<string list>([ "Bogus data received from fake (192.0.2.3 port 40000)" ], records rig quiet)

[<Fact>]
let ``level -1 streams what the daemon logs`` () =
    let rig = begun ()
    let control = client rig
    ask rig control "18 15 -1" |> ignore
    rig.Neighbour "fake" |> ignore
    Assert.Equal<string list>(rig.LogTexts, records rig control)

[<Fact>]
let ``a client may stream more than the daemon logs`` () =
    let rig = begun ()
    let control = client rig
    ask rig control "18 9 0" |> ignore
    ask rig control "18 15 1" |> ignore
    rig.Neighbour "fake" |> ignore
    Assert.NotEmpty(records rig control)
    Assert.Empty rig.Logs

[<Fact>]
let ``what the host logs is streamed, too, and not given back to it`` () =
    let rig = begun ()
    let control = client rig
    ask rig control "18 15 2" |> ignore
    rig.Forget()

    for level in [ DebugLevel.status; DebugLevel.meta ] do
        rig.Feed(Said { Level = level; Priority = Priority.Info; Text = "Executing script host-up" })

    Assert.Equal<string list>([ "Executing script host-up" ], records rig control)
    Assert.Empty rig.Logs

[<Fact>]
let ``a new debug level holds for the host, too`` () =
    let rig = begun ()
    ask rig (client rig) "18 9 3" |> ignore
    Assert.Contains(ShowUpTo 3, rig.Effects)

[<Fact>]
let ``a request is shown before anything is made of it`` () =
    let rig = begun ()
    rig.Open(Tcp(endpoint "192.0.2.9" 40000), "8 hello\n"B) |> ignore
    Assert.Contains("Got PING from <unknown> (192.0.2.9 port 40000): 8 hello", rig.LogTexts)

/// What a client gets that looks at packets.
let private capturedBy (rig: Rig) (id: ConnectionId) (frame: byte[]) : byte[] =
    rig.Forget()
    rig.Feed(Punted(Captured frame))
    rig.SentOn id

[<Fact>]
let ``frames are streamed to those who ask for them, cut to the length that each wants`` () =
    let rig = begun ()
    let whole, short, bystander = client rig, client rig, client rig
    Assert.Empty(ask rig whole "18 14")
    Assert.Contains(CaptureFrames 0, rig.Commands)
    Assert.Empty(ask rig short "18 14 20")
    Assert.Contains(CaptureFrames 0, rig.Commands)
    let frame = Array.init 60 byte
    let sent = capturedBy rig whole frame
    Assert.Equal<byte[]>(Array.append "18 14 60\n"B frame, sent)
    Assert.Equal<byte[]>(Array.append "18 14 20\n"B (Array.truncate 20 frame), rig.SentOn short)
    Assert.Empty(rig.SentOn bystander)

    let statuses =
        ask rig bystander "18 6"
        |> List.filter (fun line -> line.Contains "<control>")
        |> List.map (fun line -> line.Split(' ')[8])

    Assert.Equal<string list>([ "600"; "600"; "200" ], statuses)

[<Fact>]
let ``capturing ends when the last who looked has left`` () =
    let rig = begun ()
    let id = client rig
    ask rig id "18 14 100" |> ignore
    Assert.Contains(CaptureFrames 100, rig.Commands)
    rig.Feed(Lost(id, ValueNone))
    Assert.Empty(capturedBy rig id [| 1uy |])
    Assert.Contains(CaptureFrames -1, rig.Commands)

[<Fact>]
let ``frames are left out while a client does not keep up`` () =
    let rig = begun ()
    let id = client rig
    ask rig id "18 14 0" |> ignore
    let frame = Array.zeroCreate 1500
    let sent = [ for _ in 1..2000 -> (capturedBy rig id frame).Length ]
    Assert.InRange(List.sum sent, 1024 * 1024, 1024 * 1024 + 2000)
    rig.Feed(Sent(id, List.sum sent))
    Assert.NotEmpty(capturedBy rig id frame)
