using System.Buffers.Binary;
using System.Net;

namespace TincPure.Interop.Tests;

/// <summary>Datagrams for a daemon's port, from wherever they are to seem to come.</summary>
internal static class ForgedDatagram
{
    public const int Inet = 2, Raw = 3, RawProtocol = 255, UdpProtocol = 17, IpHeader = 20, UdpHeader = 8, TincPort = 655;

    /// <summary>Where the number stands by which the kernel finds the fragments of a datagram.</summary>
    public const int NumberOffset = 4;

    /// <summary>What a link of 1,500 bytes carries of one.</summary>
    private const int Piece = 1480;

    private const int MoreFragments = 0x2000;

    /// <summary>The packets of a datagram, for a socket of this protocol: the kernel does not cut what comes with its header.</summary>
    public static byte[][] Packets(IPEndPoint from, IPAddress to, ReadOnlySpan<byte> payload)
    {
        byte[] datagram = new byte[UdpHeader + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(datagram, (ushort)from.Port);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(2), TincPort);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(4), (ushort)datagram.Length);
        payload.CopyTo(datagram.AsSpan(UdpHeader)); // no UDP checksum; that of the header is the kernel's
        List<byte[]> packets = [];
        for (int start = 0; start < datagram.Length; start += Piece)
        {
            int length = Math.Min(Piece, datagram.Length - start);
            byte[] packet = new byte[IpHeader + length];
            packet[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), (ushort)(start / 8 | (start + length < datagram.Length ? MoreFragments : 0)));
            packet[8] = 64;
            packet[9] = UdpProtocol;
            from.Address.GetAddressBytes().CopyTo(packet, 12);
            to.GetAddressBytes().CopyTo(packet, 16);
            datagram.AsSpan(start, length).CopyTo(packet.AsSpan(IpHeader));
            packets.Add(packet);
        }

        return [.. packets];
    }
}
