/// What nodes tell each other, and how it stays within bounds (spec 02 §8 to §10, spec 04 §3 to §6).
module TincPure.Core.Tests.NodeGossipTests

open System
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Meta
open TincPure.Tunnel
open TincPure.Routing
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

let settings: Settings =
    { settingsOf "alpha" [ "fake"; "obs"; "third" ] with
        Own =
            { HostSettings.empty (nodeName "alpha") with
                Subnets = [ subnet "10.0.1.0/24" ] } }

let begun (settings: Settings) : Rig =
    let rig = Rig settings
    rig.Start 655
    rig

/// alpha with the neighbours fake and obs, and third behind obs.
let mesh (settings: Settings) : struct (Rig * FakePeer * FakePeer) =
    let rig = begun settings
    let fake = rig.Neighbour "fake"
    let obs = rig.Neighbour "obs"
    rig.Flood(obs, "12", "obs third 192.0.2.33 655 700000c 10")
    rig.Flood(obs, "12", "third obs 192.0.2.2 655 700000c 10")
    Assert.True(isReachable rig "third")
    rig.Forget()
    struct (rig, fake, obs)

let starting (start: string) (line: string) = line.StartsWith(start, StringComparison.Ordinal)

let count (start: string) (lines: string list) = lines |> List.filter (starting start) |> List.length

let said (lines: string list) = List.map withoutNonce lines

// ---- What is new goes on, what is known does not

[<Fact>]
let ``a fact that two neighbours tell goes on once`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.Flood(fake, "10", "third 10.0.3.0/24")
    rig.Flood(obs, "10", "third 10.0.3.0/24")
    Assert.Equal<string list>([ "10 NONCE third 10.0.3.0/24" ], said obs.Lines)
    Assert.Empty fake.Lines

[<Fact>]
let ``a line goes on byte for byte`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.Say(fake, "10  0xABC\tthird  10.0.3.0/24   and more")
    Assert.Equal<string list>([ "10  0xABC\tthird  10.0.3.0/24   and more" ], obs.Lines)

