using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace TincPure.Interop.Tests;

/// <summary>
/// Single IP packets of an exact size from node to node, of a protocol that is nobody's (253, for experiments): from a bare IP
/// header upwards. Their contents are compared byte for byte.
/// </summary>
public sealed class PacketProbe : IDisposable
{
    private const int Inet = 2, Inet6 = 10, Raw = 3, ExperimentalProtocol = 253, Icmp = 1, IcmpV6 = 58;
    private const int IpLevel = 0, IpMtuDiscover = 10, Ipv6Level = 41, Ipv6MtuDiscover = 23;

    // What to do about path MTUs: as TCP does; forbid fragments whatever the kernel knows; never forbid them, and forget what it knows.
    private const int Want = 1, ForbidFragments = 3, AllowFragments = 5;

    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(1);

    private readonly bool _ipv6;
    private readonly IPEndPoint _target;
    private readonly Socket _sender;
    private readonly Socket _receiver;
    private readonly Socket _errors;
    private byte _round;

    public PacketProbe(Node from, Node to, bool ipv6)
    {
        _ipv6 = ipv6;
        _target = new IPEndPoint(IPAddress.Parse(to.Inside(ipv6)), 0);
        _sender = Open(from, ExperimentalProtocol);
        if (ipv6) _sender.Connect(_target); // else the kernel does not heed ICMP errors about its packets
        _receiver = Open(to, ExperimentalProtocol);
        _errors = Open(from, ipv6 ? IcmpV6 : Icmp);
    }

    public int HeaderSize => _ipv6 ? 40 : 20;

    /// <summary>
    /// Whether a packet of this size, IP header included, arrives as it was sent. IPv4 packets may be fragmented on their way;
    /// an IPv6 packet that is too large is sent again once the kernel has been told, as TCP would do.
    /// </summary>
    public bool Arrives(int size)
    {
        Discover(_ipv6 ? Want : AllowFragments);
        for (int attempt = 0; attempt < (_ipv6 ? 3 : 1); attempt++)
        {
            if (Send(size) is { Arrived: true }) return true;
        }

        return false;
    }

    /// <summary>
    /// Sends a packet that must not be fragmented: the MTU of the ICMP error that came back, or null if the packet got through.
    /// Tries again, since both daemons send no more than three such errors a second.
    /// </summary>
    public int? MtuToldFor(int size)
    {
        Discover(ForbidFragments);
        for (int attempt = 0; attempt < 3; attempt++)
        {
            if (Send(size) is var (arrived, told) && (arrived || told is not null)) return told;
        }

        throw new Xunit.Sdk.XunitException($"a packet of {size} bytes neither arrived nor was it refused");
    }

    public void Dispose()
    {
        _sender.Dispose();
        _receiver.Dispose();
        _errors.Dispose();
    }

    private Socket Open(Node node, int protocol) => node.Host.Namespace.Open(_ipv6 ? Inet6 : Inet, Raw, protocol);

    private void Discover(int how) =>
        _sender.SetRawSocketOption(_ipv6 ? Ipv6Level : IpLevel, _ipv6 ? Ipv6MtuDiscover : IpMtuDiscover, BitConverter.GetBytes(how));

    private (bool Arrived, int? Told) Send(int size)
    {
        byte[] payload = Payload(size - HeaderSize);
        _sender.SendTo(payload, _target);
        Stopwatch watch = Stopwatch.StartNew();
        while (AnswerLimit - watch.Elapsed is var left && left > TimeSpan.Zero)
        {
            List<Socket> ready = [_receiver, _errors];
            Socket.Select(ready, null, null, left);
            if (ready.Contains(_receiver) && Receive(_receiver).AsSpan().SequenceEqual(payload)) return (true, null);
            if (ready.Contains(_errors) && MtuIn(Receive(_errors)) is { } mtu) return (false, mtu);
        }

        return (false, null);
    }

    // Different in every round, so that a late packet is not taken for the one that is waited for.
    private byte[] Payload(int size)
    {
        _round++;
        byte[] payload = new byte[size];
        for (int i = 0; i < size; i++) payload[i] = (byte)((i * 7) ^ (i >> 8) ^ _round);
        return payload;
    }

    // What follows the IP header, which sockets of this kind deliver for IPv4 only.
    private byte[] Receive(Socket socket)
    {
        byte[] buffer = new byte[65536];
        int length = socket.Receive(buffer);
        return _ipv6 ? buffer[..length] : buffer[HeaderSize..length];
    }

    // Fragmentation needed (RFC 1191) or packet too big (RFC 4443), if it is one and about a packet of ours.
    private int? MtuIn(ReadOnlySpan<byte> message)
    {
        const int header = 8;
        if (message.Length < header + HeaderSize) return null;
        bool ofOurs = message[header + (_ipv6 ? 6 : 9)] == ExperimentalProtocol;
        return (_ipv6, message[0], message[1], ofOurs) switch
        {
            (false, 3, 4, true) => BinaryPrimitives.ReadUInt16BigEndian(message[6..]),
            (true, 2, _, true) => BinaryPrimitives.ReadInt32BigEndian(message[4..]),
            _ => null,
        };
    }
}
