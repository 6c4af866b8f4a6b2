using System.Globalization;
using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>Configuration variables whose effect the machine sees: sockets, devices, processes, scripts.</summary>
public sealed class VariableTests(VariableTests.Meshes meshes) : IClassFixture<VariableTests.Meshes>
{
    private const string SecondAddress = "192.0.2.51";
    private const int Mark = 42;

    [LabTheory, Trait("Variable", "BindToAddress"), Trait("Variable", "ListenAddress")]
    [InlineData(SecondAddress + ":655")]
    [InlineData("192.0.3.1:7002")]
    [InlineData("[2001:db8:2::1]:7003")]
    public async Task Sockets_are_bound_to_the_addresses_that_are_listed(string address)
    {
        Node a = (await meshes[0])["a"];
        Assert.Contains(address, Listening(a, "-t"));
        Assert.Contains(address, Listening(a, "-u"));
    }

    [LabFact, Trait("Variable", "BindToAddress")]
    public async Task Nothing_else_is_listened_on()
    {
        Node a = (await meshes[0])["a"];
        Assert.Equal(3, Listening(a, "-t").Length);
        Assert.Equal(3, Listening(a, "-u").Length);
    }

    [LabFact, Trait("Variable", "BindToAddress")]
    public async Task Outgoing_connections_come_from_BindToAddress()
    {
        Mesh mesh = await meshes[0];
        Assert.NotEmpty(mesh["b"].Log.Matching($@"^Connection from {Regex.Escape(SecondAddress)} port \d+$"));
    }

    [LabTheory, Trait("Variable", "UDPRcvBuf"), Trait("Variable", "UDPSndBuf")]
    [InlineData("rb", 100_000)]
    [InlineData("tb", 120_000)]
    public async Task Buffers_of_datagram_sockets_are_as_large_as_asked_for(string field, int size)
    {
        Node a = (await meshes[0])["a"];
        string sockets = a.Host.Namespace.Run("ss", "-Hulnm", "sport = :7002").OrThrow().Output;
        // The kernel doubles them for its own needs.
        Assert.Equal((2 * size).ToString(CultureInfo.InvariantCulture), Regex.Match(sockets, field + @"(\d+)").Groups[1].Value);
    }

    [LabTheory, Trait("Variable", "FWMark")]
    [InlineData("tcp")]
    [InlineData("udp")]
    public async Task All_packets_of_sockets_have_the_mark(string protocol)
    {
        Mesh mesh = await meshes[0];
        Node a = mesh["a"];
        await mesh.Until("packets of both protocols have left", TimeSpan.FromSeconds(20), () => Packets(a, protocol, "marked") > 0);
        Assert.Equal(0, Packets(a, protocol, "unmarked"));
    }

    [LabFact, Trait("Variable", "BindToInterface")]
    public async Task Sockets_are_bound_to_the_interface()
    {
        Node c = (await meshes[0])["c"];
        Assert.All(Listening(c, "-t").Concat(Listening(c, "-u")), address => Assert.Contains("%eth1:", address));
        // Its way to the other's address would be by the first wire.
        Assert.NotEmpty(c.Log.Matching("^Trying to connect to b "));
        Assert.Empty(c.Log.Matching("^Connection with b .* activated$"));
    }

    [LabFact, Trait("Variable", "Interface"), Trait("Variable", "DeviceType"), Trait("Variable", "Device"), Trait("Variable", "IffOneQueue")]
    public async Task The_device_is_the_one_that_is_asked_for()
    {
        Node a = (await meshes[0])["a"];
        string link = a.Host.Namespace.Run("ip", "-d", "link", "show", "dev", "chosen").OrThrow().Output;
        Assert.Contains("tun type tap", link);
        Assert.NotEmpty(a.Log.Matching($"^{Regex.Escape(a.Folder)}/node is a Linux tun/tap device \\(tap mode\\)$"));
        string flags = a.Host.Namespace.Run("sh", "-c", "mount -t sysfs sysfs /sys; cat /sys/class/net/chosen/tun_flags").OrThrow().Output;
        Assert.NotEqual(0, Convert.ToInt32(flags.Trim(), 16) & 0x2000);
    }

    [LabFact, Trait("Variable", "ProcessPriority")]
    public async Task The_process_is_as_nice_as_it_should_be()
    {
        Mesh mesh = await meshes[0];
        Assert.Equal((10, 0), (Nice(mesh["a"]), Nice(mesh["c"])));
    }

