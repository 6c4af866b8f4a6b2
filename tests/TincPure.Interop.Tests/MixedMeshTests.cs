using System.Globalization;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>
/// Ten daemons, half of them stock tinc: six on a common network, one of them on a bad line, and two behind each of two address translators. Lines are
/// cut, daemons are killed, a subnet changes hands, keys expire; then everybody talks to everybody, and all believe the same.
/// </summary>
public class MixedMeshTests(ITestOutputHelper output)
{
    private const int Count = 10;
    private const int BadLine = 4; // percent
    private const string Moving = "10.77.200.0/24";

    private static readonly TimeSpan Convergence = TimeSpan.FromSeconds(90);

    [LabFact]
    public Task After_cuts_kills_a_moved_subnet_and_expired_keys_all_ten_agree_and_talk() => Play(rounds: 1, TimeSpan.Zero);

    /// <summary>The same for as long as TINCPURE_INTEROP_MINUTES says (20 if it is not set), with the daemons' memory over time.</summary>
    [SoakFact, Trait("Category", "Soak")]
    public Task For_a_long_time_nothing_leaks()
    {
        string minutes = Environment.GetEnvironmentVariable("TINCPURE_INTEROP_MINUTES") is { Length: > 0 } text ? text : "20";
        return Play(int.MaxValue, TimeSpan.FromMinutes(double.Parse(minutes, CultureInfo.InvariantCulture)));
    }

    private async Task Play(int rounds, TimeSpan time)
    {
        await using Mesh mesh = Build();
        await mesh.Start();
        await EverybodyTalks(mesh);
        foreach (Node node in mesh.Nodes) node.SetDebug(time > TimeSpan.Zero ? 1 : 4);
        Dictionary<Node, List<Footprint>> footprints = mesh.Nodes.ToDictionary(node => node, node => new List<Footprint> { Footprint.Of(node) });
        DateTime end = DateTime.UtcNow + time;
        for (int round = 0; round < rounds && (round == 0 || DateTime.UtcNow < end); round++)
        {
            await Trouble(mesh, round, footprints);
            await EverybodyTalks(mesh);
            await AllBelieveTheSame(mesh, owner: round % 2 == 0 ? "n5" : "n4");
            foreach (Node node in mesh.Nodes) footprints[node].Add(Footprint.Of(node));
            output.WriteLine($"round {round + 1}: {string.Join(", ", mesh.Nodes.Select(node => $"{node.Name} {footprints[node][^1]}"))}");
        }

        foreach (Node node in mesh.Nodes)
        {
            Assert.DoesNotContain("xception", File.ReadAllText(node.ConsolePath));
            Footprint first = footprints[node][0], last = footprints[node][^1];
            Assert.True(last.Descriptors <= first.Descriptors + 6, $"{node.Name} ({node.Make}) had {first}, now {last}");
            // The runtime takes some memory while it learns what is hot; after that there is no growth.
            List<int> later = [.. footprints[node].Skip(footprints[node].Count / 2).Select(footprint => footprint.Kilobytes)];
            Assert.True(later[^1] <= later[0] * 5 / 4 + 20_000, $"{node.Name} ({node.Make}) grew: {string.Join(' ', footprints[node])}");
        }
    }

    // n1, n2 and n3 are called by everybody, so that there are always two ways.
    private static Mesh Build()
    {
        Mesh mesh = new("mixed");
        NatRouter cone = mesh.Keep(new NatRouter(mesh.Wire, 111, 3, Nat.PortRestricted)), symmetric = mesh.Keep(new NatRouter(mesh.Wire, 112, 4, Nat.Symmetric));
        for (int i = 1; i <= Count; i++)
        {
            string name = $"n{i}";
            Make make = i % 2 == 1 ? Make.Ours : Make.Stock;
            Node node = i switch
            {
                7 or 8 => mesh.Add(name, make, cone.Add(name)),
                9 or 10 => mesh.Add(name, make, symmetric.Add(name)),
                _ => mesh.Add(name, make),
            };
            node.Replace("PingTimeout = 15", "PingTimeout = 5");
            node.Set("PingInterval = 6", "KeyExpire = 15", "AutoConnect = no", "MaxTimeout = 10", "MaxConnectionBurst = 100");
        }

        foreach (Node node in mesh.Nodes)
        {
            foreach (Node hub in mesh.Nodes.Take(3).Where(hub => hub.Number < node.Number)) Mesh.Connect(node, hub);
        }

        mesh["n6"].Host.Lose(BadLine);
        mesh["n4"].HostFile("Subnet = " + Moving);
        return mesh;
    }

