/// Super-packets: cutting what a device hands over, merging what it is given.
module TincPure.Core.Tests.SegmentationTests

open System
open System.Buffers.Binary
open System.Text.Json
open FsCheck
open FsCheck.FSharp
open TincPure.Packet
open Xunit

let private check (property: Property) = Check.QuickThrowOnFailure property

let private hex (text: string | null) = Convert.FromHexString(nonNull text)

let private field (name: string) (case: JsonElement) = case.GetProperty name

let private list (element: JsonElement) = [ for item in element.EnumerateArray() -> hex (item.GetString()) ]

/// What stands in front of an IP packet.
type private Link =
    /// Nothing, as TUN has it; behind a made-up Ethernet header for cutting.
    | Bare
    | Plain
    | Tagged

let private header (link: Link) (packet: byte[]) : byte[] =
    let etherType =
        if packet.Length > 0 && packet[0] >>> 4 = 6uy then
            [| 0x86uy; 0xdduy |]
        else
            [| 8uy; 0uy |]

    match link with
    | Bare -> Array.append (Array.zeroCreate 12) etherType
    | Plain -> Array.append [| 1uy .. 12uy |] etherType
    | Tagged -> Array.concat [ [| 1uy .. 12uy |]; [| 0x81uy; 0uy; 0x20uy; 5uy |]; etherType ]

/// The packets that one with its offload in front stands for, behind this link; each without its header again.
let private cutBehind (link: Link) (written: byte[]) : byte[] list =
    let packet = written[Offload.size ..]
    let header = header link packet
    let offload = Offload.behind header.Length (Offload.read (written.AsSpan()))
    let frame = Array.append header packet
    let plan = Segmentation.plan offload (frame.AsSpan())

    [ for index in 0 .. plan.Count - 1 do
          let target = Array.zeroCreate<byte>(Segmentation.length plan frame.Length index)
          let size = Segmentation.write plan (frame.AsSpan()) index (target.AsSpan())
          Assert.Equal(target.Length, size)
          Assert.Equal<byte>(header, target[.. header.Length - 1])
          // A frame that travels without its header is cut without it.
          let short = Array.zeroCreate<byte>(target.Length - 14)
          Segmentation.write (Segmentation.behind 14 plan) (frame.AsSpan 14) index (short.AsSpan()) |> ignore
          Assert.Equal<byte>(target[14..], short)
          target[header.Length ..] ]

let private cut (written: byte[]) : byte[] list = cutBehind Bare written

/// What a device would be given: each buffer with its offload in front. Link headers are there for the device only.
let private mergeBehind (headers: byte[] list) (udp: bool) (packets: byte[] list) : byte[] list =
    let link = headers.Head.Length
    let arena = Array.concat (List.map2 Array.append headers packets)
    let coalescer = Coalescer(64, link)
    // What an earlier batch left behind must not show.
    coalescer.Add(arena.AsSpan(), link, packets.Head.Length)
    coalescer.Reset udp
    let mutable offset = link

    for packet in packets do
        coalescer.Add(arena.AsSpan(), offset, packet.Length)
        offset <- offset + packet.Length + link

    coalescer.Finish(arena.AsSpan())

    let payloads group =
        let rec walk packet =
            [ if packet >= 0 then
                  let header = coalescer.HeaderLength group
                  arena.AsSpan(coalescer.Offset packet + header, coalescer.Length packet - header).ToArray()
                  yield! walk (coalescer.Next packet) ]

        walk (coalescer.First group)

    [ for group in 0 .. coalescer.Groups - 1 do
          if coalescer.Count group = 1 then
              let packet = coalescer.First group
              let bytes = arena.AsSpan(coalescer.Offset packet, coalescer.Length packet).ToArray()
              Array.append (Array.zeroCreate Offload.size) bytes
          else
              let size = Offload.size + link + coalescer.HeaderLength group
              let written = coalescer.Headers.AsSpan(coalescer.HeaderStart group, size).ToArray()
              let first = coalescer.Offset(coalescer.First group)
              Assert.Equal<byte>(arena[first - link .. first - 1], written[Offload.size .. Offload.size + link - 1])
              Offload.write (Offload.behind -link (Offload.read (written.AsSpan()))) (written.AsSpan())
              Array.concat (written[.. Offload.size - 1] :: written[Offload.size + link ..] :: payloads group) ]

let private merge (udp: bool) (packets: byte[] list) : byte[] list =
    mergeBehind [ for _ in packets -> [||] ] udp packets

