using System.Globalization;
using System.Net;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>
/// Super-packets and glued datagrams that cannot be, as no kernel makes them: a daemon drops and counts them, nothing of them comes out
/// anywhere, and what is real goes on beside them.
/// </summary>
[Collection(nameof(Alone))]
public class LyingKernelTests(ITestOutputHelper output)
{
    private const string BadOffload = "bad_offload", BadGluing = "bad_gluing";
    private const int PingSize = 777, PingPacket = 20 + 8 + PingSize, PingDatagram = PingPacket + 33, Payload = 5000, SegmentSize = 1000, TransportStart = 20;
    private const ushort Beyond = 60000;

    /// <summary>What goes in front of a packet on an Ethernet device; nobody has the address, so that everybody gets it.</summary>
    private static readonly byte[] Link = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x08, 0x00];

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static readonly Dictionary<string, Action<byte[]>> OffloadLies = new()
    {
        ["segments of no bytes"] = written => Word(written, 4, 0),
        ["segments of UDP"] = written => written[1] = 5,
        ["segments of IPv6"] = written => written[1] = 4,
        ["segments of no known kind"] = written => written[1] = 0x7f,
        ["a checksum that begins before the segment"] = written => Word(written, 6, 6),
        ["a checksum that begins within the segment"] = written => Word(written, 6, TransportStart + 2),
        ["a checksum that begins beyond the packet"] = written => Word(written, 6, Beyond),
        ["only a checksum, beyond the packet"] = written =>
        {
            written[1] = 0;
            Word(written, 6, Beyond);
        },
        ["a header that is longer than the packet says"] = written => written[RawPacket.OffloadSize] = 0x4f,
        ["a packet that is longer than there is"] = written => written[RawPacket.OffloadSize + 2] = 0xff,
        ["a packet that is shorter than there is"] = written => written[RawPacket.OffloadSize + 2] = 1,
        ["a fragment"] = written => written[RawPacket.OffloadSize + 6] = 0x20,
        ["a TCP header without length"] = written => written[RawPacket.OffloadSize + TransportStart + 12] = 0,
    };

    [LabTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Impossible_super_packets_are_dropped_and_counted(bool ethernet)
    {
        await using Mesh mesh = Pairing.OursCallsOurs.Build(ethernet ? "lietap" : "lietun");
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        foreach (Node node in mesh.Nodes) node.Set(ethernet ? ["ClampMSS = no", "Mode = switch"] : ["ClampMSS = no"]);
        LyingKernel kernel = await Start(mesh);
        using DeviceTap outOf = new(b, outgoing: false);
        await using PingStream pings = new(a, b.IPv4, 0.02);

        byte[] honest = Super();
        byte[][] expected = [.. RawPacket.Cut(honest)];
        await Tell(mesh, kernel, pings, "one that is right", null, 0, () => kernel.Packet(OnDevice(honest, ethernet)));
        await mesh.Until("what could be has come out", Patience, () => Arrived(outOf).Count() >= expected.Length);
        foreach ((string lie, Action<byte[]> make) in OffloadLies)
        {
            byte[] written = Super();
            make(written);
            await Tell(mesh, kernel, pings, lie, BadOffload, 1, () => kernel.Packet(OnDevice(written, ethernet)));
        }

        // Behind less than the header of packets there is nothing: to a TUN device that is no packet of a known type, which is not counted.
        await Tell(mesh, kernel, pings, "half a header", BadOffload, ethernet ? 1 : 0, () => kernel.Packet([1, 1, 0, 0, 0, 0]));
        Assert.Equal(expected.Select(RawPacket.Identity), Arrived(outOf).Select(RawPacket.Identity));
        await GoesOn(mesh, pings);
    }

    [LabFact]
    public async Task Datagrams_that_are_glued_impossibly_are_dropped_and_counted()
    {
        await using Mesh mesh = Pairing.OursCallsOurs.Build("lieglue");
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        LyingKernel kernel = await Start(mesh);
        byte[] real = await Task.Run(() => OneOf(b, a));
        using DeviceTap outOf = new(a, outgoing: false);
        await using PingStream pings = new(a, b.IPv4, 0.02);
        byte[] noise = new byte[3000], twice = [.. real, .. real];
        new Random(20261122).NextBytes(noise);
        Task lie(string name, string cause, int count, byte[] bytes, int? pieces, bool isCut = false) =>
            Tell(mesh, kernel, pings, name, cause, count, () => kernel.Datagrams(bytes, pieces, isCut));

        // What can be is cut, and looked at piece by piece.
        await lie("two that came before", "replayed_or_late", 2, twice, real.Length);
        await lie("three of noise", "strangers", 3, noise, 1000);
        await lie("pieces of one byte", "too_short", noise.Length, noise, 1);
        await lie("pieces of no bytes", BadGluing, 1, twice, 0);
        await lie("pieces of less", BadGluing, 1, twice, -1);
        await lie("pieces that are longer than all", BadGluing, 1, twice, twice.Length + 1);
        await lie("pieces that are longer than anything", BadGluing, 1, twice, int.MaxValue);
        await lie("nothing, in pieces", BadGluing, 1, [], 1);
        await lie("nothing", "empty", 1, [], null);
        await lie("two that are taken for one", "wrong_tag", 1, twice, null);
        await lie("three that are taken for one", "too_long", 1, [.. twice, .. real], null);
        await lie("one that the kernel cut off", "too_long", 1, real, null, isCut: true);

        Assert.DoesNotContain(outOf.Seen, written => written.Length == RawPacket.OffloadSize + PingPacket);
        await GoesOn(mesh, pings);
    }

    private static async Task<LyingKernel> Start(Mesh mesh)
    {
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        b.Start();
        LyingKernel kernel = LyingKernel.Start(a, new IPEndPoint(IPAddress.Parse(b.Host.IPv4), ForgedDatagram.TincPort));
        await mesh.EveryoneReachesEveryone(Patience);
        await mesh.Settle(a, b, Patience);
        foreach (Node node in mesh.Nodes) node.SetDebug(0);
        return kernel;
    }

    /// <summary>Of what the kernel tells, so many are counted under this cause, and nothing under any other; what is real goes on meanwhile.</summary>
    private async Task Tell(Mesh mesh, LyingKernel kernel, PingStream pings, string lie, string? cause, int count, Action tell)
    {
        Node a = mesh["a"];
        Dictionary<string, long> expected = ControlClient.Drops(a);
        if (cause is not null) expected[cause] += count;
        tell();
        await mesh.Until($"{lie}: it is told", Patience, () => kernel.HasTold);
        int answered = pings.Answered;
        await mesh.Until($"{lie}: pings are answered", Patience, () => pings.Answered >= answered + 3);
        Dictionary<string, long> counted = ControlClient.Drops(a);
        output.WriteLine($"{lie}: {string.Join(' ', counted.Where(pair => pair.Value != 0).Select(pair => $"{pair.Key} {pair.Value}"))}");
        Assert.True(expected.All(pair => counted[pair.Key] == pair.Value), $"{lie}: {string.Join(' ', counted)}, not {string.Join(' ', expected)}\n{mesh.Evidence()}");
    }

    private static async Task GoesOn(Mesh mesh, PingStream pings)
    {
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        PingReport report = await pings.Stop();
        Assert.True(report.Lost == 0, $"{report}\n{mesh.Evidence()}");
        Assert.True(a.View(b) is { MtuFixed: true, ValidKey: true } && a.Running && b.Running, mesh.Evidence());
    }

    /// <summary>A datagram that went from one daemon to the other.</summary>
    private static byte[] OneOf(Node from, Node to)
    {
        using DatagramTap tap = new(from.Host, to.Host);
        from.Host.Namespace.Run("ping", "-c", "1", "-s", PingSize.ToString(CultureInfo.InvariantCulture), to.IPv4).OrThrow();
        return tap.Take(PingDatagram);
    }

    /// <summary>TCP from behind a to behind b, to be cut.</summary>
    private static byte[] Super() =>
        RawPacket.Super(RawPacket.Ip(v6: false, RawPacket.TcpProtocol, RawPacket.Tcp(v6: false, 4000, 1, RawPacket.Ack, new byte[Payload])), TransportStart, SegmentSize);

    /// <summary>What is read from the device: on Ethernet, places count from the start of the frame.</summary>
    private static byte[] OnDevice(byte[] written, bool ethernet)
    {
        if (!ethernet) return written;
        byte[] offload = written[..RawPacket.OffloadSize];
        foreach (int place in (int[])[2, 6]) Word(offload, place, (ushort)(BitConverter.ToUInt16(offload, place) + Link.Length));
        return [.. offload, .. Link, .. written[RawPacket.OffloadSize..]];
    }

    private static void Word(byte[] written, int place, ushort value) => BitConverter.TryWriteBytes(written.AsSpan(place), value);

    private static IEnumerable<byte[]> Arrived(DeviceTap tap) =>
        tap.Seen.Where(written => RawPacket.IsOurs(written.AsSpan(RawPacket.OffloadSize))).SelectMany(RawPacket.Cut);
}
