/// Whom a node connects to, at which addresses, and when again (spec 02 §2.1, §11.3, §12, §13).
module TincPure.Core.Tests.NodeOutgoingTests

open System
open TincPure.Primitives
open TincPure.Config
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

let private withAddresses (name: string) (addresses: (string * string) list) : HostSettings =
    { hostOf name with
        Addresses = [ for host, port in addresses -> { Host = host; Port = port } ] }

let private settingsWith (hosts: HostSettings list) (connectTo: string list) : Settings =
    { settingsOf "alpha" [] with
        Hosts = Map.ofList [ for host in hosts -> host.Name, host ]
        ConnectTo = List.map nodeName connectTo }

let private starting (start: string) (line: string) = line.StartsWith(start, StringComparison.Ordinal)

let private connects (rig: Rig) : string list =
    rig.Effects
    |> List.choose (fun effect ->
        match effect with
        | Connect(_, target) -> Some(Endpoint.toText target)
        | _ -> None)

let private lookups (rig: Rig) =
    rig.Effects
    |> List.choose (fun effect ->
        match effect with
        | Resolve(request, _, host, port) -> Some(request, host, port)
        | _ -> None)

let private refuseAll (rig: Rig) = rig.Doors <- fun _ -> Refused "Connection refused"

let private open' (rig: Rig) (name: string) = rig.Doors <- fun target -> Opened(name, { manner with Address = target })

// ---- Addresses

[<Fact>]
let ``cached addresses come first, then what edges tell, then the Address lines`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655"; "198.51.100.2", "1655" ]
    let rig = Rig(settingsWith [ fake; hostOf "obs" ] [])
    refuseAll rig
    rig.Recent("fake") <- [ endpoint "203.0.113.5" 700; endpoint "192.0.2.50" 655 ]
    rig.Start 655
    let obs = rig.Neighbour "obs"

    // As the neighbours of fake see it: descending by their names, each address once, and only where there is a reverse.
    for other, address in [ "bob", "192.0.2.51"; "carl", "192.0.2.52"; "dave", "192.0.2.50"; "erik", "192.0.2.51" ] do
        rig.Flood(obs, "12", other + " fake " + address + " 655 700000c 10")
        rig.Flood(obs, "12", "fake " + other + " 192.0.2.9 655 700000c 10")

    rig.Flood(obs, "12", "zoe fake 192.0.2.99 655 700000c 10")
    rig.Forget()
    rig.Feed(ConfigurationRead([], ValueSome(settingsWith [ fake; hostOf "obs" ] [ "fake" ])))

    Assert.Equal<string list>(
        [ "203.0.113.5 port 700"
          "192.0.2.50 port 655"
          "192.0.2.51 port 655"
          "192.0.2.52 port 655"
          "198.51.100.1 port 655"
          "198.51.100.2 port 1655" ],
        connects rig
    )

    Assert.Equal(6, rig.LogTexts |> List.filter (starting "Trying to connect to fake (") |> List.length)
    Assert.Contains("Could not set up a meta connection to fake", rig.LogTexts)

[<Fact>]
let ``the results of a look-up are used last first, and a failed one is passed over`` () =
    let fake =
        withAddresses "fake" [ "nowhere.example", "655"; "vpn.example", "tinc"; "198.51.100.1", "655" ]
    let rig = Rig(settingsWith [ fake ] [ "fake" ])
    refuseAll rig
    rig.Start 655

    match lookups rig with
    | [ request, "nowhere.example", "655" ] -> rig.Feed(Resolved(request, Error "Name or service not known"))
    | other -> Assert.Fail(string other)

    Assert.Contains("Error looking up nowhere.example port 655: Name or service not known", rig.LogTexts)

    match List.last (lookups rig) with
    | request, "vpn.example", "tinc" ->
        rig.Feed(Resolved(request, Ok [ endpoint "198.51.100.7" 655; endpoint "198.51.100.8" 655 ]))
    | other -> Assert.Fail(string other)

    Assert.Equal<string list>(
        [ "198.51.100.8 port 655"; "198.51.100.7 port 655"; "198.51.100.1 port 655" ],
        connects rig
    )

[<Fact>]
let ``a look-up that ends after the wish was given up does nothing`` () =
    let fake = withAddresses "fake" [ "vpn.example", "655" ]
    let rig = Rig(settingsWith [ fake ] [ "fake" ])
    rig.Start 655
    let request, _, _ = List.head (lookups rig)
    rig.Feed(ConfigurationRead([], ValueSome(settingsWith [ fake ] [])))
    rig.Feed(Resolved(request, Ok [ endpoint "198.51.100.7" 655 ]))
    rig.Feed(Resolved(request, Ok [ endpoint "198.51.100.7" 655 ]))
    rig.Feed(Resolved(12345, Error "x"))
    Assert.Empty(connects rig)

[<Fact>]
let ``the address of a connection that made its node reachable is remembered`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655" ]
    let rig = Rig(settingsWith [ fake ] [ "fake" ])
    open' rig "fake"
    rig.Start 655
    let peer = List.exactlyOne rig.Peers
    rig.Flood(peer, "12", "fake alpha 192.0.2.1 655 700000c 0")
    Assert.Contains(SaveRecentAddresses(nodeName "fake", [ endpoint "198.51.100.1" 655 ]), rig.Effects)
    Assert.Contains("Caching recent address for fake", rig.LogTexts)

