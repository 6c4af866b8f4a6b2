/// How meta connections come, live and end (spec 02 §5 to §7, §11, §14, §15).
module TincPure.Core.Tests.NodeConnectionTests

open System
open System.Text
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

let private settings: Settings = settingsOf "alpha" [ "fake"; "obs"; "third" ]

let private begun () : Rig =
    let rig = Rig settings
    rig.Start 655
    rig

let private starting (start: string) (line: string) = line.StartsWith(start, StringComparison.Ordinal)

let private at (address: string) : Manner = { manner with Address = endpoint address 40000 }

let private reachabilityLogs (rig: Rig) = rig.LogTexts |> List.filter (starting "Node ")

// ---- Activation

[<Fact>]
let ``a caller is answered with ID, KEX and, when the session stands, ACK`` () =
    let rig = begun ()
    let fake = rig.Arrive("fake", { at "192.0.2.1" with Acknowledges = false })
    Assert.Equal<string list>([ "0 alpha 17.7" ], fake.Greetings)
    Assert.Equal<string list>([ "4 655 0 700000c" ], fake.Lines)
    Assert.True((peerState rig "fake").Value.Connection.IsNone)
    rig.Say(fake, "4 655 10 700000c")
    Assert.Equal(ValueSome fake.Id, (peerState rig "fake").Value.Connection)

[<Fact>]
let ``the bytes of a login may come one by one`` () =
    let rig = begun ()
    let fake = FakePeer("fake", "alpha", rig.NextIncoming(), at "192.0.2.1")
    rig.Adopt fake

    let rec trickle () =
        match fake.TakeOutput() with
        | [||] -> ()
        | bytes ->
            for b in bytes do
                rig.Feed(Received(fake.Id, [| b |]))

            trickle ()

    rig.Feed(Accepted(fake.Id, ValueNone, Tcp fake.Manner.Address))
    trickle ()
    Assert.Equal(ValueSome fake.Id, (peerState rig "fake").Value.Connection)

[<Fact>]
let ``what follows an ID waits until the host file has been read`` () =
    let rig = begun ()
    rig.ReadsHostFiles <- false
    let fake = rig.Arrive("fake", at "192.0.2.1")
    Assert.Empty fake.Greetings
    rig.Feed(HostFileRead(nodeName "fake", Present(hostOf "fake", [])))
    Assert.Equal(ValueSome fake.Id, (peerState rig "fake").Value.Connection)

[<Fact>]
let ``the edge to a neighbour has its address, the port of its ACK and the mean of the weights`` () =
    let rig = begun ()

    rig.Arrive(
        "fake",
        { at "192.0.2.1" with
            AckPort = "1655"
            AckWeight = 31
            AckOptions = 0x07000005u }
    )
    |> ignore

    match Topology.tryEdge 0 (peerState rig "fake").Value.Index rig.Node.Topology with
    | ValueSome edge ->
        Assert.Equal(Inet(endpoint "192.0.2.1" 1655), edge.Address)
        Assert.Equal(Inet(endpoint "127.0.0.1" 655), edge.LocalAddress)
        Assert.Equal(15, edge.Weight)
        // PMTU discovery of both, clamping of us, indirect of the peer, the version of the peer.
        Assert.Equal(0x0700000du, edge.Options)
    | ValueNone -> Assert.Fail "no edge"

[<Fact>]
let ``a second connection takes over without a word to the others`` () =
    let rig = begun ()
    let first = rig.Neighbour "fake"
    let obs = rig.Neighbour "obs"
    rig.Forget()
    let second = rig.Arrive("fake", { at "192.0.2.99" with AckWeight = 50 })

    Assert.Contains(
        "Established a second connection with fake (192.0.2.1 port 40000), closing old connection",
        rig.LogTexts
    )

    Assert.True first.Closed
    Assert.Equal(ValueSome second.Id, (peerState rig "fake").Value.Connection)

    Assert.Equal<string list>(
        [ "12 NONCE alpha fake 192.0.2.99 655 700000c 25 127.0.0.1 655" ],
        List.map withoutNonce obs.Lines
    )

    // It may have restarted: what we had with it is void.
    Assert.Equal<string list>(
        [ "Node fake (192.0.2.1 port 655) became unreachable"
          "Node fake (192.0.2.99 port 655) became reachable" ],
        reachabilityLogs rig
    )