[<Fact>]
let ``a line that was seen is dropped until it is forgotten, and then it is known`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.Say(fake, "10 1 third 10.0.3.0/24")
    rig.Say(fake, "11 2 third 10.0.3.0/24")
    rig.Say(fake, "10 1 third 10.0.3.0/24")
    Assert.Equal<string list>([ "10 1 third 10.0.3.0/24"; "11 2 third 10.0.3.0/24" ], obs.Lines)
    Assert.False(Topology.hasSubnet (peerState rig "third").Value.Index (subnet "10.0.3.0/24") rig.Node.Topology)

    rig.WaitSeconds 121
    obs.Forget()
    rig.Say(fake, "10 1 third 10.0.3.0/24")
    Assert.Contains("10 1 third 10.0.3.0/24", obs.Lines)

[<Fact>]
let ``a new neighbour is told everything, node by node in name order, subnets before edges`` () =
    let rig = begun { settings with Hosts = settings.Hosts.Add(nodeName "zeta", hostOf "zeta") }
    let obs = rig.Neighbour "obs"
    rig.Flood(obs, "10", "Zed 10.9.0.0/16")
    rig.Flood(obs, "12", "obs Zed 192.0.2.33 655 700000c 10")
    rig.Flood(obs, "12", "Zed obs 192.0.2.2 655 700000c 10 10.1.1.1 655")
    rig.Flood(obs, "10", "Zed 10.9.1.0/24")
    rig.Flood(obs, "10", "Zed 2:0:0:0:0:1")
    let zeta = rig.Arrive("zeta", { manner with Address = endpoint "192.0.2.9" 1; AckWeight = 10 })

    Assert.Equal<string list>(
        [ "4 655 0 700000c"
          "10 NONCE Zed 02:00:00:00:00:01"
          "10 NONCE Zed 10.9.1.0/24"
          "10 NONCE Zed 10.9.0.0/16"
          "12 NONCE Zed obs 192.0.2.2 655 700000c 10 10.1.1.1 655"
          "10 NONCE alpha 10.0.1.0/24"
          "12 NONCE alpha obs 192.0.2.1 655 700000c 25 127.0.0.1 655"
          "12 NONCE obs Zed 192.0.2.33 655 700000c 10"
          "12 NONCE obs alpha 192.0.2.200 655 700000c 25"
          "12 NONCE alpha zeta 192.0.2.9 655 700000c 5 127.0.0.1 655" ],
        said zeta.Lines
    )

[<Fact>]
let ``a TunnelServer tells a new neighbour only what is its own`` () =
    let rig = begun { settings with TunnelServer = true; StrictSubnets = true }
    let obs = rig.Neighbour "obs"
    rig.Forget()
    let fake = rig.Neighbour "fake"

    Assert.Equal<string list>(
        [ "4 655 0 700000c"
          "10 NONCE alpha 10.0.1.0/24"
          "12 NONCE alpha fake 192.0.2.2 655 700000c 25 127.0.0.1 655" ],
        said fake.Lines
    )

    Assert.Empty obs.Lines

// ---- Contradictions

[<Fact>]
let ``what a restarted neighbour still believes of us is corrected once`` () =
    let struct (rig, fake, _) = mesh settings
    rig.Flood(fake, "12", "alpha third 192.0.2.33 655 700000c 10")
    rig.Flood(fake, "10", "alpha 10.77.0.0/16")
    rig.Flood(fake, "11", "alpha 10.0.1.0/24")
    rig.Flood(fake, "13", "alpha fake")

    Assert.Equal<string list>(
        [ "13 NONCE alpha third"
          "11 NONCE alpha 10.77.0.0/16"
          "10 NONCE alpha 10.0.1.0/24"
          "12 NONCE alpha fake 192.0.2.1 655 700000c 25 127.0.0.1 655" ],
        said fake.Lines
    )

[<Fact>]
let ``contradictions without end get few answers, and the last word is ours`` () =
    let struct (rig, fake, _) = mesh settings

    // 600 contradictions in a minute.
    for _ in 1..600 do
        rig.Flood(fake, "12", "alpha third 192.0.2.33 655 700000c 10")
        rig.Wait(100L * Instant.millisecond)

    let answers = count "13 " fake.Lines
    // At once, and after 1, 2, 4, 8, 16 and 30 seconds.
    Assert.InRange(answers, 5, 7)

    fake.Forget()
    rig.WaitSeconds 40
    Assert.Equal(1, count "13 " fake.Lines)

    // Silence is restored, and so is the readiness to answer at once.
    fake.Forget()
    rig.WaitSeconds 120
    Assert.Equal(0, count "13 " fake.Lines)
    rig.Flood(fake, "12", "alpha third 192.0.2.33 655 700000c 10")
    Assert.Equal(1, count "13 " fake.Lines)

[<Fact>]
let ``a late answer says what is true by then`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.Flood(fake, "13", "alpha obs")
    rig.Flood(fake, "13", "alpha obs")
    Assert.Equal(1, count "12 " fake.Lines)
    rig.Feed(Lost(obs.Id, ValueNone))
    fake.Forget()
    rig.WaitSeconds 8
    Assert.Equal<string list>([ "13 NONCE alpha obs" ], said fake.Lines |> List.filter (starting "13 "))

[<Fact>]
let ``no number of contradictions is remembered without bound`` () =
    let struct (rig, fake, _) = mesh settings

    for i in 1 .. Corrections.maxEntries + 100 do
        rig.FloodInBatch(fake, "10", "alpha 10." + string (i / 250) + "." + string (i % 250) + ".0/30")

    rig.Settle()
    Assert.Equal(Corrections.maxEntries, rig.Node.Corrections.Entries.Count)

// ---- Floods that take different ways

[<Fact>]
let ``a neighbour that heard of a return before the removal is told again`` () =
    let struct (rig, fake, obs) = mesh settings
    // Alpha hears of the removal and of the return by way of obs; fake heard of the return before, on a faster way.
    rig.Say(obs, "13 1 obs third")
    rig.Say(obs, "12 2 obs third 192.0.2.33 655 700000c 10")
    rig.Say(fake, "12 2 obs third 192.0.2.33 655 700000c 10")
    rig.Say(fake, "13 1 obs third")
    fake.Forget()
    rig.WaitSeconds 8
    let line = "12 NONCE obs third 192.0.2.33 655 700000c 10"
    Assert.Equal<string list>([ line ], said fake.Lines |> List.filter (starting "12 "))
    Assert.Equal(0, count "12 " obs.Lines)

