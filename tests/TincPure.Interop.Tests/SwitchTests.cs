using System.Net;
using System.Net.Sockets;
using System.Text;

namespace TincPure.Interop.Tests;

/// <summary>Meshes that are one Ethernet: switch and hub mode on TAP devices, and routing on them.</summary>
public class SwitchTests(SwitchTests.Rows rows) : IClassFixture<SwitchTests.Rows>
{
    public static readonly TheoryData<Pairing> EachPairing = Pairings.Cases;

    public static readonly TheoryData<Row, string> EachRow = Rows.All.Theory();

    public static readonly TheoryData<Row> EachSwitch = [Row.OursOursOurs, Row.StockOursStock, Row.OursStockOurs];

    /// <summary>Who stands where: first end, middle, second end.</summary>
    public enum Row
    {
        OursOursOurs,
        StockOursStock,
        OursStockOurs,
    }

    [LabTheory, MemberData(nameof(EachPairing))]
    public async Task Two_switches_learn_each_other_s_hosts_and_carry_every_size(Pairing pairing)
    {
        await using Mesh mesh = pairing.Build("switch");
        foreach (Node node in mesh.Nodes) node.Set("Mode = switch");
        await mesh.Start();
        await mesh.Settle(mesh["a"], mesh["b"], TimeSpan.FromSeconds(20));
        mesh.EverySizeArrives(mesh["a"], mesh["b"], Tunnel.IpMtu(1500, Underlay.IPv4));
        foreach ((Node node, Node other) in mesh.BothWays())
        {
            Assert.Equal([other.Name], Owners(node, MacOf(other)));
            Assert.Equal([node.Name], Owners(node, MacOf(node)));
            Complaints.None(node);
        }
    }

    [LabTheory, MemberData(nameof(EachPairing))]
    public async Task A_router_on_an_Ethernet_device_answers_for_the_others(Pairing pairing)
    {
        await using Mesh mesh = pairing.Build("tap-router");
        foreach (Node node in mesh.Nodes) node.Set("DeviceType = tap");
        await mesh.Start();
        await mesh.Settle(mesh["a"], mesh["b"], TimeSpan.FromSeconds(20));
        mesh.EverySizeArrives(mesh["a"], mesh["b"], Tunnel.IpMtu(1500, Underlay.IPv4));
        // The neighbour is a fiction: our own address with another last byte (spec 04 §12).
        string neighbours = mesh["a"].Host.Namespace.Run("ip", "neigh", "show", mesh["b"].IPv4, "dev", "vpn").Output;
        Assert.Contains(MacOf(mesh["a"])[..14], neighbours);
    }

    [LabTheory, MemberData(nameof(EachRow))]
    public async Task A_broadcast_reaches_every_host_once(Row row, string mode)
    {
        Mesh mesh = await rows[(row, mode)];
        foreach (Node speaker in mesh.Nodes)
        {
            Dictionary<string, int[]> heard = Broadcast(mesh, speaker, packets: 50);
            foreach (Node node in mesh.Nodes)
            {
                // A host hears its own broadcasts from its own kernel, and must not hear them from the mesh.
                Assert.True(
                    heard[node.Name].All(times => times == 1),
                    $"{speaker.Name} spoke, {node.Name} heard {string.Join(' ', heard[node.Name])}\n{mesh.Evidence()}");
            }
        }
    }

    [LabTheory, MemberData(nameof(EachRow))]
    public async Task Hosts_at_both_ends_of_a_row_talk(Row row, string mode)
    {
        Mesh mesh = await rows[(row, mode)];
        await using PingStream pings = new(mesh["a"], mesh["c"].IPv4, 0.05);
        await mesh.Until("c answers a", TimeSpan.FromSeconds(20), () => pings.Answered > 20);
        PingReport report = await pings.Stop();
        Assert.True(report.Lost <= 2, report.ToString());
        foreach (Node node in mesh.Nodes) Complaints.None(node);
    }

    [LabTheory, MemberData(nameof(EachSwitch))]
    public async Task A_host_that_moves_to_another_node_is_found_there(Row row)
    {
        await using Mesh mesh = Rows.InARow("moving", row, "switch");
        using Guest guest = new();
        await mesh.Start();
        (Node a, Node b, Node c) = (mesh["a"], mesh["b"], mesh["c"]);
        guest.MoveTo(b);
        await using PingStream pings = new(a, Guest.Address, 0.1);
        await mesh.Until("the guest answers from behind b", TimeSpan.FromSeconds(20), () => pings.Answered > 5);
        Assert.Equal(["b"], Owners(a, Guest.Mac));

        guest.MoveTo(c);
        guest.Announce();
        // Both are asked until the old owner has looked through its addresses, every ten seconds.
        await mesh.Until("everybody knows where the guest is", TimeSpan.FromSeconds(20),
            () => mesh.Nodes.All(node => Owners(node, Guest.Mac) is ["c"]));
        int before = pings.Answered;
        await mesh.Until("the guest answers from behind c", TimeSpan.FromSeconds(5), () => pings.Answered > before + 5);
    }

