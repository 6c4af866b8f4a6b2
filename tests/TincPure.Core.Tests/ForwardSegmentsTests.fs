/// A super-packet from the device leads to what its segments would lead to one by one.
module TincPure.Core.Tests.ForwardSegmentsTests

open System
open System.Buffers.Binary
open TincPure.Config
open TincPure.Core.Tests.ForwardFixture
open TincPure.Packet
open TincPure.Primitives
open TincPure.Routing
open Xunit

let private key (seed: int) = Array.init 64 (fun i -> byte (i * 3 + seed))

/// How frames are told apart, and what is in front of their packets.
type private Framing =
    /// By IP addresses.
    | Routed
    /// By Ethernet addresses.
    | Switched
    /// The same, with a VLAN tag.
    | Tagged

let private linkHeader (framing: Framing) (target: int) : byte[] =
    let address (host: int) = [| 2uy; 0uy; 0uy; 0uy; 0uy; byte host |]

    Array.concat
        [ if framing = Routed then
              Array.zeroCreate 12
          else
              address target
              address 0

          if framing = Tagged then
              [| 0x81uy; 0uy; 0x60uy; 5uy |]

          [| 8uy; 0uy |] ]

/// TCP over IPv4 from 10.0.0.1 to 10.0.`target`.1, behind an Ethernet header, with `payload` bytes to be cut into `size` each.
let private super
    (framing: Framing)
    (target: int)
    (options: byte[])
    (payload: int)
    (size: int)
    : struct (byte[] * Offload) =
    let link = linkHeader framing target
    let header = IpV4.headerSize + Tcp.headerSize + options.Length
    let frame = Array.init (link.Length + header + payload) (fun i -> byte (i * 7))
    frame.AsSpan(0, link.Length + header).Clear()
    link.CopyTo(frame, 0)
    let packet = frame.AsSpan link.Length
    packet[0] <- 0x45uy
    BinaryPrimitives.WriteUInt16BigEndian(packet.Slice IpV4.lengthOffset, uint16 packet.Length)
    BinaryPrimitives.WriteUInt16BigEndian(packet.Slice IpV4.identificationOffset, 0xfffeus)
    BinaryPrimitives.WriteUInt16BigEndian(packet.Slice IpV4.flagsOffset, 0x4000us)
    packet[IpV4.ttlOffset] <- 64uy
    packet[IpV4.protocolOffset] <- IpProtocol.tcp
    BinaryPrimitives.WriteUInt32BigEndian(packet.Slice IpV4.sourceOffset, 0x0a000001u)
    BinaryPrimitives.WriteUInt32BigEndian(packet.Slice IpV4.destinationOffset, 0x0a000001u + (uint32 target <<< 8))
    let tcp = packet.Slice IpV4.headerSize
    tcp[Tcp.lengthOffset] <- byte ((Tcp.headerSize + options.Length) / 4) <<< 4
    tcp[Tcp.flagsOffset] <- Tcp.ack ||| Tcp.push
    options.CopyTo(tcp.Slice Tcp.headerSize)

    struct (frame,
            { Segments = Segments.tcpV4
              NeedsChecksum = true
              HeaderLength = link.Length + header
              SegmentSize = size
              ChecksumStart = link.Length + IpV4.headerSize
              ChecksumOffset = Tcp.checksumOffset })

let private table (framing: Framing) (change: Peer -> Peer) (level: int) : Fib =
    let neighbour index =
        { peer index ("node" + string index) with
            Address = ValueSome(endpoint index)
            UdpConfirmed = true
            MinMtu = Protocol.mtu }

    // Behind node 1.
    let far = { peer 2 "node2" with NextHop = 1; Via = 0; Neighbour = false }

    fib
        0
        [ neighbour 0; change (neighbour 1); change far ]
        [ for index in 0..2 ->
              ownedBy
                  index
                  ("node" + string index)
                  (if framing = Routed then
                       "10.0." + string index + ".0/24"
                   else
                       "02:00:00:00:00:0" + string index) ]
        { settings with
            Mode = if framing = Routed then Mode.Router else Mode.Switch
            DebugLevel = level
            PriorityInheritance = true }

let private node (fib: Fib) =
    let forwarder, outbox = Forwarder(), Outbox()
    apply forwarder outbox (at 0) (Publish fib) |> ignore

    for peer in 1..2 do
        apply forwarder outbox (at 0) (StartSession(peer, key peer, key (peer + 10), 16)) |> ignore

    struct (forwarder, outbox)

