using System.Buffers.Binary;

namespace TincPure.Interop.Tests;

/// <summary>
/// IP packets made by hand, right or wrong on purpose, and the cutting of super-packets: slow and plain, to hold the daemon's
/// own against.
/// </summary>
internal static class RawPacket
{
    public const int OffloadSize = 10;
    public const byte TcpProtocol = 6, UdpProtocol = 17;
    public const byte Fin = 1, Syn = 2, Reset = 4, Push = 8, Ack = 16, Urgent = 32, EcnEcho = 64, WindowReduced = 128;
    public const ushort DontFragment = 0x4000, MoreFragments = 0x2000;

    private const byte TcpV4 = 1, TcpV6 = 4, UdpSegments = 5, EcnBit = 0x80, NeedsChecksum = 1;
    private const int HeaderV4 = 20, HeaderV6 = 40;

    /// <summary>Neither end exists: what the hosts behind the devices think of the packets does not matter.</summary>
    private static readonly byte[] Source4 = [10, 77, 1, 200], Target4 = [10, 77, 2, 200];

    private static readonly byte[] Source6 = [0xfd, 0x77, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 200];
    private static readonly byte[] Target6 = [0xfd, 0x77, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 200];

    /// <summary>An IP packet. Options stand between its header and the rest: for IPv6 they are whole extension headers, and the protocol is theirs.</summary>
    public static byte[] Ip(bool v6, byte protocol, byte[] rest, byte tos = 0, ushort number = 0, ushort fragment = DontFragment, byte[]? options = null)
    {
        options ??= [];
        byte[] packet = [.. new byte[v6 ? HeaderV6 : HeaderV4], .. options, .. rest];
        if (v6)
        {
            BinaryPrimitives.WriteUInt32BigEndian(packet, 6u << 28 | (uint)tos << 20 | number);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)(packet.Length - HeaderV6));
            packet[6] = protocol;
            packet[7] = 63;
            Source6.CopyTo(packet, 8);
            Target6.CopyTo(packet, 24);
            return packet;
        }

        packet[0] = (byte)(0x40 | (HeaderV4 + options.Length) / 4);
        packet[1] = tos;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), number);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), fragment);
        packet[8] = 63;
        packet[9] = protocol;
        Source4.CopyTo(packet, 12);
        Target4.CopyTo(packet, 16);
        WriteHeaderChecksum(packet);
        return packet;
    }

    /// <summary>A TCP segment for <see cref="Ip"/>; its checksum is right where no extension header comes in between.</summary>
    public static byte[] Tcp(bool v6, ushort port, uint sequence, byte flags, byte[] payload, byte[]? options = null, uint acknowledged = 77, ushort window = 500)
    {
        options ??= [];
        byte[] segment = [.. new byte[20], .. options, .. payload];
        BinaryPrimitives.WriteUInt16BigEndian(segment, port);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), 5000);
        BinaryPrimitives.WriteUInt32BigEndian(segment.AsSpan(4), sequence);
        BinaryPrimitives.WriteUInt32BigEndian(segment.AsSpan(8), acknowledged);
        segment[12] = (byte)((20 + options.Length) / 4 << 4);
        segment[13] = flags;
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(14), window);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(16), Checksum(v6, TcpProtocol, segment));
        return segment;
    }

    public static byte[] Udp(bool v6, ushort port, byte[] payload)
    {
        byte[] datagram = [.. new byte[8], .. payload];
        BinaryPrimitives.WriteUInt16BigEndian(datagram, port);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(2), 5001);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(4), (ushort)datagram.Length);
        ushort checksum = Checksum(v6, UdpProtocol, datagram);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(6), checksum == 0 ? (ushort)0xffff : checksum);
        return datagram;
    }

    /// <summary>A packet as it goes over a packet socket when nothing is left to be done.</summary>
    public static byte[] Whole(byte[] packet) => [.. new byte[OffloadSize], .. packet];

    /// <summary>Makes a super-packet of a whole one: to be cut into pieces of this size, its checksum left open.</summary>
    public static byte[] Super(byte[] packet, int start, ushort size)
    {
        bool v6 = packet[0] >> 4 == 6, udp = IsUdp(packet, start);
        byte[] rest = packet[start..];
        int header = start + (udp ? 8 : rest[12] >> 4 << 2), field = udp ? 6 : 16;
        byte[] written = Whole(packet);
        bool ecn = !udp && (rest[13] & WindowReduced) != 0;
        written[0] = NeedsChecksum;
        written[1] = (byte)((udp ? UdpSegments : v6 ? TcpV6 : TcpV4) | (ecn ? EcnBit : 0));
        BitConverter.TryWriteBytes(written.AsSpan(2), (ushort)header);
        BitConverter.TryWriteBytes(written.AsSpan(4), size);
        BitConverter.TryWriteBytes(written.AsSpan(6), (ushort)start);
        BitConverter.TryWriteBytes(written.AsSpan(8), (ushort)field);
        ushort pseudo = Fold(Pseudo(packet, udp ? UdpProtocol : TcpProtocol, rest.Length));
        BinaryPrimitives.WriteUInt16BigEndian(written.AsSpan(OffloadSize + start + field), pseudo);
        return written;
    }

    public static bool IsSuper(ReadOnlySpan<byte> written) => written[1] != 0;

    /// <summary>The packets that something stands for, which came from or goes to a packet socket.</summary>
    public static IEnumerable<byte[]> Cut(byte[] written)
    {
        byte[] packet = written[OffloadSize..];
        int size = BitConverter.ToUInt16(written, 4), start = BitConverter.ToUInt16(written, 6), field = BitConverter.ToUInt16(written, 8);
        if (!IsSuper(written))
        {
            if ((written[0] & NeedsChecksum) != 0)
            {
                ushort sum = (ushort)~Fold(Sum(packet.AsSpan(start)));
                BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(start + field), sum == 0 && field == 6 ? (ushort)0xffff : sum);
            }

            yield return packet;
            yield break;
        }

        bool v6 = packet[0] >> 4 == 6, udp = IsUdp(packet, start);
        int header = start + (udp ? 8 : packet[start + 12] >> 4 << 2);
        for (int from = header; from < packet.Length; from += size)
        {
            int count = Math.Min(size, packet.Length - from), index = (from - header) / size;
            byte[] piece = [.. packet[..header], .. packet[from..(from + count)]];
            Span<byte> transport = piece.AsSpan(start);
            if (v6)
            {
                BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(4), (ushort)(piece.Length - HeaderV6));
            }
            else
            {
                BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(2), (ushort)piece.Length);
                BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(4), (ushort)(BinaryPrimitives.ReadUInt16BigEndian(piece.AsSpan(4)) + index));
                WriteHeaderChecksum(piece);
            }

            if (udp)
            {
                BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)transport.Length);
            }
            else
            {
                BinaryPrimitives.WriteUInt32BigEndian(transport[4..], BinaryPrimitives.ReadUInt32BigEndian(transport[4..]) + (uint)(from - header));
                if (from + count < packet.Length) transport[13] &= unchecked((byte)~(Fin | Push));
                if (index > 0) transport[13] &= unchecked((byte)~WindowReduced);
            }

            transport.Slice(field, 2).Clear();
            ushort checksum = (ushort)~Fold(Pseudo(piece, udp ? UdpProtocol : TcpProtocol, transport.Length) + Sum(transport));
            BinaryPrimitives.WriteUInt16BigEndian(transport[field..], udp && checksum == 0 ? (ushort)0xffff : checksum);
            yield return piece;
        }
    }

    /// <summary>Is it between the two ends that do not exist?</summary>
    public static bool IsOurs(ReadOnlySpan<byte> packet) =>
        packet[0] >> 4 == 6
            ? packet.Length >= HeaderV6 && packet[8..24].SequenceEqual(Source6) && packet[24..40].SequenceEqual(Target6)
            : packet.Length >= HeaderV4 && packet[12..16].SequenceEqual(Source4) && packet[16..20].SequenceEqual(Target4);

    /// <summary>What tells flows apart whose packets have to stay in order; everything that is no whole TCP or UDP packet is one flow.</summary>
    public static string FlowOf(byte[] packet)
    {
        bool v6 = packet[0] >> 4 == 6;
        int start = v6 ? HeaderV6 : (packet[0] & 15) * 4;
        byte protocol = packet[v6 ? 6 : 9];
        bool isFragment = !v6 && (BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(6)) & 0x3fff) != 0;
        return isFragment || protocol is not (TcpProtocol or UdpProtocol) || packet.Length < start + 4
            ? "other"
            : $"IPv{packet[0] >> 4} {protocol} {BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(start))}";
    }

    /// <summary>
    /// All of a packet, but for the number of an IPv4 packet that must not be fragmented: nobody needs that, and the kernel numbers
    /// what it cuts as it likes (RFC 6864 §4.1). Its header's checksum is then right or wrong.
    /// </summary>
    public static string Identity(byte[] packet)
    {
        if (packet[0] >> 4 != 4 || (packet[6] & 0x40) == 0) return Convert.ToHexString(packet);
        byte[] copy = [.. packet];
        bool isRight = Fold(Sum(copy.AsSpan(0, Math.Min(copy.Length, (copy[0] & 15) * 4)))) == 0xffff;
        copy.AsSpan(4, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(copy.AsSpan(10), isRight ? (ushort)1 : (ushort)0);
        return Convert.ToHexString(copy);
    }

    private static bool IsUdp(byte[] packet, int start) =>
        packet[0] >> 4 == 4 ? packet[9] == UdpProtocol : start == HeaderV6 && packet[6] == UdpProtocol;

    private static void WriteHeaderChecksum(Span<byte> packet)
    {
        packet.Slice(10, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(packet[10..], (ushort)~Fold(Sum(packet[..((packet[0] & 15) * 4)])));
    }

    private static ushort Checksum(bool v6, byte protocol, byte[] segment) =>
        (ushort)~Fold(Pseudo(Ip(v6, protocol, []), protocol, segment.Length) + Sum(segment));

    private static uint Pseudo(ReadOnlySpan<byte> packet, byte protocol, int length) =>
        (uint)(protocol + length) + Sum(packet[0] >> 4 == 6 ? packet[8..40] : packet[12..20]);

    private static uint Sum(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (int i = 0; i < bytes.Length; i++) sum += (uint)bytes[i] << (i % 2 == 0 ? 8 : 0);
        return sum;
    }

    private static ushort Fold(uint sum)
    {
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)sum;
    }
}
