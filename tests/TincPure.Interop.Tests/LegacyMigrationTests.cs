namespace TincPure.Interop.Tests;

/// <summary>
/// A mesh of 1.0 nodes whose daemons are replaced by ours one by one, in the same folders, while packets flow between all of them.
/// </summary>
public class LegacyMigrationTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Stopping, starting and logging in: whoever is replaced calls the others at once, and on a busy machine this takes some seconds.
    /// A second try would come five seconds later still.
    /// </summary>
    private static readonly TimeSpan Reconnect = TimeSpan.FromSeconds(10);

    /// <summary>For pairs that lose no more than a node on their way.</summary>
    private static readonly TimeSpan Detour = TimeSpan.FromSeconds(3);

    [LabTheory, InlineData(3)]
    public Task Nodes_are_replaced_one_by_one_and_no_pair_is_out_for_more_than_a_reconnect(int count) => Migrate(count);

    [SoakTheory, InlineData(5)]
    public Task More_nodes_are_replaced_one_by_one_and_no_pair_is_out_for_more_than_a_reconnect(int count) => Migrate(count);

    private static async Task Migrate(int count)
    {
        await using Mesh mesh = new($"migration-{count}") { Keys = Keys.Rsa };
        Node[] nodes = [.. Enumerable.Range(1, count).Select(number => mesh.Add($"n{number}", Make.Stock10))];
        // A ring: each calls the next as soon as it runs, and the others reach each other the other way round while it does not.
        foreach (Node node in nodes) Mesh.Connect(node, nodes[node.Number % count]);
        foreach (Node node in nodes) foreach (Node other in nodes) if (!File.Exists(node.HostFilePath(other.Name))) node.Knows(other);
        await mesh.Start();
        foreach (Node node in nodes) await Replace(mesh, node);
        Assert.All(nodes, node => Assert.Equal(Make.Ours, node.Make));
        // The last two had only nodes of ours around them.
        foreach (Node node in nodes[^2..]) Assert.Empty(node.Log.Matching("[Ee]xception|Possible intruder"));
    }

    private static int Neighbours(Node node, int mark) =>
        node.Log.Matching("^Connection with .* activated$", mark).Select(line => line.Split(' ')[2]).Distinct().Count();

    private static async Task Replace(Mesh mesh, Node replaced)
    {
        (Node From, Node To)[] pairs =
            [.. from one in mesh.Nodes from other in mesh.Nodes where one.Number < other.Number select (one, other)];
        PingStream[] streams = [.. pairs.Select(pair => new PingStream(pair.From, pair.To.IPv4, 0.1))];
        try
        {
            await AllTalk("before", streams.Select(_ => 3));
            replaced.Stop();
            int mark = replaced.Log.Mark();
            replaced.ReplaceBy(Make.Ours);
            replaced.Start();
            await mesh.EveryoneReachesEveryone(Limit);
            // The one that calls it tries again some seconds later: only then may the next be taken out of the ring.
            await mesh.Until($"{replaced.Name} has both its neighbours", Limit, () => Neighbours(replaced, mark) == 2);
            await AllTalk("after", [.. streams.Select(stream => stream.Answered + 5)]);
            foreach ((PingStream stream, (Node from, Node to)) in streams.Zip(pairs))
            {
                PingReport report = await stream.Stop();
                TimeSpan allowed = from == replaced || to == replaced ? Reconnect : Detour;
                Assert.True(
                    report.LongestGap < allowed,
                    $"{from.Name} to {to.Name} while {replaced.Name} was replaced: {report}\n{mesh.Evidence()}");
            }
        }
        finally
        {
            foreach (PingStream stream in streams) await stream.DisposeAsync();
        }

        Task AllTalk(string when, IEnumerable<int> enough) => Waiting.True(
            $"all pairs talk {when} {replaced.Name} is replaced",
            Limit,
            () => streams.Zip(enough).All(both => both.First.Answered >= both.Second),
            () => string.Join(", ", pairs.Zip(streams, (pair, stream) => $"{pair.From.Name}-{pair.To.Name} {stream.Answered}")) + "\n" + mesh.Evidence());
    }
}
