using System.Diagnostics;
using System.Globalization;
using System.Text;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>
/// A hundred real daemons that are started again all at once. <c>./build.sh soak Hundred</c>; TINCPURE_INTEROP_NODES for another number of them.
/// </summary>
[Collection(nameof(Alone))]
public class HundredTests(ITestOutputHelper output)
{
    private const int Hubs = 4;

    private static readonly int Count =
        int.TryParse(Environment.GetEnvironmentVariable("TINCPURE_INTEROP_NODES"), CultureInfo.InvariantCulture, out int count) ? count : 100;

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

        StartAll(mesh, "-d1");
        output.WriteLine($"{(halfStock ? "half stock" : "all ours")}: all reach all {await Complete(mesh):F0} s after the first start");
        foreach (Node node in mesh.Nodes) node.Kill();
        // Every request that comes is a line from level 4 on; nothing else counts them.
        RequestCounter[] counters = [.. mesh.Nodes.Select(node => new RequestCounter(node))];
        StartAll(mesh, "-d4");
        output.WriteLine($"all reach all {await Complete(mesh):F0} s after the second start");
        await Task.Delay(TimeSpan.FromSeconds(30));
        int[] settled = Report(mesh, counters, "30 s later");
        await Task.Delay(TimeSpan.FromSeconds(120));
        int[] quiet = Report(mesh, counters, "150 s later");
        // Keep-alives and new paths only: a tenth of what the start took would be a storm.
        Assert.InRange(quiet.Sum() - settled.Sum(), 0, Math.Max(settled.Sum() / 10, Count * 100));
        foreach (Node node in mesh.Nodes) Assert.DoesNotContain("xception", File.ReadAllText(node.ConsolePath));
    }

    private static void StartAll(Mesh mesh, string level)
    {
        foreach (Node node in mesh.Nodes) node.Start(level);
    }

    // Those who have just begun have other things to do than to answer: one look at a time, and none at who has been seen complete.
    private static async Task<double> Complete(Mesh mesh)
    {
        Stopwatch watch = Stopwatch.StartNew();
        Queue<Node> waiting = new(mesh.Nodes);
        while (waiting.TryDequeue(out Node? node))
        {
            if (node.Dump(ControlClient.DumpNodes).Count(line => NodeState.Parse(line).Reachable) == Count) continue;
            if (watch.Elapsed > Limit) Assert.Fail($"{node.Name} ({node.Make}) and {waiting.Count} others do not reach all\n{node.Log.Tail(40)}");
            waiting.Enqueue(node);
            await Task.Delay(200);
        }

        return watch.Elapsed.TotalSeconds;
    }

    private int[] Report(Mesh mesh, RequestCounter[] counters, string when)
    {
        int[] messages = [.. counters.Select(counter => counter.Count())];
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

    /// <summary>Counts the requests that a node's log tells of, and reads on from where it was the time before.</summary>
    private sealed class RequestCounter(Node node)
    {
        private static readonly byte[] Got = Encoding.ASCII.GetBytes("]: Got "), Control = Encoding.ASCII.GetBytes("<control>");

        private long _position = new FileInfo(node.Log.Path).Length;
        private int _count;

        /// <summary>So many since this was made.</summary>
        public int Count()
        {
            using FileStream log = new(node.Log.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            log.Position = _position;
            byte[] fresh = new byte[log.Length - _position];
            log.ReadExactly(fresh);
            ReadOnlySpan<byte> rest = fresh.AsSpan(0, fresh.AsSpan().LastIndexOf((byte)'\n') + 1);
            _position += rest.Length;
            while (rest.Length > 0)
            {
                ReadOnlySpan<byte> line = rest[..rest.IndexOf((byte)'\n')];
                rest = rest[(line.Length + 1)..];
                if (line.IndexOf(Got) >= 0 && line.IndexOf(Control) < 0) _count++;
            }

            return _count;
        }
    }
}
