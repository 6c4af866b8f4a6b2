namespace TincPure.Interop.Tests;

/// <summary>Long silence, then traffic: the sessions are still there, and nobody makes new ones.</summary>
public class IdleTests(IdleTests.Story story) : IClassFixture<IdleTests.Story>
{
    public static readonly TheoryData<RelayTests.Row> EachRow = [.. Enum.GetValues<RelayTests.Row>()];

    /// <summary>Several ping intervals and UDP timeouts pass in silence, in seconds instead of minutes.</summary>
    [LabTheory, MemberData(nameof(EachRow))]
    public Task After_a_long_silence_traffic_flows_at_once_on_the_sessions_that_were_there(RelayTests.Row row) => story[row];

    /// <summary>The same with the settings that everybody has.</summary>
    [SoakTheory, MemberData(nameof(EachRow)), Trait("Category", "Soak")]
    public Task After_ten_minutes_of_silence_traffic_flows_at_once_on_the_sessions_that_were_there(RelayTests.Row row) =>
        Silence("idle10", row, TimeSpan.FromMinutes(10));

    private static async Task<Done> Silence(string label, RelayTests.Row row, TimeSpan silence, params string[] settings)
    {
        await using Mesh mesh = RelayTests.Meshes.InARow(label, row);
        (Node a, Node relay, Node c) = (mesh["a"], mesh["relay"], mesh["c"]);
        foreach (Node node in mesh.Nodes) node.Set(settings);
        await mesh.Start();
        await mesh.Settle(a, c, TimeSpan.FromSeconds(25));
        await mesh.Settle(a, relay, TimeSpan.FromSeconds(25));
        Dictionary<Node, (int Mark, int Keys)> before = mesh.Nodes.ToDictionary(node => node, node => (node.Log.Mark(), KeysMade(node)));

        await Task.Delay(silence); // nothing to wait for: it is the silence that is tried

        (Node, Node)[] ways = [(a, relay), (a, c), (c, a)];
        foreach ((Node from, Node to) in ways)
        {
            await using PingStream pings = new(from, to.IPv4, 0.05);
            await mesh.Until("pings are answered", TimeSpan.FromSeconds(5), () => pings.Answered >= 20);
            PingReport report = await pings.Stop();
            Assert.True(report.Lost == 0, $"{from.Name} to {to.Name}: {report}\n{mesh.Evidence()}");
        }

        foreach (Node node in mesh.Nodes)
        {
            Complaints.None(node, before[node].Mark);
            Assert.Equal(before[node].Keys, KeysMade(node));
        }

        return default;
    }

    private static int KeysMade(Node node) => node.Log.Count("^Got REQ_KEY from [^:]*: 15 [^ ]+ [^ ]+ 15 |^SPTPS key exchange with .* successful$");

    public sealed class Story : Trials<RelayTests.Row, Done>
    {
        protected override IEnumerable<RelayTests.Row> Keys => Enum.GetValues<RelayTests.Row>();

        protected override Task<Done> Run(RelayTests.Row key) => Silence(
            "idle", key, TimeSpan.FromSeconds(15),
            "PingInterval = 3", "UDPDiscoveryTimeout = 4", "UDPDiscoveryKeepaliveInterval = 2", "UDPDiscoveryInterval = 1");
    }
}
