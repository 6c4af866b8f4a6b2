/// Cuts what a device with offloads hands over as one packet into the packets that it stands for (spec 07 §15.3).
module TincPure.Packet.Segmentation

open System
open System.Buffers.Binary

/// How a super-packet is cut.
[<Struct>]
type Plan =
    {
        Protocol: byte
        /// Where the IP header begins.
        NetworkStart: int
        /// Where the TCP or UDP header begins.
        TransportStart: int
        /// Bytes of all headers, what stands in front of the IP header too; every segment begins with a copy.
        HeaderLength: int
        /// Payload bytes of every segment but the last, which may have fewer.
        SegmentSize: int
        /// 0 if it cannot be cut: the offload says what the packet is not.
        Count: int
    }

let private impossible =
    { Protocol = 0uy
      NetworkStart = 0
      TransportStart = 0
      HeaderLength = 0
      SegmentSize = 0
      Count = 0 }

/// Walks over the extension headers of an IPv6 packet that may stand in front of TCP and UDP: the header behind them begins at
/// `start`, if it is of this protocol.
let private followsV6 (packet: Span<byte>) (protocol: byte) (start: int) : bool =
    let mutable next = packet[IpV6.nextHeaderOffset]
    let mutable at = IpV6.headerSize

    while (next = IpProtocol.hopByHop || next = IpProtocol.routing || next = IpProtocol.destinationOptions)
          && at + 2 <= packet.Length
          && at < start do
        next <- packet[at]
        at <- at + 8 * (1 + int packet[at + 1])

    next = protocol && at = start

let private transportFits (packet: Span<byte>) (isV6: bool) (protocol: byte) (start: int) : bool =
    if isV6 then
        packet.Length >= IpV6.headerSize
        && packet[0] >>> 4 = 6uy
        && int (BinaryPrimitives.ReadUInt16BigEndian(packet.Slice IpV6.lengthOffset)) = packet.Length - IpV6.headerSize
        && followsV6 packet protocol start
    else
        packet.Length >= IpV4.headerSize
        && packet[0] >>> 4 = 4uy
        && IpV4.headerLength packet = start
        && start >= IpV4.headerSize
        && packet[IpV4.protocolOffset] = protocol
        && IpV4.totalLength packet = packet.Length
        && IpV4.flags packet &&& (IpV4.moreFragments ||| IpV4.offsetMask) = 0

/// How to cut the packet of this frame of at least 14 bytes; `Count` is 0 if what the offload says does not fit the frame.
let plan (offload: Offload) (frame: Span<byte>) : Plan =
    let networkStart = Ethernet.payloadOffset frame
    let packet = frame.Slice networkStart
    let start = offload.ChecksumStart - networkStart

    let protocol = if offload.Segments = Segments.udp then IpProtocol.udp else IpProtocol.tcp

    let isV6 =
        match offload.Segments with
        | Segments.tcpV4 -> false
        | Segments.tcpV6 -> true
        | _ -> packet.Length > 0 && packet[0] >>> 4 = 6uy

    let known =
        offload.Segments = Segments.tcpV4
        || offload.Segments = Segments.tcpV6
        || offload.Segments = Segments.udp

    let isTyped = Ethernet.payloadType frame networkStart = (if isV6 then Ethernet.ipv6 else Ethernet.ipv4)

    if not (known && isTyped) || offload.SegmentSize = 0 || not (transportFits packet isV6 protocol start) then
        impossible
    else
        let segment = packet.Slice start

        let transportHeader =
            if protocol = IpProtocol.udp then Udp.headerSize
            elif segment.Length < Tcp.headerSize then 0
            else Tcp.headerLength segment

        let payload = segment.Length - transportHeader

        let smallest = if protocol = IpProtocol.udp then Udp.headerSize else Tcp.headerSize

        if transportHeader < smallest || payload <= 0 then
            impossible
        else
            { Protocol = protocol
              NetworkStart = networkStart
              TransportStart = networkStart + start
              HeaderLength = networkStart + start + transportHeader
              SegmentSize = offload.SegmentSize
              Count = (payload + offload.SegmentSize - 1) / offload.SegmentSize }