[<Fact>]
let ``a neighbour that heard everything in order is not told again`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.Say(obs, "13 1 obs third")
    rig.Say(obs, "12 2 obs third 192.0.2.33 655 700000c 10")
    rig.Say(fake, "13 1 obs third")
    rig.Say(fake, "12 2 obs third 192.0.2.33 655 700000c 10")
    fake.Forget()
    rig.WaitSeconds 8
    Assert.Equal(0, count "12 " fake.Lines)

[<Fact>]
let ``a neighbour that heard of the return after the removal is believed`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.Say(obs, "12 2 obs third 192.0.2.33 655 700000c 20")
    rig.Say(obs, "13 1 obs third")
    rig.Say(fake, "13 1 obs third")
    rig.Say(fake, "12 2 obs third 192.0.2.33 655 700000c 20")
    Assert.False(isReachable rig "third")
    obs.Forget()
    rig.WaitSeconds 8
    Assert.True(isReachable rig "third")
    let line = "12 NONCE obs third 192.0.2.33 655 700000c 20"
    Assert.Equal<string list>([ line ], said obs.Lines |> List.filter (starting "12 "))

[<Fact>]
let ``a new neighbour is told of edges among unreachable nodes only when they are reached`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.Flood(obs, "12", "far farther 192.0.2.41 655 700000c 10")
    rig.Flood(obs, "12", "farther far 192.0.2.40 655 700000c 10")
    let late = rig.Neighbour "third"
    Assert.DoesNotContain(late.Lines, (fun line -> line.Contains "farther"))
    rig.WaitSeconds 8
    Assert.DoesNotContain(late.Lines, (fun line -> line.Contains "farther"))
    rig.Flood(obs, "12", "obs far 192.0.2.40 655 700000c 10")
    rig.Flood(obs, "12", "far obs 192.0.2.2 655 700000c 10")
    rig.WaitSeconds 3
    Assert.Equal(1, count "12 " (late.Lines |> List.filter (fun line -> line.Contains "far farther")))
    Assert.Equal(1, count "12 " (late.Lines |> List.filter (fun line -> line.Contains "farther far")))
    Assert.NotEmpty fake.Lines

[<Fact>]
let ``who loses the last neighbour forgets the edges of the mesh`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.Feed(Lost(fake.Id, ValueNone))
    Assert.NotEmpty(Topology.edges rig.Node.Topology)
    rig.Feed(Lost(obs.Id, ValueNone))
    Assert.Empty(Topology.edges rig.Node.Topology)
    Assert.Equal(0, rig.Node.EdgeCount)

// ---- Removal and addition in one batch

[<Fact>]
let ``an edge whose address is longer than any is not kept`` () =
    let struct (rig, fake, obs) = mesh settings
    let edges = rig.Node.EdgeCount
    rig.Flood(fake, "12", "fake third " + String('h', 400) + " 655 700000c 10")
    Assert.Equal(edges, rig.Node.EdgeCount)
    Assert.Empty obs.Lines
    rig.Flood(fake, "12", "fake third host.example 655 700000c 10")
    Assert.Equal(edges + 1, rig.Node.EdgeCount)

[<Fact>]
let ``a removal and a later addition in one batch are two transitions`` () =
    let struct (rig, _, obs) = mesh settings
    let third = (peerState rig "third").Value.Index

    // Something is sent to it, so that a key exchange begins.
    rig.Feed(Punted(Transmitted(third, 0)))
    Assert.True(Tunnels.isWaiting (rig.Node.Peers[third]))
    rig.Forget()

    rig.FloodInBatch(obs, "13", "obs third")
    rig.FloodInBatch(obs, "12", "obs third 192.0.2.44 655 700000c 10")
    rig.Settle()

    Assert.Equal<string list>(
        [ "Node third (192.0.2.33 port 655) became unreachable"
          "UDP address of third set to 192.0.2.44 port 655"
          "Node third (192.0.2.44 port 655) became reachable" ],
        rig.LogTexts |> List.filter (fun text -> starting "Node " text || starting "UDP address" text)
    )

    Assert.Equal<string list>(
        [ "host-down"; "hosts/third-down"; "host-up"; "hosts/third-up" ],
        [ for effect in rig.Effects do
              match effect with
              | RunScript script -> script.Name
              | _ -> () ]
    )

    Assert.False(Tunnels.isWaiting (rig.Node.Peers[third]))
    Assert.True(isReachable rig "third")

