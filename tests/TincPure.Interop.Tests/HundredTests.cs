using System.Diagnostics;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>A hundred real daemons that are started again all at once. <c>./build.sh soak Hundred</c></summary>
[Collection(nameof(Alone))]
public class HundredTests(ITestOutputHelper output)
{
    private const int Count = 100, Hubs = 4;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    public static readonly TheoryData<bool> HalfStock = [false, true];

    [SoakTheory, MemberData(nameof(HalfStock)), Trait("Category", "Soak")]
    public async Task A_hundred_daemons_that_restart_together_find_together_and_fall_quiet(bool halfStock)
    {
        await using Mesh mesh = new($"hundred-{halfStock}");
        for (int i = 1; i <= Count; i++)
        {
            Node node = mesh.Add($"n{i}", halfStock && i % 2 == 0 ? Make.Stock : Make.Ours);
            // On two processors a hundred programs start slowly.
            node.Replace("PingTimeout = 15", "PingTimeout = 60");
            node.Set("AutoConnect = no", "MaxConnectionBurst = 200");
        }

        foreach (Node node in mesh.Nodes)
        {
            Node[] hubs = [.. Enumerable.Range(0, 2).Select(i => mesh.Nodes[(node.Number + i) % Hubs]).Where(hub => hub.Number < node.Number)];
            foreach (Node hub in hubs) Mesh.Connect(node, hub);
        }

        StartAll(mesh);
        output.WriteLine($"{(halfStock ? "half stock" : "all ours")}: all reach all {await Complete(mesh):F0} s after the first start");
        foreach (Node node in mesh.Nodes) node.Kill();
        int[] marks = [.. mesh.Nodes.Select(node => node.Log.Mark())];
        StartAll(mesh);
        output.WriteLine($"all reach all {await Complete(mesh):F0} s after the second start");
        await Task.Delay(TimeSpan.FromSeconds(30));
        int[] settled = Report(mesh, marks, "30 s later");
        await Task.Delay(TimeSpan.FromSeconds(120));
        int[] quiet = Report(mesh, marks, "150 s later");
        // Keep-alives and new paths only: a tenth of what the start took would be a storm.
        Assert.InRange(quiet.Sum() - settled.Sum(), 0, Math.Max(settled.Sum() / 10, Count * 100));
        foreach (Node node in mesh.Nodes) Assert.DoesNotContain("xception", File.ReadAllText(node.ConsolePath));
    }

    private static void StartAll(Mesh mesh)
    {
        foreach (Node node in mesh.Nodes) node.Start("-d4");
    }

    private static async Task<double> Complete(Mesh mesh)
    {
        Stopwatch watch = Stopwatch.StartNew();
        foreach (Node node in mesh.Nodes)
        {
            while (node.Nodes().Values.Count(state => state.Reachable) < Count)
            {
                if (watch.Elapsed > Limit) Assert.Fail($"{node.Name} ({node.Make}) does not reach all\n{node.Log.Tail(40)}");
                await Task.Delay(500);
            }
        }

        return watch.Elapsed.TotalSeconds;
    }

    // Messages that each has got since the marks.
    private int[] Report(Mesh mesh, int[] marks, string when)
    {
        int[] messages = [.. mesh.Nodes.Zip(marks, (node, mark) => node.Log.Matching("^Got [A-Z_]+ from ", mark).Count(line => !line.Contains("<control>")))];
        foreach (IGrouping<Make, (Node Node, int Messages)> make in mesh.Nodes.Zip(messages).GroupBy(pair => pair.First.Make))
        {
            Footprint[] footprints = [.. make.Select(pair => Footprint.Of(pair.Node))];
            output.WriteLine(
                $"{when}, {make.Count()} {make.Key}: {make.Sum(pair => pair.Messages)} messages received, {make.Average(pair => pair.Messages):F0} each, at most {make.Max(pair => pair.Messages)}; "
                + $"memory {footprints.Average(one => one.Kilobytes) / 1024:F0} MB each (own pages {footprints.Average(one => one.Private) / 1024:F0} MB), at most {footprints.Max(one => one.Kilobytes) / 1024} MB; "
                + $"{footprints.Average(one => one.Descriptors):F0} descriptors, at most {footprints.Max(one => one.Descriptors)}");
        }

        return messages;
    }
}