/// A copy with its time to live raised by one, as it was before the kernel forwarded it.
let private beforeForwarding (segment: byte[]) =
    let packet = Array.copy segment

    if packet[0] >>> 4 = 4uy then
        packet[IpV4.ttlOffset] <- packet[IpV4.ttlOffset] + 1uy
        IpV4.writeChecksum (packet.AsSpan())
    else
        packet[IpV6.hopLimitOffset] <- packet[IpV6.hopLimitOffset] + 1uy

    packet

[<Fact>]
let ``super-packets are cut as the kernel cuts them`` () =
    for case in (Vectors.load "07-gso-split.json" |> field "cases").EnumerateArray() do
        let expected = list (field "segments_as_kernel_emitted" case)

        let expected =
            if (field "ttl_was_decremented_by_forwarding" case).GetBoolean() then
                List.map beforeForwarding expected
            else
                expected

        for link in [ Bare; Plain; Tagged ] do
            Assert.Equal<byte[] list>(expected, cutBehind link (hex ((field "written_to_tun" case).GetString())))

[<Fact>]
let ``packets are merged where the vectors say so, and written alone elsewhere`` () =
    for case in (Vectors.load "07-gro-merge.json" |> field "cases").EnumerateArray() do
        let name = (field "name" case).GetString()
        let packets = list (field "inputs" case)

        for headers in [ [ for _ in packets -> [||] ]; List.map (header Plain) packets ] do
            Assert.True((list (field "write" case) = mergeBehind headers true packets), nonNull name)

[<Fact>]
let ``an offload is read as it was written`` () =
    for case in (Vectors.load "07-gso-split.json" |> field "cases").EnumerateArray() do
        let written = hex ((field "written_to_tun" case).GetString())
        let again = Array.zeroCreate<byte> Offload.size
        Offload.write (Offload.read (written.AsSpan())) (again.AsSpan())
        // The ECN bit says what is in the packet anyway.
        written[1] <- written[1] &&& 0x7fuy
        Assert.Equal<byte>(written[.. Offload.size - 1], again)

/// A stream of packets of one flow: headers, and payload sizes.
type private Flow = { V6: bool; Udp: bool; Options: byte[]; Flags: byte; Tos: byte }

let private packet (flow: Flow) (identification: int) (seqno: uint32) (flags: byte) (payload: byte[]) : byte[] =
    let start = if flow.V6 then IpV6.headerSize else IpV4.headerSize

    let header = if flow.Udp then Udp.headerSize else Tcp.headerSize + flow.Options.Length

    let bytes = Array.zeroCreate<byte>(start + header + payload.Length)
    let span = bytes.AsSpan()
    let protocol = if flow.Udp then IpProtocol.udp else IpProtocol.tcp

    if flow.V6 then
        bytes[0] <- 0x60uy ||| (flow.Tos >>> 4)
        bytes[1] <- flow.Tos <<< 4
        BinaryPrimitives.WriteUInt16BigEndian(span.Slice IpV6.lengthOffset, uint16 (header + payload.Length))
        bytes[IpV6.nextHeaderOffset] <- protocol
        bytes[IpV6.hopLimitOffset] <- 64uy
        bytes[IpV6.sourceOffset] <- 0xfduy
        bytes[IpV6.destinationOffset] <- 0xfduy
        bytes[IpV6.destinationOffset + 15] <- 2uy
    else
        bytes[0] <- 0x45uy
        bytes[IpV4.tosOffset] <- flow.Tos
        BinaryPrimitives.WriteUInt16BigEndian(span.Slice IpV4.lengthOffset, uint16 bytes.Length)
        BinaryPrimitives.WriteUInt16BigEndian(span.Slice IpV4.identificationOffset, uint16 identification)
        bytes[IpV4.ttlOffset] <- 64uy
        bytes[IpV4.protocolOffset] <- protocol
        bytes[IpV4.sourceOffset] <- 10uy
        bytes[IpV4.destinationOffset] <- 10uy
        bytes[IpV4.destinationOffset + 3] <- 2uy
        IpV4.writeChecksum span

    let segment = span.Slice start
    BinaryPrimitives.WriteUInt16BigEndian(segment, 4000us)
    BinaryPrimitives.WriteUInt16BigEndian(segment.Slice 2, 80us)

    if flow.Udp then
        BinaryPrimitives.WriteUInt16BigEndian(segment.Slice Udp.lengthOffset, uint16 segment.Length)
    else
        BinaryPrimitives.WriteUInt32BigEndian(segment.Slice Tcp.seqnoOffset, seqno)
        segment[Tcp.lengthOffset] <- byte (header / 4) <<< 4
        segment[Tcp.flagsOffset] <- flags
        BinaryPrimitives.WriteUInt16BigEndian(segment.Slice Tcp.windowOffset, 500us)
        flow.Options.CopyTo(segment.Slice Tcp.headerSize)

    payload.CopyTo(segment.Slice header)
    Transport.writeChecksum span protocol start (if flow.Udp then Udp.checksumOffset else Tcp.checksumOffset)
    bytes

