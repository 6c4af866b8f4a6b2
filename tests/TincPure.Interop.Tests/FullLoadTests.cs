using System.Globalization;
using System.Text.RegularExpressions;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>As much as the machine carries, for a long time: two nodes of ours, TCP one way and then the other, pings beside it.</summary>
[Collection(nameof(Alone))]
public partial class FullLoadTests(ITestOutputHelper output)
{
    /// <summary>Megabytes: what the first twelfth of the rounds settles at may grow by that much, and no daemon may ever take more than the last.</summary>
    private const double MaxGrowth = 6, MaxMemory = 80;

    private static readonly TimeSpan Round = TimeSpan.FromSeconds(5), LongestPause = TimeSpan.FromMilliseconds(5);

    [LabFact]
    public Task Under_full_load_memory_does_not_grow_and_collections_are_short() => Load(rounds: 4);

    /// <summary>The same for an hour.</summary>
    [SoakFact, Trait("Category", "Soak")]
    public Task Under_an_hour_of_full_load_memory_does_not_grow_and_collections_are_short() => Load(rounds: 3600 / 5);

    private async Task Load(int rounds)
    {
        await using Mesh mesh = Pairing.OursCallsOurs.Build($"full{rounds}");
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        await mesh.Start();
        await mesh.Settle(a, b, TimeSpan.FromSeconds(20));
        foreach (Node node in mesh.Nodes) node.SetDebug(2);

        Dictionary<Node, double> settled = [];
        // In the first rounds the JIT is still at work, and the collector finds out what it needs.
        Dictionary<Node, string> trail = mesh.Nodes.ToDictionary(node => node, _ => "");
        int settling = Math.Max(1, rounds / 12);
        double megabits = 0;
        await using (PingStream pings = new(a, b.IPv4, 0.01))
        {
            for (int round = 0; round < rounds; round++)
            {
                (Node from, Node to) = round % 2 == 0 ? (a, b) : (b, a);
                megabits += (await Throughput.Measure(from, to, Round)).MegabitsPerSecond / rounds;
                foreach (Node node in mesh.Nodes)
                {
                    double memory = Megabytes(node, "VmRSS");
                    if (round == settling) settled[node] = memory;
                    if (round > settling) Assert.True(memory < settled[node] + MaxGrowth, $"{node.Name} had {settled[node]:F1} MB and has {memory:F1} MB in round {round}");
                    if (round >= settling && round % settling == 0) trail[node] += $" {memory:F1}";
                }
            }

            PingReport report = await pings.Stop();
            output.WriteLine($"{rounds} rounds, {megabits:F0} Mbit/s; pings: {report}");
            Assert.True(report.Lost < report.Sent / 10, report.ToString());
        }

        foreach (Node node in mesh.Nodes)
        {
            double peak = Megabytes(node, "VmHWM");
            int mark = node.Log.Mark();
            node.Stop();
            Match match = Collected().Match(string.Join('\n', node.Log.Matching("^Garbage was collected", mark)));
            Assert.True(match.Success, node.Log.Tail(10));
            TimeSpan longest = TimeSpan.FromMilliseconds(double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
            output.WriteLine($"{node.Name}: memory{trail[node]} MB, {peak:F1} MB at most; {match.Value}");
            Assert.True(peak < MaxMemory, $"{node.Name}: {peak:F1} MB");
            Assert.True(longest <= LongestPause, match.Value);
        }
    }

    private static double Megabytes(Node node, string field) =>
        double.Parse(
            File.ReadLines($"/proc/{node.ProcessId}/status").First(line => line.StartsWith(field, StringComparison.Ordinal)).Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1],
            CultureInfo.InvariantCulture) / 1024;

    [GeneratedRegex(@"collected \d+ times, in [\d.]+ ms in all, ([\d.]+) ms at most")]
    private static partial Regex Collected();
}
