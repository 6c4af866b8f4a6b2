using System.Globalization;

namespace TincPure.Interop.Tests;

/// <summary>Two nodes that each want packets compressed at one level.</summary>
public class CompressionTests(CompressionTests.Meshes meshes) : IClassFixture<CompressionTests.Meshes>
{
    /// <summary>The newest level, which stock 1.1~pre18 does not know.</summary>
    private const int Lz4 = 12;

    public static readonly TheoryData<Pairing, int> EachLevel = Meshes.All.Theory();

    [LabTheory, MemberData(nameof(EachLevel))]
    public async Task Packets_of_every_size_arrive_whole(Pairing pairing, int level)
    {
        Mesh mesh = await meshes[(pairing, level)];
        mesh.EverySizeArrives(mesh["a"], mesh["b"], Tunnel.IpMtu(1500, Underlay.IPv4));
        foreach (Node node in mesh.Nodes) Complaints.None(node);
    }

    [LabTheory, MemberData(nameof(EachLevel))]
    public async Task What_goes_over_the_wire_is_shorter_both_ways(Pairing pairing, int level)
    {
        const int packets = 40, size = 1300;
        Mesh mesh = await meshes[(pairing, level)];
        long[] before = [.. mesh.Nodes.Select(SentBytes)];
        CommandResult pings = mesh["a"].Host.Namespace.Run(
            "ping", "-n", "-q", "-i", "0.01", "-p", "00", "-c", $"{packets}", "-s", $"{size}", mesh["b"].IPv4);
        Assert.Contains(" 0% packet loss", pings.Output);
        foreach ((Node node, long earlier) in mesh.Nodes.Zip(before))
        {
            long sent = SentBytes(node) - earlier;
            if (level == 0) Assert.True(sent > packets * size, $"{node.Name} sent {sent} bytes");
            else Assert.True(sent < packets * size / 3, $"{node.Name} sent {sent} bytes");
        }
    }

    /// <summary>Stock sends compressed packets over TCP without a mark that they are (spec 03 §24.2).</summary>
    [LabTheory, InlineData(1), InlineData(9), InlineData(10), InlineData(11)]
    public async Task What_a_stock_node_compresses_over_TCP_is_read_nevertheless(int level)
    {
        await using Mesh mesh = Pairing.OursCallsStock.Build($"salvage-{level}");
        mesh["a"].HostFile($"Compression = {level}");
        mesh["b"].Knows(mesh["a"]);
        foreach (Node node in mesh.Nodes) node.Host.DropUdp();
        await mesh.Start();
        await mesh.Answers(mesh["a"], mesh["b"], TimeSpan.FromSeconds(20));
        CommandResult pings = mesh["a"].Host.Namespace.Run(
            "ping", "-n", "-q", "-i", "0.05", "-c", "20", "-s", "800", mesh["b"].IPv4);
        Assert.Contains(" 0% packet loss", pings.Output);
    }

    [LabFact]
    public async Task A_level_that_a_stock_node_does_not_know_is_refused_there_and_harms_nobody()
    {
        await using Mesh mesh = Pairing.OursCallsStock.Build("lz4-to-stock");
        mesh["a"].HostFile($"Compression = {Lz4}");
        await mesh.Start();
        await mesh.Answers(mesh["a"], mesh["b"], TimeSpan.FromSeconds(20)); // as whole frames over TCP
        Assert.NotEmpty(mesh["b"].Log.Matching("uses bogus compression level!"));
    }

    private static long SentBytes(Node node) =>
        long.Parse(
            node.Host.Namespace.Run("cat", "/sys/class/net/eth0/statistics/tx_bytes").OrThrow().Output,
            CultureInfo.InvariantCulture);

    public sealed class Meshes : MeshShelf<(Pairing, int)>
    {
        public static IEnumerable<(Pairing, int)> All =>
            Enumerable.Range(0, Lz4).Select(level => (level % 2 == 0 ? Pairing.OursCallsStock : Pairing.StockCallsOurs, level))
                .Append((Pairing.OursCallsOurs, Lz4));

        protected override IEnumerable<(Pairing, int)> Keys => All;

        protected override Task<Mesh> Run((Pairing, int) key)
        {
            Mesh mesh = key.Item1.Build($"compression-{key.Item2}");
            foreach (Node node in mesh.Nodes) node.HostFile($"Compression = {key.Item2}");
            return mesh.Ready(async _ =>
            {
                await mesh.Start();
                await mesh.Settle(mesh["a"], mesh["b"], TimeSpan.FromSeconds(20));
            });
        }
    }
}
