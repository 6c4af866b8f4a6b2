/// The control protocol, field by field (spec 06 §15).
module TincPure.Core.Tests.NodeControlTests

open System
open System.Text
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Routing
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

let settings: Settings =
    { settingsOf "alpha" [ "fake"; "obs" ] with
        Own =
            { HostSettings.empty (nodeName "alpha") with
                Subnets = [ subnet "10.0.1.0/24"; subnet "10.0.1.1#5" ] } }

let private starting (start: string) (line: string) = line.StartsWith(start, StringComparison.Ordinal)

let begun () : Rig =
    let rig = Rig settings
    rig.Start 655
    rig

/// A control client on the UNIX socket that has been greeted.
let client (rig: Rig) : ConnectionId = rig.Open(UnixSocket, Encoding.ASCII.GetBytes("0 ^" + launch.Cookie + " 0\n"))

let textOn (rig: Rig) (id: ConnectionId) = Encoding.UTF8.GetString(rig.SentOn id)

let private linesOn (rig: Rig) (id: ConnectionId) =
    (textOn rig id).Split('\n', StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

/// What the packet plane of these tests has dropped: of each cause one more than of the one before.
let private drops = Array.init DropCause.count int64

/// The lines that a request is answered with. Counts of packets come from a packet plane that has seen node 1.
let ask (rig: Rig) (id: ConnectionId) (request: string) : string list =
    rig.Forget()
    rig.Feed(Received(id, Encoding.ASCII.GetBytes(request + "\n")))

    for command in rig.Commands do
        match command with
        | ReportTraffic token ->
            let counts =
                [| { Peer = 0; InPackets = 0L; InBytes = 0L; OutPackets = 0L; OutBytes = 0L }
                   { Peer = 1
                     InPackets = 1L
                     InBytes = 2L
                     OutPackets = 3L
                     OutBytes = 5000000000L } |]

            rig.Feed(Punted(Traffic(token, counts, drops)))
        | _ -> ()

    linesOn rig id

[<Fact>]
let ``a control client is greeted with the node's name and the process number`` () =
    let rig = begun ()
    Assert.Equal<string list>([ "0 alpha 17.7"; "4 0 4711" ], linesOn rig (client rig))

[<Fact>]
let ``nodes are dumped by name`` () =
    let rig = begun ()
    rig.Neighbour "fake" |> ignore
    let obs = rig.Neighbour "obs"
    rig.Flood(obs, "12", "obs Third 192.0.2.33 655 700000d 10")
    rig.Flood(obs, "12", "Third obs 192.0.2.2 655 700000c 10")
    rig.Flood(obs, "10", "ghost 10.9.0.0/16")
    let seconds = string (Instant.seconds rig.Now)
    let id name =
        let (NodeId number) = NodeId.ofName (nodeName name)
        number.ToString "x12"

    Assert.Equal<string list>(
        [ // Behind an indirect edge: to be reached by way of obs.
          "18 3 Third "
          + id "Third"
          + " 192.0.2.33 port 655 0 0 0 0 700000d 78 obs obs 2 1518 0 1518 "
          + seconds
          + " -1 0 0 0 0"
          "18 3 alpha "
          + id "alpha"
          + " MYSELF port 655 0 0 0 0 700000c 58 alpha alpha 0 1518 0 1518 "
          + seconds
          + " -1 0 0 0 0"
          "18 3 fake "
          + id "fake"
          + " 192.0.2.1 port 655 0 0 0 0 700000c 58 fake fake 1 1518 0 1518 "
          + seconds
          + " -1 1 2 3 5000000000"
          "18 3 ghost " + id "ghost" + " unknown port unknown 0 0 0 0 0 0 - - -1 1518 0 1518 0 -1 0 0 0 0"
          "18 3 obs "
          + id "obs"
          + " 192.0.2.2 port 655 0 0 0 0 700000c 58 obs obs 1 1518 0 1518 "
          + seconds
          + " -1 0 0 0 0"
          "18 3" ],
        ask rig (client rig) "18 3"
    )

[<Fact>]
let ``edges are dumped by their ends`` () =
    let rig = begun ()
    rig.Neighbour "fake" |> ignore
    let obs = rig.Neighbour "obs"
    rig.Flood(obs, "12", "obs Third vpn.example 655 700000d 10")
    rig.Flood(obs, "12", "Third obs unspec unspec 1 -7 10.1.1.1 655")

    Assert.Equal<string list>(
        [ "18 4 Third obs unspec port unspec 10.1.1.1 port 655 1 -7"
          "18 4 alpha fake 192.0.2.1 port 655 127.0.0.1 port 655 700000c 25"
          "18 4 alpha obs 192.0.2.2 port 655 127.0.0.1 port 655 700000c 25"
          "18 4 fake alpha 192.0.2.200 port 655 unspec port unspec 700000c 25"
          "18 4 obs Third vpn.example port 655 unspec port unspec 700000d 10"
          "18 4 obs alpha 192.0.2.200 port 655 unspec port unspec 700000c 25"
          "18 4" ],
        ask rig (client rig) "18 4"
    )

[<Fact>]
let ``subnets are dumped in their order`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    rig.Flood(fake, "10", "fake 10.0.1.0/24")
    rig.Flood(fake, "10", "fake 2001:db8::/32#3")
    rig.Flood(fake, "10", "fake 2:0:0:0:0:1")

    Assert.Equal<string list>(
        [ "18 5 02:00:00:00:00:01 fake"
          "18 5 ff:ff:ff:ff:ff:ff (broadcast)"
          "18 5 10.0.1.1#5 alpha"
          "18 5 255.255.255.255 (broadcast)"
          "18 5 10.0.1.0/24 alpha"
          "18 5 10.0.1.0/24 fake"
          "18 5 224.0.0.0/4 (broadcast)"
          "18 5 2001:db8::/32#3 fake"
          "18 5 ff00::/8 (broadcast)"
          "18 5" ],
        ask rig (client rig) "18 5"
    )

[<Fact>]
let ``connections are dumped oldest first, the asking one too`` () =
    let rig = begun ()
    rig.Neighbour "fake" |> ignore
    rig.Open(Tcp(endpoint "192.0.2.9" 1234), [||]) |> ignore
    let control = client rig

    Assert.Equal<string list>(
        [ "18 6 fake 192.0.2.1 port 40000 700000c 3 100"
          "18 6 <unknown> 192.0.2.9 port 1234 0 5 0"
          "18 6 <control> localhost port unix 0 7 200"
          "18 6" ],
        ask rig control "18 6"
    )

[<Fact>]
let ``traffic is dumped by name`` () =
    let rig = begun ()
    rig.Neighbour "fake" |> ignore

    Assert.Equal<string list>(
        [ "18 13 alpha 0 0 0 0"; "18 13 fake 1 2 3 5000000000"; "18 13 obs 0 0 0 0"; "18 13" ],
        ask rig (client rig) "18 13"
    )

[<Fact>]
let ``what was dropped is dumped by cause`` () =
    let rig = begun ()

    Assert.Equal<string list>(
        [ "18 103 bad_offload 0"
          "18 103 long_frame 1"
          "18 103 empty 2"
          "18 103 too_short 3"
          "18 103 too_long 4"
          "18 103 bad_gluing 5"
          "18 103 strangers 6"
          "18 103 wrong_tag 7"
          "18 103 replayed_or_late 8"
          "18 103 senseless 9"
          "18 103 no_room 10"
          "18 103" ],
        ask rig (client rig) "18 103"
    )

[<Fact>]
let ``a client that leaves before the counts come is not missed`` () =
    let rig = begun ()
    let control = client rig
    rig.Feed(Received(control, "18 3\n"B))
    rig.Feed(Lost(control, ValueNone))
    rig.Feed(Punted(Traffic(0, [||], [||])))
    Assert.Empty rig.Node.PendingDumps

[<Fact>]
let ``requests sent in one go are answered in their order`` () =
    let rig = begun ()
    let subs = ask rig (client rig) "18 3\n18 4\n18 9 0\n18 5"
    let order = subs |> List.map (fun line -> line.Split(' ')[1]) |> List.distinct
    Assert.Equal<string list>([ "3"; "4"; "9"; "5" ], order)

[<Fact>]
let ``requests that nobody carries out are answered with -1`` () =
    let rig = begun ()
    let control = client rig

    for request in [ "18 2"; "18 7"; "18 11 fake"; "18 99"; "18 104"; "18 -5" ] do
        Assert.Equal<string list>([ "18 -1" ], ask rig control request)

[<Fact>]
let ``several requests in one go are answered in order`` () =
    let rig = begun ()
    Assert.Equal<string list>([ "18 10 0"; "18 9 5"; "18 8 0" ], ask rig (client rig) "18 10\n18 9 3\n18 8")

[<Theory>]
[<InlineData("18", "Got bad CONTROL from <control> (localhost port unix)")>]
[<InlineData("18 x", "Got bad CONTROL from <control> (localhost port unix)")>]
[<InlineData("8", "Unauthorized request from <control> (localhost port unix)")>]
[<InlineData("x", "Bogus data received from <control> (localhost port unix)")>]
[<InlineData("24", "Unknown request from <control> (localhost port unix): 24")>]
let ``a control client that talks nonsense is closed at once`` (request: string, log: string) =
    let rig = begun ()
    let control = client rig
    ask rig control request |> ignore
    Assert.Contains(log, rig.LogTexts)
    Assert.Contains(Close control, rig.Effects)

[<Fact>]
let ``the debug level is set and the old one told`` () =
    let rig = begun ()
    let control = client rig
    Assert.Equal<string list>([ "18 9 5" ], ask rig control "18 9 0")
    Assert.Equal<string list>([ "18 9 0" ], ask rig control "18 9 -1")
    Assert.Equal(0, rig.Node.DebugLevel)
    rig.Forget()
    rig.Neighbour "fake" |> ignore
    Assert.Empty rig.Logs
    ask rig control "18 9" |> ignore
    Assert.Contains(Close control, rig.Effects)

[<Fact>]
let ``connections are closed by name`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    let obs = rig.Neighbour "obs"
    let control = client rig
    Assert.Equal<string list>([ "18 12 -1" ], ask rig control "18 12")
    Assert.Equal<string list>([ "18 12 -2" ], ask rig control "18 12 nobody")
    Assert.Equal<string list>([ "18 12 -2" ], ask rig control "18 12 <control>")
    Assert.Equal<string list>([ "18 12 0" ], ask rig control "18 12 fake")
    Assert.True fake.Closed
    Assert.Equal<string list>([ "13 NONCE alpha fake"; "13 NONCE fake alpha" ], List.map withoutNonce obs.Lines)

[<Fact>]
let ``a retry forgets pauses`` () =
    let host = { hostOf "fake" with Addresses = [ { Host = "198.51.100.1"; Port = "655" } ] }

    let rig =
        Rig
            { settings with
                Hosts = settings.Hosts.Add(host.Name, host)
                ConnectTo = [ nodeName "fake" ] }

    rig.Doors <- fun _ -> Refused "Connection refused"
    rig.Start 655
    rig.WaitSeconds 20
    Assert.Equal<string list>([ "18 10 0" ], ask rig (client rig) "18 10")
    Assert.Contains("Trying to connect to fake (198.51.100.1 port 655)", rig.LogTexts)

[<Fact>]
let ``the cookie is not shown in the log`` () =
    let rig = begun ()
    client rig |> ignore
    Assert.DoesNotContain(rig.LogTexts, (fun text -> text.Contains launch.Cookie))
    Assert.Contains(rig.LogTexts, starting "Got ID from <control>")

[<Fact>]
let ``stop ends the process`` () =
    let rig = begun ()
    ask rig (client rig) "18 0" |> ignore
    Assert.Contains(Exit 0, rig.Effects)

[<Fact>]
let ``a reload is answered when the files have been read`` () =
    let rig = begun ()
    let control = client rig
    Assert.Empty(ask rig control "18 1")
    Assert.Contains(ReadConfiguration, rig.Effects)
    Assert.Contains("Got 'reload' command", rig.LogTexts)
    rig.Feed(ConfigurationRead([], ValueSome settings))
    Assert.Equal<string list>([ "18 1 0" ], linesOn rig control)
    Assert.Empty(ask rig control "18 1")
    rig.Feed(ConfigurationRead([ { Level = 0; Priority = Priority.Error; Text = "something is wrong" } ], ValueNone))
    Assert.Equal<string list>([ "18 1 22" ], linesOn rig control)
    Assert.Contains("something is wrong", rig.LogTexts)

[<Fact>]
let ``a client that asks on and on while its answer is not ready is closed`` () =
    let rig = begun ()
    let control = client rig
    rig.Feed(Received(control, "18 3\n"B))

    for _ in 1..1000 do
        rig.Feed(Received(control, Encoding.ASCII.GetBytes(String.replicate 50 "18 3\n")))

    Assert.Contains(Close control, rig.Effects)
    Assert.Equal(1, rig.Node.PendingDumps.Length)