let private offloaded (forwarder: Forwarder) (outbox: Outbox) (frame: byte[]) (offload: Offload) =
    let copy = Array.copy frame
    collect outbox (fun outbox -> forwarder.FromDevice(copy.AsSpan(), offload, at 1, outbox))

let private segmentsOf (frame: byte[]) (offload: Offload) =
    let plan = Segmentation.plan offload (frame.AsSpan())

    [ for index in 0 .. plan.Count - 1 do
          let segment = Array.zeroCreate<byte>(Segmentation.length plan frame.Length index)
          Segmentation.write plan (frame.AsSpan()) index (segment.AsSpan()) |> ignore
          segment ]

let private content (entry: OutboxEntry, bytes: byte[]) =
    (entry.Socket, entry.Target, entry.Peer, entry.Payload, entry.Priority, bytes)

let private traffic (forwarder: Forwarder) (outbox: Outbox) = (apply forwarder outbox (at 2) (ReportTraffic 1)).Punts

let private mssOption = [| 2uy; 4uy; 0xffuy; 0xffuy |]

let private usual: (Peer -> Peer) list =
    [ id
      fun peer -> { peer with MinMtu = 700 }
      fun peer -> { peer with Mtu = 800 }
      fun peer -> { peer with Address = ValueNone }
      fun peer -> { peer with Reachable = false }
      fun peer -> { peer with Options = Options.withMinor 2 Options.clampMss }
      fun peer -> { peer with MaintenanceDue = at 0 } ]

[<Theory; InlineData 0; InlineData 1; InlineData 2>]
let ``a super-packet leads to what its segments lead to one by one`` (framing: int) =
    let framing = [ Routed; Switched; Tagged ][framing]

    for change in usual do
        for level in [ DebugLevel.always; DebugLevel.traffic ] do
            for target in 0..3 do
                for size in [ 90; 500; 1000; 1448; 1480; 3000 ] do
                    for options in [ [||]; mssOption ] do
                        let fib = table framing change level
                        let struct (frame, offload) = super framing target options 9999 size
                        let struct (whole, wholeBox) = node fib
                        let struct (single, singleBox) = node fib
                        let actual = offloaded whole wholeBox frame offload

                        let expected = segmentsOf frame offload |> List.map (fromDevice single singleBox (at 1))

                        Assert.Equal<byte[] list>(List.collect _.Frames expected, actual.Frames)

                        Assert.True(
                            (expected |> List.collect _.Datagrams |> List.map content) =
                                (actual.Datagrams |> List.map content)
                        )

                        if level = DebugLevel.always then
                            Assert.Equal<Punt list>(List.collect _.Punts expected, actual.Punts)

                        Assert.Equal<Punt list>(traffic single singleBox, traffic whole wholeBox)

[<Fact>]
let ``a super-packet that makes no sense is dropped and counted`` () =
    let struct (forwarder, outbox) = node (table Routed id DebugLevel.always)
    let struct (frame, offload) = super Routed 1 [||] 5000 1000

    for wrong in
        [ { offload with SegmentSize = 0 }
          { offload with Segments = Segments.tcpV6 }
          { offload with Segments = 3uy }
          { offload with ChecksumStart = 20 }
          { offload with ChecksumStart = 38 }
          { offload with Segments = Segments.none; ChecksumStart = 65000 } ] do
        let before = forwarder.Drops[int DropCause.BadOffload]
        let outcome = offloaded forwarder outbox frame wrong
        Assert.Empty outcome.Frames
        Assert.Empty outcome.Datagrams
        Assert.Equal(before + 1L, forwarder.Drops[int DropCause.BadOffload])

[<Theory; InlineData 0; InlineData 1>]
let ``super-packets are sealed without allocation`` (framing: int) =
    let framing = [ Routed; Switched ][framing]
    let struct (forwarder, outbox) = node (table framing id DebugLevel.always)
    let struct (frame, offload) = super framing 1 [||] 60000 1400
    let work = Array.copy frame

    let allocated () =
        let before = GC.GetAllocatedBytesForCurrentThread()

        for _ in 1..50 do
            frame.CopyTo(work, 0)
            outbox.Reset()
            forwarder.FromDevice(work.AsSpan(), offload, at 1, outbox)

        GC.GetAllocatedBytesForCurrentThread() - before

    // A collection that another thread causes shows as a few kilobytes here; it does not happen each time.
    let least = List.min [ for _ in 1..10 -> allocated () ]
    Assert.Equal(43, outbox.Entries.Length)
    Assert.Equal(0L, least)
