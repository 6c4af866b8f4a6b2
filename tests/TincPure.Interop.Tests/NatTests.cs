using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>Two nodes, each behind an address translator, that know only a third one, which everybody can call.</summary>
public class NatTests(NatTests.Story story, ITestOutputHelper output) : IClassFixture<NatTests.Story>
{
    private const int Packets = 40;

    public static readonly TheoryData<Nat, Nat, Make> EachWay = [];

    static NatTests()
    {
        foreach ((Nat one, Nat other, Make make) in Story.All) EachWay.Add(one, other, make);
    }

    /// <summary>What was found when the ends had settled.</summary>
    public sealed record Found(bool Direct, long Relayed);

    [LabTheory, MemberData(nameof(EachWay))]
    public async Task Datagrams_go_directly_where_translators_let_them_and_by_the_relay_elsewhere(Nat one, Nat other, Make make)
    {
        Found found = await story[(one, other, make)];
        output.WriteLine($"{found.Relayed} datagrams at the relay for {Packets} packets");
        Assert.Equal(CanMeet(one, other), found.Direct);
        Assert.InRange(found.Relayed, found.Direct ? 0 : Packets, found.Direct ? 15 : Packets + 40);
    }

    // A symmetric translator picks a port that nobody else can know.
    private static bool CanMeet(Nat one, Nat other) =>
        (one, other) is not ((Nat.Symmetric, Nat.Symmetric) or (Nat.Symmetric, Nat.PortRestricted) or (Nat.PortRestricted, Nat.Symmetric));

    public sealed class Story : Trials<(Nat, Nat, Make), Found>
    {
        /// <summary>What is in front of either end, and who made the second one and the relay; the first one is ours.</summary>
        public static IEnumerable<(Nat, Nat, Make)> All =>
            from one in Enum.GetValues<Nat>()
            from other in Enum.GetValues<Nat>()
            from make in Programs.Makes11
            where make == Make.Stock ? one != other : one <= other
            select (one, other, make);

        protected override IEnumerable<(Nat, Nat, Make)> Keys => All;

        protected override async Task<Found> Run((Nat, Nat, Make) key)
        {
            (Nat one, Nat other, Make make) = key;
            await using Mesh mesh = new($"nat-{one}-{other}-{make}");
            NatRouter left = mesh.Keep(new NatRouter(mesh.Wire, 11, 3, one)), right = mesh.Keep(new NatRouter(mesh.Wire, 12, 4, other));
            Node relay = mesh.Add("relay", make), a = mesh.Add("a", Make.Ours, left.Add("a")), b = mesh.Add("b", make, right.Add("b"));
            Mesh.Connect(a, relay);
            Mesh.Connect(b, relay);
            relay.Start();
            await mesh.Until("the relay is ready", TimeSpan.FromSeconds(20), () => relay.Log.Count("^Ready$") > 0);
            a.Start();
            b.Start();
            await mesh.EveryoneReachesEveryone(TimeSpan.FromSeconds(30));
            TimeSpan limit = TimeSpan.FromSeconds(60);
            // A stock relay drops what comes from an address until it is sure of that.
            if (CanMeet(one, other)) await mesh.Settle(a, b, limit);
            else await mesh.Settle(a, b, limit, end => end.View(relay) is { MtuFixed: true } && relay.View(end) is { MtuFixed: true });

            // In the relay's kernel it can be seen which way they go.
            long before = relay.Host.Datagrams();
            using PacketProbe probe = new(a, b, ipv6: false);
            for (int i = 0; i < Packets; i++) Assert.True(probe.Arrives(600), mesh.Evidence());
            long relayed = relay.Host.Datagrams() - before;
            foreach (Node node in mesh.Nodes.Where(node => node.Make == Make.Ours)) Complaints.None(node);
            return new Found(a.View(b)!.UdpConfirmed && b.View(a)!.UdpConfirmed, relayed);
        }
    }
}
