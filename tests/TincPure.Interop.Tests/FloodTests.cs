using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>
/// Floods of garbage, from a third place and under addresses that are not its own, upon two daemons of ours that talk with each other: one
/// with a packet thread for each direction, and one with a thread for both (see <see cref="Node.Start"/>).
/// </summary>
[Collection(nameof(Alone))]
public class FloodTests(ITestOutputHelper output)
{
    /// <summary>Megabytes. What each kind of flood touches first is there when that begins to count; the JIT is still at work.</summary>
    private const double MaxGrowth = 8;

    private const int Often = 20_000, PingSize = 777, PingDatagram = 20 + 8 + PingSize + 33, NodeIds = 12, Overhead = 21;

    private static readonly TimeSpan Length = TimeSpan.FromSeconds(0.6), Patience = TimeSpan.FromSeconds(20);

    private static readonly Kind[] Kinds =
    [
        new("noise of strangers", "strangers", Often, (_, dice) => (Stranger(dice), Noise(dice, dice.Next(33, 500)))),
        new("noise from the peer's address", "strangers", Often, (target, dice) => (target.PeerAddress, Noise(dice, dice.Next(33, 500)))),
        new("wrong tags in the peer's name, of strangers", "strangers", Often, (target, dice) => (Stranger(dice), target.InPeersName(dice))),
        new("wrong tags in the peer's name, from its address", "wrong_tag", Often, (target, dice) => (target.PeerAddress, target.InPeersName(dice))),
        new("a real one, again and again", "replayed_or_late", Often, (target, _) => (target.PeerAddress, target.Real)),
        new("no bytes at all", "empty", Often, (target, _) => (target.PeerAddress, [])),
        new("20 bytes", "too_short", Often, (target, dice) => (target.PeerAddress, Noise(dice, 20))),
        new("2,000 bytes", "too_long", 5000, (_, dice) => (Stranger(dice), Noise(dice, 2000))),
        new("65,507 bytes", "too_long", 400, (target, dice) => (target.PeerAddress, Noise(dice, 65507))),
        new("wrong tags, as fast as it goes", "wrong_tag", null, (target, dice) => (target.PeerAddress, target.InPeersName(dice))),
    ];

    [LabFact]
    public async Task Floods_of_garbage_are_dropped_and_counted_and_the_tunnel_goes_on()
    {
        await using Mesh mesh = Pairing.OursCallsOurs.Build("flood");
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        Host third = mesh.Keep(new Host("third"));
        third.Attach(mesh.Wire, 3);
        foreach (Node node in mesh.Nodes) BelieveAnySource(node.Host);
        await mesh.Start();
        await mesh.Settle(a, b, Patience);
        foreach (Node node in mesh.Nodes) node.SetDebug(0);
        Target[] targets = await Task.WhenAll(mesh.BothWays().Select(pair => Aim(third, peer: pair.From, pair.To)));
        try
        {
            foreach (Kind kind in Kinds) await Pour(kind, targets, Length / 6);
            await Counted(targets);
            using EventStream eventsOfA = new(a), eventsOfB = new(b);
            await mesh.Until("both are listened to", Patience, () => eventsOfA.Listens && eventsOfB.Listens);
            Footprint[] before = [.. targets.Select(target => Footprint.Of(target.Node))];
            int[] keyAges = [.. targets.Select(target => KeyAge(Status(target.Node)))];
            Stopwatch watch = Stopwatch.StartNew();

            foreach (Kind kind in Kinds) await Try(mesh, kind, targets);

            foreach ((Target target, int keyAge, Footprint then) in targets.Zip(keyAges, before))
            {
                Footprint now = Footprint.Of(target.Node);
                JsonElement status = Status(target.Node);
                output.WriteLine($"{target.Node.Name}: {then} before, {now} after; dropped {status.GetProperty("dropped").GetRawText()}");
                Assert.True((now.Kilobytes - then.Kilobytes) / 1024.0 < MaxGrowth, $"{target.Node.Name}: {then}, then {now}");
                // The same keys all the time, and never anything but UDP.
                Assert.InRange(KeyAge(status), keyAge + (int)watch.Elapsed.TotalSeconds - 1, int.MaxValue);
                Assert.Equal("direct UDP", Peer(status).GetProperty("how").GetString());
                // All causes there are, as the daemon counts them.
                Assert.Equal(ControlClient.Drops(target.Node), status.GetProperty("dropped").EnumerateObject().ToDictionary(cause => cause.Name, cause => cause.Value.GetInt64()));
                Assert.Matches(@"(?m)^dropped: \d{1,3}(,\d{3})+ packets: .*\d wrong tag\b", target.Node.Tinc(Make.Ours, "status").OrThrow().Output);
            }

            Assert.Empty(eventsOfA.Kinds.Concat(eventsOfB.Kinds));
            foreach (Target target in targets) await GoodOnes(mesh, target);
        }
        finally
        {
            foreach (Target target in targets) target.Flood.Dispose();
        }
    }

