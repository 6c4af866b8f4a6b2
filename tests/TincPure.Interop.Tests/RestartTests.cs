namespace TincPure.Interop.Tests;

/// <summary>A node goes away and comes back, as it was or elsewhere. The yardstick is how soon stock tinc is back among its own kind.</summary>
public class RestartTests(RestartTests.Story story) : IClassFixture<RestartTests.Story>
{
    // Stock nodes that start a session both at once need ten seconds more; rarely, so that the yardstick may not show it.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(Programs.DryRun ? 10 : 3);

    public static readonly TheoryData<Pairing, Way> EachWay =
        (from pairing in Pairings.WithOurs from way in Enum.GetValues<Way>() select (pairing, way)).Theory();

    public enum Way
    {
        /// <summary>The node that is called dies and is started again.</summary>
        CalledDies,

        /// <summary>The node that calls is asked to end and started again.</summary>
        CallerStops,

        /// <summary>The node that calls dies, its host gets another address, and it is started again.</summary>
        CallerMoves,
    }

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task Traffic_is_back_as_soon_as_among_stock_nodes(Pairing pairing, Way way)
    {
        TimeSpan ours = await story[(pairing, way)], stock = await story[(Pairing.StockCallsStock, way)];
        Assert.True(ours < stock + Margin, $"traffic was back after {ours.TotalSeconds:F1} s, among stock nodes after {stock.TotalSeconds:F1} s");
    }

    public sealed class Story : Trials<(Pairing, Way), TimeSpan>
    {
        protected override IEnumerable<(Pairing, Way)> Keys =>
            from pairing in Enum.GetValues<Pairing>() from way in Enum.GetValues<Way>() select (pairing, way);

        // From the moment at which the node is ready again to the first answer to a ping; and the path MTU must be found again.
        protected override async Task<TimeSpan> Run((Pairing, Way) key)
        {
            (Pairing pairing, Way way) = key;
            await using Mesh mesh = pairing.Build($"restart-{way}");
            (Node a, Node b) = (mesh["a"], mesh["b"]);
            await mesh.Start();
            await mesh.Settle(a, b, TimeSpan.FromSeconds(20));

            Node gone = way == Way.CalledDies ? b : a;
            Node left = gone == a ? b : a;
            if (way == Way.CallerStops) gone.Stop();
            else gone.Kill();
            await mesh.Until($"{left.Name} notices", TimeSpan.FromSeconds(10), () => !left.Reaches(gone));

            if (way == Way.CallerMoves) a.Host.Move(77);
            int mark = gone.Log.Mark();
            gone.Start();
            await mesh.Until($"{gone.Name} is ready", TimeSpan.FromSeconds(20), () => gone.Log.Matching("^Ready$", mark).Length > 0);
            TimeSpan back = await mesh.Answers(left, gone, TimeSpan.FromSeconds(30));
            await mesh.Settle(left, gone, TimeSpan.FromSeconds(20));
            foreach (Node node in mesh.Nodes) Assert.DoesNotContain("xception", File.ReadAllText(node.ConsolePath));
            return back;
        }
    }
}
