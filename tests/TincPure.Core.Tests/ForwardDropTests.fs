/// What comes in and makes no sense is dropped, counted by its cause, and costs nothing that lasts.
module TincPure.Core.Tests.ForwardDropTests

open System
open System.Buffers.Binary
open TincPure.Core.Tests.ForwardFixture
open TincPure.Packet
open TincPure.Primitives
open TincPure.Routing
open Xunit

let private key (seed: int) = Array.init 64 (fun i -> byte (i * 5 + seed))
let private own, peerOfOurs, old = 0, 1, 2

let private table: Fib =
    let neighbour index =
        { peer index ("node" + string index) with
            Address = ValueSome(endpoint index)
            UdpConfirmed = true
            MinMtu = Protocol.mtu }

    // Before node IDs were sent.
    let old = { neighbour old with Options = Options.withMinor 2 Options.pmtuDiscovery }

    fib
        own
        [ neighbour own; neighbour peerOfOurs; old ]
        [ for index in 0..2 -> ownedBy index ("node" + string index) ("10.0." + string index + ".0/24") ]
        settings

/// A node that has sessions with both others, with a replay window.
let private node () =
    let forwarder, outbox = Forwarder(), Outbox()
    apply forwarder outbox (at 0) (Publish table) |> ignore

    for peer in [ peerOfOurs; old ] do
        apply forwarder outbox (at 0) (StartSession(peer, key peer, key (peer + 10), 16)) |> ignore

    struct (forwarder, outbox)

/// A frame for `target`'s subnet with so many bytes of UDP in it.
let private frame (target: int) (size: int) =
    let bytes = Array.zeroCreate<byte>(Ethernet.headerSize + IpV4.headerSize + size)
    Ethernet.tryWriteHeader (bytes.AsSpan()) 0x45uy |> ignore
    let packet = bytes.AsSpan Ethernet.headerSize
    packet[0] <- 0x45uy
    BinaryPrimitives.WriteUInt16BigEndian(packet.Slice IpV4.lengthOffset, uint16 packet.Length)
    packet[IpV4.ttlOffset] <- 64uy
    packet[IpV4.protocolOffset] <- IpProtocol.udp
    BinaryPrimitives.WriteUInt32BigEndian(packet.Slice IpV4.sourceOffset, 0x0a000001u)
    BinaryPrimitives.WriteUInt32BigEndian(packet.Slice IpV4.destinationOffset, 0x0a000001u + (uint32 target <<< 8))
    bytes

/// What the peer would send: sealed by a session that holds the keys the other way round.
let private remote (from: int) = TincPure.Sptps.Session(key (from + 10), key from, 16)

let private sealedWith (session: TincPure.Sptps.Session) (from: int) (recordType: byte) (payload: byte[]) =
    let ids = if from = old then 0 else Datagram.idsSize
    let datagram = Array.zeroCreate<byte>(ids + payload.Length + TincPure.Sptps.Record.DatagramOverhead)

    if ids > 0 then
        Datagram.writeIds NodeId.none (NodeId.ofName (name ("node" + string from))) (datagram.AsSpan())

    session.Seal(recordType, ReadOnlySpan payload, datagram.AsSpan ids) |> ignore
    datagram

let private sealedBy (from: int) (recordType: byte) (payload: byte[]) = sealedWith (remote from) from recordType payload

let private packet = Array.skip Ethernet.headerSize (frame own 100)

let private good () = sealedBy peerOfOurs 0uy packet

let private spoilt (datagram: byte[]) =
    let copy = Array.copy datagram
    copy[copy.Length - 1] <- copy[copy.Length - 1] ^^^ 1uy
    copy

/// The causes that were counted, and how often.
let private counted (forwarder: Forwarder) =
    [ for cause, count in Array.indexed forwarder.Drops do
          if count > 0L then
              (enum cause: DropCause), count ]

let private noise (size: int) =
    let bytes = Array.zeroCreate<byte> size
    (Random size).NextBytes bytes
    bytes

