namespace TincPure.Interop.Tests;

/// <summary>
/// Two ends that know only the node between them. One end calls it, the other is called by it; the ends learn of each other,
/// and each other's keys, through it.
/// </summary>
public class RelayTests(RelayTests.Meshes meshes) : IClassFixture<RelayTests.Meshes>
{
    public static readonly TheoryData<Row, Udp> EachRow = Meshes.All.Theory();

    /// <summary>Who stands where: first end, relay, second end.</summary>
    public enum Row
    {
        OursOursOurs,
        StockOursStock,
        OursStockOurs,
        OursOursStock,
        OursStockStock,
    }

    /// <summary>Where datagrams get through.</summary>
    public enum Udp
    {
        Open,
        BlockedBetweenTheEnds,
        BlockedEverywhere,
    }

    [LabTheory, MemberData(nameof(EachRow))]
    public async Task Packets_of_every_size_arrive_whole(Row row, Udp udp)
    {
        Mesh mesh = await meshes[(row, udp)];
        mesh.EverySizeArrives(mesh["a"], mesh["c"], Tunnel.IpMtu(1500, Underlay.IPv4));
    }

    [LabTheory, MemberData(nameof(EachRow))]
    public async Task Datagrams_go_the_shortest_way_that_is_open(Row row, Udp udp)
    {
        Mesh mesh = await meshes[(row, udp)];
        (Node a, Node relay, Node c) = (mesh["a"], mesh["relay"], mesh["c"]);
        bool direct = udp == Udp.Open;
        Assert.True(a.View(c)!.UdpConfirmed == direct && c.View(a)!.UdpConfirmed == direct, mesh.Evidence());

        // What the relay's own kernel counts is the witness: packets of the tunnel, and a few probes beside them.
        const int packets = 40;
        long before = relay.Host.Datagrams();
        using PacketProbe probe = new(a, c, ipv6: false);
        for (int i = 0; i < packets; i++) Assert.True(probe.Arrives(600), mesh.Evidence());
        long relayed = relay.Host.Datagrams() - before;
        Assert.InRange(relayed, udp == Udp.BlockedBetweenTheEnds ? packets : 0, udp == Udp.BlockedBetweenTheEnds ? packets + 15 : 15);
    }

    [LabTheory, MemberData(nameof(EachRow))]
    public async Task The_ends_learn_each_other_s_keys_and_write_them_down(Row row, Udp udp)
    {
        Mesh mesh = await meshes[(row, udp)];
        foreach ((Node end, Node other) in (ReadOnlySpan<(Node, Node)>)[(mesh["a"], mesh["c"]), (mesh["c"], mesh["a"])])
        {
            string key = File.ReadLines(other.HostFilePath(other.Name)).First(line => line.StartsWith("Ed25519PublicKey"));
            // spec 02 §5.5
            Assert.Equal(
                $"\n# The following line was automatically added by tinc\n{key}\n",
                File.ReadAllText(end.HostFilePath(other.Name)));
        }
    }

    [LabTheory, MemberData(nameof(EachRow))]
    public async Task Nobody_complained(Row row, Udp udp)
    {
        Mesh mesh = await meshes[(row, udp)];
        foreach (Node node in mesh.Nodes) Complaints.None(node);
    }

    public sealed class Meshes : MeshShelf<(Row, Udp)>
    {
        public static IEnumerable<(Row, Udp)> All =>
            from row in Enum.GetValues<Row>() from udp in Enum.GetValues<Udp>() select (row, udp);

        protected override IEnumerable<(Row, Udp)> Keys => All;

        /// <summary>Three nodes in a row; nothing is started.</summary>
        public static Mesh InARow(string label, Row row)
        {
            (Make first, Make middle, Make second) = row switch
            {
                Row.OursOursOurs => (Make.Ours, Make.Ours, Make.Ours),
                Row.StockOursStock => (Make.Stock, Make.Ours, Make.Stock),
                Row.OursStockOurs => (Make.Ours, Make.Stock, Make.Ours),
                Row.OursOursStock => (Make.Ours, Make.Ours, Make.Stock),
                _ => (Make.Ours, Make.Stock, Make.Stock),
            };
            Mesh mesh = new($"{label}-{row}");
            Node a = mesh.Add("a", first), relay = mesh.Add("relay", middle), c = mesh.Add("c", second);
            Mesh.Connect(a, relay);
            Mesh.Connect(relay, c);
            return mesh;
        }

        protected override Task<Mesh> Run((Row, Udp) key)
        {
            (Row row, Udp udp) = key;
            Mesh mesh = InARow($"relay-{udp}", row);
            (Node a, Node relay, Node c) = (mesh["a"], mesh["relay"], mesh["c"]);
            switch (udp)
            {
                case Udp.BlockedBetweenTheEnds:
                    a.Host.DropUdpFrom(c.Host);
                    c.Host.DropUdpFrom(a.Host);
                    break;
                case Udp.BlockedEverywhere:
                    foreach (Node node in mesh.Nodes) node.Host.DropUdp();
                    break;
            }

            return mesh.Ready(async _ =>
            {
                await mesh.Start();
                TimeSpan limit = TimeSpan.FromSeconds(25);
                if (udp == Udp.Open) await mesh.Settle(a, c, limit);
                if (udp == Udp.BlockedEverywhere) await mesh.Answers(a, c, limit);
                if (udp == Udp.BlockedBetweenTheEnds) await mesh.Settle(a, c, limit, end => end.View(relay) is { MtuFixed: true });
            });
        }
    }
}
