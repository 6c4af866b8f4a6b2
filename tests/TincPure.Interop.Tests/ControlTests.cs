using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>Either tinc program with either daemon.</summary>
public partial class ControlTests(ControlTests.Meshes meshes) : IClassFixture<ControlTests.Meshes>
{
    /// <summary>Makes of the daemon and of the tinc program; among stock alone there is nothing of ours to see.</summary>
    public static readonly TheoryData<Make, Make> Combinations =
        new (Make, Make)[] { (Make.Ours, Make.Ours), (Make.Ours, Make.Stock), (Make.Stock, Make.Ours) }.Theory();

    public static readonly TheoryData<Make, string> Dumps =
        (from daemon in Programs.Makes11
         from words in (string[])[
             "dump nodes", "dump reachable nodes", "dump edges", "dump subnets", "dump connections", "dump graph", "dump digraph",
             "info a", "info b", "info 10.77.2.1", "info 10.77.2.0/24", "info fd77:0:0:2::/64", "info nobody", "dump nonsense"]
         select (daemon, words)).Theory();

    [LabTheory, MemberData(nameof(Dumps))]
    public async Task Both_tinc_programs_show_the_same_of_a_daemon(Make daemon, string words)
    {
        Node node = (await meshes[0]).Nodes.Single(node => node.Make == daemon || Programs.DryRun && node.Name == (daemon == Make.Ours ? "a" : "b"));
        CommandResult stock = node.Tinc(Make.Stock, words.Split(' ')), ours = node.Tinc(Make.Ours, words.Split(' '));
        Assert.Equal(stock.ExitCode, ours.ExitCode);
        Assert.Equal(Steady(stock.Output), Steady(ours.Output));
        if (stock.ExitCode == 0) Assert.NotEmpty(ours.Output);
    }

    [LabFact]
    public async Task Both_daemons_tell_the_same_of_the_mesh()
    {
        Mesh mesh = await meshes[0];
        foreach (int kind in (int[])[ControlClient.DumpEdges, ControlClient.DumpSubnets])
        {
            Assert.Equal(mesh["a"].Dump(kind), mesh["b"].Dump(kind));
        }

        // Of itself and of the other: all that does not depend on the point of view.
        NodeState a = mesh["a"].View(mesh["b"])!, b = mesh["b"].View(mesh["a"])!;
        Assert.Equal((a.Options, a.Status & KnownToBoth, a.Mtu, a.MinMtu, a.MaxMtu), (b.Options, b.Status & KnownToBoth, b.Mtu, b.MinMtu, b.MaxMtu));
        a = mesh["a"].View(mesh["a"])!;
        b = mesh["b"].View(mesh["b"])!;
        Assert.Equal(
            (a.Host, a.Port, a.Options, a.Status & KnownToBoth, a.Mtu, a.MinMtu, a.MaxMtu),
            (b.Host, b.Port, b.Options, b.Status & KnownToBoth, b.Mtu, b.MinMtu, b.MaxMtu));
    }

    [LabTheory, MemberData(nameof(Combinations))]
    public async Task Tinc_tells_the_pid_reloads_and_stops(Make daemon, Make tinc)
    {
        await using Mesh mesh = new($"control-{daemon}-{tinc}");
        Node a = mesh.Add("a", daemon), b = mesh.Add("b", Make.Stock);
        Mesh.Connect(a, b);
        await mesh.Start();

        Assert.Equal(a.ProcessId.ToString(), a.Tinc(tinc, "pid").OrThrow().Output.Trim());

        // A Subnet that is added goes into the file, and by the reload to everybody.
        a.Tinc(tinc, "add", "Subnet", "10.99.0.0/16").OrThrow();
        a.Tinc(tinc, "reload").OrThrow();
        await mesh.Until("the new subnet is known", TimeSpan.FromSeconds(5), () => Knows(b, "10.99.0.0/16 a"));
        a.Tinc(tinc, "del", "Subnet", "10.99.0.0/16").OrThrow();
        a.Tinc(tinc, "reload").OrThrow();
        await mesh.Until("the subnet is gone", TimeSpan.FromSeconds(5), () => !Knows(b, "10.99.0.0/16 a"));
        Assert.True(a.Reaches(b) && a.Log.Count("^Got 'reload' command") >= 2, mesh.Evidence());

        Assert.Equal("4", Regex.Match(a.Tinc(tinc, "debug", "4").OrThrow().Error, "new level (.)").Groups[1].Value);
        a.Tinc(tinc, "retry").OrThrow();
        a.Tinc(tinc, "purge").OrThrow();
        a.Tinc(tinc, "disconnect", "b").OrThrow();
        await mesh.Until("the connection is made anew", TimeSpan.FromSeconds(10), () => a.Log.Count(@"^Connection with b .* activated$") >= 2);

        a.Tinc(tinc, "stop").OrThrow();
        Assert.True(a.WaitForEnd(TimeSpan.FromSeconds(5)), mesh.Evidence());
        Assert.Equal(0, a.ExitCode);
        Assert.False(File.Exists(a.PidFile) || File.Exists(a.PidFile + ".socket"));
        Assert.Equal(1, a.Tinc(tinc, "pid").ExitCode);
        await mesh.Until("the other node notices", TimeSpan.FromSeconds(5), () => !b.Reaches(a));
    }

    [LabFact]
    public async Task Our_tinc_starts_our_daemon_which_detaches()
    {
        const Make tinc = Make.Ours; // it starts the tincd beside itself
        await using Mesh mesh = new("start");
        Node a = mesh.Add("a", Make.Ours);
        CommandResult started = a.Tinc(tinc, "start", "-d3", $"--logfile={a.Log.Path}").OrThrow();
        Assert.Contains("Ready", a.Log.Messages());
        Assert.Contains("already running", a.Tinc(tinc, "start").OrThrow().Error);
        string pid = a.Tinc(tinc, "pid").OrThrow().Output.Trim();
        Assert.Equal(pid, File.ReadAllText(a.PidFile).Split(' ')[0]);
        a.Tinc(tinc, "restart", "-d3", $"--logfile={a.Log.Path}").OrThrow();
        Assert.NotEqual(pid, a.Tinc(tinc, "pid").OrThrow().Output.Trim());
        a.Tinc(tinc, "stop").OrThrow();
        Assert.False(File.Exists(a.PidFile));
        Assert.DoesNotContain("xception", started.Error);
    }

    // Reachable, visited, valid key, SPTPS, UDP confirmed.
    private const uint KnownToBoth = 0xda;

    private static bool Knows(Node node, string subnet) => node.Dump(ControlClient.DumpSubnets).Contains("18 5 " + subnet);

    // Counters, times and descriptors change from one look to the next.
    private static string Steady(string output) => Changing().Replace(output, "_");

    [GeneratedRegex(@"rx \d+ \d+ tx \d+ \d+( rtt [\d.]+)?|(?<=^(RX|TX|RTT|Online since|Last seen): ).*|socket \d+|status [0-9a-f]+|(?<=^Status: ).*", RegexOptions.Multiline)]
    private static partial Regex Changing();

    public sealed class Meshes : MeshShelf<int>
    {
        protected override IEnumerable<int> Keys => [0];

        protected override Task<Mesh> Run(int key) => Pairing.OursCallsStock.Build("control").Ready(async mesh =>
        {
            await mesh.Start();
            await mesh.Settle(mesh["a"], mesh["b"], TimeSpan.FromSeconds(20));
        });
    }
}
