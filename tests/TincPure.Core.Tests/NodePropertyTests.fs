/// What holds of a node whatever comes in: it never throws, it does the same again, and it keeps within its bounds.
module TincPure.Core.Tests.NodePropertyTests

open System
open System.Text
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Meta
open TincPure.Routing
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

let private settings: Settings =
    { settingsOf "alpha" [ "fake"; "obs"; "third" ] with
        Own =
            { HostSettings.empty (nodeName "alpha") with
                Subnets = [ subnet "10.0.1.0/24" ] } }

// ---- Requests that make sense more or less

let private names = [ "alpha"; "fake"; "obs"; "third"; "n1"; "n2"; "n3"; "n4"; "n5" ]

let private name = Gen.elements names

let private number = Gen.choose (0, 255) |> Gen.map string

let private address =
    Gen.frequency
        [ 6, Gen.map2 (fun a b -> "192.0.2." + a + " " + b) number number
          1, Gen.constant "unspec unspec"
          1, Gen.constant "vpn.example.org 655"
          1, Gen.map (fun a -> "2001:db8::" + a + " 655") number ]

let private options = Gen.elements [ "700000c"; "700000d"; "c"; "0"; "ffffffff"; "200000e" ]

let private weight = Gen.elements [ "1"; "10"; "-5"; "2147483647"; "-2147483648"; "500" ]

let private nonce = Gen.choose (0, 1 <<< 20) |> Gen.map (fun number -> number.ToString "x")

let private subnetText =
    Gen.frequency
        [ 6, Gen.map2 (fun a b -> "10." + a + "." + b + ".0/24") number number
          1, Gen.constant "10.0.1.0/24"
          1, Gen.map (fun a -> "2001:db8:" + a + "::/48#3") number
          1, Gen.map (fun a -> "2:0:0:0:0:" + (int a % 100).ToString()) number ]

let private words = Gen.map (List.toSeq >> fun words -> String.Join(' ', words))

let private fields (generators: Gen<string> list) = Gen.sequenceToList generators |> words

let private base64 =
    Gen.choose (0, 120)
    |> Gen.bind (fun length ->
        Gen.arrayOfLength length (Gen.choose (0, 255) |> Gen.map byte)
        |> Gen.map (fun bytes -> Base64.encode (ReadOnlySpan bytes)))

let private constant (text: string) = Gen.constant text

let private request: Gen<string> =
    Gen.frequency
        [ 10, fields [ constant "12"; nonce; name; name; address; options; weight ]
          3, fields [ constant "12"; nonce; name; name; address; options; weight; address ]
          6, fields [ constant "13"; nonce; name; name ]
          6, fields [ constant "10"; nonce; name; subnetText ]
          3, fields [ constant "11"; nonce; name; subnetText ]
          1, fields [ constant "14"; nonce; name ]
          2, fields [ constant "15"; name; name; Gen.elements [ "15"; "19"; "20"; "21"; "99"; "0" ]; base64 ]
          2, fields [ constant "16"; name; name; base64; constant "-1 -1 -1"; Gen.elements [ "0"; "9"; "13"; "-1" ] ]
          1, fields [ constant "16"; name; name; base64; constant "-1 -1 -1 0"; address ]
          1, fields [ constant "22"; name; name; address ]
          1, fields [ constant "23"; name; name; Gen.elements [ "512"; "1400"; "9000" ] ]
          1, constant "8"
          1, constant "9" ]

/// A request, damaged in one place.
let private damaged: Gen<string> =
    gen {
        let! line = request
        let! at = Gen.choose (0, max 0 (line.Length - 1))
        let! character = Gen.choose (32, 126)
        return line.Substring(0, at) + string (char character) + line.Substring(min line.Length (at + 1))
    }

// ---- Things that happen