let private flows =
    gen {
        let! v6 = Gen.elements [ false; true ]
        let! udp = Gen.elements [ false; true ]
        let! words = Gen.choose (0, 10)
        let! options = Gen.arrayOfLength (4 * words) (Gen.map byte (Gen.choose (0, 255)))
        let! tos = Gen.elements [ 0uy; 1uy; 2uy; 3uy; 0x10uy; 0xb8uy ]

        return { V6 = v6; Udp = udp; Options = options; Flags = Tcp.ack; Tos = tos }
    }

/// Packets of one flow as a sender would cut them, with PSH here and there, pure ACKs, FINs, gaps and repetitions.
let private streams =
    gen {
        let! flow = flows
        let! size = Gen.choose (1, 300)

        let! steps =
            Gen.listOfLength
                20
                (gen {
                    let! payload = Gen.frequency [ 8, Gen.constant size; 1, Gen.choose (1, 400); 1, Gen.constant 0 ]

                    let! flags =
                        Gen.frequency
                            [ 8, Gen.constant Tcp.ack
                              1, Gen.constant (Tcp.ack ||| Tcp.push)
                              1, Gen.elements [ 0x11uy; 0x04uy; 0x90uy; 0x50uy; 0x30uy ] ]

                    let! gap = Gen.frequency [ 9, Gen.constant 0; 1, Gen.choose (-300, 300) ]
                    // In the payload, or in an IPv4 header's checksum.
                    let! spoiled = Gen.frequency [ 20, Gen.constant 0; 1, Gen.constant 1; 1, Gen.constant 2 ]
                    return struct (payload, flags, gap, spoiled)
                })

        let! seed = Gen.choose (0, 1000000)
        let random = Random seed
        let mutable seqno = uint32 (random.Next())

        return
            steps
            |> List.mapi (fun index (struct (length, flags, gap, spoiled)) ->
                let payload = Array.zeroCreate<byte> length
                random.NextBytes payload
                seqno <- seqno + uint32 gap
                let bytes = packet flow index seqno flags payload
                seqno <- seqno + uint32 length

                if spoiled = 1 then
                    bytes[bytes.Length - 1] <- bytes[bytes.Length - 1] ^^^ 1uy
                elif spoiled = 2 && not flow.V6 then
                    bytes[IpV4.checksumOffset] <- bytes[IpV4.checksumOffset] ^^^ 1uy

                bytes)
    }

/// What the kernel makes of what it is given: merged packets are cut again.
let private cutAgain (written: byte[]) =
    if Offload.isNone (Offload.read (written.AsSpan())) then
        [ written[Offload.size ..] ]
    else
        cut written

[<Fact>]
let ``packets that were merged and cut again are the packets`` () =
    check (
        Prop.forAll (Arb.fromGen streams) (fun packets ->
            packets = List.collect cutAgain (merge true packets)
            && merge true packets = mergeBehind (List.map (header Plain) packets) true packets)
    )

[<Fact>]
let ``frames of other hosts, and frames that are no IP packets by their type, are not merged`` () =
    let flow = { V6 = false; Udp = false; Options = [||]; Flags = Tcp.ack; Tos = 0uy }
    let packets = [ for i in 0..3 -> packet flow i (uint32 (100 * i)) Tcp.ack (Array.create 100 7uy) ]
    let usual = List.map (header Plain) packets
    let counts headers = mergeBehind headers true packets |> List.map _.Length

    let change (index: int) (offset: int) =
        usual
        |> List.mapi (fun i header -> if i = index then Array.updateAt offset 0x99uy header else header)

    Assert.Equal<int list>([ 450 ], counts usual)
    Assert.Equal<int list>([ 250; 150; 150 ], counts (change 2 3))
    Assert.Equal<int list>([ 250; 150; 150 ], counts (change 2 9))
    Assert.Equal<int list>([ 150; 150; 250 ], counts (change 1 12))

