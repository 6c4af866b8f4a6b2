/// Fields of TCP and UDP headers, and the checksum that both compute over a pseudo header.
namespace TincPure.Packet

open System
open System.Buffers.Binary

module Tcp =

    [<Literal>]
    let headerSize = 20

    [<Literal>]
    let seqnoOffset = 4

    [<Literal>]
    let ackOffset = 8

    /// The header's length in words, in the upper half.
    [<Literal>]
    let lengthOffset = 12

    [<Literal>]
    let flagsOffset = 13

    [<Literal>]
    let windowOffset = 14

    [<Literal>]
    let checksumOffset = 16

    [<Literal>]
    let fin = 0x01uy

    [<Literal>]
    let push = 0x08uy

    [<Literal>]
    let ack = 0x10uy

    [<Literal>]
    let congestionWindowReduced = 0x80uy

    /// Header length in bytes as the header says, 0 to 60.
    let headerLength (segment: Span<byte>) : int = int (segment[lengthOffset] >>> 4) * 4

    let seqno (segment: Span<byte>) : uint32 = BinaryPrimitives.ReadUInt32BigEndian(segment.Slice seqnoOffset)

module Udp =

    [<Literal>]
    let headerSize = 8

    [<Literal>]
    let lengthOffset = 4

    [<Literal>]
    let checksumOffset = 6

module Transport =

    /// The sum over the addresses of an IP packet, its protocol and the length of what is behind its headers.
    let pseudoHeader (packet: Span<byte>) (protocol: byte) (length: int) : uint32 =
        let seed = uint32 protocol + uint32 length

        if packet[0] >>> 4 = 4uy then
            Checksum.sum seed (packet.Slice(IpV4.sourceOffset, 8))
        else
            Checksum.sum seed (packet.Slice(IpV6.sourceOffset, 32))

    /// Does the checksum of the segment at `start` hold?
    let verifies (packet: Span<byte>) (protocol: byte) (start: int) : bool =
        let segment = packet.Slice start
        Checksum.finish (Checksum.sum (pseudoHeader packet protocol segment.Length) segment) = 0us

    /// Computes the checksum of the segment at `start` anew.
    let writeChecksum (packet: Span<byte>) (protocol: byte) (start: int) (checksumOffset: int) : unit =
        let segment = packet.Slice start
        segment.Slice(checksumOffset, 2).Clear()

        let checksum = Checksum.finish (Checksum.sum (pseudoHeader packet protocol segment.Length) segment)

        // Of the two zeros that one's complement has, UDP takes the other: this one says that there is no checksum.
        let written = if checksum = 0us && protocol = IpProtocol.udp then 0xffffus else checksum
        BinaryPrimitives.WriteUInt16BigEndian(segment.Slice checksumOffset, written)
