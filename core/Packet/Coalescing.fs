namespace TincPure.Packet

open System
open System.Buffers.Binary

/// What coalescing has to know of a packet.
[<Struct>]
type internal Candidate =
    {
        /// Part of a TCP or UDP flow that is kept in order; others are a flow of their own.
        HasFlow: bool
        /// It may be merged, if the rest fits.
        Mergeable: bool
        Protocol: byte
        TransportStart: int
        HeaderLength: int
    }

module internal Candidate =

    /// Not looked into.
    let alone: Candidate =
        { HasFlow = false
          Mergeable = false
          Protocol = 0uy
          TransportStart = 0
          HeaderLength = 0 }

    let private tcp (packet: Span<byte>) (start: int) : Candidate =
        let segment = packet.Slice start

        if segment.Length < Tcp.headerSize then
            alone
        else
            let header = Tcp.headerLength segment
            let flags = segment[Tcp.flagsOffset]
            let reserved = segment[Tcp.lengthOffset] &&& 0x0fuy

            { HasFlow = true
              Mergeable =
                header >= Tcp.headerSize
                && header < segment.Length
                && flags &&& ~~~Tcp.push = Tcp.ack
                && reserved = 0uy
              Protocol = IpProtocol.tcp
              TransportStart = start
              HeaderLength = start + header }

    let private udp (packet: Span<byte>) (start: int) : Candidate =
        let segment = packet.Slice start

        if segment.Length < Udp.headerSize then
            alone
        else
            let length = int (BinaryPrimitives.ReadUInt16BigEndian(segment.Slice Udp.lengthOffset))
            let checksum = BinaryPrimitives.ReadUInt16BigEndian(segment.Slice Udp.checksumOffset)

            { HasFlow = true
              Mergeable = length = segment.Length && length > Udp.headerSize && checksum <> 0us
              Protocol = IpProtocol.udp
              TransportStart = start
              HeaderLength = start + Udp.headerSize }

    let private transport (packet: Span<byte>) (protocol: byte) (start: int) : Candidate =
        match protocol with
        | IpProtocol.tcp -> tcp packet start
        | IpProtocol.udp -> udp packet start
        | _ -> alone

    /// Whole packets without IPv4 options, extension headers and fragmentation may be merged.
    let read (packet: Span<byte>) : Candidate =
        if
            packet.Length > IpV4.headerSize
            && packet[0] = 0x45uy
            && IpV4.totalLength packet = packet.Length
            && IpV4.flags packet &&& (IpV4.moreFragments ||| IpV4.offsetMask) = 0
        then
            transport packet packet[IpV4.protocolOffset] IpV4.headerSize
        elif
            packet.Length > IpV6.headerSize
            && packet[0] >>> 4 = 6uy
            && int (BinaryPrimitives.ReadUInt16BigEndian(packet.Slice IpV6.lengthOffset)) =
                packet.Length - IpV6.headerSize
        then
            transport packet packet[IpV6.nextHeaderOffset] IpV6.headerSize
        else
            alone

    let private same (a: Span<byte>) (b: Span<byte>) (offset: int) (count: int) =
        a.Slice(offset, count).SequenceEqual(b.Slice(offset, count))

    /// Two packets of one flow: addresses, protocol and ports agree.
    let sameFlow (a: Span<byte>) (b: Span<byte>) (protocol: byte) : bool =
        (a[0] >>> 4) = (b[0] >>> 4)
        && if a[0] >>> 4 = 4uy then
               a[IpV4.protocolOffset] = protocol
               && b[IpV4.protocolOffset] = protocol
               // Addresses and ports stand side by side.
               && same a b IpV4.sourceOffset 12
           else
               a[IpV6.nextHeaderOffset] = protocol
               && b[IpV6.nextHeaderOffset] = protocol
               && same a b IpV6.sourceOffset 36

    /// What must agree in the headers of mergeable packets of one flow. `follows`: how many packets after the first it would be.
    let sameHeaders (first: Span<byte>) (packet: Span<byte>) (shape: Candidate) (follows: int) : bool =
        let sameIp =
            if first[0] >>> 4 = 4uy then
                // The kernel numbers the pieces consecutively when it has to cut them again. With DF nobody looks.
                let identification = BinaryPrimitives.ReadUInt16BigEndian(first.Slice IpV4.identificationOffset)

                first[IpV4.tosOffset] = packet[IpV4.tosOffset]
                && same first packet IpV4.flagsOffset 3
                && (IpV4.mayNotFragment first
                    || BinaryPrimitives.ReadUInt16BigEndian(packet.Slice IpV4.identificationOffset) =
                        identification + uint16 follows)
            else
                // Traffic class and flow label.
                same first packet 0 4 && first[IpV6.hopLimitOffset] = packet[IpV6.hopLimitOffset]

        let start = shape.TransportStart
        let afterChecksum = start + Tcp.checksumOffset + 2

        sameIp
        && (shape.Protocol = IpProtocol.udp
            // Acknowledgement and header length; window; urgent pointer and options. Flags are ACK and perhaps PSH.
            || (same first packet (start + Tcp.ackOffset) 5
                && same first packet (start + Tcp.windowOffset) 2
                && same first packet afterChecksum (shape.HeaderLength - afterChecksum)))

    /// Do its checksums hold, that of an IPv4 header too? Merging would hide it if they do not.
    let verifies (packet: Span<byte>) (shape: Candidate) : bool =
        (packet[0] >>> 4 = 6uy || Checksum.compute (packet.Slice(0, shape.TransportStart)) = 0us)
        && Transport.verifies packet shape.Protocol shape.TransportStart

    let hash (packet: Span<byte>) : int =
        let flow =
            if packet[0] >>> 4 = 4uy then
                packet.Slice(IpV4.sourceOffset, 12)
            else
                packet.Slice(IpV6.sourceOffset + 12, 24)

        let mutable mixed = 0u

        for i in 0 .. flow.Length / 4 - 1 do
            mixed <- (mixed ^^^ BinaryPrimitives.ReadUInt32LittleEndian(flow.Slice(4 * i))) * 0x9e3779b1u

        int (mixed >>> 24)

