/// What a daemon of tinc 1.0 does besides speaking the protocol: signals, dumps, keys (spec 08 §18.4, §19.3, §20).
module TincPure.Core.Tests.Tinc10Tests

open System
open System.Text.RegularExpressions
open TincPure.Commands
open TincPure.Primitives
open TincPure.Config
open TincPure.Routing
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

let private recorded (signal: string) : string list =
    let sections = Vectors.items "sections" (Vectors.load "08-legacy-signals-1.0.json")
    let section = sections |> List.find (fun section -> Vectors.text "signal" section = signal)

    [ for line in (section.GetProperty "lines").EnumerateArray() do
          match line.GetString() with
          | null -> ()
          | line -> Regex.Replace(line, @"^\S+ \S+ tinc\[\d+\]: ", "") ]

/// The node of the recordings, with its neighbour.
let private nodeX () : Rig =
    let subnets = [ "10.9.1.0/24"; "2001:db8::/64"; "02:00:00:00:0a:0b"; "10.77.0.1" ]

    let settings = settingsOf "x" [ "y" ]

    let settings = { settings with Own = { settings.Own with Subnets = List.map subnet subnets } }

    let launch =
        { launch with
            Device = ValueSome "/dev/net/tun"
            DeviceInfo = ValueSome "Linux tun/tap device (tun mode)" }

    let rig = Rig(settings, launch)
    rig.Start 655
    let y = rig.Neighbour "y"
    rig.Say(y, "10 a1b2c3d4 y 10.9.2.0/24")
    rig.Forget()
    rig

/// What differs from run to run, and from protocol to protocol, is left out: numbers behind a word, addresses of peers.
let private shape (line: string) : string =
    let numbers =
        "(cipher|digest|maclength|compression|options|socket|status|outbuf|weight|min|max|pmtu|port) [0-9a-f/]+"

    let line = Regex.Replace(line, numbers, "$1 N")
    Regex.Replace(line, @" at \S+ port", " at HOST port")

let private shapes (lines: string list) : string list = List.map shape lines

let private signalled (signal: Signal) (rig: Rig) : string list =
    rig.Feed(Signalled signal)

    for command in rig.Commands do
        match command with
        | ReportTraffic token ->
            let own: TrafficCount = { Peer = 0; InPackets = 2L; InBytes = 124L; OutPackets = 1L; OutBytes = 62L }

            rig.Feed(Punted(Traffic(token, [| own |], [||])))
        | _ -> ()

    rig.Logs |> List.filter (fun line -> line.Level = DebugLevel.always) |> List.map _.Text

[<Fact>]
let ``USR1 dumps the connections as 1.0 does`` () =
    Assert.Equal<string list>(shapes (recorded "USR1"), shapes (signalled User1 (nodeX ())))

[<Fact>]
let ``USR2 dumps device, nodes, edges and subnets as 1.0 does`` () =
    Assert.Equal<string list>(shapes (recorded "USR2"), shapes (signalled User2 (nodeX ())))

[<Fact>]
let ``what the device carried and the own subnets are dumped to the letter`` () =
    let exact (line: string) = line.Contains "total bytes" || line.Contains "owner x" || line.Contains "Statistics"
    Assert.Equal<string list>(List.filter exact (recorded "USR2"), List.filter exact (signalled User2 (nodeX ())))

[<Fact>]
let ``USR2 tells what was dropped, if anything was`` () =
    let rig = nodeX ()
    rig.Feed(Signalled User2)
    let drops = Array.zeroCreate<int64> DropCause.count
    drops[int DropCause.BadTag] <- 12L

    for command in rig.Commands do
        match command with
        | ReportTraffic token -> rig.Feed(Punted(Traffic(token, [||], drops)))
        | _ -> ()

    let told = rig.LogTexts |> List.filter (fun line -> line.Contains "dropped")
    Assert.Equal<string list>([ " dropped: 12 datagrams not authentic" ], told)

[<Fact>]
let ``WINCH forgets nodes that nobody reaches`` () =
    let rig = nodeX ()
    rig.Feed(Signalled WindowChange)
    Assert.Contains("Purging unreachable nodes", rig.LogTexts)

[<Fact>]
let ``a signal is named or numbered`` () =
    Assert.Equal(Ok(Tinc10.Named "TERM"), Tinc10.signal ValueNone)
    Assert.Equal(Ok(Tinc10.Named "HUP"), Tinc10.signal (ValueSome "hup"))
    Assert.Equal(Ok(Tinc10.Numbered 10), Tinc10.signal (ValueSome "10"))

    for bad in [ "0"; "SIGHUP"; "" ] do
        match Tinc10.signal (ValueSome bad) with
        | Error text ->
            Assert.StartsWith("Invalid argument `" + bad + "'; SIGNAL must be a number or one of HUP, TERM", text)
        | Ok _ -> Assert.Fail bad

[<Fact>]
let ``pid files of both versions tell the process`` () =
    Assert.Equal(ValueSome 4711, Tinc10.processId "4711\n")
    Assert.Equal(ValueSome 4711, Tinc10.processId ("4711 " + String('A', 64) + " 127.0.0.1 port 655\n"))
    Assert.Equal(ValueNone, Tinc10.processId "")
    Assert.Equal(ValueNone, Tinc10.processId "none\n")

[<Fact>]
let ``key sizes are rounded down to whole bytes`` () =
    Assert.Equal(Ok 2048, Tinc10.bits ValueNone)
    Assert.Equal(Ok 1024, Tinc10.bits (ValueSome "1031"))

    for bad in [ "511"; "x"; "-1"; "9000" ] do
        Assert.True(Result.isError (Tinc10.bits (ValueSome bad)), bad)

[<Fact>]
let ``old keys are disabled as 1.0 disables them`` () =
    let runs = (Vectors.load "08-legacy-rsa-keyfiles.json").GetProperty "generate_runs"

    for file, kind in [ "host_file", "PUBLIC"; "private", "PRIVATE" ] do
        let first = Vectors.text (file + "_after_first") runs
        let second = Vectors.text (file + "_after_second") runs

        let fresh = "\n-----BEGIN RSA " + kind + " KEY-----\n...\n-----END RSA " + kind + " KEY-----\n"

        Assert.Equal(ValueSome second, Tinc10.disableKeys first |> ValueOption.map (fun kept -> kept + fresh))

    Assert.Equal(ValueNone, Tinc10.disableKeys (Vectors.text "host_file_before" runs))

[<Fact>]
let ``keys in newer files, which 1.0 overlooks, are disabled too`` () =
    let key = (Vectors.load "08-legacy-rsa-keyfiles.json").GetProperty "key"

    for form in [ "pkcs1_private"; "pkcs1_public"; "spki_public"; "pkcs8_private" ] do
        match Tinc10.disableKeys (Vectors.text form key) with
        | ValueSome text ->
            Assert.True((TincPure.Crypto.Legacy.RsaText.parsePrivate text).IsNone, form)
            Assert.True((TincPure.Crypto.Legacy.RsaText.parsePublic text).IsNone, form)
        | ValueNone -> Assert.Fail form
