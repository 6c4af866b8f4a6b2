using System.Text;

namespace TincPure.Interop.Tests;

/// <summary>Nodes on one wire, and what they have to say when something goes wrong.</summary>
public sealed class Mesh : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    private readonly string _label;
    private readonly string _folder;
    private readonly List<Node> _nodes = [];
    private readonly List<IDisposable> _others = [];

    public Mesh(string label)
    {
        _label = label;
        _folder = Path.Combine(Laboratory.Here.Folder, Laboratory.Here.NewName(label));
        Wire = new Wire();
    }

    public Wire Wire { get; }

    /// <summary>The keys of nodes that are added; stock tinc 1.0 has RSA keys and no others.</summary>
    public Keys Keys { get; init; } = Keys.Ed25519;

    public IReadOnlyList<Node> Nodes => _nodes;

    public Node this[string name] => _nodes.Single(node => node.Name == name);

    /// <summary>Adds a node with a host of its own; neither knows anybody yet.</summary>
    public Node Add(string name, Make make, int mtu = 1500)
    {
        Host host = new(name);
        host.Attach(Wire, _nodes.Count + 1, mtu);
        return Add(name, make, host);
    }

    public Node Add(string name, Make make, Host host)
    {
        Node node = new(name, _nodes.Count + 1, make, make == Make.Stock10 ? Keys.Rsa : Keys, host, _folder);
        _nodes.Add(node);
        return node;
    }

    /// <summary>Something to dispose of together with the mesh.</summary>
    public T Keep<T>(T other) where T : IDisposable
    {
        _others.Add(other);
        return other;
    }

    /// <summary>Makes two nodes neighbours, and says who calls whom.</summary>
    public static void Connect(Node caller, Node called, Underlay underlay = Underlay.IPv4)
    {
        caller.Knows(called, callable: underlay);
        called.Knows(caller);
        caller.Set("AutoConnect = no", $"ConnectTo = {called.Name}");
        called.Set("AutoConnect = no");
    }

    /// <summary>The mesh when it is prepared; if that fails nothing is left of it.</summary>
    public async Task<Mesh> Ready(Func<Mesh, Task> prepare)
    {
        try
        {
            await prepare(this);
            return this;
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts all daemons, those that are called first, and waits until every node reaches every other.</summary>
    public async Task Start()
    {
        foreach (Node node in Enumerable.Reverse(_nodes))
        {
            node.Start();
            // Who calls too early waits five seconds for the second try.
            await Until($"{node.Name} is ready", StartLimit, () => node.Log.Matching("^Ready$").Length > 0);
        }

        await EveryoneReachesEveryone(StartLimit);
    }

    public Task<TimeSpan> EveryoneReachesEveryone(TimeSpan limit) =>
        Until("every node reaches every other", limit, () => _nodes.All(ReachesAll));

    /// <summary>Waits for something, or fails with the evidence of all nodes.</summary>
    public Task<TimeSpan> Until(string what, TimeSpan limit, Func<bool> condition) =>
        Waiting.True($"{_label}: {what}", limit, condition, Evidence);

    /// <summary>
    /// Lets a little traffic flow until both ends know their path MTU by UDP. One end asks and the other answers: were both to
    /// ask at once, stock tinc would get into its own way (spec 03 §11.6).
    /// </summary>
    public Task Settle(Node one, Node other, TimeSpan limit) =>
        Settle(one, other, limit, end => end.View(end == one ? other : one) is { MtuFixed: true });

    /// <summary>As above, until both ends are settled in a sense of the caller's.</summary>
    public async Task Settle(Node one, Node other, TimeSpan limit, Func<Node, bool> settled)
    {
        await using PingStream pings = new(one, other.IPv4, 0.1);
        await Until($"{one.Name} and {other.Name} have settled", limit, () => settled(one) && settled(other));
    }

    /// <summary>Waits until a ping is answered. Tells how long it took.</summary>
    public async Task<TimeSpan> Answers(Node one, Node other, TimeSpan limit)
    {
        await using PingStream pings = new(one, other.IPv4, 0.05);
        return await Until($"{other.Name} answers {one.Name}", limit, () => pings.Answered > 0);
    }

    /// <summary>The first and the second node, and the other way round.</summary>
    public (Node From, Node To)[] BothWays() => [(_nodes[0], _nodes[1]), (_nodes[1], _nodes[0])];

    /// <summary>Packets of all interesting sizes get through between two nodes, both ways, IPv4 and IPv6.</summary>
    /// <param name="edge">The largest IP packet that the tunnel carries in one piece.</param>
    public void EverySizeArrives(Node one, Node other, int edge)
    {
        foreach ((Node from, Node to, bool ipv6) in (ReadOnlySpan<(Node, Node, bool)>)
            [(one, other, false), (other, one, false), (one, other, true), (other, one, true)])
        {
            using PacketProbe probe = new(from, to, ipv6);
            int header = probe.HeaderSize;
            foreach (int size in (ReadOnlySpan<int>)
                [header, header + 1, 64, 84, 512, 540, 1000, 1280, 1399, 1400, edge - 1, edge, edge + 1, 1472, 1499, 1500, 1501, 2000, 4000, 8000])
            {
                if (probe.Arrives(size)) continue;
                Assert.Fail($"{_label}: an IPv{(ipv6 ? 6 : 4)} packet of {size} bytes from {from.Name} to {to.Name} did not arrive\n{Evidence()}");
            }
        }
    }

    /// <summary>What each daemon knows of the others, and the ends of their logs.</summary>
    public string Evidence()
    {
        StringBuilder text = new();
        foreach (Node node in _nodes)
        {
            text.AppendLine($"== {node.Name} ({node.Make}), {(node.Running ? "running" : "not running")}");
            text.AppendJoin('\n', node.Dump(ControlClient.DumpNodes)).AppendLine();
            text.AppendLine(node.Log.Tail(25));
            if (File.Exists(node.ConsolePath)) text.AppendLine(File.ReadAllText(node.ConsolePath));
        }

        return text.ToString();
    }

    public ValueTask DisposeAsync()
    {
        foreach (Node node in _nodes)
        {
            node.Dispose();
            node.Host.Dispose();
        }

        foreach (IDisposable other in _others) other.Dispose();
        Wire.Dispose();
        KeepLogs();
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    private bool ReachesAll(Node node)
    {
        IReadOnlyDictionary<string, NodeState> known = node.Nodes();
        return _nodes.All(other => known.GetValueOrDefault(other.Name) is { Reachable: true });
    }

    private void KeepLogs()
    {
        string archive = Directory.CreateDirectory(Path.Combine(Laboratory.Archive, _label)).FullName;
        foreach (Node node in _nodes)
        {
            foreach (string file in (string[])["log", "console"])
            {
                string path = Path.Combine(node.Folder, file);
                if (File.Exists(path)) File.Copy(path, Path.Combine(archive, $"{node.Name}.{node.Make}.{file}".ToLowerInvariant()), overwrite: true);
            }
        }
    }
}
