namespace TincPure.Interop.Tests;

/// <summary>Keys that last only seconds, under traffic. The yardstick is what stock tinc loses among its own kind.</summary>
[Collection(nameof(Alone))]
public class KeyExpiryTests(KeyExpiryTests.Story story) : IClassFixture<KeyExpiryTests.Story>
{
    public static readonly TheoryData<Pairing> EachWay = Pairings.Cases;

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task Keys_are_renewed_under_traffic_without_loss(Pairing pairing)
    {
        PingReport report = await story[pairing];
        // Stock tinc has one key at a time: a datagram that overtakes the word that the key is new is lost, whoever sent it. In one
        // trial of its own kind that happens at some changes and not at others.
        int allowed = pairing == Pairing.OursCallsOurs ? 0 : Math.Max(Story.Expiries, (await story[Pairing.StockCallsStock]).Lost);
        Assert.True(report.Lost <= allowed, $"{report}, and {allowed} lost pings would be as stock tinc does");
    }

    public sealed class Story : Trials<Pairing, PingReport>
    {
        public const int Expiries = 3;

        protected override IEnumerable<Pairing> Keys => Enum.GetValues<Pairing>();

        protected override async Task<PingReport> Run(Pairing pairing)
        {
            await using Mesh mesh = pairing.Build("expiry");
            (Node a, Node b) = (mesh["a"], mesh["b"]);
            foreach (Node node in mesh.Nodes) node.Set("KeyExpire = 5");
            await mesh.Start();
            await mesh.Settle(a, b, TimeSpan.FromSeconds(20));
            Dictionary<Node, int> before = mesh.Nodes.ToDictionary(node => node, node => node.Log.Mark());

            await using PingStream pings = new(a, b.IPv4, 0.01);
            await mesh.Until(
                "keys have expired several times",
                TimeSpan.FromSeconds(30),
                () => mesh.Nodes.All(node => node.Log.Matching("^Expiring symmetric keys$", before[node]).Length >= Expiries));
            await Task.Delay(TimeSpan.FromSeconds(1)); // the last renewal ends while pings go on
            PingReport report = await pings.Stop();

            foreach (Node node in mesh.Nodes)
            {
                Assert.True(node.Log.Matching("^Got ANS_KEY ", before[node]).Length >= Expiries, mesh.Evidence());
            }

            // Stock tinc stumbles even among its own kind: data under a new key overtakes the word that it is new (spec 03 §11.6 (d)),
            // and it makes a new session. Ours needs ANS_KEY alone (§11.7).
            foreach (Node node in mesh.Nodes.Where(node => node.Make == Make.Ours && !Programs.DryRun))
            {
                Complaints.None(node, before[node]);
                if (pairing == Pairing.OursCallsOurs) Assert.Empty(node.Log.Matching("^Got REQ_KEY ", before[node]));
            }

            return report;
        }
    }
}