// ---- Retries

/// Seconds between the attempts.
let private pauses (rig: Rig) (count: int) : float list =
    let mutable times = []

    while times.Length < count do
        rig.Forget()
        rig.Wait(100L * Instant.millisecond)

        if not (connects rig).IsEmpty then
            times <- rig.Now :: times

    List.rev times
    |> List.pairwise
    |> List.map (fun (earlier, later) -> float (Instant.between earlier later) / 1e6)

[<Fact>]
let ``pauses grow by five seconds each time, up to MaxTimeout`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655" ]
    let rig = Rig { settingsWith [ fake ] [ "fake" ] with MaxTimeout = 20 }
    refuseAll rig
    rig.Start 655

    for expected, pause in List.zip [ 10; 15; 20; 20 ] (pauses rig 5) do
        Assert.InRange(pause, float expected - 0.2, float expected * 1.1 + 0.4)

[<Fact>]
let ``the log tells the pause`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655" ]
    let rig = Rig(settingsWith [ fake ] [ "fake" ])
    refuseAll rig
    rig.Start 655
    rig.WaitSeconds 40

    Assert.Equal<string list>(
        [ for seconds in [ 5; 10; 15; 20 ] ->
              "Trying to re-establish outgoing connection in " + string seconds + " seconds" ],
        rig.LogTexts |> List.filter (starting "Trying to re-establish")
    )

[<Fact>]
let ``an answered ping makes the next pause short again`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655" ]
    let rig = Rig(settingsWith [ fake ] [ "fake" ])
    refuseAll rig
    rig.Start 655
    rig.WaitSeconds 20
    open' rig "fake"
    rig.WaitSeconds 20
    let peer = List.exactlyOne rig.Peers
    Assert.True(rig.Node.Outgoing[nodeName "fake"].BackOff >= 15)
    rig.WaitSeconds 62
    Assert.Equal(0, rig.Node.Outgoing[nodeName "fake"].BackOff)
    refuseAll rig
    rig.Forget()
    rig.Feed(Lost(peer.Id, ValueNone))
    Assert.Contains("Trying to re-establish outgoing connection in 5 seconds", rig.LogTexts)

[<Fact>]
let ``a good connection that is lost is made again at once, the same address first, and the pauses begin short`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655" ]
    let rig = Rig(settingsWith [ fake ] [ "fake" ])
    refuseAll rig
    rig.Start 655
    rig.WaitSeconds 20
    open' rig "fake"
    rig.WaitSeconds 30
    let peer = List.exactlyOne rig.Peers
    Assert.True(rig.Node.Outgoing[nodeName "fake"].BackOff >= 15)
    refuseAll rig
    rig.Forget()
    rig.Feed(Lost(peer.Id, ValueNone))
    Assert.Contains("198.51.100.1 port 655", connects rig)
    Assert.Contains("Trying to re-establish outgoing connection in 5 seconds", rig.LogTexts)

[<Fact>]
let ``an alarm tries again at once`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655" ]
    let rig = Rig(settingsWith [ fake ] [ "fake" ])
    refuseAll rig
    rig.Start 655
    rig.WaitSeconds 20
    rig.Forget()
    rig.Feed(Signalled Alarm)
    Assert.Equal<string list>([ "198.51.100.1 port 655" ], connects rig)
    Assert.Contains("Trying to re-establish outgoing connection in 5 seconds", rig.LogTexts)

[<Fact>]
let ``an alarm gives up a connection that is still being set up`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655"; "198.51.100.2", "655" ]
    let rig = Rig(settingsWith [ fake ] [ "fake" ])
    rig.Start 655
    rig.WaitSeconds 1
    rig.Feed(Signalled Alarm)
    rig.WaitSeconds 2
    Assert.Equal<string list>([ "198.51.100.1 port 655"; "198.51.100.2 port 655" ], connects rig)

