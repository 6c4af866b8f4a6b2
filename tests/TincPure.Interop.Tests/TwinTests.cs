namespace TincPure.Interop.Tests;

/// <summary>A node's folder was copied to a second host: two nodes of one name contradict each other about their edges.</summary>
public class TwinTests(TwinTests.Story story) : IClassFixture<TwinTests.Story>
{
    public static readonly TheoryData<Make> Twins = [.. Programs.Makes11];

    [LabTheory, MemberData(nameof(Twins))]
    public Task The_mesh_stays_calm_while_a_twin_is_there_and_whole_when_it_is_gone(Make twin) => story[twin];

    public sealed class Story : Trials<Make, Done>
    {
        private static readonly TimeSpan Quarrel = TimeSpan.FromSeconds(8);

        // Stock nodes send some hundred contradictions back and forth before the guard silences one of them (spec 02 §10).
        private const int MostContradictions = 1000;

        protected override IEnumerable<Make> Keys => Programs.Makes11;

        protected override async Task<Done> Run(Make make)
        {
            await using Mesh mesh = new($"twin-{make}");
            Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Ours), c = mesh.Add("c", Make.Stock);
            Mesh.Connect(b, a);
            Mesh.Connect(c, a);
            await mesh.Start();
            await mesh.Settle(c, b, TimeSpan.FromSeconds(25));

            // The twin sits on another host and calls c, which knows it by its key.
            Host elsewhere = mesh.Keep(new Host("twin"));
            elsewhere.Attach(mesh.Wire, 66);
            using Node twin = b.CopyTo(elsewhere, make, $"{b.Folder}-twin");
            c.Knows(b);
            twin.Knows(c, Underlay.IPv4);
            twin.CallInstead(c);
            Dictionary<Node, int> before = mesh.Nodes.ToDictionary(node => node, node => node.Log.Mark());
            twin.Start();
            await mesh.Until("the twin meets c", TimeSpan.FromSeconds(15), () => c.Log.Matching("^Connection with b .* activated$", before[c]).Length > 0);
            await Task.Delay(Quarrel);
            foreach (Node node in mesh.Nodes)
            {
                int lines = node.Log.Matching("^Sending (ADD|DEL)_EDGE to [^e]", before[node]).Length;
                Assert.True(lines < MostContradictions, $"{node.Name} sent {lines} lines about edges\n{mesh.Evidence()}");
            }

            twin.Kill();
            await mesh.EveryoneReachesEveryone(TimeSpan.FromSeconds(40));
            await mesh.Answers(c, b, TimeSpan.FromSeconds(30));
            return default;
        }
    }
}