    [LabFact]
    public async Task An_address_that_falls_silent_is_forgotten_and_its_script_runs()
    {
        await using Mesh mesh = Pairing.OursCallsOurs.Build("ageing");
        using Guest guest = new();
        foreach (Node node in mesh.Nodes) node.Set("Mode = switch", "MACExpire = 3");
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        string report = Path.Combine(b.Folder, "report");
        foreach (string script in (string[])["subnet-up", "subnet-down"])
            b.Script(script, $"echo {script} $NODE $SUBNET >>{report}");
        await mesh.Start();
        guest.MoveTo(b);
        guest.Announce();
        await mesh.Until("the guest is known", TimeSpan.FromSeconds(10), () => Owners(a, Guest.Mac) is ["b"]);
        await mesh.Until("the guest is forgotten", TimeSpan.FromSeconds(30), () => Owners(a, Guest.Mac) is []);
        await mesh.Until("the scripts have run", TimeSpan.FromSeconds(5), () =>
            File.ReadAllLines(report).Where(line => line.EndsWith(Guest.Mac)).ToArray()
                is [$"subnet-up b {Guest.Mac}", $"subnet-down b {Guest.Mac}"]);
    }

    [LabFact]
    public async Task PriorityInheritance_marks_the_datagrams_of_the_tunnel()
    {
        await using Mesh mesh = Pairing.OursCallsOurs.Build("priority");
        foreach (Node node in mesh.Nodes) node.Set("PriorityInheritance = yes");
        await mesh.Start();
        await mesh.Settle(mesh["a"], mesh["b"], TimeSpan.FromSeconds(20));
        using Socket witness = mesh["b"].Host.Namespace.Open(2, 3, 17); // raw sockets for UDP see IP headers
        witness.ReceiveTimeout = 2000;
        Command.Run("ip", "netns", "exec", mesh["a"].Host.Namespace.Name,
            "ping", "-n", "-c", "5", "-i", "0.1", "-s", "700", "-Q", "0xb8", mesh["b"].IPv4).OrThrow();
        HashSet<byte> marks = [];
        byte[] buffer = new byte[2048];
        while (witness.Poll(200_000, SelectMode.SelectRead))
        {
            int length = witness.Receive(buffer);
            if (length > 700) marks.Add(buffer[1]);
        }

        Assert.Equal<byte>([0xb8], marks);
    }

    private static string MacOf(Node node) =>
        node.Host.Namespace.Run("cat", "/sys/class/net/vpn/address").OrThrow().Output.Trim();

    /// <summary>Who has announced an Ethernet address, as a node knows it.</summary>
    private static string[] Owners(Node node, string mac) =>
    [
        .. from line in node.Dump(ControlClient.DumpSubnets)
           let fields = line.Split(' ')
           where fields[2] == mac
           select fields[3],
    ];

    /// <summary>How often each host hears each of a number of broadcasts.</summary>
    private static Dictionary<string, int[]> Broadcast(Mesh mesh, Node speaker, int packets)
    {
        const int port = 7777;
        Dictionary<string, (Socket Socket, int[] Times)> ears = [];
        foreach (Node node in mesh.Nodes)
        {
            Socket ear = mesh.Keep(node.Host.Namespace.Open(2, 2, 17));
            ear.Bind(new IPEndPoint(IPAddress.Any, port));
            ears[node.Name] = (ear, new int[packets]);
        }

        using (Socket mouth = speaker.Host.Namespace.Open(2, 2, 17))
        {
            mouth.EnableBroadcast = true;
            mouth.Bind(new IPEndPoint(IPAddress.Parse(speaker.IPv4), 0));
            for (int i = 0; i < packets; i++)
            {
                mouth.SendTo(Encoding.ASCII.GetBytes($"{i} {new string('x', 20 * i)}"), new IPEndPoint(IPAddress.Parse("10.77.255.255"), port));
                Thread.Sleep(5);
            }
        }

        Thread.Sleep(500);
        byte[] buffer = new byte[2048];
        foreach ((Socket ear, int[] times) in ears.Values)
        {
            while (ear.Available > 0)
            {
                int length = ear.Receive(buffer);
                times[int.Parse(Encoding.ASCII.GetString(buffer, 0, length).Split(' ')[0])]++;
            }

            ear.Dispose();
        }

        return ears.ToDictionary(ear => ear.Key, ear => ear.Value.Times);
    }

    public sealed class Rows : MeshShelf<(Row, string)>
    {
        public static IEnumerable<(Row, string)> All =>
            from row in Enum.GetValues<Row>() from mode in (string[])["switch", "hub"] select (row, mode);

        protected override IEnumerable<(Row, string)> Keys => All;

        /// <summary>Three nodes in a row; nothing is started.</summary>
        public static Mesh InARow(string label, Row row, string mode)
        {
            (Make end, Make middle) = row switch
            {
                Row.OursOursOurs => (Make.Ours, Make.Ours),
                Row.StockOursStock => (Make.Stock, Make.Ours),
                _ => (Make.Ours, Make.Stock),
            };
            Mesh mesh = new($"{label}-{mode}-{row}");
            Node a = mesh.Add("a", end), b = mesh.Add("b", middle), c = mesh.Add("c", end);
            Mesh.Connect(a, b);
            Mesh.Connect(b, c);
            foreach (Node node in mesh.Nodes) node.Set($"Mode = {mode}");
            return mesh;
        }

        protected override Task<Mesh> Run((Row, string) key) =>
            InARow("row", key.Item1, key.Item2).Ready(async mesh =>
            {
                await mesh.Start();
                await mesh.Answers(mesh["a"], mesh["c"], TimeSpan.FromSeconds(20));
                await mesh.Settle(mesh["a"], mesh["b"], TimeSpan.FromSeconds(20));
                await mesh.Settle(mesh["b"], mesh["c"], TimeSpan.FromSeconds(20));
            });
    }
}