[<Fact>]
let ``a node that takes its leave is let go and taken off the graph`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    let obs = rig.Neighbour "obs"
    rig.Forget()
    rig.Say(fake, "7")
    Assert.True fake.Tarpitted

    Assert.Equal<string list>([ "13 NONCE alpha fake"; "13 NONCE fake alpha" ], List.map withoutNonce obs.Lines)

    Assert.DoesNotContain(rig.LogTexts, starting "Error while processing")

[<Fact>]
let ``what comes after a connection was closed is ignored`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    fake.Say "7"
    fake.Say "8"
    rig.Flush fake
    rig.Forget()
    rig.Say(fake, "8")
    rig.Feed(Lost(fake.Id, ValueNone))
    rig.Feed(Sent(fake.Id, 10))

    Assert.Empty(
        rig.Effects
        |> List.filter (fun effect ->
            match effect with
            | WakeAt _
            | Packet _ -> false
            | _ -> true)
    )

[<Fact>]
let ``the end of a stream and an error are told apart`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    let obs = rig.Neighbour "obs"
    rig.Feed(Lost(fake.Id, ValueNone))
    rig.Feed(Lost(obs.Id, ValueSome "Connection reset by peer"))
    Assert.Contains("Connection closed by fake (192.0.2.1 port 40000)", rig.LogTexts)

    Assert.Contains("Metadata socket read error for obs (192.0.2.2 port 40000): Connection reset by peer", rig.LogTexts)

[<Fact>]
let ``a record that was tampered with ends the connection`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    fake.Say "8"
    let record = fake.TakeOutput()
    record[record.Length - 1] <- record[record.Length - 1] ^^^ 1uy
    rig.Feed(Received(fake.Id, record))
    Assert.True fake.Tarpitted
    Assert.False(isReachable rig "fake")

// ---- Time

[<Fact>]
let ``a neighbour is pinged when PingInterval is over, and let go when it does not answer`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    rig.WaitSeconds 58
    Assert.DoesNotContain("8", fake.Lines)
    rig.WaitSeconds 4
    Assert.Contains("8", fake.Lines)
    // It answered; the next ping is a whole interval later.
    rig.WaitSeconds 56
    Assert.Equal(1, fake.Lines |> List.filter ((=) "8") |> List.length)
    fake.AnswersPings <- false
    rig.WaitSeconds 6
    Assert.Equal(2, fake.Lines |> List.filter ((=) "8") |> List.length)
    Assert.False fake.Closed
    rig.WaitSeconds 6
    Assert.True fake.Closed
    Assert.Contains(rig.LogTexts, starting "fake (192.0.2.1 port 40000) didn't respond to PING in 5 seconds")

[<Fact>]
let ``who says nothing is tarpitted after PingTimeout`` () =
    let rig = begun ()
    let id = rig.Open(Tcp(endpoint "192.0.2.1" 1), [||])
    rig.WaitSeconds 4
    Assert.DoesNotContain(Tarpit id, rig.Effects)
    rig.WaitSeconds 4
    Assert.Contains(Tarpit id, rig.Effects)
    Assert.Contains("Timeout from <unknown> (192.0.2.1 port 1) during authentication", rig.LogTexts)

[<Fact>]
let ``after a sleep every connection is made anew`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    rig.WaitSeconds 5
    rig.Sleep 100
    rig.Feed Woken
    Assert.True fake.Closed
    Assert.Contains(rig.LogTexts, starting "Awaking from dead after 10")
    Assert.Contains("Forcing connection close after sleep time fake (192.0.2.1 port 40000)", rig.LogTexts)

[<Fact>]
let ``the time to the first check is no sleep, however long it is`` () =
    let rig = Rig { settingsOf "alpha" [ "fake" ] with PingTimeout = 60; UdpDiscoveryTimeout = 1 }
    rig.Start 655
    rig.WaitSeconds 100
    Assert.DoesNotContain(rig.LogTexts, starting "Awaking")

[<Fact>]
let ``a node with nothing to do wakes about once a second`` () =
    let rig = begun ()
    rig.Neighbour "fake" |> ignore
    rig.WaitSeconds 10
    rig.Forget()
    rig.WaitSeconds 100

    let wakes =
        rig.Effects
        |> List.filter (fun effect ->
            match effect with
            | WakeAt _ -> true
            | _ -> false)

    Assert.InRange(wakes.Length, 90, 260)

