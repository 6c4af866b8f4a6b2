using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>
/// Packets come and go as super-packets, and nobody may notice: what goes into the device of one node is held, packet by packet,
/// against what comes out of that of the other.
/// </summary>
[Collection(nameof(Alone))]
public class OffloadTests(OffloadTests.Meshes meshes, ITestOutputHelper output) : IClassFixture<OffloadTests.Meshes>
{
    private const int Bursts = 400;

    /// <summary>What may be on its way: no queue on it is too short for that, even where somebody is slow.</summary>
    private const int MaxBytes = 50_000, MaxPackets = 200;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public static readonly TheoryData<Pairing, Wire> EachWire =
        Pairings.WithOurs.SelectMany(pairing => (IEnumerable<(Pairing, Wire)>)[(pairing, Wire.Packets), (pairing, Wire.Frames)])
            .Append((Pairing.OursCallsOurs, Wire.TaggedFrames)).Theory();

    public static readonly TheoryData<Pairing, Wire> EachHost =
        Pairings.WithOurs.Select(pairing => (pairing, Wire.Packets)).Append((Pairing.OursCallsOurs, Wire.Frames)).Theory();

    /// <summary>What goes through the devices.</summary>
    public enum Wire
    {
        /// <summary>IP packets, through TUN.</summary>
        Packets,

        /// <summary>Ethernet frames, through TAP in switch mode.</summary>
        Frames,

        /// <summary>The same with a VLAN tag.</summary>
        TaggedFrames,
    }

    [LabTheory, MemberData(nameof(EachWire))]
    public async Task Every_packet_comes_out_as_it_went_in_and_flows_stay_in_order(Pairing pairing, Wire wire)
    {
        Mesh mesh = await meshes[(pairing, wire != Wire.Packets)];
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        // A packet socket does not see what it sends itself.
        using DeviceTap into = new(a, outgoing: true, towards: b, tagged: wire == Wire.TaggedFrames), witness = new(a, outgoing: true), outOf = new(b, outgoing: false);
        MixedTraffic traffic = new(20261122);
        List<byte[]> sent = [], pending = [];
        int supers = 0;
        for (int burst = 0; burst < Bursts; burst++)
        {
            foreach (byte[] written in traffic.Next())
            {
                if (!into.Send(written)) continue; // the kernel knows better than to take it
                if (RawPacket.IsSuper(written)) supers++;
                pending.AddRange(RawPacket.Cut(written));
            }

            if (pending.Count < MaxPackets && pending.Sum(packet => packet.Length) < MaxBytes && burst < Bursts - 1) continue;
            sent.AddRange(pending);
            pending.Clear();
            int expected = sent.Count;
            await Waiting.True($"{expected} packets have come out", Limit, () => Arrived(outOf).Count() >= expected, () => Difference(sent, [.. Arrived(outOf)]) + mesh.Evidence());
        }

        List<byte[]> received = [.. Arrived(outOf)];
        int merged = outOf.Seen.Count(written => RawPacket.IsOurs(written.AsSpan(RawPacket.OffloadSize)) && RawPacket.IsSuper(written));
        int taken = witness.Seen.Count(written => RawPacket.IsSuper(written));
        output.WriteLine($"{sent.Count} packets, of them {supers} super-packets; {taken} super-packets went in, {merged} came out");
        Same(sent, received);
        Same(sent, [.. Packets(witness.Seen)]);
        Assert.InRange(supers, 30, int.MaxValue);
        if (Programs.DryRun) return;
        if (pairing.Caller() == Make.Ours) Assert.InRange(taken, 30, int.MaxValue);
        // Behind a VLAN tag nothing is merged.
        if (pairing.Called() == Make.Ours && wire != Wire.TaggedFrames) Assert.InRange(merged, 30, int.MaxValue);
    }