[<Fact>]
let ``a node that stays reachable by another way sees nothing of a removal`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.Flood(fake, "12", "fake third 192.0.2.33 655 700000c 10")
    rig.Flood(fake, "12", "third fake 192.0.2.1 655 700000c 10")
    rig.Forget()
    rig.FloodInBatch(obs, "13", "obs third")
    rig.FloodInBatch(obs, "12", "obs third 192.0.2.44 655 700000c 10")
    rig.Settle()
    Assert.DoesNotContain(rig.LogTexts, starting "Node ")

[<Fact>]
let ``an edge to us of a node that became unreachable is taken back for it`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.Feed(Lost(obs.Id, ValueNone))

    Assert.Equal<string list>([ "13 NONCE alpha obs"; "13 NONCE obs alpha" ], said fake.Lines)
    Assert.False(isReachable rig "obs")
    Assert.False(isReachable rig "third")

    // What obs and third said of each other is kept until somebody takes it back.
    Assert.Equal(4, Seq.length (Topology.edges rig.Node.Topology))

[<Fact>]
let ``what is known of unreachable nodes goes with a purge, and everybody is told`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.Flood(obs, "10", "third 10.0.3.0/24")
    rig.Feed(Lost(obs.Id, ValueNone))
    rig.Forget()
    let control = rig.Open(UnixSocket, Text.Encoding.ASCII.GetBytes("0 ^" + launch.Cookie + " 0\n18 8\n"))

    Assert.Equal<string list>(
        [ "13 NONCE obs third"; "11 NONCE third 10.0.3.0/24"; "13 NONCE third obs" ],
        said fake.Lines
    )

    Assert.EndsWith("18 8 0\n", Text.Encoding.ASCII.GetString(rig.SentOn control))
    Assert.True((peerState rig "third").IsNone)
    Assert.Equal(2, rig.Node.EdgeCount)

    // Its number is kept for its name.
    rig.Flood(fake, "12", "fake third 192.0.2.33 655 700000c 10")
    rig.Flood(fake, "12", "third fake 192.0.2.1 655 700000c 10")
    Assert.True(isReachable rig "third")

[<Fact>]
let ``a node that comes back after a purge is told our address as any new one is`` () =
    let struct (rig, fake, obs) = mesh settings
    let ask (peer: FakePeer) = rig.Say(peer, "15 third alpha 15 AAAA")
    let told (peer: FakePeer) = peer.Lines |> List.filter (fun line -> line.StartsWith "22 alpha third")

    ask obs
    Assert.Single(told obs) |> ignore
    rig.Feed(Lost(obs.Id, ValueNone))
    rig.Open(UnixSocket, Text.Encoding.ASCII.GetBytes("0 ^" + launch.Cookie + " 0\n18 8\n")) |> ignore
    rig.Flood(fake, "12", "fake third 192.0.2.33 655 700000c 10")
    rig.Flood(fake, "12", "third fake 192.0.2.1 655 700000c 10")
    rig.Forget()
    ask fake
    Assert.Single(told fake) |> ignore

[<Fact>]
let ``datagrams from where a node's probe came from are its own, though we are not sure of the way back`` () =
    let struct (rig, _, _) = mesh settings
    let third = (peerState rig "third").Value
    let source = endpoint "198.51.100.7" 40007
    rig.Feed(Punted(ProbeReceived(third.Index, Array.zeroCreate 18, source, 0)))
    Assert.Equal(ValueSome third.Index, HashTrie.tryFind source rig.Node.ByAddress)
    Assert.False (peerState rig "third").Value.Discovery.Confirmed

    let moved = endpoint "198.51.100.8" 40008
    rig.Feed(Punted(ProbeReceived(third.Index, Array.zeroCreate 18, moved, 0)))
    Assert.Equal(ValueSome third.Index, HashTrie.tryFind moved rig.Node.ByAddress)
    Assert.Equal(ValueNone, HashTrie.tryFind source rig.Node.ByAddress)

[<Fact>]
let ``a start of a session that is no base64, from a node without a known key, has us ask for the key`` () =
    let struct (rig, _, obs) = mesh settings
    rig.Flood(obs, "12", "obs ghost 192.0.2.33 655 700000c 10")
    rig.Flood(obs, "12", "ghost obs 192.0.2.1 655 700000c 10")
    rig.Say(obs, "15 ghost alpha 15")
    Assert.Contains("15 alpha ghost 19", obs.Lines)

// ---- Bounds

[<Fact>]
let ``a neighbour that does not read is let go`` () =
    let struct (rig, fake, obs) = mesh settings
    obs.Stalled <- true
    let filler = String('x', 2000)

    // Forwarded lines of 2 KB, until 16 MB wait.
    while not obs.Closed && rig.Node.Connections[obs.Id].Queued <= Wire.maxQueued do
        for _ in 1..100 do
            rig.FloodInBatch(fake, "14", "third " + filler)

    rig.WaitSeconds 8
    Assert.True obs.Closed
    Assert.Contains(rig.LogTexts, starting "Output queue of obs (192.0.2.2 port 40000) grew beyond")
    Assert.False fake.Closed

[<Fact>]
let ``the node that we are told to be is told nothing about us by third parties`` () =
    // Edges of ours that others report are believed only if they are what we say ourselves.
    let struct (rig, fake, obs) = mesh settings
    rig.Flood(fake, "12", "alpha fake 203.0.113.1 655 700000c 1")
    Assert.Empty obs.Lines

    match Topology.tryEdge 0 (peerState rig "fake").Value.Index rig.Node.Topology with
    | ValueSome edge -> Assert.Equal(25, edge.Weight)
    | ValueNone -> Assert.Fail "the edge is gone"

[<Fact>]
let ``key exchange state of a node follows its reachability`` () =
    let struct (rig, _, obs) = mesh settings
    let third = (peerState rig "third").Value.Index
    rig.Feed(Punted(Transmitted(third, 0)))
    Assert.Contains(obs.Lines, starting "15 alpha third 15 ")
    rig.Feed(Lost(obs.Id, ValueNone))
    Assert.Equal(KeyExchange.Idle, rig.Node.Peers[third].Keys.Phase)
    Assert.False rig.Node.Peers[third].Sptps
    Assert.Equal(0u, rig.Node.Peers[third].Options)

[<Fact>]
let ``a removal beside the spanning tree and a later addition need no computation between them`` () =
    let struct (rig, fake, obs) = mesh settings
    // Three ways around: fake, obs and third all know each other. The heaviest link is not on the tree.
    rig.Flood(fake, "12", "fake third 192.0.2.33 655 700000c 900")
    rig.Flood(fake, "12", "third fake 192.0.2.1 655 700000c 900")
    rig.FloodInBatch(obs, "13", "fake third")
    Assert.Equal(GraphState.Grown, rig.Node.GraphState)
    rig.FloodInBatch(obs, "12", "fake third 192.0.2.33 655 700000c 900")
    rig.Settle()
    Assert.Equal(GraphState.Current, rig.Node.GraphState)

    // The link behind which third is alone is on it.
    rig.FloodInBatch(obs, "13", "obs third")
    Assert.Equal(GraphState.Shrunk, rig.Node.GraphState)

[<Fact>]
let ``an edge without its reverse needs no computation`` () =
    let struct (rig, _, obs) = mesh settings
    rig.FloodInBatch(obs, "12", "third ghost 192.0.2.40 655 700000c 1")
    Assert.Equal(GraphState.Current, rig.Node.GraphState)
    rig.FloodInBatch(obs, "12", "ghost third 192.0.2.41 655 700000c 1")
    Assert.Equal(GraphState.Grown, rig.Node.GraphState)
    rig.Settle()
    Assert.True(isReachable rig "ghost")
    rig.FloodInBatch(obs, "12", "lost ghost2 192.0.2.41 655 700000c 1")
    rig.FloodInBatch(obs, "12", "ghost2 lost 192.0.2.41 655 700000c 1")
    Assert.Equal(GraphState.Current, rig.Node.GraphState)