type private Event =
    | Said of obs: bool * line: string
    | SaidRaw of obs: bool * bytes: byte[]
    | Framed of obs: bool * frame: byte[]
    | Blocked of obs: bool * block: byte[]
    | Reported of peer: int * Punt
    | Waited of milliseconds: int
    | Stranger of bytes: byte[]
    | Client of text: string
    | EndOfBatch
    | Vanished of obs: bool
    | Returned of obs: bool

let private anyBytes = ArbMap.defaults |> ArbMap.generate<byte[]>

let private whichPeer = ArbMap.defaults |> ArbMap.generate<bool>

let private source =
    Gen.map2 (fun a b -> endpoint ("192.0.2." + string a) b) (Gen.choose (1, 5)) (Gen.choose (1, 65535))

/// Reports of the packet plane are about nodes that exist; what they carry came from a network.
let private report (peer: int) : Gen<Punt> =
    Gen.oneof
        [ Gen.choose (0, 1600) |> Gen.map (fun length -> Transmitted(peer, length))
          Gen.map2 (fun bytes source -> ProbeReceived(peer, bytes, source, 0)) anyBytes source
          Gen.map2
              (fun length source -> ProbeReceived(peer, Array.init length (fun i -> byte (i &&& 1)), source, 0))
              (Gen.choose (14, 1518))
              source
          anyBytes |> Gen.map (fun bytes -> HandshakeSealed(peer, bytes))
          anyBytes |> Gen.map (fun bytes -> HandshakeOpened(peer, bytes))
          Gen.constant (DataOpened(peer, Carrier.RawTcp))
          Gen.choose (1, 9)
          |> Gen.map (fun run -> OpenFailed(peer, ValueNone, OpenFailure.BadTag(run, Instant.never)))
          Gen.constant (OpenFailed(peer, ValueSome Carrier.KeyAnswer, OpenFailure.NoSession))
          Gen.map (fun source -> SourceMoved(peer, source, 0)) source
          anyBytes |> Gen.map (fun frame -> FrameOverTcp(peer, frame))
          anyBytes |> Gen.map (fun bytes -> DatagramOverTcp(peer, 0, bytes))
          Gen.choose (0, 2000) |> Gen.map (fun size -> PathTooSmall(peer, size)) ]

let private clientText =
    Gen.elements
        [ "18 3\n"
          "18 4\n"
          "18 5\n"
          "18 6\n"
          "18 8\n"
          "18 10\n"
          "18 12 fake\n"
          "18 15 5\n"
          "18 9 3\n"
          "18 1\n" ]

let private event: Gen<Event> =
    Gen.frequency
        [ 40, Gen.map2 (fun obs line -> Said(obs, line)) whichPeer request
          2, Gen.map2 (fun obs line -> Said(obs, line)) whichPeer damaged
          1, Gen.map2 (fun obs bytes -> SaidRaw(obs, bytes)) whichPeer anyBytes
          1, Gen.map2 (fun obs bytes -> Framed(obs, bytes)) whichPeer anyBytes
          2, Gen.map2 (fun obs bytes -> Blocked(obs, bytes)) whichPeer anyBytes
          10,
          gen {
              let! peer = Gen.choose (0, 8)
              let! punt = report peer
              return Reported(peer, punt)
          }
          6, Gen.choose (1, 20000) |> Gen.map Waited
          1, anyBytes |> Gen.map Stranger
          1, clientText |> Gen.map Client
          20, Gen.constant EndOfBatch
          1, whichPeer |> Gen.map Vanished
          3, whichPeer |> Gen.map Returned ]