    /// <summary>
    /// What a flood of this kind, upon both at once, does to pings between them. A ping comes once to the socket of either. Where a socket's buffer, or
    /// a queue of the kernel before it, is full, whatever comes is lost, good or bad: the part of the flood that the daemon has not counted is the part of
    /// all that was lost so. Full buffers come in bursts, hence no more pings than three times that part, and five; and none where all was counted.
    /// </summary>
    private async Task Try(Mesh mesh, Kind kind, Target[] targets)
    {
        await using PingStream pings = new(targets[0].Node, targets[1].Node.IPv4, 0.02);
        await mesh.Until("the ping runs", Patience, () => pings.Answered >= 3);
        Dictionary<string, long>[] before = [.. targets.Select(target => ControlClient.Drops(target.Node))];
        TimeSpan[] used = [.. targets.Select(target => ProcessorTime(target.Node))];
        long[] sent = await Pour(kind, targets, Length);
        Dictionary<string, long>[] after = await Counted(targets);
        TimeSpan[] usedAfter = [.. targets.Select(target => ProcessorTime(target.Node))];
        int answered = pings.Answered;
        await mesh.Until("the ping still runs", Patience, () => pings.Answered >= answered + 5);
        PingReport report = await pings.Stop();

        double arrived = 1;
        for (int i = 0; i < targets.Length; i++)
        {
            long counted = after[i][kind.Cause] - before[i][kind.Cause];
            double each = (usedAfter[i] - used[i]).TotalMicroseconds / Math.Max(1, counted);
            output.WriteLine($"{kind.Name}: {targets[i].Node.Name} counted {counted} of {sent[i]}, processor time {each:F1} µs each");
            Assert.InRange(counted, 1, sent[i]);
            arrived *= (double)counted / sent[i];
            Assert.All(after[i], count => Assert.True(count.Key == kind.Cause || count.Value == before[i][count.Key], $"{kind.Name} counted as {count.Key}"));
        }

        int bound = arrived == 1 ? 0 : 5 + (int)(3 * (1 - arrived) * report.Sent);
        output.WriteLine($"  {report}; {bound} may be");
        Assert.True(report.Lost <= bound, $"{kind.Name}: {report}, {bound} may be\n{mesh.Evidence()}");
        Assert.True(targets.All(target => target.Node.View(target.Peer) is { MtuFixed: true, ValidKey: true }), mesh.Evidence());
    }

    private static Task<long[]> Pour(Kind kind, Target[] targets, TimeSpan time) => Task.WhenAll(targets.Select(target =>
    {
        byte[][][] garbage = target.Garbage(kind);
        return Task.Run(() => target.Flood.Pour(garbage, kind.PerSecond, time));
    }));