[<Fact>]
let ``a super-packet that was cut and merged again is the super-packet`` () =
    let supers =
        gen {
            let! flow = flows
            let! size = Gen.choose (1, 1400)
            let! length = Gen.choose (size + 1, min 60000 (size * 60))
            let! push = Gen.elements [ 0uy; Tcp.push ]
            let! seed = Gen.choose (0, 1000000)
            let payload = Array.zeroCreate<byte> length
            (Random seed).NextBytes payload
            let whole = packet flow seed (uint32 seed) (Tcp.ack ||| push) payload
            let start = if flow.V6 then IpV6.headerSize else IpV4.headerSize
            let offset = if flow.Udp then Udp.checksumOffset else Tcp.checksumOffset
            let protocol = if flow.Udp then IpProtocol.udp else IpProtocol.tcp
            let pseudo = Transport.pseudoHeader (whole.AsSpan()) protocol (whole.Length - start)
            BinaryPrimitives.WriteUInt16BigEndian(whole.AsSpan(start + offset), ~~~(Checksum.finish pseudo))
            let header = Array.zeroCreate<byte> Offload.size

            Offload.write
                { Segments =
                    if flow.Udp then Segments.udp
                    elif flow.V6 then Segments.tcpV6
                    else Segments.tcpV4
                  NeedsChecksum = true
                  HeaderLength = whole.Length - length
                  SegmentSize = size
                  ChecksumStart = start
                  ChecksumOffset = offset }
                (header.AsSpan())

            return Array.append header whole
        }

    check (Prop.forAll (Arb.fromGen supers) (fun written -> merge true (cut written) = [ written ]))

[<Fact>]
let ``an unfinished checksum is finished`` () =
    let flow = { V6 = false; Udp = true; Options = [||]; Flags = 0uy; Tos = 0uy }

    let whole = packet flow 1 0u 0uy [| 1uy; 2uy; 3uy |]
    let unfinished = Array.copy whole
    let pseudo = Transport.pseudoHeader (whole.AsSpan()) IpProtocol.udp (whole.Length - IpV4.headerSize)
    let at = IpV4.headerSize + Udp.checksumOffset
    BinaryPrimitives.WriteUInt16BigEndian(unfinished.AsSpan at, ~~~(Checksum.finish pseudo))

    let offload =
        { Offload.none with
            NeedsChecksum = true
            ChecksumStart = IpV4.headerSize
            ChecksumOffset = Udp.checksumOffset }

    let behind = Array.append (header Tagged whole) unfinished
    Assert.True(Segmentation.complete offload (unfinished.AsSpan()))
    Assert.Equal<byte>(whole, unfinished)
    Assert.True(Segmentation.complete (Offload.behind 18 offload) (behind.AsSpan()))
    Assert.Equal<byte>(whole, behind[18..])
    Assert.False(Segmentation.complete { offload with ChecksumStart = 60 } (unfinished.AsSpan()))

/// Every kind of lie: numbers at random in front of packets at random, some nearly right.
let private lie (seed: int) =
    let random = Random seed

    let flow =
        { V6 = random.Next 2 = 0
          Udp = random.Next 2 = 0
          Options = Array.zeroCreate (4 * random.Next 11)
          Flags = Tcp.ack
          Tos = 0uy }

    let payload = Array.zeroCreate<byte>(random.Next 100)
    let bytes = packet flow 1 1u Tcp.ack payload
    let bytes = bytes[.. random.Next bytes.Length]

    if random.Next 2 = 0 then
        bytes[random.Next bytes.Length] <- byte (random.Next 256)

    let number likely = if random.Next 4 = 0 then random.Next 65536 else likely

    let offload =
        { Segments = byte (random.Next 6)
          NeedsChecksum = random.Next 4 > 0
          HeaderLength = random.Next 65536
          SegmentSize = number (random.Next 50)
          ChecksumStart = number (if flow.V6 then 40 else 20)
          ChecksumOffset = number (if flow.Udp then 6 else 16) }

    let front = header (Array.item (random.Next 3) [| Bare; Plain; Tagged |]) bytes
    let frame = Array.append front bytes
    // Some do not know of what stands in front.
    let behind = if random.Next 4 = 0 then offload else Offload.behind front.Length offload
    let plan = Segmentation.plan behind (frame.AsSpan())
    let mutable total = 0

    for index in 0 .. plan.Count - 1 do
        let size = Segmentation.length plan frame.Length index
        let target = Array.zeroCreate<byte> size
        Assert.Equal(size, Segmentation.write plan (frame.AsSpan()) index (target.AsSpan()))
        total <- total + size - plan.HeaderLength

    Assert.True(plan.Count = 0 || total = frame.Length - plan.HeaderLength)
    Segmentation.complete behind (frame.AsSpan()) |> ignore
    merge true [ bytes; Array.copy bytes ] |> ignore
    let ethernet = header Plain bytes
    mergeBehind [ ethernet; Array.copy ethernet ] true [ bytes; Array.copy bytes ] |> ignore

[<Fact>]
let ``whatever an offload says, nothing outside the packet is touched`` () =
    for seed in 1..5000 do
        lie seed