/// The rig and its two peers, either of which may be gone.
type private Playground(seed: byte) =
    let rig = Rig(settings, { launch with Seed = Array.create 32 seed })

    do rig.Start 655

    let mutable fake = rig.Neighbour "fake"
    let mutable obs = rig.Neighbour "obs"

    let isGone (peer: FakePeer) = peer.Closed || peer.Tarpitted || not (rig.Node.Connections.ContainsKey peer.Id)

    member _.Rig = rig

    member _.Play(event: Event) =
        let peer isObs = if isObs then obs else fake

        let say isObs (speak: FakePeer -> unit) =
            let speaker = peer isObs

            if not (isGone speaker) && rig.Node.Established.Values.Contains speaker.Id then
                speak speaker

                match speaker.TakeOutput() with
                | [||] -> ()
                | bytes -> rig.Step(Received(speaker.Id, bytes))

        match event with
        | Said(isObs, line) -> say isObs (fun peer -> peer.Say line)
        | SaidRaw(isObs, bytes) -> say isObs (fun peer -> peer.SayRaw bytes)
        | Framed(isObs, frame) ->
            say isObs (fun peer ->
                peer.Say("17 " + string frame.Length)
                peer.SayRecord frame)
        | Blocked(isObs, block) ->
            say isObs (fun peer ->
                peer.Say("21 " + string block.Length)
                peer.SayRaw block)
        | Reported(peer, punt) ->
            if peer < Vector.length rig.Node.Peers then
                rig.Step(Punted punt)
        | Waited milliseconds ->
            rig.Settle()
            rig.Wait(int64 milliseconds * Instant.millisecond)
        | Stranger bytes -> rig.Open(Tcp(endpoint "127.0.0.1" 1), bytes) |> ignore
        | Client text -> rig.Open(UnixSocket, Encoding.ASCII.GetBytes("0 ^" + launch.Cookie + " 0\n" + text)) |> ignore
        | EndOfBatch -> rig.Settle()
        | Vanished isObs -> rig.Feed(Lost((peer isObs).Id, ValueNone))
        | Returned isObs ->
            if isGone (peer isObs) then
                let address = if isObs then "192.0.2.2" else "192.0.2.1"

                let returned =
                    rig.Arrive(
                        (if isObs then "obs" else "fake"),
                        { manner with Address = endpoint address 40000; AckWeight = 50 }
                    )

                if isObs then obs <- returned else fake <- returned

let private check (count: int) (property: Property) = Check.One(Config.QuickThrowOnFailure.WithMaxTest count, property)

/// Shrinks by leaving out the second half, or any one event.
let private shorter (events: Event list) : Event list seq =
    seq {
        if events.Length > 1 then
            List.take (events.Length / 2) events

        for i in 0 .. events.Length - 1 do
            List.removeAt i events
    }

let private events =
    Arb.fromGenShrink (Gen.choose (0, 200) |> Gen.bind (fun length -> Gen.listOfLength length event), shorter)

let private totals (rig: Rig) = Seq.length (Topology.edges rig.Node.Topology)

[<Fact>]
let ``whatever happens, a node takes it, and its tables agree`` () =
    Prop.forAll events (fun events ->
        let playground = Playground 1uy

        for event in events do
            playground.Play event

        playground.Rig.Settle()
        let node = playground.Rig.Node

        // The count of edges is that of the edges.
        Assert.Equal(totals playground.Rig, node.EdgeCount)
        Assert.Equal(GraphState.Current, node.GraphState)

        for index in Topology.nodes node.Topology do
            let peer = node.Peers[index]
            Assert.Equal(index, peer.Index)
            Assert.Equal(Graph.isReachable index node.Paths, peer.Reachable)
            // What the packet plane sees is what the control plane means.
            Assert.Equal(peer.Reachable, node.Fib.Peers[index].Reachable)
            Assert.Equal((Graph.route index node.Paths).NextHop, node.Fib.Peers[index].NextHop)
            Assert.Equal(Tunnels.isReady peer, node.Fib.Peers[index].ValidKey)

            match peer.Connection with
            | ValueSome id -> Assert.True(node.Connections.ContainsKey id)
            | ValueNone -> ()

        // A computation from scratch finds the same paths.
        let fresh = Graph.compute node.Paths (fun _ -> true) node.Topology

        Assert.Equal<Route[]>(fresh.Routes, Array.init fresh.Routes.Length (fun index -> Graph.route index node.Paths))

        Assert.Equal<int list>(fresh.TreeNeighbours, node.Paths.TreeNeighbours)

        for KeyValue(serial, id) in node.Established do
            Assert.Equal(serial, node.Connections[id].Serial)

        true)
    |> check 150

