/// Compressed packets through the packet plane (spec 03 §7.2, §19, §24.2).
module TincPure.Core.Tests.ForwardCompressionTests

open System
open TincPure.Config
open TincPure.Core.Tests.ForwardFixture
open TincPure.Packet.Compression
open TincPure.Primitives
open TincPure.Routing
open Xunit

let private key (seed: int) = Array.init 64 (fun i -> byte (i * 3 + seed))

/// Us and a neighbour who wants packets at one level and was promised that we read another.
let private table (sendLevel: int) (receiveLevel: int) (minMtu: int) : Fib =
    let other =
        { peer 1 "other" with
            Address = ValueSome(endpoint 1)
            UdpConfirmed = true
            MinMtu = minMtu
            SendCompression = sendLevel
            ReceiveCompression = receiveLevel }

    fib
        0
        [ peer 0 "own"; other ]
        [ ownedBy 1 "other" "10.1.0.0/16"; ownedBy 0 "own" "10.0.0.0/16" ]
        { settings with DebugLevel = DebugLevel.traffic }

let private node sendLevel receiveLevel minMtu (own: int) =
    let forwarder, outbox = Forwarder(), Outbox()
    forwarder.Apply(Publish(table sendLevel receiveLevel minMtu), at 0, outbox)
    forwarder.Apply(StartSession(1, key own, key (1 - own), 16), at 0, outbox)
    outbox.Reset()
    forwarder, outbox

/// An IPv4 packet with the addresses of both, easily compressed or not at all.
let private packet (source: int) (target: int) (size: int) (easy: bool) : byte array =
    let frame = Array.zeroCreate<byte>(14 + size)

    if not easy then
        Random(7).NextBytes(frame.AsSpan(34))

    frame[12] <- 8uy
    frame[14] <- 0x45uy
    frame[16] <- byte (size >>> 8)
    frame[17] <- byte size
    frame[22] <- 64uy
    frame[26] <- 10uy
    frame[27] <- byte source
    frame[30] <- 10uy
    frame[31] <- byte target
    frame

let private frameOverTcp (outcome: Outcome) =
    outcome.Punts
    |> List.tryPick (function
        | FrameOverTcp(_, frame) -> Some frame
        | _ -> None)

[<Fact>]
let ``a packet is compressed as its receiver wants when that makes it shorter`` () =
    for level in 1..12 do
        let forwarder, outbox = node level 0 1400 0
        let easy = fromDevice forwarder outbox (at 0) (packet 0 1 1000 true)
        let entry, _ = List.exactlyOne easy.Datagrams
        Assert.InRange(entry.Payload, 1, 100)
        let hard = fromDevice forwarder outbox (at 0) (packet 0 1 1000 false)
        let entry, _ = List.exactlyOne hard.Datagrams
        Assert.InRange(entry.Payload, 1, 1000)

[<Fact>]
let ``what goes over TCP as a whole frame is never compressed`` () =
    let forwarder, outbox = node 6 0 0 0
    let frame = packet 0 1 1000 true
    Assert.Equal(Some frame, frameOverTcp (fromDevice forwarder outbox (at 0) frame))

[<Fact>]
let ``a record compressed at another level than the announced one is refused and harms nothing`` () =
    let sender, senderBox = node 12 0 1400 0
    let receiver, receiverBox = node 0 6 1400 1
    let sent = fromDevice sender senderBox (at 0) (packet 0 1 1000 true)
    let _, datagram = List.exactlyOne sent.Datagrams
    // The receiver knows us as number 1: it sees its own table.
    NodeId.write (NodeId.ofName (name "other")) (datagram.AsSpan 6)
    let outcome = fromSocket receiver receiverBox (at 0) 0 (endpoint 1) datagram
    Assert.Empty outcome.Frames
    Assert.Contains(
        OpenFailed(1, ValueNone, BadPayload("Error while uncompressing packet from " + (peer 1 "other").Label)),
        outcome.Punts
    )

/// What stock tinc 1.1 makes of a frame for a neighbour whose path by UDP is not known to carry it.
let private asStockSends (level: int) (frame: byte array) : byte array =
    let packed = Array.zeroCreate (Compressor.Bound frame.Length)
    let size = Compressor().Compress(level, ReadOnlySpan(frame, 14, frame.Length - 14), packed.AsSpan())
    Array.append (Array.zeroCreate 14) (Array.truncate size packed)

[<Fact>]
let ``a frame that stock tinc compressed by mistake is read nevertheless`` () =
    for level in [ 1; 6; 9; 10; 11 ] do
        let forwarder, outbox = node 0 level 0 0
        let frame = packet 1 0 400 true
        let outcome = apply forwarder outbox (at 0) (RouteFrame(1, asStockSends level frame))
        Assert.Equal<byte array list>([ frame ], outcome.Frames)

[<Fact>]
let ``frames that need no salvage are taken as they are`` () =
    let forwarder, outbox = node 0 6 0 0
    let frame = packet 1 0 400 true
    Assert.Equal<byte array list>([ frame ], (apply forwarder outbox (at 0) (RouteFrame(1, frame))).Frames)
    // A probe over TCP, and a compressed text that is no IP packet.
    Assert.Empty((apply forwarder outbox (at 0) (RouteFrame(1, Array.zeroCreate 18))).Punts)
    let text = Array.append (Array.zeroCreate 14) (Array.create 300 0x61uy)
    Assert.Empty((apply forwarder outbox (at 0) (RouteFrame(1, asStockSends 6 text))).Frames)

[<Fact>]
let ``in the steady state compression allocates nothing`` () =
    for level in [ 1; 9; 10; 11; 12 ] do
        let forwarder, outbox = node level 0 1400 0
        let frame = packet 0 1 1000 true

        let send () =
            outbox.Reset()
            forwarder.FromDevice(frame.AsSpan(), at 0, outbox)

        // Without the log lines of the traffic level.
        let quiet = table level 0 1400
        forwarder.Apply(Publish { quiet with Settings = { quiet.Settings with DebugLevel = 0 } }, at 0, outbox)
        Assert.Equal(0L, CompressionTests.Allocations.ofOne send)
