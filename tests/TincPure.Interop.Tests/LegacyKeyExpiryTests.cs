namespace TincPure.Interop.Tests;

/// <summary>
/// Legacy keys that last only seconds, under traffic. The protocol itself loses what is on its way under a key that was just
/// replaced (spec 08 §17); the yardstick is what two stock nodes lose.
/// </summary>
[Collection(nameof(Alone))]
public class LegacyKeyExpiryTests(LegacyKeyExpiryTests.Story story) : IClassFixture<LegacyKeyExpiryTests.Story>
{
    private const int Expiries = 2;

    public static readonly TheoryData<Make, Make> EachWay = new() { { Make.Ours, Make.Stock10 }, { Make.Stock10, Make.Ours } };

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task Keys_are_renewed_under_traffic_with_no_more_loss_than_among_stock_nodes(Make caller, Make called)
    {
        PingReport report = await story[(caller, called)], stock = await story[(Make.Stock10, Make.Stock10)];
        // One ping in flight at each renewal of either end.
        int allowed = Math.Max(stock.Lost, 2 * Expiries);
        Assert.True(report.Lost <= allowed, $"{report}; among stock nodes: {stock}");
        Assert.True(report.LongestGap < TimeSpan.FromSeconds(1), report.ToString());
    }

    public sealed class Story : Trials<(Make, Make), PingReport>
    {
        protected override IEnumerable<(Make, Make)> Keys =>
            [(Make.Ours, Make.Stock10), (Make.Stock10, Make.Ours), (Make.Stock10, Make.Stock10)];

        protected override async Task<PingReport> Run((Make, Make) key)
        {
            (Make caller, Make called) = key;
            await using Mesh mesh = new($"legacy-expiry-{caller}-{called}") { Keys = Interop.Tests.Keys.Both };
            Node a = mesh.Add("a", caller), b = mesh.Add("b", called);
            // Stock 1.0 looks whether keys have expired once in PingTimeout.
            foreach (Node node in mesh.Nodes) node.Change("PingTimeout", "2");
            foreach (Node node in mesh.Nodes) node.Set("KeyExpire = 5");
            Mesh.Connect(a, b);
            await mesh.Start();
            await mesh.Settle(a, b, TimeSpan.FromSeconds(60), end => end.View(end == a ? b : a) is { UdpConfirmed: true });
            Dictionary<Node, int> before = mesh.Nodes.ToDictionary(node => node, node => node.Log.Mark());

            await using PingStream pings = new(a, b.IPv4, 0.01);
            await mesh.Until(
                "keys have expired several times",
                TimeSpan.FromSeconds(40),
                () => mesh.Nodes.All(node => node.Log.Matching("^Expiring symmetric keys$", before[node]).Length >= Expiries));
            await Task.Delay(TimeSpan.FromSeconds(1)); // the last renewal ends while pings go on
            PingReport report = await pings.Stop();
            foreach (Node node in mesh.Nodes)
            {
                Complaints.None(node, before[node]);
                Assert.Empty(node.Log.Matching("^Closing connection", before[node]));
            }

            return report;
        }
    }
}