// ---- Who is let in

let private isTarpitted (rig: Rig) (address: string) =
    let id = rig.Open(Tcp(endpoint address 1), [||])
    List.contains (Tarpit id) rig.Effects

[<Fact>]
let ``so many connections at once as MaxConnectionBurst says, then one a second`` () =
    let rig = begun ()
    rig.WaitSeconds 3
    let attempts = [ for i in 1..12 -> isTarpitted rig ("192.0.2." + string i) ]
    Assert.Equal<bool list>(List.replicate 10 false @ [ true; true ], attempts)

    // Attempts that were refused do not count against later ones.
    for _ in 1..5 do
        rig.WaitSeconds 1
        Assert.False(isTarpitted rig "192.0.2.99")
        Assert.True(isTarpitted rig "192.0.2.99")

[<Fact>]
let ``loopback is not limited`` () =
    let rig = begun ()

    for _ in 1..100 do
        Assert.False(isTarpitted rig "127.0.0.1")

[<Fact>]
let ``strangers that say nothing do not pile up`` () =
    let rig = begun ()
    let attempts = [ for _ in 1 .. Bounds.unauthenticated + 10 -> isTarpitted rig "127.0.0.1" ]
    Assert.Equal(10, attempts |> List.filter id |> List.length)
    rig.WaitSeconds 10
    Assert.Equal(0, rig.Node.Connections.Count)

[<Fact>]
let ``a stranger cannot make us keep more than a buffer`` () =
    let rig = begun ()
    let id = rig.Open(Tcp(endpoint "192.0.2.1" 1), Encoding.ASCII.GetBytes(String('0', 2175)))
    Assert.DoesNotContain(Tarpit id, rig.Effects)
    rig.Feed(Received(id, "0"B))
    Assert.Contains(Tarpit id, rig.Effects)

[<Fact>]
let ``while its host file is being read a caller cannot make us keep more than a buffer`` () =
    let rig = begun ()
    rig.ReadsHostFiles <- false
    let id = rig.Open(Tcp(endpoint "192.0.2.1" 1), "0 fake 17.7\n"B)

    for _ in 1..200 do
        rig.Feed(Received(id, Array.zeroCreate 1024))

    Assert.Contains(Tarpit id, rig.Effects)

// ---- The end

[<Fact>]
let ``a node that is told to stop closes quietly and leaves`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    let control = rig.Open(UnixSocket, Encoding.ASCII.GetBytes("0 ^" + launch.Cookie + " 0\n"))
    rig.Forget()
    rig.Feed(Signalled Terminate)
    Assert.Empty fake.Lines
    Assert.True fake.Closed
    Assert.DoesNotContain(Close control, rig.Effects)
    Assert.Contains(Exit 0, rig.Effects)
    Assert.Contains("Got Terminated signal", rig.LogTexts)

    Assert.Equal<string list>(
        [ "host-down"; "hosts/fake-down"; "tinc-down" ],
        [ for effect in rig.Effects do
              match effect with
              | RunScript script -> script.Name
              | _ -> () ]
    )

[<Fact>]
let ``with DeviceStandby the device is up while somebody is reachable`` () =
    let rig = Rig { settings with DeviceStandby = true }

    let scripts () =
        [ for effect in rig.Effects do
              match effect with
              | RunScript script when script.Name.StartsWith "tinc-" -> script.Name
              | _ -> () ]

    rig.Start 655
    Assert.Empty(scripts ())
    let fake = rig.Neighbour "fake"
    let obs = rig.Neighbour "obs"
    Assert.Equal<string list>([ "tinc-up" ], scripts ())
    rig.Feed(Lost(fake.Id, ValueNone))
    Assert.Equal<string list>([ "tinc-up" ], scripts ())
    rig.Feed(Lost(obs.Id, ValueNone))
    Assert.Equal<string list>([ "tinc-up"; "tinc-down" ], scripts ())
    rig.Neighbour "fake" |> ignore
    rig.Feed(Signalled Terminate)
    Assert.Equal<string list>([ "tinc-up"; "tinc-down"; "tinc-up"; "tinc-down" ], scripts ())