    /// <summary>What good ones of about the same size cost, to compare with: nothing is asserted of them.</summary>
    private async Task GoodOnes(Mesh mesh, Target target)
    {
        const int datagram = 2, port = 9;
        using Socket sink = target.Node.Host.Namespace.Open(ForgedDatagram.Inet, datagram, 0), source = target.Peer.Host.Namespace.Open(ForgedDatagram.Inet, datagram, 0);
        sink.Bind(new IPEndPoint(IPAddress.Parse(target.Node.IPv4), port));
        source.Connect(new IPEndPoint(IPAddress.Parse(target.Node.IPv4), port));
        byte[] payload = new byte[200];
        TimeSpan before = ProcessorTime(target.Node);
        long sent = await Task.Run(() => Flood.Repeat(Often, Length, _ => source.Send(payload)));
        await mesh.Answers(target.Peer, target.Node, Patience);
        output.WriteLine($"good ones through the tunnel: {sent} to {target.Node.Name}, processor time {(ProcessorTime(target.Node) - before).TotalMicroseconds / sent:F1} µs each");
    }

    /// <summary>How often each daemon has dropped something, by cause, when no more is coming.</summary>
    private static async Task<Dictionary<string, long>[]> Counted(Target[] targets)
    {
        Dictionary<string, long>[] counts = [];
        long total = -1;
        await Waiting.True("the flood is over", Patience, () =>
        {
            long before = total;
            counts = [.. targets.Select(target => ControlClient.Drops(target.Node))];
            total = counts.Sum(count => count.Values.Sum());
            return total == before;
        });
        return counts;
    }

    private static JsonElement Status(Node node) => JsonDocument.Parse(node.Tinc(Make.Ours, "status", "--json").OrThrow().Output).RootElement;

    private static JsonElement Peer(JsonElement status) => status.GetProperty("peers").EnumerateArray().Single();

    private static int KeyAge(JsonElement status) => Peer(status).GetProperty("key_age_seconds").GetInt32();

    private static TimeSpan ProcessorTime(Node node)
    {
        using Process process = Process.GetProcessById(node.ProcessId);
        return process.TotalProcessorTime;
    }

    // As a host in the open does; some machines look whether an answer would go out where a packet came in.
    private static void BelieveAnySource(Host host) =>
        host.Namespace.Run("sh", "-c", "for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$file; done").OrThrow();

    private static async Task<Target> Aim(Host from, Node peer, Node node)
    {
        using DatagramTap tap = new(peer.Host, node.Host);
        await using PingStream pings = new(peer, node.IPv4, 0.1, PingSize);
        byte[] real = await Task.Run(() => tap.Take(PingDatagram));
        return new Target(node, peer, new Flood(from, node.Host), real);
    }

    private static IPEndPoint Stranger(Random dice) => new(new IPAddress((byte[])[198, 18, (byte)dice.Next(256), (byte)dice.Next(256)]), dice.Next(1024, 65536));

    private static byte[] Noise(Random dice, int length)
    {
        byte[] bytes = new byte[length];
        dice.NextBytes(bytes);
        return bytes;
    }

    /// <summary>A kind of garbage.</summary>
    /// <param name="Name">For people.</param>
    /// <param name="Cause">What it is counted as.</param>
    /// <param name="PerSecond">To each daemon; null for as many as can be.</param>
    /// <param name="Forge">One datagram, and where it seems to come from.</param>
    private sealed record Kind(string Name, string Cause, int? PerSecond, Func<Target, Random, (IPEndPoint From, byte[] Payload)> Forge);

    /// <summary>A daemon, the peer in whose name it is deceived, and a datagram that it has had of that.</summary>
    private sealed record Target(Node Node, Node Peer, Flood Flood, byte[] Real)
    {
        public IPEndPoint PeerAddress { get; } = new(IPAddress.Parse(Peer.Host.IPv4), ForgedDatagram.TincPort);

        /// <summary>What stands first in a datagram, and noise.</summary>
        public byte[] InPeersName(Random dice) => [.. Real[..NodeIds], .. Noise(dice, dice.Next(Overhead, 500))];

        public byte[][][] Garbage(Kind kind)
        {
            Random dice = new(20261122);
            IPAddress address = IPAddress.Parse(Node.Host.IPv4);
            return
            [
                .. Enumerable.Range(0, 200).Select(_ =>
                {
                    (IPEndPoint from, byte[] payload) = kind.Forge(this, dice);
                    return ForgedDatagram.Packets(from, address, payload);
                }),
            ];
        }
    }
}
