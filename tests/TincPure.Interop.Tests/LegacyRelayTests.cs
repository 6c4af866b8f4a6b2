namespace TincPure.Interop.Tests;

/// <summary>Chains in which stock tinc 1.0 stands at an end or in the middle.</summary>
public class LegacyRelayTests(LegacyRelayTests.Meshes meshes) : IClassFixture<LegacyRelayTests.Meshes>
{
    public static readonly TheoryData<Row, RelayTests.Udp> EachRow = Meshes.All.Theory();

    /// <summary>Who stands where: first end, relay, second end.</summary>
    public enum Row
    {
        Stock10OursStock11,
        Stock11OursStock10,
        Stock10OursStock10,
        OursStock10Stock11,
        Stock11Stock10Ours,
        OursStock10Ours,
        OursStock11Stock10,
    }

    [LabTheory, MemberData(nameof(EachRow))]
    public async Task Packets_of_every_size_arrive_whole(Row row, RelayTests.Udp udp)
    {
        Mesh mesh = await meshes[(row, udp)];
        mesh.EverySizeArrives(mesh["a"], mesh["c"], 1437);
    }

    [LabTheory, MemberData(nameof(EachRow))]
    public async Task The_ends_talk_to_the_relay_too(Row row, RelayTests.Udp udp)
    {
        Mesh mesh = await meshes[(row, udp)];
        foreach (Node end in (Node[])[mesh["a"], mesh["c"]])
        {
            using PacketProbe there = new(end, mesh["relay"], ipv6: false), back = new(mesh["relay"], end, ipv6: false);
            Assert.True(there.Arrives(700) && back.Arrives(1500), mesh.Evidence());
        }
    }

    [LabTheory, MemberData(nameof(EachRow))]
    public async Task Nobody_complained(Row row, RelayTests.Udp udp)
    {
        Mesh mesh = await meshes[(row, udp)];
        foreach (Node node in mesh.Nodes) Complaints.None(node);
    }

    public sealed class Meshes : MeshShelf<(Row, RelayTests.Udp)>
    {
        public static IEnumerable<(Row, RelayTests.Udp)> All =>
            from row in Enum.GetValues<Row>() from udp in Enum.GetValues<RelayTests.Udp>() select (row, udp);

        protected override IEnumerable<(Row, RelayTests.Udp)> Keys => All;

        protected override Task<Mesh> Run((Row, RelayTests.Udp) key)
        {
            (Row row, RelayTests.Udp udp) = key;
            (Make first, Make middle, Make second) = row switch
            {
                Row.Stock10OursStock11 => (Make.Stock10, Make.Ours, Make.Stock),
                Row.Stock11OursStock10 => (Make.Stock, Make.Ours, Make.Stock10),
                Row.Stock10OursStock10 => (Make.Stock10, Make.Ours, Make.Stock10),
                Row.OursStock10Stock11 => (Make.Ours, Make.Stock10, Make.Stock),
                Row.Stock11Stock10Ours => (Make.Stock, Make.Stock10, Make.Ours),
                Row.OursStock10Ours => (Make.Ours, Make.Stock10, Make.Ours),
                _ => (Make.Ours, Make.Stock, Make.Stock10),
            };
            Mesh mesh = new($"legacy-relay-{row}-{udp}") { Keys = Interop.Tests.Keys.Both };
            Node a = mesh.Add("a", first), relay = mesh.Add("relay", middle), c = mesh.Add("c", second);
            Mesh.Connect(a, relay);
            Mesh.Connect(relay, c);
            switch (udp)
            {
                case RelayTests.Udp.BlockedBetweenTheEnds:
                    a.Host.DropUdpFrom(c.Host);
                    c.Host.DropUdpFrom(a.Host);
                    break;
                case RelayTests.Udp.BlockedEverywhere:
                    foreach (Node node in mesh.Nodes) node.Host.DropUdp();
                    break;
            }

            return mesh.Ready(async _ =>
            {
                await mesh.Start();
                TimeSpan limit = TimeSpan.FromSeconds(40);
                bool Confirmed(Node node, Node other) => node.View(other) is { UdpConfirmed: true };
                switch (udp)
                {
                    case RelayTests.Udp.Open:
                        await mesh.Settle(a, c, limit, end => Confirmed(end, end == a ? c : a));
                        break;
                    case RelayTests.Udp.BlockedEverywhere:
                        await mesh.Answers(a, c, limit);
                        break;
                    default:
                        await mesh.Answers(a, c, limit);
                        break;
                }
            });
        }
    }
}
