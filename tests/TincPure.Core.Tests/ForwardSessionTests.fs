/// Two or three packet planes with each other: delivery, sessions that come and go, and what the control plane is told.
module TincPure.Core.Tests.ForwardSessionTests

open System
open System.Buffers.Binary
open TincPure.Core.Tests.ForwardFixture
open TincPure.Packet
open TincPure.Primitives
open TincPure.Routing
open Xunit

let private alice, bob, relay = 0, 1, 2
let private names = [ "alice"; "bob"; "relay" ]

let private key (seed: int) = Array.init 64 (fun i -> byte (i * 7 + seed))

/// 10.0.N.0/24 is node N's. Datagrams go straight; the addresses are confirmed.
let private direct (own: int) (change: Peer -> Peer) : Fib =
    let peers =
        names
        |> List.mapi (fun index name ->
            { peer index name with
                Address = ValueSome(endpoint index)
                UdpConfirmed = true
                MinMtu = 1400
                Neighbour = false }
            |> change)

    let subnets =
        names |> List.mapi (fun index name -> ownedBy index name ("10.0." + string index + ".0/24"))

    fib own peers subnets settings

/// Alice and bob see each other through the relay.
let private relayed (own: int) : Fib =
    direct own (fun peer ->
        if own <> relay && peer.Index <> own && peer.Index <> relay then
            { peer with
                NextHop = relay
                Via = relay
                Address = ValueNone
                UdpConfirmed = false }
        else
            peer)

/// An IPv4 packet from one node's subnet to another's, as the device gives it.
let frame (source: int) (target: int) (payload: byte array) : byte array =
    let bytes = Array.zeroCreate<byte>(34 + payload.Length)
    bytes[12] <- 8uy
    bytes[14] <- 0x45uy
    BinaryPrimitives.WriteUInt16BigEndian(Span(bytes, 16, 2), uint16 (20 + payload.Length))
    bytes[22] <- 64uy
    bytes[23] <- 17uy
    BinaryPrimitives.WriteUInt32BigEndian(Span(bytes, 26, 4), 0x0a000005u + (uint32 source <<< 8))
    BinaryPrimitives.WriteUInt32BigEndian(Span(bytes, 30, 4), 0x0a000007u + (uint32 target <<< 8))
    IpV4.writeChecksum (Span(bytes, 14, 20))
    Array.Copy(payload, 0, bytes, 34, payload.Length)
    bytes

type private Node(own: int, table: Fib) =
    let forwarder = Forwarder()
    let outbox = Outbox()
    do forwarder.Apply(Publish table, at 0, outbox)

    member _.Own = own
    member _.Do(now: Instant, command: PacketCommand) = apply forwarder outbox now command
    member _.Read(now: Instant, bytes: byte array) = fromDevice forwarder outbox now bytes

    /// A datagram from the socket of `source`.
    member _.Get(now: Instant, source: int, bytes: byte array) =
        fromSocket forwarder outbox now 0 (endpoint source) bytes

let private start (now: Instant) (seed: int) (a: Node) (b: Node) =
    a.Do(now, StartSession(b.Own, key seed, key (seed + 1), 16)) |> ignore
    b.Do(now, StartSession(a.Own, key (seed + 1), key seed, 16)) |> ignore

let private pair () =
    let a, b = Node(alice, direct alice id), Node(bob, direct bob id)
    start (at 0) 1 a b
    a, b

let private datagram (outcome: Outcome) =
    match outcome.Datagrams with
    | [ _, bytes ] -> bytes
    | other -> failwith (string other.Length + " datagrams; punts: " + string outcome.Punts)

[<Fact>]
let ``what goes in at one device comes out of the other`` () =
    let a, b = pair ()

    for size in [ 0; 1; 8; 100; 1372 ] do
        let sent = frame alice bob (Array.init size byte)
        let received = b.Get(at 1, alice, datagram (a.Read(at 1, sent)))
        Assert.Equal<byte array list>([ sent ], received.Frames)
        Assert.Empty received.Punts