/// Commands to the packet plane hold snapshots that compare by identity; everything else compares by value.
let private comparable (effect: Effect) : string =
    match effect with
    | Packet(Publish fib) -> "publish " + string (Vector.length fib.Peers) + " " + string fib.TreeNeighbours
    | Send(id, bytes) -> string id + " " + Convert.ToHexString bytes
    | effect -> string effect

let private trace (seed: byte) (events: Event list) : string list =
    let playground = Playground seed

    for event in events do
        playground.Play event

    List.map comparable playground.Rig.Effects

[<Fact>]
let ``the same seed and the same inputs give the same effects`` () =
    Prop.forAll events (fun events -> trace 7uy events = trace 7uy events) |> check 30

[<Fact>]
let ``another seed gives other keys`` () = Assert.NotEqual<string list>(trace 7uy [], trace 8uy [])

[<Fact>]
let ``random bytes on fresh connections do nothing worse than a closed connection`` () =
    let bytes =
        Gen.oneof
            [ anyBytes
              Gen.map
                  (fun text -> Encoding.Latin1.GetBytes("0 " + text + "\n"))
                  (Gen.elements [ "fake 17.7"; "fake 17.1"; "^x 0"; "?x 17.1"; "obs 17" ])
              Gen.map2
                  (fun text more -> Array.append (Encoding.Latin1.GetBytes("0 fake 17.7\n" + text)) more)
                  (Gen.elements [ ""; "\000\000"; "\000\065\128\000" ])
                  anyBytes ]

    Prop.forAll (Arb.fromGen (Gen.listOf bytes)) (fun pieces ->
        let rig = Rig settings
        rig.Start 655
        let id = rig.NextIncoming()
        rig.Feed(Accepted(id, ValueNone, Tcp(endpoint "192.0.2.1" 1)))

        for piece in pieces do
            rig.Feed(Received(id, piece))

        Assert.Equal(0, rig.Node.Established.Count)
        Assert.Equal(0, rig.Node.EdgeCount)
        true)
    |> check 300

// ---- Bounds

[<Fact>]
let ``names without end do not make more nodes than are allowed`` () =
    let rig = Rig { settings with Hosts = Map.ofList [ nodeName "fake", hostOf "fake" ] }
    rig.Start 655
    let fake = rig.Neighbour "fake"

    for i in 0 .. Bounds.nodes + 100 do
        rig.FloodInBatch(fake, "12", "x" + string i + " y 192.0.2.1 655 700000c 1")

    rig.Settle()
    Assert.Equal(Bounds.nodes, Vector.length rig.Node.Peers)
    Assert.Equal(Bounds.nodes, Topology.nodeCount rig.Node.Topology)
    Assert.True(rig.Node.EdgeCount <= Bounds.nodes)
    Assert.True(Seen.count rig.Node.Seen <= 2 * Seen.generationSize)
    // The neighbour is still one.
    Assert.False fake.Closed

[<Fact>]
let ``gossip without end leaves no queue, wish or look-up behind`` () =
    Prop.forAll events (fun events ->
        let playground = Playground 1uy

        for event in events do
            playground.Play event

        let rig = playground.Rig
        rig.Settle()
        rig.WaitSeconds 40
        let node = rig.Node
        Assert.True(node.Corrections.Waiting <= node.Corrections.Entries.Count)
        Assert.Empty node.Outgoing
        Assert.Empty node.Resolving
        Assert.True(node.PeerDeadlines.Count <= Vector.length node.Peers)
        Assert.True(HashTrie.count node.ByAddress <= Vector.length node.Peers)
        true)
    |> check 30