[<Fact>]
let ``each bad datagram is dropped and counted by its cause`` () =
    let stranger = endpoint 99

    let cases: (DropCause * Endpoint * byte[]) list =
        [ DropCause.Empty, endpoint peerOfOurs, [||]
          DropCause.Empty, stranger, [||]
          DropCause.Short, endpoint peerOfOurs, noise 20
          DropCause.Short, endpoint old, noise 20
          DropCause.Long, endpoint peerOfOurs, noise 65507
          DropCause.Long, stranger, noise 2000
          DropCause.Stranger, stranger, noise 500
          DropCause.Stranger, endpoint peerOfOurs, noise 500
          DropCause.Stranger, stranger, spoilt (good ())
          DropCause.BadTag, endpoint peerOfOurs, spoilt (good ())
          DropCause.BadTag, endpoint old, noise 500
          DropCause.Senseless, endpoint peerOfOurs, sealedBy peerOfOurs 77uy (noise 10)
          DropCause.Senseless, endpoint peerOfOurs, sealedBy peerOfOurs 0uy (Array.zeroCreate 40)
          DropCause.Senseless, endpoint peerOfOurs, sealedBy peerOfOurs 1uy (noise 40) ]

    for cause, source, datagram in cases do
        let struct (forwarder, outbox) = node ()
        let outcome = fromSocket forwarder outbox (at 1) 0 source datagram
        Assert.Empty outcome.Frames
        Assert.Empty outcome.Datagrams
        Assert.Equal<(DropCause * int64) list>([ cause, 1L ], counted forwarder)

[<Fact>]
let ``a datagram that comes twice is delivered once and counted once`` () =
    let struct (forwarder, outbox) = node ()
    let datagram = good ()
    Assert.Single((fromSocket forwarder outbox (at 1) 0 (endpoint peerOfOurs) datagram).Frames)
    |> ignore
    Assert.Empty (fromSocket forwarder outbox (at 1) 0 (endpoint peerOfOurs) datagram).Frames
    Assert.Equal<(DropCause * int64) list>([ DropCause.Replayed, 1L ], counted forwarder)

[<Fact>]
let ``frames and pieces of super-packets that are too long are dropped and counted`` () =
    let struct (forwarder, outbox) = node ()
    Assert.Empty (fromDevice forwarder outbox (at 1) (frame peerOfOurs 3000)).Datagrams
    let long = frame peerOfOurs 9000
    BinaryPrimitives.WriteUInt16BigEndian(Span(long, 14 + 20 + 4, 2), 9000us)

    // One piece of a size that the packet does not even have.
    let offload =
        { Segments = Segments.udp
          NeedsChecksum = true
          HeaderLength = 42
          SegmentSize = 65535
          ChecksumStart = 34
          ChecksumOffset = 6 }

    let outcome = collect outbox (fun outbox -> forwarder.FromDevice(long.AsSpan(), offload, at 1, outbox))
    Assert.Empty outcome.Datagrams
    Assert.Equal<(DropCause * int64) list>([ DropCause.LongFrame, 2L ], counted forwarder)

[<Fact>]
let ``a flood of garbage in a peer's name is counted to the last datagram, told a few times and ends no session`` () =
    let struct (forwarder, outbox) = node ()
    let floods = 10_000
    let mutable told = 0

    for i in 1..floods do
        let source = if i % 2 = 0 then endpoint peerOfOurs else endpoint 99
        let datagram = if i % 3 = 0 then spoilt (good ()) else noise (33 + i % 1400)
        told <- told + (fromSocket forwarder outbox (at (i / 10)) 0 source datagram).Punts.Length

    Assert.Equal(int64 floods, Array.sum forwarder.Drops)
    Assert.InRange(told, 1, 40)
    Assert.Single((fromSocket forwarder outbox (at 1001) 0 (endpoint peerOfOurs) (good ())).Frames)
    |> ignore

[<Fact>]
let ``of a flood of wrong tags beside valid datagrams no run is told that began before the last valid one`` () =
    let struct (forwarder, outbox) = node ()
    let session = remote peerOfOurs
    let next () = sealedWith session peerOfOurs 0uy packet
    let forged = spoilt (next ())
    let receive now datagram = fromSocket forwarder outbox now 0 (endpoint peerOfOurs) datagram

    let ages =
        [ for tenth in 1..1000 do
              let now = at (10 * tenth)
              Assert.Single((receive now (next ())).Frames) |> ignore

              for _ in 1..20 do
                  for punt in (receive now forged).Punts do
                      match punt with
                      | OpenFailed(_, _, BadTag(_, since)) -> yield Instant.between since now
                      | _ -> () ]

    // Ten seconds, in each of which four failures are told.
    Assert.InRange(ages.Length, 40, 44)
    Assert.All(ages, fun age -> Assert.Equal(0L, age))

[<Fact>]
let ``what was dropped is part of the traffic report`` () =
    let struct (forwarder, outbox) = node ()
    fromSocket forwarder outbox (at 1) 0 (endpoint peerOfOurs) [||] |> ignore
    forwarder.Dropped DropCause.BadGluing

    match (apply forwarder outbox (at 2) (ReportTraffic 3)).Punts with
    | [ Traffic(3, _, drops) ] ->
        Assert.Equal(1L, drops[int DropCause.Empty])
        Assert.Equal(1L, drops[int DropCause.BadGluing])
    | other -> failwith (string other)