[<Fact>]
let ``a datagram is delivered once`` () =
    let a, b = pair ()
    let sealed' = datagram (a.Read(at 1, frame alice bob [| 1uy |]))
    Assert.Single((b.Get(at 1, alice, sealed')).Frames) |> ignore
    let again = b.Get(at 1, alice, sealed')
    Assert.Empty again.Frames
    Assert.Equal<Punt list>([ OpenFailed(alice, ValueNone, Replayed) ], again.Punts)

[<Fact>]
let ``a relay passes datagrams on without keys, and the receiver learns of it`` () =
    let a, r, b = Node(alice, relayed alice), Node(relay, direct relay id), Node(bob, relayed bob)
    start (at 0) 1 a b
    let sent = frame alice bob (Array.init 700 byte)
    let first = a.Read(at 1, sent)
    Assert.Equal(endpoint relay, (fst first.Datagrams.Head).Target)
    let second = r.Get(at 1, alice, datagram first)
    Assert.Equal(endpoint bob, (fst second.Datagrams.Head).Target)
    let third = b.Get(at 1, relay, datagram second)
    Assert.Equal<byte array list>([ sent ], third.Frames)
    Assert.Contains(RelayedDataReceived(alice, relay), third.Punts)

[<Fact>]
let ``what a relay cannot pass on by UDP goes over TCP and is still delivered`` () =
    let a = Node(alice, relayed alice)

    let r =
        Node(relay, direct relay (fun peer -> if peer.Index = bob then { peer with MinMtu = 0 } else peer))

    let b = Node(bob, relayed bob)
    start (at 0) 1 a b
    let sent = frame alice bob (Array.init 700 byte)

    match (r.Get(at 1, alice, datagram (a.Read(at 1, sent)))).Punts with
    | [ DatagramOverTcp(source, destination, bytes) ] ->
        Assert.Equal((alice, bob), (source, destination))
        let outcome = b.Do(at 1, OpenDatagram(alice, RawTcp, bytes))
        Assert.Equal<byte array list>([ sent ], outcome.Frames)
        Assert.Equal<Punt list>([ DataOpened(alice, RawTcp) ], outcome.Punts)
    | other -> failwith (string other)

[<Fact>]
let ``a datagram that would go back where it came from is dropped`` () =
    let r = Node(relay, direct relay id)
    let a = Node(alice, relayed alice)
    start (at 0) 1 a (Node(bob, relayed bob))
    let sealed' = datagram (a.Read(at 1, frame alice bob [||]))
    // Bob hands us something that is for bob.
    let outcome = r.Get(at 1, bob, sealed')
    Assert.Empty outcome.Datagrams

[<Fact>]
let ``a neighbour without a session gets whole frames over TCP`` () =
    let neighbours = direct alice (fun peer -> { peer with Neighbour = true })
    let a = Node(alice, neighbours)
    let sent = frame alice bob [| 1uy; 2uy |]

    match (a.Read(at 1, sent)).Punts with
    | [ FrameOverTcp(peer, bytes) ] ->
        Assert.Equal(bob, peer)
        Assert.Equal<byte array>(sent, bytes)
        let b = Node(bob, direct bob id)
        Assert.Equal<byte array list>([ sent ], (b.Do(at 1, RouteFrame(alice, bytes))).Frames)
    | other -> failwith (string other)

[<Fact>]
let ``a frame larger than the path goes to a neighbour over TCP`` () =
    let a = Node(alice, direct alice (fun peer -> { peer with Neighbour = true; MinMtu = 600 }))
    start (at 0) 1 a (Node(bob, direct bob id))
    Assert.Single((a.Read(at 1, frame alice bob (Array.zeroCreate 566))).Datagrams) |> ignore

    match (a.Read(at 1, frame alice bob (Array.zeroCreate 567))).Punts with
    | [ FrameOverTcp _ ] -> ()
    | other -> failwith (string other)

[<Fact>]
let ``probes that come as frames over TCP are dropped silently`` () =
    let b = Node(bob, direct bob id)
    let outcome = b.Do(at 1, RouteFrame(alice, Array.zeroCreate 18))
    Assert.Empty outcome.Frames
    Assert.Empty outcome.Punts

[<Fact>]
let ``packets wait up to a second for a session`` () =
    let a, b = Node(alice, direct alice id), Node(bob, direct bob id)
    let late, early = frame alice bob [| 1uy |], frame alice bob [| 2uy |]
    Assert.Empty((a.Read(at 0, late)).Datagrams)
    Assert.Empty((a.Read(at 600, early)).Datagrams)
    b.Do(at 1500, StartSession(alice, key 2, key 1, 16)) |> ignore
    let sent = a.Do(at 1500, StartSession(bob, key 1, key 2, 16))
    Assert.Equal<byte array list>([ early ], (b.Get(at 1500, alice, datagram sent)).Frames)

[<Fact>]
let ``at most 64 packets wait for one node`` () =
    let a = Node(alice, direct alice id)

    for _ in 1..200 do
        a.Read(at 0, frame alice bob [||]) |> ignore

    let sent = a.Do(at 0, StartSession(bob, key 1, key 2, 16))
    Assert.Equal(64, sent.Datagrams.Length)

[<Fact>]
let ``a replaced session receives for 30 seconds or until the new one does`` () =
    let a, b = pair ()
    let inFlight () = datagram (a.Read(at 1, frame alice bob [| 1uy |]))
    let first, second, third = inFlight (), inFlight (), inFlight ()
    // Bob already has the next session; alice does not send with the old one either once she has it.
    b.Do(at 10, StartSession(alice, key 12, key 11, 16)) |> ignore
    Assert.Single((b.Get(at 11, alice, first)).Frames) |> ignore
    a.Do(at 20, StartSession(bob, key 11, key 12, 16)) |> ignore
    let fresh = datagram (a.Read(at 21, frame alice bob [| 2uy |]))
    Assert.Single((b.Get(at 22, alice, fresh)).Frames) |> ignore
    let refused = b.Get(at 23, alice, second)
    Assert.Empty refused.Frames
    Assert.Equal<Punt list>([ OpenFailed(alice, ValueNone, BadTag(1, at 23)) ], refused.Punts)

    let c, d = pair ()
    let late = datagram (c.Read(at 1, frame alice bob [| 1uy |]))
    d.Do(at 10, RetireSession alice) |> ignore
    Assert.Empty((d.Get(at 31_000, alice, late)).Frames)
    ignore third

[<Fact>]
let ``a retired session seals nothing`` () =
    let a, _ = pair ()
    a.Do(at 1, RetireSession bob) |> ignore
    Assert.Empty((a.Read(at 2, frame alice bob [||])).Datagrams)

[<Fact>]
let ``an offered receive key opens before and after it is activated, and so does the one before`` () =
    let a, b = pair ()
    let older = datagram (a.Read(at 1, frame alice bob [| 1uy |]))
    b.Do(at 2, OfferReceiveKey(alice, key 21)) |> ignore
    a.Do(at 3, UseSendKey(bob, key 21)) |> ignore
    let newer = datagram (a.Read(at 4, frame alice bob [| 2uy |]))
    Assert.Single((b.Get(at 5, alice, newer)).Frames) |> ignore
    b.Do(at 6, ActivateReceiveKey alice) |> ignore
    Assert.Single((b.Get(at 7, alice, older)).Frames) |> ignore

[<Fact>]
let ``handshake records are sealed on demand, opened from TCP and ignored from UDP`` () =
    let a, b = pair ()

    match (a.Do(at 1, SealHandshake(bob, [| 9uy; 8uy |]))).Punts with
    | [ HandshakeSealed(peer, bytes) ] ->
        Assert.Equal(bob, peer)
        let byUdp = Array.append (Array.zeroCreate 12) bytes
        NodeId.write (NodeId.ofName (name "alice")) (Span(byUdp, 6, 6))

        match (b.Do(at 2, OpenDatagram(alice, KeyAnswer, Array.copy bytes))).Punts with
        | [ HandshakeOpened(source, body) ] ->
            Assert.Equal(alice, source)
            Assert.Equal<byte array>([| 9uy; 8uy |], body)
        | other -> failwith (string other)

        let a, b = pair ()

        match (a.Do(at 1, SealHandshake(bob, [| 9uy |]))).Punts with
        | [ HandshakeSealed(_, bytes) ] ->
            let byUdp = Array.append (Array.zeroCreate 12) bytes
            NodeId.write (NodeId.ofName (name "alice")) (Span(byUdp, 6, 6))
            Assert.Empty((b.Get(at 2, alice, byUdp)).Punts)
        | other -> failwith (string other)
    | other -> failwith (string other)

[<Fact>]
let ``an authentic datagram from elsewhere is delivered and the move reported once a second`` () =
    let a, b = pair ()

    let send now = b.Get(now, 77, datagram (a.Read(at 1, frame alice bob [| 1uy |])))

    let first = send (at 1)
    Assert.Single first.Frames |> ignore
    Assert.Equal<Punt list>([ SourceMoved(alice, endpoint 77, 0) ], first.Punts)
    Assert.Empty((send (at 2)).Punts)
    Assert.Equal<Punt list>([ SourceMoved(alice, endpoint 77, 0) ], (send (at 1002)).Punts)

[<Fact>]
let ``forged datagrams from elsewhere do not count against the session`` () =
    let a, b = pair ()
    let forged = datagram (a.Read(at 1, frame alice bob [| 1uy |]))
    forged[20] <- forged[20] ^^^ 1uy
    Assert.Equal<Punt list>([ UnknownSource(endpoint 66, forged.Length) ], (b.Get(at 1, 66, forged)).Punts)
    Assert.Equal<Punt list>([ OpenFailed(alice, ValueNone, BadTag(1, at 1)) ], (b.Get(at 1, alice, forged)).Punts)

[<Fact>]
let ``a flood of garbage is reported a few times a second`` () =
    let _, b = pair ()
    let garbage = Array.init 200 byte

    let punts =
        [ for _ in 1..500 do
              yield! (b.Get(at 1, 99, garbage)).Punts ]

    Assert.Equal(4, punts.Length)

[<Fact>]
let ``a due peer is reported when something is sent to it, once per due time`` () =
    let due (milliseconds: int) = direct alice (fun peer -> { peer with MaintenanceDue = at milliseconds })

    let a = Node(alice, due 100)
    a.Do(at 0, StartSession(bob, key 1, key 2, 16)) |> ignore
    let send now = (a.Read(now, frame alice bob [||])).Punts
    Assert.Empty(send (at 50))
    Assert.Equal<Punt list>([ Transmitted(bob, 0) ], send (at 100))
    Assert.Empty(send (at 150))
    a.Do(at 150, Publish(due 200)) |> ignore
    Assert.Equal<Punt list>([ Transmitted(bob, 0) ], send (at 250))

[<Fact>]
let ``the longest payload received is reported with the next maintenance`` () =
    let a, b = pair ()
    let dueNow = direct bob (fun peer -> { peer with MaintenanceDue = at 100 })
    b.Do(at 1, Publish dueNow) |> ignore

    for size in [ 10; 500; 20 ] do
        b.Get(at 1, alice, datagram (a.Read(at 1, frame alice bob (Array.zeroCreate size)))) |> ignore

    // Payloads are IP packets: 20 bytes of header and what is in them.
    Assert.Equal<Punt list>([ Transmitted(alice, 520) ], (b.Read(at 100, frame bob alice [||])).Punts)

[<Fact>]
let ``packets and bytes are counted per node`` () =
    let a, b = pair ()
    let sent = frame alice bob (Array.zeroCreate 100)
    b.Get(at 1, alice, datagram (a.Read(at 1, sent))) |> ignore

    let counts (node: Node) =
        match (node.Do(at 2, ReportTraffic 7)).Punts with
        | [ Traffic(7, counts, _) ] ->
            [ for count in counts -> count.Peer, count.InPackets, count.InBytes, count.OutPackets, count.OutBytes ]
        | other -> failwith (string other)

    Assert.Equal<(int * int64 * int64 * int64 * int64) list>(
        [ alice, 1L, 134L, 0L, 0L; bob, 0L, 0L, 1L, 134L ],
        counts a
    )

    Assert.Equal<(int * int64 * int64 * int64 * int64) list>(
        [ alice, 1L, 134L, 0L, 0L; bob, 0L, 0L, 1L, 134L ],
        counts b
    )

[<Fact>]
let ``peers without node IDs are found by trying their sessions`` () =
    let old (peer: Peer) = { peer with Options = Options.withMinor 3 Options.pmtuDiscovery }

    let a, b = Node(alice, direct alice old), Node(bob, direct bob old)
    start (at 0) 1 a b
    let sent = frame alice bob [| 1uy |]
    let next () = datagram (a.Read(at 1, sent))
    Assert.Equal<byte array list>([ sent ], (b.Get(at 1, alice, next ())).Frames)
    let moved = b.Get(at 1, 50, next ())
    Assert.Equal<byte array list>([ sent ], moved.Frames)
    Assert.Equal<Punt list>([ SourceMoved(alice, endpoint 50, 0) ], moved.Punts)
    // Once a second, so that strangers cannot keep us busy.
    Assert.Empty((b.Get(at 2, 50, next ())).Frames)
    Assert.Single((b.Get(at 1500, 50, next ())).Frames) |> ignore

[<Fact>]
let ``a frame larger than the path MTU is answered towards the device`` () =
    let a = Node(alice, direct alice (fun peer -> { peer with Mtu = 1000 }))
    let large = frame alice bob (Array.zeroCreate 1200)
    large[20] <- 0x40uy
    let outcome = a.Read(at 1, large)
    let answer = Assert.Single outcome.Frames
    Assert.Equal(3uy, answer[34])
    Assert.Equal(4uy, answer[35])
    Assert.Equal(986us, BinaryPrimitives.ReadUInt16BigEndian(ReadOnlySpan(answer, 40, 2)))

[<Fact>]
let ``Ethernet addresses seen on the device in switch mode are reported once a second each`` () =
    let table =
        { direct alice id with
            Settings = { settings with Mode = TincPure.Config.Mode.Switch } }

    let a = Node(alice, table)
    let bytes = frame alice bob [||]
    Array.Copy([| 2uy; 0uy; 0uy; 0uy; 0uy; 5uy |], 0, bytes, 6, 6)
    Assert.Equal<Punt list>([ MacSeen 0x020000000005UL ], (a.Read(at 0, bytes)).Punts)
    Assert.Empty((a.Read(at 1, bytes)).Punts)
    Assert.Equal<Punt list>([ MacSeen 0x020000000005UL ], (a.Read(at 1000, bytes)).Punts)