    [LabFact, Trait("Variable", "ScriptsExtension"), Trait("Variable", "ScriptsInterpreter")]
    public async Task Scripts_have_the_extension_and_are_run_by_the_interpreter()
    {
        Node a = (await meshes[0])["a"];
        // It is not executable: the interpreter reads it.
        Assert.Equal("run by sh", File.ReadAllText(Path.Combine(a.Folder, "proof")).Trim());
    }

    private static string[] Listening(Node node, string kind) =>
        [.. node.Host.Namespace.Run("ss", "-H", "-l", "-n", kind).OrThrow().Output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3])];

    private static int Packets(Node node, string protocol, string kind) =>
        int.Parse(
            Regex.Match(
                node.Host.Namespace.Run("nft", "list", "counter", "inet", "marks", protocol + kind).OrThrow().Output,
                @"packets (\d+)").Groups[1].Value,
            CultureInfo.InvariantCulture);

    private static int Nice(Node node)
    {
        string stat = File.ReadAllText($"/proc/{node.ProcessId}/stat");
        return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[16], CultureInfo.InvariantCulture);
    }

    public sealed class Meshes : MeshShelf<int>
    {
        protected override IEnumerable<int> Keys => [0];

        protected override Task<Mesh> Run(int key) => new Mesh("variables").Ready(async mesh =>
        {
            Wire other = mesh.Keep(new Wire(3));
            Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Stock), c = mesh.Add("c", Make.Ours);
            foreach ((Node node, int number) in (ReadOnlySpan<(Node, int)>)[(a, 1), (c, 3)]) node.Host.Attach(other, number);
            Mesh.Connect(a, b);
            Mesh.Connect(c, b);
            SetUpA(a);
            c.Set("BindToInterface = eth1");
            foreach (Node node in (ReadOnlySpan<Node>)[b, a, c]) node.Start();
            await mesh.Until("a reaches b", TimeSpan.FromSeconds(30), () => a.Reaches(b));
            await mesh.Until("c has tried", TimeSpan.FromSeconds(15), () => c.Log.Count("^Trying to connect to b ") > 0);
            await mesh.Settle(a, b, TimeSpan.FromSeconds(30));
        });

        private static void SetUpA(Node a)
        {
            a.Host.Namespace.Ip($"addr add {SecondAddress}/24 dev eth0");
            Command.RunWith(Rules, "ip", "netns", "exec", a.Host.Namespace.Name, "nft", "-f", "-").OrThrow();
            string device = Path.Combine(a.Folder, "node");
            Command.Run("mknod", device, "c", "10", "200").OrThrow();
            File.Move(Path.Combine(a.Folder, "tinc-up"), Path.Combine(a.Folder, "tinc-up.sh"));
            File.AppendAllText(Path.Combine(a.Folder, "tinc-up.sh"), "echo run by $(basename $0 .sh | sed 's/tinc-up/sh/') >proof\n");
            File.SetUnixFileMode(Path.Combine(a.Folder, "tinc-up.sh"), UnixFileMode.UserRead);
            // The first of several lines counts: these come before the ones that every node has.
            string file = Path.Combine(a.Folder, "tinc.conf");
            File.WriteAllText(file, string.Join('\n', [
                "Interface = chosen", $"Device = {device}", "DeviceType = tap", "IffOneQueue = yes",
                $"BindToAddress = {SecondAddress}", "ListenAddress = 192.0.3.1 7002", "ListenAddress = 2001:db8:2::1 7003",
                $"FWMark = {Mark}", "UDPRcvBuf = 100000", "UDPSndBuf = 120000", "ProcessPriority = low",
                "ScriptsExtension = .sh", "ScriptsInterpreter = /bin/sh", File.ReadAllText(file)]));
        }

        private static string Rules =>
            """
            table inet marks {
              counter tcpmarked {}
              counter tcpunmarked {}
              counter udpmarked {}
              counter udpunmarked {}
              chain out {
                type filter hook output priority 0
                oifname != "eth*" accept
                meta l4proto tcp meta mark 42 counter name tcpmarked accept
                meta l4proto tcp counter name tcpunmarked
                meta l4proto udp meta mark 42 counter name udpmarked accept
                meta l4proto udp counter name udpunmarked
              }
            }

            """;
    }
}
