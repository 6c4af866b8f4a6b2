namespace TincPure.Interop.Tests;

/// <summary>Two nodes between which datagrams are lost: at first, later not, then again.</summary>
public class UdpBlockedTests(UdpBlockedTests.Story story) : IClassFixture<UdpBlockedTests.Story>
{
    public static readonly TheoryData<Pairing> EachWay = Pairings.Cases;

    [LabTheory, MemberData(nameof(EachWay))]
    public Task Traffic_takes_TCP_while_UDP_is_blocked_and_UDP_when_it_is_not(Pairing pairing) => story[pairing];

    public sealed class Story : Trials<Pairing, Done>
    {
        private const int Edge = 1500; // no limit is known while nothing goes by UDP

        protected override IEnumerable<Pairing> Keys => Pairings.WithOurs;

        protected override async Task<Done> Run(Pairing key)
        {
            await using Mesh mesh = key.Build("blocked");
            (Node a, Node b) = (mesh["a"], mesh["b"]);
            foreach (Node node in mesh.Nodes)
            {
                node.Set("UDPDiscoveryTimeout = 3", "UDPDiscoveryKeepaliveInterval = 2", "UDPDiscoveryInterval = 1");
                node.Host.DropUdp();
            }

            await mesh.Start();
            mesh.EverySizeArrives(a, b, Edge);
            Assert.All(mesh.BothWays(), way => Assert.True(way.From.View(way.To) is { UdpConfirmed: false, MinMtu: 0 }));

            foreach (Node node in mesh.Nodes) node.Host.Open();
            await mesh.Settle(a, b, TimeSpan.FromSeconds(20));
            mesh.EverySizeArrives(a, b, Tunnel.IpMtu(1500, Underlay.IPv4));

            foreach (Node node in mesh.Nodes) node.Host.DropUdp();
            await using (PingStream pings = new(a, b.IPv4, 0.1))
            {
                await mesh.Until(
                    "both ends notice that UDP is gone",
                    TimeSpan.FromSeconds(10),
                    () => mesh.BothWays().All(way => way.From.View(way.To) is { UdpConfirmed: false, MinMtu: 0 }));
            }

            mesh.EverySizeArrives(a, b, Tunnel.IpMtu(1500, Underlay.IPv4));
            foreach (Node node in mesh.Nodes) Complaints.None(node);
            return default;
        }
    }
}
