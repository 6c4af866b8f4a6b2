using static TincPure.Interop.Tests.RawPacket;

namespace TincPure.Interop.Tests;

/// <summary>
/// Packets of several flows, mixed: in order and out of it, of odd lengths, with options, ECN, every flag, extension headers,
/// fragments, wrong checksums and wrong lengths, and super-packets among them. The same for the same seed.
/// </summary>
internal sealed class MixedTraffic(int seed)
{
    /// <summary>So that nothing is refused or fragmented on a usual path.</summary>
    private const int MaxPacket = 1400;

    private readonly Random _random = new(seed);
    private readonly Dictionary<ushort, uint> _sequences = [];
    private ushort _number;

    /// <summary>What is to be sent next, a handful that belongs together, each behind its header.</summary>
    public List<byte[]> Next()
    {
        bool v6 = _random.Next(2) == 0;
        return _random.Next(14) switch
        {
            0 or 1 or 2 => Bulk(v6),
            3 => OneByOne(v6),
            4 => Shuffled(v6),
            5 => [Super(Segment(v6, Size(3000, 60000), Ack | (_random.Next(2) * Push)), v6 ? 40 : 20, (ushort)Size(100, MaxPacket - 60))],
            6 => SuperOfAllFlags(v6),
            7 => [SuperDatagram(v6)],
            8 => Datagrams(v6),
            9 => Fragments(v6),
            10 => Extended(),
            11 => Spoiled(v6),
            12 => Misshapen(v6),
            _ => [Whole(Ip(v6, 253, Bytes(Size(0, 900)))), Whole(Ip(false, 1, Bytes(64))), Whole(Ip(false, TcpProtocol, Tcp(false, Port(false), 1, Ack, Bytes(99)), options: [1, 1, 1, 0]))],
        };
    }

    private int Size(int from, int to) => _random.Next(from, to + 1);

