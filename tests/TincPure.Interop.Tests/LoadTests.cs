namespace TincPure.Interop.Tests;

/// <summary>Two nodes under load.</summary>
public class LoadTests(LoadTests.Meshes meshes) : IClassFixture<LoadTests.Meshes>
{
    public static readonly TheoryData<Pairing> EachWay = Pairings.Cases;

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task TCP_flows_both_ways_and_all_is_well_afterwards(Pairing pairing)
    {
        Mesh mesh = await meshes[pairing];
        foreach ((Node node, Node other) in mesh.BothWays())
        {
            foreach (Node each in mesh.Nodes) each.SetDebug(0);
            Throughput result = await Throughput.Measure(node, other, TimeSpan.FromSeconds(2));
            foreach (Node each in mesh.Nodes) each.SetDebug(5);
            // Far below what either daemon does: this is about flowing, not about speed.
            Assert.True(result.MegabitsPerSecond > 20, $"{result}\n{mesh.Evidence()}");

            // Stock tinc takes a long gap in the sequence for a fault and makes a new session; that may take a moment.
            await mesh.Until("packets arrive after the load", TimeSpan.FromSeconds(3), () => Arrives(node, other) && Arrives(other, node));
        }
    }

    private static bool Arrives(Node from, Node to)
    {
        using PacketProbe probe = new(from, to, ipv6: false);
        return probe.Arrives(1000);
    }

    public sealed class Meshes : MeshShelf<Pairing>
    {
        protected override IEnumerable<Pairing> Keys => Pairings.WithOurs;

        protected override Task<Mesh> Run(Pairing key) => key.Build("load").Ready(async mesh =>
        {
            await mesh.Start();
            await mesh.Settle(mesh["a"], mesh["b"], TimeSpan.FromSeconds(20));
        });
    }
}
