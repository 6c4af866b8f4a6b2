using System.Globalization;

namespace TincPure.Interop.Tests;

/// <summary>A node of ours and one of stock tinc 1.0 with nothing between them.</summary>
public class LegacyPairTests(LegacyPairTests.Meshes meshes) : IClassFixture<LegacyPairTests.Meshes>
{
    private const string AnyPeer = "^Connection with . .* activated$";

    public static readonly TheoryData<Caller, Situation> EachWay = Meshes.All.Theory();

    public static readonly TheoryData<Caller, Situation> WithUdp = Meshes.All.Where(key => UsesUdp(key.Item2)).Theory();

    /// <summary>Who makes the connection.</summary>
    public enum Caller
    {
        Ours,
        Stock10,
    }

    /// <summary>What is special about the two.</summary>
    public enum Situation
    {
        Default,

        /// <summary>Our node has an RSA key only, as one that replaced a 1.0 daemon in its folder.</summary>
        OnlyRsaKeys,
        OverIPv6,
        NarrowLinkAndLongMac,
        TcpOnlyHere,
        TcpOnlyThere,
        UdpBlocked,
        NoPmtuDiscovery,
        Switch,
        Hub,
    }

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task Packets_of_every_size_arrive_whole(Caller caller, Situation situation)
    {
        Mesh mesh = await meshes[(caller, situation)];
        mesh.EverySizeArrives(mesh["a"], mesh["b"], UsesUdp(situation) ? IpMtu(situation) : 1500);
    }

    [LabTheory, MemberData(nameof(WithUdp))]
    public async Task Both_ends_find_the_path_MTU_and_use_UDP(Caller caller, Situation situation)
    {
        Mesh mesh = await meshes[(caller, situation)];
        foreach ((Node node, Node other) in mesh.BothWays())
        {
            NodeState state = node.View(other)!;
            Assert.True(state.UdpConfirmed && state.ValidKey, mesh.Evidence());
            Assert.Equal(IpMtu(situation) + EthernetHeader, state.Mtu);
        }
    }

    [LabTheory, MemberData(nameof(WithUdp))]
    public async Task Packets_take_UDP_both_ways(Caller caller, Situation situation)
    {
        const int packets = 50, size = 900;
        Mesh mesh = await meshes[(caller, situation)];
        long[] before = [.. mesh.Nodes.Select(TcpBytes)];
        CommandResult pings = mesh["a"].Host.Namespace.Run(
            "ping", "-n", "-q", "-i", "0.01", "-c", $"{packets}", "-s", $"{size}", mesh["b"].IPv4);
        Assert.Contains(" 0% packet loss", pings.Output);
        foreach ((Node node, long earlier) in mesh.Nodes.Zip(before)) Assert.InRange(TcpBytes(node) - earlier, 0, packets * size / 2);
    }

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task Neither_complained_and_the_connection_stayed(Caller caller, Situation situation)
    {
        Mesh mesh = await meshes[(caller, situation)];
        foreach (Node node in mesh.Nodes)
        {
            Complaints.None(node);
            Assert.Single(node.Log.Matching(AnyPeer));
        }
    }

    [LabTheory, MemberData(nameof(WithUdp))]
    public async Task Each_knows_the_algorithms_that_the_other_asks_for(Caller caller, Situation situation)
    {
        Mesh mesh = await meshes[(caller, situation)];
        int mac = situation == Situation.NarrowLinkAndLongMac ? 32 : 4;
        foreach ((Node node, Node other) in mesh.BothWays())
        {
            NodeState state = node.View(other)!;
            Assert.Equal((427, 672, mac, 0), (state.Cipher, state.Digest, state.MacLength, state.Compression));
        }
    }

    private const int EthernetHeader = 14;

    private static bool UsesUdp(Situation situation) =>
        situation is not (Situation.TcpOnlyHere or Situation.TcpOnlyThere or Situation.UdpBlocked or Situation.NoPmtuDiscovery);

    private static int Link(Situation situation) => situation == Situation.NarrowLinkAndLongMac ? 1400 : 1500;

    private static Underlay Below(Situation situation) => situation == Situation.OverIPv6 ? Underlay.IPv6 : Underlay.IPv4;

    // Whole blocks of AES, of which one byte at least is padding; the sequence number before, the MAC behind (spec 08 §14).
    private static int IpMtu(Situation situation)
    {
        int payload = Link(situation) - (Below(situation) == Underlay.IPv4 ? 20 : 40) - 8;
        int body = (payload - (situation == Situation.NarrowLinkAndLongMac ? 32 : 4)) / 16 * 16;
        return body - 1 - 4 - EthernetHeader;
    }

    private static long TcpBytes(Node node)
    {
        // Bytes that the meta connection has sent so far.
        string text = node.Host.Namespace.Run("ss", "-tinH", "state", "established").OrThrow().Output;
        int at = text.IndexOf("bytes_sent:", StringComparison.Ordinal);
        string digits = string.Concat(text[(at + "bytes_sent:".Length)..].TakeWhile(char.IsAsciiDigit));
        return at < 0 ? 0 : long.Parse(digits, CultureInfo.InvariantCulture);
    }

    public sealed class Meshes : MeshShelf<(Caller, Situation)>
    {
        private static readonly Situation[] OneWayOnly =
        [
            Situation.OverIPv6, Situation.NarrowLinkAndLongMac, Situation.TcpOnlyHere, Situation.TcpOnlyThere, Situation.NoPmtuDiscovery,
            Situation.Hub,
        ];

        public static IEnumerable<(Caller, Situation)> All =>
            from situation in Enum.GetValues<Situation>()
            from caller in Enum.GetValues<Caller>()
            where caller == Caller.Ours || !OneWayOnly.Contains(situation)
            select (caller, situation);

        protected override IEnumerable<(Caller, Situation)> Keys => All;

        protected override Task<Mesh> Run((Caller, Situation) key)
        {
            (Caller caller, Situation situation) = key;
            Mesh mesh = new($"legacy-{caller}-{situation}")
            {
                Keys = situation == Situation.OnlyRsaKeys ? Interop.Tests.Keys.Rsa : Interop.Tests.Keys.Both,
            };
            bool oursCalls = caller == Caller.Ours;
            Node a = mesh.Add("a", oursCalls ? Make.Ours : Make.Stock10, Link(situation));
            Node b = mesh.Add("b", oursCalls ? Make.Stock10 : Make.Ours, Link(situation));
            (Node ours, Node stock) = oursCalls ? (a, b) : (b, a);
            string[] both = situation switch
            {
                Situation.NoPmtuDiscovery => ["PMTUDiscovery = no"],
                Situation.Switch => ["Mode = switch"],
                Situation.Hub => ["Mode = hub"],
                Situation.NarrowLinkAndLongMac => ["MACLength = 32"],
                _ => [],
            };
            foreach (Node node in mesh.Nodes) node.Set(both);
            if (situation == Situation.TcpOnlyHere) ours.Set("TCPOnly = yes");
            if (situation == Situation.TcpOnlyThere) stock.Set("TCPOnly = yes");
            if (situation == Situation.UdpBlocked) foreach (Node node in mesh.Nodes) node.Host.DropUdp();
            Mesh.Connect(a, b, Below(situation));
            return mesh.Ready(async _ =>
            {
                await mesh.Start();
                if (UsesUdp(situation)) await mesh.Settle(a, b, TimeSpan.FromSeconds(60));
                else await mesh.Answers(a, b, TimeSpan.FromSeconds(25));
            });
        }
    }
}