[<Fact>]
let ``a connect that takes too long gives way to the next address`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655"; "198.51.100.2", "655" ]
    let rig = Rig(settingsWith [ fake ] [ "fake" ])
    rig.Start 655
    rig.WaitSeconds 8
    Assert.Contains("Timeout while connecting to fake (198.51.100.1 port 655)", rig.LogTexts)
    Assert.Equal<string list>([ "198.51.100.1 port 655"; "198.51.100.2 port 655" ], connects rig)

[<Fact>]
let ``a node that connected to us meanwhile is not called, and called again when it is gone`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655" ]
    let rig = Rig(settingsWith [ fake ] [ "fake" ])
    refuseAll rig
    rig.Start 655
    let peer = rig.Neighbour "fake"
    rig.Forget()
    rig.WaitSeconds 8
    Assert.Contains("Already connected to fake", rig.LogTexts)
    Assert.Empty(connects rig)
    rig.Feed(Lost(peer.Id, ValueNone))
    rig.WaitSeconds 20
    Assert.NotEmpty(connects rig)

[<Fact>]
let ``the peer at an address must be who we want`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655" ]
    let rig = Rig(settingsWith [ fake; hostOf "obs" ] [ "fake" ])
    rig.Doors <- fun target -> Opened("obs", { manner with Address = target; Minor = 1 })
    rig.Start 655
    let id = (List.exactlyOne rig.Peers).Id
    rig.Feed(Received(id, "0 obs 17.7\n"B))
    Assert.Contains("Peer 198.51.100.1 port 655 is obs instead of fake", rig.LogTexts)

[<Fact>]
let ``of two connections with one node the outgoing record goes to the newer`` () =
    let fake = withAddresses "fake" [ "198.51.100.1", "655" ]
    let rig = Rig(settingsWith [ fake ] [ "fake" ])
    open' rig "fake"
    rig.Start 655
    let first = List.exactlyOne rig.Peers
    rig.WaitSeconds 10
    let second = rig.Arrive("fake", { manner with Address = endpoint "192.0.2.7" 40000 })
    Assert.True first.Closed
    Assert.Equal(ValueSome second.Id, rig.Node.Outgoing[nodeName "fake"].Connection)
    refuseAll rig
    rig.Forget()
    rig.Feed(Lost(second.Id, ValueNone))
    Assert.Contains("Trying to re-establish outgoing connection in 5 seconds", rig.LogTexts)

[<Theory>]
[<InlineData("alpha", "fake")>]
[<InlineData("zeta", "fake")>]
let ``of two connections that cross, the one that the lesser name opened is kept`` (own: string, other: string) =
    let host = withAddresses other [ "198.51.100.1", "655" ]

    let rig =
        Rig
            { settingsOf own [] with
                Hosts = Map.ofList [ host.Name, host ]
                ConnectTo = [ host.Name ] }

    open' rig other
    rig.Start 655
    let ours = List.exactlyOne rig.Peers
    let theirs = rig.Arrive(other, { manner with Address = endpoint "192.0.2.7" 40000 })
    Assert.Equal((own < other), theirs.Closed)
    Assert.Equal((own > other), ours.Closed)
    let kept = if own < other then ours.Id else theirs.Id
    Assert.Equal(ValueSome kept, (peerState rig other).Value.Connection)
    Assert.Equal(ValueSome kept, rig.Node.Outgoing[host.Name].Connection)

// ---- AutoConnect

let private autoConnecting (names: string list) (connectTo: string list) : Settings =
    { settingsWith
          [ for i, name in List.indexed names -> withAddresses name [ "198.51.100." + string (i + 1), "655" ] ]
          connectTo with
        AutoConnect = true }

let private names = [ "bob"; "carl"; "dave"; "erik"; "fred"; "gus" ]

/// Everybody answers at the address of its host file.
let private openAll (rig: Rig) =
    rig.Doors <-
        fun target ->
            let number = int (target.Ip.Low &&& 0xffUL)
            Opened(names[number - 1], { manner with Address = target })

let private active (rig: Rig) = rig.Node.Established.Count

/// A neighbour behind which everybody is reachable, so that AutoConnect does not try to heal the mesh.
let private hub (rig: Rig) : FakePeer =
    rig.Host("hub") <- Some(hostOf "hub")
    let hub = rig.Neighbour "hub"

    for i, name in List.indexed names do
        let address = "198.51.100." + string (i + 1)
        rig.Flood(hub, "12", "hub " + name + " " + address + " 655 700000c 10")
        rig.Flood(hub, "12", name + " hub 192.0.2.1 655 700000c 10")

    hub

[<Fact>]
let ``AutoConnect makes three connections, one in each run`` () =
    let rig = Rig(autoConnecting names [])
    openAll rig
    rig.Start 655
    hub rig |> ignore
    rig.WaitSeconds 1
    Assert.Equal(2, active rig)
    rig.WaitSeconds 6
    Assert.Equal(3, active rig)
    rig.WaitSeconds 60
    Assert.Equal(3, active rig)
    Assert.Equal(2, rig.LogTexts |> List.filter (starting "Autoconnecting to ") |> List.length)

[<Fact>]
let ``AutoConnect gives up connections of its own when there are too many`` () =
    let rig = Rig(autoConnecting names [ "bob" ])
    openAll rig
    rig.Start 655
    hub rig |> ignore
    rig.WaitSeconds 20
    Assert.Equal(3, active rig)
    let own = rig.Peers

    // The others call us. Everybody has another way to the mesh, by the hub.
    for name in names |> List.filter (fun name -> not (own |> List.exists (fun peer -> peer.Name = name))) do
        rig.Neighbour name |> ignore

    for peer in own do
        if peer.Name <> "hub" then
            rig.Flood(peer, "12", peer.Name + " alpha 192.0.2.1 655 700000c 10")

    Assert.Equal(7, active rig)
    rig.WaitSeconds 60
    // Those who called us stay, and so does bob, whom ConnectTo names.
    Assert.Equal(6, active rig)
    Assert.Equal(1, rig.LogTexts |> List.filter (starting "Autodisconnecting from ") |> List.length)
    Assert.True(rig.Node.Outgoing.ContainsKey(nodeName "bob"))

[<Fact>]
let ``AutoConnect cancels its own waiting wishes when there are enough, but not those of ConnectTo`` () =
    let rig = Rig(autoConnecting [ "bob"; "carl" ] [ "bob" ])
    refuseAll rig
    rig.Start 655
    rig.WaitSeconds 12
    Assert.True(rig.Node.Outgoing.ContainsKey(nodeName "carl"))

    for name in [ "dave"; "erik"; "fred" ] do
        rig.Host(name) <- Some(hostOf name)
        rig.Neighbour name |> ignore

    rig.WaitSeconds 30
    Assert.Contains("Cancelled outgoing connection to carl", rig.LogTexts)
    Assert.DoesNotContain("Cancelled outgoing connection to bob", rig.LogTexts)
    Assert.True(rig.Node.Outgoing.ContainsKey(nodeName "bob"))

[<Fact>]
let ``AutoConnect tries nodes that nobody reaches now and then`` () =
    let rig = Rig(autoConnecting [ "zeta" ] [])

    for name in [ "dave"; "erik"; "fred" ] do
        rig.Host(name) <- Some(hostOf name)

    rig.Start 655

    for name in [ "dave"; "erik"; "fred" ] do
        rig.Neighbour name |> ignore

    refuseAll rig
    rig.WaitSeconds 60
    rig.Forget()
    rig.WaitSeconds 300
    Assert.Contains("Autoconnecting to zeta", rig.LogTexts)
    Assert.NotEmpty(connects rig)

/// Attempts to connect while a node has been failing for a minute, and in the seconds after something happened.
let private attemptsAfter (happens: Rig -> unit) (span: int) : int =
    let fake = withAddresses "fake" [ "198.51.100.1", "655" ]
    let rig =
        Rig({ settingsWith [ fake ] [ "fake" ] with MaxTimeout = 900 }, { launch with Interface = ValueSome "vpn" })
    refuseAll rig
    rig.Start 655
    rig.WaitSeconds 62
    rig.Forget()
    happens rig
    rig.WaitSeconds span
    (connects rig).Length

[<Fact>]
let ``a change of the local network ends the pauses between attempts`` () =
    Assert.Equal(0, attemptsAfter ignore 1)
    Assert.Equal(1, attemptsAfter (fun rig -> rig.Feed(NetworkChanged "eth0")) 1)
    Assert.Equal(1, attemptsAfter (fun rig -> rig.Feed(NetworkChanged "")) 1)

[<Fact>]
let ``changes of our own device do not count, and a swarm of changes counts once in five seconds`` () =
    Assert.Equal(0, attemptsAfter (fun rig -> rig.Feed(NetworkChanged "vpn")) 1)

    let swarm (rig: Rig) =
        for _ in 1..40 do
            rig.Feed(NetworkChanged "eth0")
            rig.Wait(100L * Instant.millisecond)

    Assert.Equal(1, attemptsAfter swarm 0)

[<Fact>]
let ``whoever wakes up from sleep tries again at once`` () =
    Assert.InRange(attemptsAfter (fun rig -> rig.Sleep 3600) 2, 1, 2)

[<Fact>]
let ``a change of the local network makes us ask whether neighbours are still there`` () =
    let rig = Rig({ settingsOf "alpha" [ "fake" ] with PingInterval = 600 })
    rig.Start 655
    let peer = rig.Neighbour "fake"
    rig.WaitSeconds 20
    peer.Forget()
    rig.Feed(NetworkChanged "eth0")
    rig.WaitSeconds 1
    Assert.Equal<string list>([ "8" ], peer.Lines)
