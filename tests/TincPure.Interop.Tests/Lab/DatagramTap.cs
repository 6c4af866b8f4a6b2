using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace TincPure.Interop.Tests;

/// <summary>Takes datagrams of a tunnel off the wire, and puts forged ones onto it.</summary>
public sealed class DatagramTap : IDisposable
{
    private const int Packet = 17, Cooked = 2, IpHeader = ForgedDatagram.IpHeader, UdpHeader = ForgedDatagram.UdpHeader;

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
        _injector = from.Namespace.Open(ForgedDatagram.Inet, ForgedDatagram.Raw, ForgedDatagram.RawProtocol);
    }

    /// <summary>The payload of the next datagram to the daemon that is this long.</summary>
    public byte[] Take(int length)
    {
        byte[] buffer = new byte[65536];
        while (true)
        {
            int count = _listener.Receive(buffer);
            ReadOnlySpan<byte> packet = buffer.AsSpan(0, count);
            if (count != IpHeader + UdpHeader + length || packet[9] != ForgedDatagram.UdpProtocol) continue;
            if (!packet.Slice(12, 4).SequenceEqual(_from.GetAddressBytes())) continue;
            if (BinaryPrimitives.ReadUInt16BigEndian(packet[(IpHeader + 2)..]) == ForgedDatagram.TincPort) return packet[(IpHeader + UdpHeader)..].ToArray();
        }
    }

    /// <summary>Sends a payload from the sender's address and a port.</summary>
    public void Inject(byte[] payload, int port = ForgedDatagram.TincPort)
    {
        foreach (byte[] packet in ForgedDatagram.Packets(new IPEndPoint(_from, port), _to, payload)) _injector.SendTo(packet, new IPEndPoint(_to, 0));
    }

    public void Dispose()
    {
        _listener.Dispose();
        _injector.Dispose();
    }
}
