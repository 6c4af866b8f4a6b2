using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>Sockets and connections between real daemons, of both makes.</summary>
public sealed class ConnectionTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public static readonly TheoryData<Make> Makes = [.. Programs.Makes11];

    /// <summary>The system chooses the port; it is the same wherever somebody asks.</summary>
    [LabTheory, MemberData(nameof(Makes)), Trait("Variable", "Port")]
    public async Task With_port_0_both_sides_learn_the_real_port(Make other)
    {
        await using Mesh mesh = new($"port0-{other}");
        Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", other);
        a.HostFile("Port = 0");
        Mesh.Connect(a, b);
        await mesh.Start();
        await mesh.Settle(a, b, Limit);
        string port = a.View(a)!.Port;
        Assert.Matches("^[1-9]\\d*$", port);
        Assert.Equal(port, File.ReadAllText(a.PidFile).Split(' ')[4].Trim());
        Assert.Equal(port, b.View(a)!.Port);
        Assert.All(Listening(a, "-t").Concat(Listening(a, "-u")), address => Assert.EndsWith($":{port}", address));
        Assert.NotEmpty(a.Log.Matching($"^Listening on .* port {port}$"));
        Assert.Contains($"{a.Host.IPv4} port {port}", string.Join('\n', b.Dump(ControlClient.DumpEdges)));
        // (That of pre18 tells what is in the file.)
        if (!Programs.DryRun) Assert.Equal(port, a.Tinc(Make.Ours, "get", "Port").OrThrow().Output.Trim());
        Assert.Contains($" port {port}", b.Tinc(Make.Ours, "info", "a").OrThrow().Output);
    }

    [LabTheory, MemberData(nameof(Makes)), Trait("Variable", "ListenAddress"), Trait("Variable", "BindToAddress")]
    public async Task Eight_sockets_serve_and_a_ninth_ends_the_start(Make make)
    {
        await using Mesh mesh = new($"eight-{make}");
        Node a = mesh.Add("a", make), b = mesh.Add("b", make == Make.Ours ? Make.Stock : Make.Ours);
        Mesh.Connect(b, a);
        string[] addresses = [.. Enumerable.Range(101, 8).Select(i => $"192.0.2.{i}")];
        a.Host.Namespace.Ip([.. addresses.Select(address => $"addr add {address}/24 dev eth0")]);
        a.Set([.. addresses.Take(4).Select(address => $"BindToAddress = {address}"), .. addresses.Skip(4).Select(address => $"ListenAddress = {address}")]);
        // By the last of them.
        File.WriteAllText(b.HostFilePath("a"), File.ReadAllText(b.HostFilePath("a")).Replace(a.Host.IPv4, addresses[^1]));
        await mesh.Start();
        await mesh.Settle(b, a, Limit);
        Assert.Equal(addresses.Select(address => address + ":655").Order(), Listening(a, "-t").Order());
        Assert.Equal(addresses.Select(address => address + ":655").Order(), Listening(a, "-u").Order());
        a.Stop();
        a.Set($"ListenAddress = {a.Host.IPv4}");
        int mark = a.Log.Mark();
        a.Start();
        Assert.True(a.WaitForEnd(Limit), mesh.Evidence());
        Assert.Equal(1, a.ExitCode);
        Assert.Single(a.Log.Matching("^Too many listening sockets$", mark));
        Assert.Equal("Terminating", a.Log.Messages()[^1]);
    }

    /// <summary>No host has an IPv4 address outside the tunnel; inside both families are carried.</summary>
    [LabFact, Trait("Variable", "AddressFamily")]
    public async Task A_mesh_without_IPv4_carries_both()
    {
        await using Mesh mesh = new("ipv6");
        Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Stock), c = mesh.Add("c", Make.Ours);
        Mesh.Connect(a, b, Underlay.IPv6);
        Mesh.Connect(c, b, Underlay.IPv6);
        foreach (Node node in mesh.Nodes)
        {
            node.Set("AddressFamily = ipv6");
            node.Host.Namespace.Ip($"addr del {node.Host.IPv4}/24 dev eth0");
        }

        await mesh.Start();
        foreach ((Node from, Node to) in ((Node, Node)[])[(a, b), (a, c), (c, b)])
        {
            await mesh.Settle(from, to, Limit);
            Assert.Equal(0, from.Host.Namespace.Run("ping", "-c1", "-W5", to.IPv6).ExitCode);
            Assert.Equal(to.Host.IPv6, from.View(to)!.Host);
        }

        foreach (Node node in mesh.Nodes)
        {
            Assert.All(Listening(node, "-t").Concat(Listening(node, "-u")), address => Assert.StartsWith("[", address));
        }
    }

    /// <summary>
    /// Of connections that come all at once so many are let in as the limit says, give or take one (a second may pass, stock's clock may be
    /// late); ten more are held without a word, the others closed. When the flood is over ours lets a stranger in; stock has counted
    /// those that it refused, and lets nobody in for half a minute.
    /// </summary>
    [LabTheory, MemberData(nameof(Makes)), Trait("Variable", "MaxConnectionBurst")]
    public async Task A_flood_of_connections_is_held_or_closed(Make make)
    {
        const int flood = 30, limit = 7, tarpit = 10;
        await using Mesh mesh = new($"flood-{make}");
        Node a = mesh.Add("a", make);
        Impostor mallory = new("mallory");
        mallory.IntroduceTo(a);
        a.Set($"MaxConnectionBurst = {limit}");
        a.Start();
        await mesh.Until("a is ready", Limit, () => a.Log.Count("^Ready$") == 1);
        Host stranger = Attach(66), guest = Attach(67);
        Stopwatch watch = Stopwatch.StartNew();
        List<Socket> callers = [.. Enumerable.Range(0, flood).Select(_ => Call(stranger))];
        await mesh.Until("all but ten are answered or closed", Limit, () => callers.Count(caller => !IsHeld(caller)) >= flood - tarpit);
        await Task.Delay(TimeSpan.FromSeconds(1));
        int answered = callers.Count(caller => caller.Available > 0), held = callers.Count(IsHeld);
        output.WriteLine($"{make}: {answered} of {flood} answered, {held} held, {flood - answered - held} closed; {a.Log.Count("^Connection from ")} logged");
        // One more for each second that the calls took.
        Assert.InRange(answered, limit - 1, limit + 1 + (int)watch.Elapsed.TotalSeconds);
        Assert.Equal(tarpit, held);
        Assert.Equal(answered, a.Log.Count("^Connection from 192"));
        await Task.Delay(TimeSpan.FromSeconds(2));
        callers.Add(Call(guest));
        if (make == Make.Ours && !Programs.DryRun) await mesh.Until("another is answered", Limit, () => callers[^1].Available > 0);
        foreach (Socket caller in callers) caller.Dispose();

        Host Attach(int number)
        {
            Host host = mesh.Keep(new Host("stranger"));
            host.Attach(mesh.Wire, number);
            return host;
        }

        Socket Call(Host from)
        {
            Socket caller = from.Namespace.Open(2, 1, 0);
            caller.Connect(IPAddress.Parse(a.Host.IPv4), 655);
            caller.Send("0 mallory 17.7\n"u8);
            return caller;
        }
    }

    /// <summary>Two nodes that call each other are soon content with one connection, and stay so.</summary>
    [LabTheory, MemberData(nameof(Makes))]
    public async Task Two_that_call_each_other_keep_one_connection(Make other)
    {
        await using Mesh mesh = new($"mutual-{other}");
        Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", other);
        Mesh.Connect(a, b);
        a.Knows(b, Underlay.IPv4);
        b.Knows(a, Underlay.IPv4);
        b.Set("ConnectTo = a");
        a.Start();
        b.Start();
        await mesh.EveryoneReachesEveryone(Limit);
        await mesh.Until("each has one connection", Limit, () => mesh.Nodes.All(node => Connections(node) == 1));
        int before = mesh.Nodes.Sum(Activated);
        await Task.Delay(TimeSpan.FromSeconds(7));
        Assert.Equal(before, mesh.Nodes.Sum(Activated));
        Assert.All(mesh.Nodes, node => Assert.Equal(1, Connections(node)));
        await mesh.Answers(a, b, Limit);

        static int Activated(Node node) => node.Log.Count("^Connection with . .* activated$");
        static int Connections(Node node) => node.Dump(ControlClient.DumpConnections).Count(line => !line.Contains("<control>"));
    }

    // Open, and silent.
    private static bool IsHeld(Socket socket) => !socket.Poll(0, SelectMode.SelectRead);

    private static string[] Listening(Node node, string kind) =>
        [.. node.Host.Namespace.Run("ss", "-H", "-l", "-n", kind).OrThrow().Output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3])];
}
