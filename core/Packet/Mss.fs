/// Keeps TCP from sending segments that would not fit: lowers the MSS option of connections being opened (spec 04 §11).
module TincPure.Packet.Mss

open System
open System.Buffers.Binary

[<Literal>]
let private tcpHeader = 20

[<Literal>]
let private tcpChecksum = 16

[<Literal>]
let private kindEnd = 0uy

[<Literal>]
let private kindNop = 1uy

[<Literal>]
let private kindMss = 2uy

/// Where the TCP header of a frame begins, with one VLAN tag and one IPv4-in-IPv4 header skipped; -1 if there is none.
let private tcpOffset (frame: Span<byte>) : int =
    let outer = Ethernet.payloadOffset frame
    let etherType = Ethernet.payloadType frame outer

    let start =
        if
            etherType = Ethernet.ipv4
            && frame.Length > outer + IpV4.headerSize
            && frame[outer + IpV4.protocolOffset] = IpProtocol.ipInIp
        then
            outer + IpV4.headerSize
        else
            outer

    if frame.Length <= start + IpV4.headerSize then
        -1
    elif etherType = Ethernet.ipv4 && frame[start + IpV4.protocolOffset] = IpProtocol.tcp then
        start + IpV4.headerLength (frame.Slice start)
    elif etherType = Ethernet.ipv6 && frame[start + IpV6.nextHeaderOffset] = IpProtocol.tcp then
        start + IpV6.headerSize
    else
        -1

/// Where the value of the MSS option stands within `options`, -1 if there is no well-formed one.
let private mssOffset (options: Span<byte>) : int =
    let mutable i = 0
    let mutable found = -1

    while i < options.Length do
        let kind = options[i]

        if kind = kindEnd then
            i <- options.Length
        elif kind = kindNop then
            i <- i + 1
        else
            let length = if i + 1 < options.Length then int options[i + 1] else 0

            if length < 2 || i + length > options.Length then
                i <- options.Length
            elif kind <> kindMss then
                i <- i + length
            else
                if length = 4 then
                    found <- i + 2

                i <- options.Length

    found

/// Lowers the MSS option of a TCP segment so that full segments fit into frames of `mtu` bytes, and adjusts the TCP checksum.
/// Gives the new MSS, or 0 if nothing had to change. The frame has at least 14 bytes.
let clamp (frame: Span<byte>) (mtu: int) : int =
    let tcp = tcpOffset frame

    if tcp < 0 || frame.Length <= tcp + tcpHeader then
        0
    else
        let optionLength = (int (frame[tcp + 12] >>> 4) - 5) * 4

        if optionLength <= 0 || frame.Length < tcp + tcpHeader + optionLength then
            0
        else
            let options = frame.Slice(tcp + tcpHeader, optionLength)
            let at = mssOffset options
            let limit = mtu - tcp - tcpHeader

            if at < 0 || limit <= 0 then
                0
            else
                let value = options.Slice(at, 2)
                let before = BinaryPrimitives.ReadUInt16BigEndian(value)

                if int before <= limit then
                    0
                else
                    let checksum = frame.Slice(tcp + tcpChecksum, 2)
                    let sum = BinaryPrimitives.ReadUInt16BigEndian(checksum)
                    BinaryPrimitives.WriteUInt16BigEndian(value, uint16 limit)
                    BinaryPrimitives.WriteUInt16BigEndian(checksum, Checksum.adjust sum before (uint16 limit))
                    limit
