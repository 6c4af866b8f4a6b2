/// Fields of IPv4 and IPv6 headers. Every span here begins with the header and is at least as long as its fixed part.
namespace TincPure.Packet

open System
open System.Buffers.Binary
open TincPure.Primitives

/// Numbers of the protocols that IP carries.
module IpProtocol =

    [<Literal>]
    let icmp = 1uy

    [<Literal>]
    let ipInIp = 4uy

    [<Literal>]
    let tcp = 6uy

    [<Literal>]
    let udp = 17uy

    /// IPv6 extension headers that may stand in front of any protocol.
    [<Literal>]
    let hopByHop = 0uy

    [<Literal>]
    let routing = 43uy

    [<Literal>]
    let ipv6Fragment = 44uy

    [<Literal>]
    let icmpV6 = 58uy

    [<Literal>]
    let destinationOptions = 60uy

module IpV4 =

    /// Without options.
    [<Literal>]
    let headerSize = 20

    /// A packet of this size passes everywhere (RFC 791).
    [<Literal>]
    let minimumMtu = 576

    [<Literal>]
    let tosOffset = 1

    [<Literal>]
    let lengthOffset = 2

    [<Literal>]
    let identificationOffset = 4

    [<Literal>]
    let flagsOffset = 6

    [<Literal>]
    let ttlOffset = 8

    [<Literal>]
    let protocolOffset = 9

    [<Literal>]
    let checksumOffset = 10

    [<Literal>]
    let sourceOffset = 12

    [<Literal>]
    let destinationOffset = 16

    [<Literal>]
    let moreFragments = 0x2000

    [<Literal>]
    let private dontFragment = 0x4000

    [<Literal>]
    let offsetMask = 0x1fff

    let private word (packet: Span<byte>) (offset: int) =
        int (BinaryPrimitives.ReadUInt16BigEndian(packet.Slice offset))

    /// Header length in bytes as the header says, 0 to 60.
    let headerLength (packet: Span<byte>) : int = int (packet[0] &&& 0x0fuy) * 4

    let totalLength (packet: Span<byte>) : int = word packet lengthOffset

    /// Flags and fragment offset.
    let flags (packet: Span<byte>) : int = word packet flagsOffset

    let mayNotFragment (packet: Span<byte>) : bool = flags packet &&& dontFragment <> 0

    let isLaterFragment (packet: Span<byte>) : bool = flags packet &&& offsetMask <> 0

    let source (packet: Span<byte>) : uint32 = BinaryPrimitives.ReadUInt32BigEndian(packet.Slice sourceOffset)

    let destination (packet: Span<byte>) : uint32 = BinaryPrimitives.ReadUInt32BigEndian(packet.Slice destinationOffset)

    /// Computes and writes the checksum of a header without options.
    let writeChecksum (packet: Span<byte>) : unit =
        packet.Slice(checksumOffset, 2).Clear()

        BinaryPrimitives.WriteUInt16BigEndian(
            packet.Slice checksumOffset,
            Checksum.compute (packet.Slice(0, headerSize))
        )

module IpV6 =

    [<Literal>]
    let headerSize = 40

    /// A packet of this size passes everywhere (RFC 8200).
    [<Literal>]
    let minimumMtu = 1280

    [<Literal>]
    let lengthOffset = 4

    [<Literal>]
    let nextHeaderOffset = 6

    [<Literal>]
    let hopLimitOffset = 7

    [<Literal>]
    let sourceOffset = 8

    [<Literal>]
    let destinationOffset = 24

    let trafficClass (packet: Span<byte>) : byte = (packet[0] <<< 4) ||| (packet[1] >>> 4)

    let source (packet: Span<byte>) : Ip = Ip.readV6 (Span.op_Implicit (packet.Slice sourceOffset))

    let destination (packet: Span<byte>) : Ip = Ip.readV6 (Span.op_Implicit (packet.Slice destinationOffset))

    /// Eight groups without leading zeros and without `::`, as routing logs show addresses (spec 04 §7.4).
    let toFullText (ip: Ip) : string =
        let group (half: uint64) (index: int) = ((half >>> (48 - 16 * index)) &&& 0xffffUL).ToString "x"

        String.Join(
            ":",
            [| for half in [ ip.High; ip.Low ] do
                   for i in 0..3 -> group half i |]
        )

/// A packet of either version, of any length.
module IpPacket =

    /// Does it begin with a header of its version, and have the length that this says?
    let isWhole (packet: Span<byte>) : bool =
        if packet.Length >= IpV4.headerSize && packet[0] >>> 4 = 4uy then
            IpV4.headerLength packet >= IpV4.headerSize && IpV4.totalLength packet = packet.Length
        elif packet.Length >= IpV6.headerSize && packet[0] >>> 4 = 6uy then
            let payload = int (BinaryPrimitives.ReadUInt16BigEndian(packet.Slice IpV6.lengthOffset))
            payload + IpV6.headerSize = packet.Length
        else
            false
