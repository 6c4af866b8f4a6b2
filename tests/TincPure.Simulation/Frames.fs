/// IP packets as a virtual machine's kernel would hand them to the device, and what can be read off those that arrive.
module TincPure.Simulation.Frames

open System
open System.Buffers.Binary
open TincPure.Primitives

let private ethernetHeader = 14
let private ipHeader = 20

/// Shortest frame that `ipv4` makes: headers and the packet's number.
let shortest = ethernetHeader + ipHeader + 8

let private checksum (header: ReadOnlySpan<byte>) : uint16 =
    let mutable sum = 0u

    for i in 0..2 .. header.Length - 2 do
        sum <- sum + uint32 (BinaryPrimitives.ReadUInt16BigEndian(header.Slice i))

    while sum > 0xffffu do
        sum <- (sum &&& 0xffffu) + (sum >>> 16)

    uint16 (~~~sum)

/// An IPv4 packet of an unassigned protocol, in a frame of `length` bytes, Ethernet header included, that carries a number.
let ipv4 (source: Ip) (destination: Ip) (number: int64) (length: int) : byte array =
    let frame = Array.zeroCreate<byte>(max length shortest)
    let packet = Span(frame, ethernetHeader, frame.Length - ethernetHeader)
    BinaryPrimitives.WriteUInt16BigEndian(Span(frame, 12, 2), 0x0800us)
    packet[0] <- 0x45uy
    BinaryPrimitives.WriteUInt16BigEndian(packet.Slice 2, uint16 packet.Length)
    packet[6] <- 0x40uy
    packet[8] <- 64uy
    packet[9] <- 253uy
    Ip.write source (packet.Slice 12)
    Ip.write destination (packet.Slice 16)
    BinaryPrimitives.WriteUInt16BigEndian(packet.Slice 10, checksum (Span.op_Implicit (packet.Slice(0, ipHeader))))
    BinaryPrimitives.WriteInt64BigEndian(packet.Slice ipHeader, number)
    frame

/// The source and the number of a packet that `ipv4` made; none for anything else, such as ICMP.
let tryRead (frame: ReadOnlySpan<byte>) : struct (Ip * int64) voption =
    if
        frame.Length >= shortest
        && BinaryPrimitives.ReadUInt16BigEndian(frame.Slice 12) = 0x0800us
        && frame[ethernetHeader + 9] = 253uy
    then
        let packet = frame.Slice ethernetHeader
        ValueSome(struct (Ip.readV4 (packet.Slice 12), BinaryPrimitives.ReadInt64BigEndian(packet.Slice ipHeader)))
    else
        ValueNone