    private byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        _random.NextBytes(bytes);
        return bytes;
    }

    private ushort Port(bool v6) => (ushort)(v6 ? 6000 + _random.Next(3) : 4000 + _random.Next(3));

    private byte[] Segment(bool v6, int payload, int flags, byte[]? options = null, byte tos = 0, ushort fragment = DontFragment)
    {
        ushort port = Port(v6);
        uint sequence = _sequences.GetValueOrDefault(port, uint.MaxValue - 20000);
        _sequences[port] = sequence + (uint)payload;
        return Ip(v6, TcpProtocol, Tcp(v6, port, sequence, (byte)flags, Bytes(payload), options), tos, v6 ? (ushort)port : _number++, fragment);
    }

    // A stream as a host sends it, with the timestamps that most have.
    private List<byte[]> Bulk(bool v6)
    {
        byte[] options = _random.Next(3) switch { 0 => [], 1 => [1, 1, 8, 10, .. Bytes(8)], _ => [1, 1, 5, 10, .. Bytes(8)] };
        byte tos = (byte)(_random.Next(2) * _random.Next(256));
        int size = Size(1, MaxPacket - 80);
        ushort fragment = _random.Next(4) == 0 ? (ushort)0 : DontFragment;
        List<byte[]> sent = [];
        for (int i = Size(2, 40); i > 0; i--)
        {
            int flags = Ack | (_random.Next(15) == 0 ? Push : 0);
            sent.Add(Whole(Segment(v6, i == 1 ? Size(1, size) : size, flags, options, tos, fragment)));
        }

        return sent;
    }

    // Every flag and the smallest sizes.
    private List<byte[]> OneByOne(bool v6) =>
        [.. Enumerable.Range(0, 10).Select(_ => Whole(Segment(v6, _random.Next(4), _random.Next(256), tos: (byte)_random.Next(4))))];

    private List<byte[]> Shuffled(bool v6)
    {
        List<byte[]> sent = Bulk(v6);
        sent.AddRange(sent[..Math.Min(2, sent.Count)]);
        _random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(sent));
        return sent;
    }

    private List<byte[]> SuperOfAllFlags(bool v6)
    {
        byte[] packet = Segment(v6, Size(2000, 9000), Ack | Push | Fin | WindowReduced | EcnEcho, [1, 1, 8, 10, .. Bytes(8)], tos: 2);
        return [Super(packet, v6 ? 40 : 20, (ushort)Size(200, 1300)), Whole(Segment(v6, 0, Ack | Fin))];
    }

    private byte[] SuperDatagram(bool v6)
    {
        int size = Size(1, 1300);
        byte[] packet = Ip(v6, UdpProtocol, Udp(v6, Port(v6), Bytes(Size(size + 1, size * 40))), number: _number++);
        return Super(packet, v6 ? 40 : 20, (ushort)size);
    }

    private List<byte[]> Datagrams(bool v6)
    {
        int size = Size(0, 1200);
        ushort port = Port(v6);
        return [.. Enumerable.Range(0, 12).Select(i =>
        {
            byte[] datagram = Udp(v6, port, Bytes(i == 11 ? Size(0, size) : size));
            if (!v6 && _random.Next(10) == 0) datagram.AsSpan(6, 2).Clear(); // none
            return Whole(Ip(v6, UdpProtocol, datagram, number: _number++));
        })];
    }

    // In the middle of a flow, which must not overtake them.
    private List<byte[]> Fragments(bool v6)
    {
        byte[] datagram = Udp(v6, 4999, Bytes(1000));
        ushort number = _number++;
        return v6
            ? [.. new[] { (0, 504, true), (504, 1008, false) }.Select(part => Whole(Ip(
                true, 44, datagram[part.Item1..part.Item2],
                options: [UdpProtocol, 0, (byte)(part.Item1 >> 8), (byte)(part.Item1 | (part.Item3 ? 1 : 0)), 0, 0, (byte)(number >> 8), (byte)number])))]
            : [
                Whole(Ip(false, UdpProtocol, datagram[..504], number: number, fragment: MoreFragments)),
                Whole(Segment(false, 100, Ack)),
                Whole(Ip(false, UdpProtocol, datagram[504..], number: number, fragment: 504 / 8)),
            ];
    }

    private List<byte[]> Extended()
    {
        byte[] hopByHop = [TcpProtocol, 0, 1, 4, 0, 0, 0, 0], options = [TcpProtocol, 1, 1, 12, .. new byte[12]];
        return [
            .. Enumerable.Range(0, 4).Select(i => Whole(Ip(true, 0, Tcp(true, 6100, (uint)(i * 100), Ack, Bytes(100)), options: hopByHop))),
            .. Enumerable.Range(0, 4).Select(i => Whole(Ip(true, 60, Tcp(true, 6100, (uint)(i * 100), Ack, Bytes(100)), options: options))),
            Super(Ip(true, 60, Tcp(true, 6101, 5, Ack | Push, Bytes(4000)), options: options), 40 + options.Length, 1200),
        ];
    }

    // Whoever merges these makes them right.
    private List<byte[]> Spoiled(bool v6)
    {
        List<byte[]> sent = _random.Next(2) == 0 ? Bulk(v6) : Datagrams(v6);
        foreach (byte[] written in sent)
        {
            if (_random.Next(3) == 0) written[OffloadSize + (v6 ? 40 : 20) + _random.Next(8, 18)] ^= 0x10;
            if (!v6 && _random.Next(8) == 0) written[OffloadSize + 11] ^= 1;
        }

        return sent;
    }

    // Lengths that lie: longer and shorter than the packet, and headers that are said to end behind it.
    private List<byte[]> Misshapen(bool v6)
    {
        byte[] longer = Segment(v6, 200, Ack), padded = Segment(v6, 200, Ack), header = Segment(v6, 30, Ack), datagram = Ip(v6, UdpProtocol, Udp(v6, 4998, Bytes(50)));
        longer[v6 ? 5 : 3] += 9;
        padded[v6 ? 5 : 3] -= 9;
        header[(v6 ? 40 : 20) + 12] = 0xf0;
        datagram[(v6 ? 40 : 20) + 5] += 3;
        return [Whole(longer), Whole(padded), Whole(header), Whole(datagram), Whole(Segment(v6, 40, Ack)[..(v6 ? 45 : 25)])];
    }
}
