namespace TincPure.Interop.Tests;

/// <summary>Two nodes with everything open between them.</summary>
public class PairTests(PairTests.Meshes meshes) : IClassFixture<PairTests.Meshes>
{
    private const int Link = 1500;

    public static readonly TheoryData<Pairing, Underlay> EachWay = Meshes.All.Theory();

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task Both_ends_find_the_path_MTU_of_the_link_and_use_UDP(Pairing pairing, Underlay underlay)
    {
        Mesh mesh = await meshes[(pairing, underlay)];
        foreach ((Node node, Node other) in mesh.BothWays())
        {
            NodeState state = node.View(other)!;
            Assert.True(state.UdpConfirmed && state.ValidKey, mesh.Evidence());
            Assert.Equal(Tunnel.PathMtu(Link, underlay), state.Mtu);
            Assert.Equal(other.Host.Address(underlay), state.Host);
        }
    }

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task Packets_of_every_size_arrive_whole(Pairing pairing, Underlay underlay)
    {
        Mesh mesh = await meshes[(pairing, underlay)];
        mesh.EverySizeArrives(mesh["a"], mesh["b"], Tunnel.IpMtu(Link, underlay));
    }

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task A_packet_too_large_that_must_not_be_fragmented_is_refused_with_the_right_MTU(Pairing pairing, Underlay underlay)
    {
        Mesh mesh = await meshes[(pairing, underlay)];
        foreach ((Node node, Node other) in mesh.BothWays())
        {
            foreach (bool ipv6 in (bool[])[false, true])
            {
                using PacketProbe probe = new(node, other, ipv6);
                int edge = Tunnel.IpMtu(Link, underlay);
                Assert.Null(probe.MtuToldFor(edge));
                Assert.Equal(edge, probe.MtuToldFor(edge + 1));
                Assert.Equal(edge, probe.MtuToldFor(1500));
            }
        }
    }

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task The_session_was_made_once_and_nobody_complained(Pairing pairing, Underlay underlay)
    {
        Mesh mesh = await meshes[(pairing, underlay)];
        foreach (Node node in mesh.Nodes)
        {
            Complaints.None(node);
            Assert.Single(node.Log.Matching("^SPTPS key exchange with . .* successful$"));
        }
    }

    public sealed class Meshes : MeshShelf<(Pairing, Underlay)>
    {
        public static IEnumerable<(Pairing, Underlay)> All =>
            from pairing in Pairings.WithOurs from underlay in Enum.GetValues<Underlay>() select (pairing, underlay);

        protected override IEnumerable<(Pairing, Underlay)> Keys => All;

        protected override Task<Mesh> Run((Pairing, Underlay) key) =>
            key.Item1.Build($"pair-{key.Item2}", key.Item2).Ready(async mesh =>
            {
                await mesh.Start();
                await mesh.Settle(mesh["a"], mesh["b"], TimeSpan.FromSeconds(20));
            });
    }
}
