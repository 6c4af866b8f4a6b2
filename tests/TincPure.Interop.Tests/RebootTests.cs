using System.Diagnostics;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>How soon traffic is back when a machine was switched off and on, and what becomes of the first packet to a node.</summary>
[Collection(nameof(Alone))]
public class RebootTests(RebootTests.Story story, ITestOutputHelper output) : IClassFixture<RebootTests.Story>
{
    private const int Times = 5;

    private static readonly TimeSpan Off = TimeSpan.FromSeconds(8);

    public static readonly TheoryData<Pairing, bool> Reboots = Story.All.Theory();

    [SoakTheory, MemberData(nameof(Reboots)), Trait("Category", "Soak")]
    public async Task Traffic_is_back_soon_after_a_reboot(Pairing pairing, bool called)
    {
        double[] times = await story[(pairing, called)];
        output.WriteLine($"{pairing}, the {(called ? "called" : "calling")} node reboots: median {Median(times):F1} s ({Shown(times, "F1")})");
        if (!called && pairing != Pairing.StockCallsStock) Assert.InRange(Median(times), 0, 8);
    }

    public static readonly TheoryData<Make> Makes = [.. Programs.Makes11];

    [SoakTheory, MemberData(nameof(Makes)), Trait("Category", "Soak")]
    public async Task The_first_packet_to_a_node_that_was_not_spoken_to_before(Make make)
    {
        await using Mesh mesh = new("first");
        Node a = mesh.Add("a", make), relay = mesh.Add("relay", make);
        Mesh.Connect(a, relay);
        List<Node> others = [];
        for (int i = 0; i < Times; i++)
        {
            others.Add(mesh.Add($"c{i}", make));
            Mesh.Connect(others[^1], relay);
        }

        await mesh.Start();
        await mesh.Settle(a, relay, TimeSpan.FromSeconds(30));
        await Task.Delay(TimeSpan.FromSeconds(20)); // neighbours have made their sessions
        List<double> times = [];
        int lost = 0;
        foreach (Node other in others)
        {
            Stopwatch watch = Stopwatch.StartNew();
            await using PingStream pings = new(a, other.IPv4, 0.02);
            await mesh.Until("an answer comes", TimeSpan.FromSeconds(30), () => pings.Answered > 0);
            times.Add(watch.Elapsed.TotalMilliseconds);
            await Task.Delay(300);
            PingReport report = await pings.Stop();
            if (report.LostNumbers.Contains(1)) lost++;
        }

        output.WriteLine(
            $"{make}: the first answer after {Median([.. times]):F0} ms (median, the start of ping and 50 ms of looking included; {Shown(times, "F0")}); the first packet was lost {lost} times of {Times}");
        if (make == Make.Ours && !Programs.DryRun) Assert.Equal(0, lost);
    }

    private static double Median(double[] times) => times.Order().ElementAt(times.Length / 2);

    private static string Shown(IEnumerable<double> times, string format) => string.Join(' ', times.Select(time => time.ToString(format)));

    public sealed class Story : Trials<(Pairing, bool), double[]>
    {
        public static IEnumerable<(Pairing, bool)> All =>
            from called in (bool[])[false, true] from pairing in Enum.GetValues<Pairing>() select (pairing, called);

        protected override IEnumerable<(Pairing, bool)> Keys =>
            Environment.GetEnvironmentVariable("TINCPURE_INTEROP_SOAK") == "1" ? All : [];

        protected override async Task<double[]> Run((Pairing, bool) key)
        {
            (Pairing pairing, bool called) = key;
            await using Mesh mesh = pairing.Build($"reboot-{called}");
            (Node a, Node b) = (mesh["a"], mesh["b"]);
            foreach (Node node in mesh.Nodes) node.Replace("PingTimeout = 15", "PingTimeout = 5");
            await mesh.Start();
            (Node gone, Node left) = called ? (b, a) : (a, b);
            List<double> times = [];
            while (times.Count < Times)
            {
                await mesh.Settle(left, gone, TimeSpan.FromSeconds(60));
                await using PingStream pings = new(left, gone.IPv4, 0.1);
                // Switched off: not even the kernel says goodbye.
                gone.Host.Cut();
                left.Host.Cut();
                gone.Kill();
                await Task.Delay(Off);
                gone.Host.Open();
                left.Host.Open();
                int answered = pings.Answered, mark = gone.Log.Mark();
                gone.Start();
                await mesh.Until("the daemon is ready", TimeSpan.FromSeconds(30), () => gone.Log.Matching("^Ready$", mark).Length > 0);
                Stopwatch watch = Stopwatch.StartNew();
                await mesh.Until("traffic is back", TimeSpan.FromSeconds(120), () => pings.Answered > answered);
                times.Add(watch.Elapsed.TotalSeconds);
            }

            return [.. times];
        }
    }
}