/// The plan for what is left of a frame without its first bytes, which are no part of the packet.
let behind (bytes: int) (plan: Plan) : Plan =
    { plan with
        NetworkStart = plan.NetworkStart - bytes
        TransportStart = plan.TransportStart - bytes
        HeaderLength = plan.HeaderLength - bytes }

/// Bytes of one segment, headers included, of a frame of `total` bytes.
let length (plan: Plan) (total: int) (index: int) : int =
    min (plan.HeaderLength + plan.SegmentSize) (total - index * plan.SegmentSize)

let private writeLengthsV4 (index: int) (packet: Span<byte>) (headerLength: int) =
    BinaryPrimitives.WriteUInt16BigEndian(packet.Slice IpV4.lengthOffset, uint16 packet.Length)
    let identification = packet.Slice IpV4.identificationOffset

    BinaryPrimitives.WriteUInt16BigEndian(
        identification,
        BinaryPrimitives.ReadUInt16BigEndian identification + uint16 index
    )

    packet.Slice(IpV4.checksumOffset, 2).Clear()
    let checksum = Checksum.compute (packet.Slice(0, headerLength))
    BinaryPrimitives.WriteUInt16BigEndian(packet.Slice IpV4.checksumOffset, checksum)

let private writeTcp (plan: Plan) (index: int) (header: Span<byte>) =
    let seqno = Tcp.seqno header + uint32 (index * plan.SegmentSize)
    BinaryPrimitives.WriteUInt32BigEndian(header.Slice Tcp.seqnoOffset, seqno)

    if index < plan.Count - 1 then
        header[Tcp.flagsOffset] <- header[Tcp.flagsOffset] &&& ~~~(Tcp.fin ||| Tcp.push)

    if index > 0 then
        header[Tcp.flagsOffset] <- header[Tcp.flagsOffset] &&& ~~~Tcp.congestionWindowReduced

/// Writes segment `index` (below `Count`) of the frame to `target`, complete with lengths and checksums; its length, which is
/// what `length` gives.
let write (plan: Plan) (frame: Span<byte>) (index: int) (target: Span<byte>) : int =
    let size = length plan frame.Length index
    let segment = target.Slice(0, size)
    let from = plan.HeaderLength + index * plan.SegmentSize
    frame.Slice(0, plan.HeaderLength).CopyTo segment
    frame.Slice(from, size - plan.HeaderLength).CopyTo(segment.Slice plan.HeaderLength)
    let packet = segment.Slice plan.NetworkStart
    let start = plan.TransportStart - plan.NetworkStart

    if packet[0] >>> 4 = 4uy then
        writeLengthsV4 index packet start
    else
        let payloadLength = uint16 (packet.Length - IpV6.headerSize)
        BinaryPrimitives.WriteUInt16BigEndian(packet.Slice IpV6.lengthOffset, payloadLength)

    let transport = packet.Slice start

    if plan.Protocol = IpProtocol.udp then
        BinaryPrimitives.WriteUInt16BigEndian(transport.Slice Udp.lengthOffset, uint16 transport.Length)
        Transport.writeChecksum packet plan.Protocol start Udp.checksumOffset
    else
        writeTcp plan index transport
        Transport.writeChecksum packet plan.Protocol start Tcp.checksumOffset

    size

/// Finishes the checksum of a frame that is not to be cut, if that was left to us. False if there is no such place in it.
let complete (offload: Offload) (frame: Span<byte>) : bool =
    let field = offload.ChecksumStart + offload.ChecksumOffset

    if not offload.NeedsChecksum then
        true
    elif field + 2 > frame.Length then
        false
    else
        // The field holds the sum of the pseudo header, and so counts as a part of what is summed.
        let checksum = Checksum.compute (frame.Slice offload.ChecksumStart)

        let isUdp = offload.ChecksumOffset = Udp.checksumOffset

        BinaryPrimitives.WriteUInt16BigEndian(frame.Slice field, if checksum = 0us && isUdp then 0xffffus else checksum)

        true
