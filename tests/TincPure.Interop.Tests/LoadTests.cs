using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>Two nodes under load, with UDP and without.</summary>
[Collection(nameof(Alone))]
public class LoadTests(LoadTests.Meshes meshes, ITestOutputHelper output) : IClassFixture<LoadTests.Meshes>
{
    public static readonly TheoryData<Pairing, bool> EachWay = Meshes.Cases.Theory();

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task TCP_flows_both_ways_and_all_is_well_afterwards(Pairing pairing, bool udp)
    {
        Mesh mesh = await meshes[(pairing, udp)];
        foreach ((Node node, Node other) in mesh.BothWays())
        {
            foreach (Node each in mesh.Nodes) each.SetDebug(0);
            Throughput result = await Throughput.Measure(node, other, TimeSpan.FromSeconds(2));
            foreach (Node each in mesh.Nodes) each.SetDebug(5);
            output.WriteLine($"{node.Name} to {other.Name}: {result}");
            // Far below what either daemon does: this is about flowing, not about speed.
            Assert.True(result.MegabitsPerSecond > 10, $"{result}\n{mesh.Evidence()}");

            // Stock tinc takes a long gap in the sequence for a fault and makes a new session; that may take a moment.
            await mesh.Until("packets arrive after the load", TimeSpan.FromSeconds(5), () => Arrives(node, other) && Arrives(other, node));
        }
    }

    private static bool Arrives(Node from, Node to)
    {
        using PacketProbe probe = new(from, to, ipv6: false);
        return probe.Arrives(1000);
    }

    public sealed class Meshes : MeshShelf<(Pairing, bool)>
    {
        public static IEnumerable<(Pairing, bool)> Cases =>
            from pairing in Pairings.WithOurs from udp in (bool[])[true, false] select (pairing, udp);

        protected override IEnumerable<(Pairing, bool)> Keys => Cases;

        protected override Task<Mesh> Run((Pairing, bool) key)
        {
            (Pairing pairing, bool udp) = key;
            return pairing.Build($"load-{(udp ? "udp" : "tcp")}").Ready(async mesh =>
            {
                if (!udp) foreach (Node node in mesh.Nodes) node.Host.DropUdp();
                await mesh.Start();
                if (udp) await mesh.Settle(mesh["a"], mesh["b"], TimeSpan.FromSeconds(20));
            });
        }
    }
}
