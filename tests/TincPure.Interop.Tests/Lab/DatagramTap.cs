using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace TincPure.Interop.Tests;

/// <summary>Takes datagrams of a tunnel off the wire, and puts forged ones onto it.</summary>
public sealed class DatagramTap : IDisposable
{
    private const int Packet = 17, Cooked = 2, Inet = 2, Raw = 3, RawProtocol = 255, UdpProtocol = 17;
    private const int IpHeader = 20, UdpHeader = 8, TincPort = 655;

    private readonly Socket _listener;
    private readonly Socket _injector;
    private readonly IPAddress _from;
    private readonly IPAddress _to;

    /// <summary>Datagrams from one host to another; forged ones look as if they came from there too.</summary>
    public DatagramTap(Host from, Host to)
    {
        (_from, _to) = (IPAddress.Parse(from.IPv4), IPAddress.Parse(to.IPv4));
        _listener = to.Namespace.Open(Packet, Cooked, BinaryPrimitives.ReverseEndianness((ushort)0x0800));
        _listener.ReceiveTimeout = 5000;
        _injector = from.Namespace.Open(Inet, Raw, RawProtocol);
    }

    /// <summary>The payload of the next datagram to the daemon that is this long.</summary>
    public byte[] Take(int length)
    {
        byte[] buffer = new byte[65536];
        while (true)
        {
            int count = _listener.Receive(buffer);
            ReadOnlySpan<byte> packet = buffer.AsSpan(0, count);
            if (count != IpHeader + UdpHeader + length || packet[9] != UdpProtocol) continue;
            if (!packet.Slice(12, 4).SequenceEqual(_from.GetAddressBytes())) continue;
            if (BinaryPrimitives.ReadUInt16BigEndian(packet[(IpHeader + 2)..]) == TincPort) return packet[(IpHeader + UdpHeader)..].ToArray();
        }
    }

    /// <summary>Sends a payload from the sender's address and a port.</summary>
    public void Inject(byte[] payload, int port = TincPort)
    {
        byte[] packet = new byte[IpHeader + UdpHeader + payload.Length];
        packet[0] = 0x45;
        packet[8] = 64;
        packet[9] = UdpProtocol;
        _from.GetAddressBytes().CopyTo(packet, 12);
        _to.GetAddressBytes().CopyTo(packet, 16);
        Span<byte> udp = packet.AsSpan(IpHeader);
        BinaryPrimitives.WriteUInt16BigEndian(udp, (ushort)port);
        BinaryPrimitives.WriteUInt16BigEndian(udp[2..], TincPort);
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)(UdpHeader + payload.Length));
        payload.CopyTo(udp[UdpHeader..]); // no UDP checksum; that of the header is the kernel's
        _injector.SendTo(packet, new IPEndPoint(_to, 0));
    }

    public void Dispose()
    {
        _listener.Dispose();
        _injector.Dispose();
    }
}