    private static async Task Trouble(Mesh mesh, int round, Dictionary<Node, List<Footprint>> footprints)
    {
        Node cut = mesh[round % 2 == 0 ? "n6" : "n1"], watcher = mesh[round % 2 == 0 ? "n1" : "n2"];
        Node[] killed = round % 2 == 0 ? [mesh["n3"], mesh["n8"]] : [mesh["n2"], mesh["n9"]];
        cut.Host.Cut();
        foreach (Node node in killed)
        {
            node.Kill();
            footprints[node].Clear();
        }

        (Node from, Node to) = round % 2 == 0 ? (mesh["n4"], mesh["n5"]) : (mesh["n5"], mesh["n4"]);
        from.Tinc(Make.Stock, "del", "Subnet", Moving).OrThrow();
        to.Tinc(Make.Stock, "add", "Subnet", Moving).OrThrow();
        foreach (Node node in (Node[])[to, from]) node.Tinc(Make.Stock, "reload").OrThrow();
        await mesh.Until(
            "those who are gone are missed",
            TimeSpan.FromSeconds(40),
            () => !watcher.Reaches(cut) && killed.All(node => !watcher.Reaches(node)));
        foreach (Node node in killed) node.Start();
        cut.Host.Lose(cut.Name == "n6" ? BadLine : 0);
        await mesh.EveryoneReachesEveryone(Convergence);
        foreach (Node node in killed)
        {
            node.SetDebug(1);
            footprints[node].Add(Footprint.Of(node));
        }
    }

    // Every ordered pair; what one asks the other has to answer, so that half of them would do.
    private static async Task EverybodyTalks(Mesh mesh)
    {
        HashSet<(Node, Node)> silent = [.. from one in mesh.Nodes from other in mesh.Nodes where one != other select (one, other)];
        await mesh.Until("everybody talks to everybody", Convergence, () =>
        {
            Parallel.ForEach(silent.GroupBy(pair => pair.Item1, pair => pair.Item2).ToArray(), new ParallelOptions { MaxDegreeOfParallelism = 4 }, group =>
            {
                Node[] others = [.. group];
                string script = string.Concat(others.Select(other => $"ping -n -c 2 -i 0.3 -W 1 {other.IPv4} >/dev/null && echo {other.Name} &\n")) + "wait\n";
                string[] answered = group.Key.Host.Namespace.Run("sh", "-c", script).Output.Split('\n');
                lock (silent) silent.ExceptWith(others.Where(other => answered.Contains(other.Name)).Select(other => (group.Key, other)));
            });
            return silent.Count == 0;
        });
    }

    private static async Task AllBelieveTheSame(Mesh mesh, string owner)
    {
        foreach (int kind in (int[])[ControlClient.DumpEdges, ControlClient.DumpSubnets])
        {
            await mesh.Until(
                $"dump {kind} is the same everywhere",
                TimeSpan.FromSeconds(30),
                () => mesh.Nodes.Select(node => string.Join('\n', node.Dump(kind).Order(StringComparer.Ordinal))).Distinct().Count() == 1);
        }

        Assert.Equal([$"18 5 {Moving} {owner}"], mesh["n1"].Dump(ControlClient.DumpSubnets).Where(line => line.Contains(Moving)));
        Assert.NotEmpty(mesh["n1"].Dump(ControlClient.DumpEdges));
    }
}