/// Merges packets that follow each other in a TCP or UDP flow into super-packets, which a device with offloads takes in one
/// write (spec 07 §15.4). Packets are added in order, `Finish` writes the headers, and then groups are written in order:
/// one packet as it is, or the new headers and the payloads of all. Nothing is copied, and the packets stay as they are. A
/// flow's packets never change places, and a merged one can be cut again into exactly those that it was made of.
///
/// `link`: bytes of the link layer's header in front of each packet, which the device takes too: 0, or the 14 of Ethernet.
[<Sealed>]
type Coalescer(capacity: int, link: int) =
    /// The headers of a group, behind its offload: 60 bytes of TCP behind 40 of IPv6 and 14 of Ethernet at most.
    let headerRoom = Offload.size + 118

    /// Packets in one group: the kernel's limit for UDP before 6.9, and less than system calls take in pieces.
    let maxUdpPackets = 64

    let maxPackets = 512

    let maxPacket = 65535

    let headers = GC.AllocateUninitializedArray<byte>(capacity * headerRoom, pinned = true)

    // Of each packet.
    let offsets = Array.zeroCreate<int> capacity
    let lengths = Array.zeroCreate<int> capacity
    let nexts = Array.zeroCreate<int> capacity

    // Of each group.
    let heads = Array.zeroCreate<int> capacity
    let tails = Array.zeroCreate<int> capacity
    let counts = Array.zeroCreate<int> capacity
    let payloads = Array.zeroCreate<int> capacity
    let shapes = Array.zeroCreate<Candidate> capacity
    // Newer packets of the flow cannot be appended.
    let closed = Array.zeroCreate<bool> capacity
    // The group before it whose flow has the same hash.
    let olders = Array.zeroCreate<int> capacity

    let newest = Array.create 256 -1
    let mutable packets = 0
    let mutable groups = 0
    let mutable mergesUdp = false

    let packetAt (arena: Span<byte>) (index: int) = arena.Slice(offsets[index], lengths[index])

    let headOf (arena: Span<byte>) (group: int) = packetAt arena heads[group]

    let linkOf (arena: Span<byte>) (index: int) = arena.Slice(offsets[index] - link, link)

    /// Frames of other kinds, VLAN tags among them, are written as they are.
    let isIp (arena: Span<byte>) (offset: int) =
        link = 0
        || (let etherType = Ethernet.etherType (arena.Slice(offset - link, link))
            let version = arena[offset] >>> 4

            (etherType = Ethernet.ipv4 && version = 4uy) || (etherType = Ethernet.ipv6 && version = 6uy))

    /// Payload bytes per segment of a group: those of its first packet.
    let segmentSize (group: int) = lengths[heads[group]] - shapes[group].HeaderLength

    let start (shape: Candidate) (bucket: int) =
        let group = groups
        let packet = packets - 1
        groups <- groups + 1
        heads[group] <- packet
        tails[group] <- packet
        counts[group] <- 1
        payloads[group] <- lengths[packet] - shape.HeaderLength
        shapes[group] <- shape
        closed[group] <- not shape.Mergeable || (shape.Protocol = IpProtocol.udp && not mergesUdp)

        if bucket >= 0 then
            olders[group] <- newest[bucket]
            newest[bucket] <- group

    /// The newest group of the packet's flow; -1 if there is none.
    let find (arena: Span<byte>) (packet: Span<byte>) (protocol: byte) (bucket: int) =
        let mutable group = newest[bucket]

        while group >= 0
              && not (shapes[group].Protocol = protocol && Candidate.sameFlow (headOf arena group) packet protocol) do
            group <- olders[group]

        group

    let hasPush (packet: Span<byte>) (shape: Candidate) =
        shape.Protocol = IpProtocol.tcp
        && packet[shape.TransportStart + Tcp.flagsOffset] &&& Tcp.push <> 0uy

    let fits (arena: Span<byte>) (packet: Span<byte>) (shape: Candidate) (group: int) =
        let head = headOf arena group
        let mine = shapes[group]
        let payload = packet.Length - shape.HeaderLength
        let size = segmentSize group

        let isNext =
            shape.Protocol = IpProtocol.udp
            || Tcp.seqno (packet.Slice shape.TransportStart) =
                Tcp.seqno (head.Slice mine.TransportStart) + uint32 payloads[group]

        isNext
        && mine.HeaderLength = shape.HeaderLength
        && payload <= size
        && payloads[group] = counts[group] * size
        && counts[group] < (if shape.Protocol = IpProtocol.udp then maxUdpPackets else maxPackets)
        && shape.HeaderLength + payloads[group] + payload <= maxPacket
        && Candidate.sameHeaders head packet shape counts[group]
        && (linkOf arena heads[group]).SequenceEqual(linkOf arena (packets - 1))
        && (counts[group] > 1 || Candidate.verifies head shape)
        && Candidate.verifies packet shape

    let append (packet: Span<byte>) (shape: Candidate) (group: int) =
        nexts[tails[group]] <- packets - 1
        tails[group] <- packets - 1
        counts[group] <- counts[group] + 1
        payloads[group] <- payloads[group] + packet.Length - shape.HeaderLength

        if hasPush packet shape then
            closed[group] <- true

    let writeHeaders (arena: Span<byte>) (group: int) =
        let shape = shapes[group]
        let head = headOf arena group
        let room = headers.AsSpan(group * headerRoom, headerRoom)
        (linkOf arena heads[group]).CopyTo(room.Slice Offload.size)
        let header = room.Slice(Offload.size + link, shape.HeaderLength)
        let total = shape.HeaderLength + payloads[group]
        let isV6 = head[0] >>> 4 = 6uy
        let isUdp = shape.Protocol = IpProtocol.udp
        head.Slice(0, shape.HeaderLength).CopyTo header

        if isV6 then
            BinaryPrimitives.WriteUInt16BigEndian(header.Slice IpV6.lengthOffset, uint16 (total - IpV6.headerSize))
        else
            BinaryPrimitives.WriteUInt16BigEndian(header.Slice IpV4.lengthOffset, uint16 total)
            IpV4.writeChecksum header

        let transport = header.Slice shape.TransportStart
        let transportLength = total - shape.TransportStart
        let checksumOffset = if isUdp then Udp.checksumOffset else Tcp.checksumOffset

        if isUdp then
            BinaryPrimitives.WriteUInt16BigEndian(transport.Slice Udp.lengthOffset, uint16 transportLength)
        elif hasPush (packetAt arena tails[group]) shape then
            transport[Tcp.flagsOffset] <- transport[Tcp.flagsOffset] ||| Tcp.push

        let pseudo = Transport.pseudoHeader header shape.Protocol transportLength
        BinaryPrimitives.WriteUInt16BigEndian(transport.Slice checksumOffset, ~~~(Checksum.finish pseudo))

        let offload =
            { Segments =
                if isUdp then Segments.udp
                elif isV6 then Segments.tcpV6
                else Segments.tcpV4
              NeedsChecksum = true
              HeaderLength = shape.HeaderLength
              SegmentSize = segmentSize group
              ChecksumStart = shape.TransportStart
              ChecksumOffset = checksumOffset }

        Offload.write (Offload.behind link offload) room

    /// Offloads and headers of the merged groups; pinned.
    member _.Headers: byte[] = headers

    member _.IsFull: bool = packets = capacity

    /// Forgets all packets. The device takes merged UDP packets, too, if `mergesUdp`.
    member _.Reset(udp: bool) : unit =
        packets <- 0
        groups <- 0
        mergesUdp <- udp
        Array.Fill(newest, -1)

    /// One more packet, at this place in the arena, behind its link header. There is room for it: not `IsFull`.
    member _.Add(arena: Span<byte>, offset: int, length: int) : unit =
        let packet = arena.Slice(offset, length)

        let shape =
            if length > 0 && isIp arena offset then
                Candidate.read packet
            else
                Candidate.alone

        offsets[packets] <- offset
        lengths[packets] <- length
        nexts[packets] <- -1
        packets <- packets + 1

        if not shape.HasFlow then
            // It may be part of any flow, as fragments are: nothing that comes later overtakes it.
            Array.Fill(newest, -1)
            start shape -1
        else
            let bucket = Candidate.hash packet
            let group = find arena packet shape.Protocol bucket

            if group >= 0 && shape.Mergeable && not closed[group] && fits arena packet shape group then
                append packet shape group
            else
                start shape bucket

                if hasPush packet shape then
                    closed[groups - 1] <- true

    /// Writes offload and headers of every merged group.
    member _.Finish(arena: Span<byte>) : unit =
        for group in 0 .. groups - 1 do
            if counts[group] > 1 then
                writeHeaders arena group

    /// What is to be written, in this order.
    member _.Groups: int = groups

    /// Packets in a group: one is written as it is.
    member _.Count(group: int) : int = counts[group]

    /// Where offload, link header and other headers of a merged group begin in `Headers`.
    member _.HeaderStart(group: int) : int = group * headerRoom

    /// Bytes of the IP and transport headers, which each packet of a merged group has in front of its payload.
    member _.HeaderLength(group: int) : int = shapes[group].HeaderLength

    member _.First(group: int) : int = heads[group]

    /// The packet behind this one in its group; -1 if it is the last.
    member _.Next(packet: int) : int = nexts[packet]

    member _.Offset(packet: int) : int = offsets[packet]

    member _.Length(packet: int) : int = lengths[packet]
