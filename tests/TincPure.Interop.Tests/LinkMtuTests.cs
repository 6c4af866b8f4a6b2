namespace TincPure.Interop.Tests;

/// <summary>Paths narrower than Ethernet.</summary>
public class LinkMtuTests(LinkMtuTests.Meshes meshes) : IClassFixture<LinkMtuTests.Meshes>
{
    public static readonly TheoryData<Pairing, Path> EachWay = Meshes.All.Theory();

    /// <summary>Where the path is narrow.</summary>
    public enum Path
    {
        /// <summary>The hosts' own links have an MTU of 1400.</summary>
        Link1400,

        /// <summary>The hosts' own links have an MTU of 1280.</summary>
        Link1280,

        /// <summary>The hosts' links are full Ethernet, but a link between them has an MTU of 1400.</summary>
        Hop1400,
    }

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task Both_ends_find_the_MTU_of_the_narrow_link(Pairing pairing, Path path)
    {
        Mesh mesh = await meshes[(pairing, path)];
        foreach ((Node node, Node other) in mesh.BothWays())
        {
            Assert.Equal(Tunnel.PathMtu(Narrowest(path), Underlay.IPv4), node.View(other)!.Mtu);
        }
    }

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task Packets_of_every_size_arrive_whole(Pairing pairing, Path path)
    {
        Mesh mesh = await meshes[(pairing, path)];
        mesh.EverySizeArrives(mesh["a"], mesh["b"], Tunnel.IpMtu(Narrowest(path), Underlay.IPv4));
    }

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task The_doctor_tells_a_hole_on_the_way_from_a_narrow_link_of_our_own(Pairing pairing, Path path)
    {
        Node a = (await meshes[(pairing, path)])["a"];
        CommandResult doctor = a.Tinc(Make.Ours, "doctor");
        int mtu = Tunnel.PathMtu(1400, Underlay.IPv4);
        string finding = $"The path to b has a hole: {mtu} bytes pass, {mtu + 1} do not.\n  cause:  our own link eth0 (MTU 1500) would carry {Tunnel.PathMtu(1500, Underlay.IPv4)};";
        if (path == Path.Hop1400) Assert.Contains(finding, doctor.Output);
        else Assert.DoesNotContain("has a hole", doctor.Output);
    }

    private static int Narrowest(Path path) => path == Path.Link1280 ? 1280 : 1400;

    public sealed class Meshes : MeshShelf<(Pairing, Path)>
    {
        public static IEnumerable<(Pairing, Path)> All =>
            from pairing in Pairings.WithOurs from path in Enum.GetValues<Path>() select (pairing, path);

        protected override IEnumerable<(Pairing, Path)> Keys => All;

        protected override Task<Mesh> Run((Pairing, Path) key)
        {
            (Pairing pairing, Path path) = key;
            Mesh mesh = path == Path.Hop1400 ? WithRouter(pairing) : pairing.Build($"mtu-{path}", mtu: Narrowest(path));
            return mesh.Ready(async _ =>
            {
                await mesh.Start();
                await mesh.Settle(mesh["a"], mesh["b"], TimeSpan.FromSeconds(30));
            });
        }

        private static Mesh WithRouter(Pairing pairing)
        {
            Mesh mesh = new($"mtu-{Path.Hop1400}-{pairing}");
            Wire far = mesh.Keep(new Wire(3)), middle = mesh.Keep(new Wire(4));
            Host a = new("a"), b = new("b"), left = mesh.Keep(new Host("left")), right = mesh.Keep(new Host("right"));
            a.Attach(mesh.Wire, 1);
            left.Attach(mesh.Wire, 9);
            left.Attach(middle, 1, mtu: 1400);
            right.Attach(middle, 2, mtu: 1400);
            right.Attach(far, 9);
            b.Attach(far, 2);
            a.Namespace.Ip("route add default via 192.0.2.9");
            b.Namespace.Ip("route add default via 192.0.3.9");
            left.Namespace.Ip("route add 192.0.3.0/24 via 192.0.4.2");
            right.Namespace.Ip("route add 192.0.2.0/24 via 192.0.4.1");
            left.Forward();
            right.Forward();
            Mesh.Connect(mesh.Add("a", pairing.Caller(), a), mesh.Add("b", pairing.Called(), b));
            return mesh;
        }
    }
}