    /// <summary>Real sockets of both hosts: what TCP itself makes of the device's offers.</summary>
    [LabTheory, MemberData(nameof(EachHost))]
    public async Task What_TCP_sends_comes_out_segment_by_segment(Pairing pairing, Wire wire)
    {
        Mesh mesh = await meshes[(pairing, wire != Wire.Packets)];
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        using DeviceTap into = new(a, outgoing: true), outOf = new(b, outgoing: false);
        foreach (Node node in mesh.Nodes) node.Host.Namespace.Ip("link set vpn mtu 1400"); // or TCP must first learn
        // A window that no queue on the way is too short for.
        b.Host.Namespace.Run("iperf3", "-s", "-D", "-1", "-B", b.IPv4).OrThrow();
        await Waiting.True("iperf3 listens", TimeSpan.FromSeconds(5), () => b.Host.Namespace.Run("ss", "-Htln").Output.Contains($"{b.IPv4}:5201"));
        a.Host.Namespace.Run("iperf3", "-c", b.IPv4, "-n", "20M", "-w", "64K").OrThrow();

        static bool isTcp(byte[] packet) => packet[0] == 0x45 && packet[9] == RawPacket.TcpProtocol;
        static List<byte[]> Segments(DeviceTap tap) => [.. Packets(tap.Seen, ours: false).Where(isTcp)];
        List<byte[]> sent = [], received = [];
        await Waiting.True(
            "the last packets have come out", Limit,
            () => (sent = Segments(into)).Count == (received = Segments(outOf)).Count,
            () => Difference(sent, received));
        int supers = into.Seen.Count(written => RawPacket.IsSuper(written));
        output.WriteLine($"{sent.Count} segments in {into.Seen.Length} pieces, of them {supers} super-packets; {outOf.Seen.Length} pieces came out");
        Same(sent, received);
        Assert.InRange(sent.Count, 20_000_000 / 1460, int.MaxValue);
        if (pairing.Caller() == Make.Ours && !Programs.DryRun) Assert.InRange(supers, 10, int.MaxValue);
    }

    private static IEnumerable<byte[]> Packets(byte[][] seen, bool ours = true) =>
        seen.Where(written => !ours || RawPacket.IsOurs(written.AsSpan(RawPacket.OffloadSize))).SelectMany(RawPacket.Cut);

    private static IEnumerable<byte[]> Arrived(DeviceTap tap) => Packets(tap.Seen);

    private static IEnumerable<string> Sequence(IEnumerable<byte[]> packets) => packets.Select(RawPacket.Identity);

    private static void Same(List<byte[]> sent, List<byte[]> received)
    {
        string difference = Difference(sent, received);
        Assert.True(difference.Length == 0, difference);
    }

    /// <summary>Empty if every flow of one is that of the other; else the first packet that is not.</summary>
    private static string Difference(List<byte[]> sent, List<byte[]> received)
    {
        ILookup<string, byte[]> came = received.ToLookup(RawPacket.FlowOf);
        foreach (IGrouping<string, byte[]> flow in sent.GroupBy(RawPacket.FlowOf))
        {
            string[] expected = [.. Sequence(flow)], actual = [.. Sequence(came[flow.Key])];
            int same = expected.Zip(actual).TakeWhile(pair => pair.First == pair.Second).Count();
            if (same == expected.Length && same == actual.Length) continue;
            return $"{flow.Key}: {expected.Length} packets went in and {actual.Length} came out; number {same}:\n"
                + $"{Start(expected, same)}{Start(actual, same)}";
        }

        return sent.Count == received.Count ? "" : $"{sent.Count} packets went in and {received.Count} came out\n";
    }

    // The headers of the first packet that differs, and of some around it.
    private static string Start(string[] packets, int from) =>
        string.Concat(packets.Skip(Math.Max(0, from - 3)).Take(6).Select(packet => packet[..Math.Min(packet.Length, 120)] + "\n")) + "\n";

    /// <summary>Who calls whom, and whether the devices are Ethernet.</summary>
    public sealed class Meshes : MeshShelf<(Pairing Pairing, bool Ethernet)>
    {
        protected override IEnumerable<(Pairing Pairing, bool Ethernet)> Keys =>
            from pairing in Pairings.WithOurs from ethernet in (bool[])[false, true] select (pairing, ethernet);

        protected override Task<Mesh> Run((Pairing Pairing, bool Ethernet) key) => key.Pairing.Build(key.Ethernet ? "offtap" : "offload").Ready(async mesh =>
        {
            // Whose host files these are wants nothing clamped.
            foreach (Node node in mesh.Nodes) node.Set(key.Ethernet ? ["ClampMSS = no", "Mode = switch"] : ["ClampMSS = no"]);
            await mesh.Start();
            await mesh.Settle(mesh["a"], mesh["b"], TimeSpan.FromSeconds(30));
            foreach (Node node in mesh.Nodes) node.SetDebug(0);
        });
    }
}
