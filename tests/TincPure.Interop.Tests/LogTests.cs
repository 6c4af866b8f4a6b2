using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>
/// What a pair of daemons has to say in the course of a life, ours side by side with stock: every kind of line, the debug level from which
/// on it is seen, and the priority that the system log is told. <see cref="LogDifferences"/> lists what differs, and why.
/// </summary>
[Collection(nameof(Alone))]
public partial class LogTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private static readonly int[] Levels = [0, 1, 2, 3, 4, 5];

    [LabFact]
    public async Task Ours_says_what_stock_says_at_the_same_levels_and_little_else()
    {
        string[] unexplained = await Unexplained();
        // Some lines depend on the moment, in stock as in ours. What is really different is so again.
        if (unexplained.Length > 0) unexplained = [.. unexplained.Intersect(await Unexplained())];
        Assert.True(unexplained.Length == 0, string.Join('\n', unexplained));
    }

    private async Task<string[]> Unexplained()
    {
        Dictionary<string, Kind>[] logs = await Task.WhenAll(new[] { Make.Stock, Make.Ours }.Select(make => Task.Run(() => Log(make))));
        (string Shape, Kind? Stock, Kind? Ours)[] lines =
            [.. logs[0].Keys.Union(logs[1].Keys).Order().Select(shape => (shape, logs[0].GetValueOrDefault(shape), logs[1].GetValueOrDefault(shape)))];
        (string Shape, Kind? Stock, Kind? Ours)[] differing = [.. lines.Where(line => line.Stock != line.Ours)];
        output.WriteLine($"{lines.Length} kinds of lines, {differing.Length} of them not alike:");
        Assert.True(lines.Length - differing.Length > 60, string.Join('\n', lines));
        List<string> unexplained = [];
        foreach ((string shape, Kind? stock, Kind? ours) in differing)
        {
            string? reason = LogDifferences.Reason(shape, inStock: stock is not null, inOurs: ours is not null);
            string text = $"{shape} (stock: {stock?.ToString() ?? "never"}, ours: {ours?.ToString() ?? "never"})";
            if (reason is null) unexplained.Add(text);
            output.WriteLine($"{text}: {reason ?? "?"}");
        }

        return [.. unexplained];
    }

    /// <summary>Where a kind of line is seen.</summary>
    /// <param name="Level">The least debug level.</param>
    /// <param name="Priorities">As the system log counts them.</param>
    private sealed record Kind(int Level, string Priorities)
    {
        public override string ToString() => $"level {Level}, priority {Priorities}";
    }

    private static async Task<Dictionary<string, Kind>> Log(Make make)
    {
        await using Mesh mesh = new($"log-{make}");
        Node a = mesh.Add("a", make), b = mesh.Add("b", make);
        Mesh.Connect(a, b);
        foreach (Node node in mesh.Nodes)
        {
            node.Replace("PingTimeout = 15", "PingTimeout = 3");
            node.Set("PingInterval = 3");
            foreach (string script in (string[])["tinc-down", "host-up", "host-down", "subnet-up", "subnet-down"]) node.Script(script, ":");
        }

        a.Set("KeyExpire = 10");
        List<(string Text, int Level, int? Priority)> lines = [];
        foreach (int level in Levels) await StartAndEnd(mesh, level, lines);
        using Observer first = new(mesh, a), second = new(mesh, b);
        await Story(mesh, first, second);
        foreach (Observer observer in (Observer[])[first, second]) observer.Report(lines);
        return lines
            .GroupBy(line => Shape(mesh.Nodes.Aggregate(line.Text, (text, node) => text.Replace(node.Folder, "FOLDER"))))
            .ToDictionary(
                kind => kind.Key,
                kind => new Kind(kind.Min(line => line.Level), string.Join('+', kind.Select(line => line.Priority).OfType<int>().Distinct().Order())));
    }

    // What is said before anybody can listen, and when nobody can any more.
    private static async Task StartAndEnd(Mesh mesh, int level, List<(string Text, int Level, int? Priority)> lines)
    {
        Node b = mesh["b"];
        using Syslog log = new(b);
        b.Start("-s", $"-d{level}");
        await mesh.Until("b is ready", Limit, () => log.Count("^Ready$") > 0);
        b.Signal("TERM");
        Assert.True(b.WaitForEnd(Limit), mesh.Evidence());
        await mesh.Until("b has said all", Limit, () => log.Count("^Terminating$") > 0);
        lines.AddRange(log.Messages.Select(message => (message.Text, level, (int?)message.Priority)));
    }

    private static async Task Story(Mesh mesh, Observer first, Observer second)
    {
        Node a = mesh["a"], b = mesh["b"];
        string conf = Path.Combine(a.Folder, "tinc.conf"), good = File.ReadAllText(conf), host = File.ReadAllText(a.HostFilePath("a"));

        await second.Start();
        await first.Start();
        await mesh.EveryoneReachesEveryone(Limit);
        await mesh.Settle(a, b, Limit);
        // Until the path is known packets may all have taken TCP.
        a.Host.Namespace.Run("ping", "-c1", "-W5", b.IPv4).OrThrow();
        await first.Says(@"^Sending packet from .* \(UDP\)$");
        a.Host.Namespace.Run("ping", "-c1", "-W1", "10.77.9.9");

        a.Signal("HUP");
        await first.Says("^Got Hangup signal");
        File.WriteAllText(a.HostFilePath("a"), host + "Subnet = 10.88.0.0/16\n");
        a.Signal("HUP");
        await first.Says("^Sending ADD_SUBNET .*10.88");
        File.WriteAllText(a.HostFilePath("a"), host);
        a.Signal("HUP");
        await first.Says("^Sending DEL_SUBNET .*10.88");
        a.Signal("ALRM");
        await first.Says("^Got Alarm clock signal");
        foreach (string ignored in (string[])["USR1", "USR2", "WINCH"]) a.Signal(ignored);
        a.SetDebug(4);
        a.SetDebug(5);
        a.Tinc(Make.Stock, "disconnect", "b").OrThrow();
        await first.Says("^Connection with b .* activated", times: 2);
        foreach (string command in (string[])["reload", "retry", "purge"]) a.Tinc(Make.Stock, command).OrThrow();

        // Strangers, some of whom say nothing.
        foreach (string line in (string[])["0 stranger 17.7\n", "0 no-name 17.7\n", "GET / HTTP/1.1\r\n\r\n", "99 hello\n", "8\n"]) Call(b, line);
        using Socket silent = Call(b, "");
        using Socket datagrams = a.Host.Namespace.Open(2, 2, 0);
        datagrams.SendTo(new byte[100], new IPEndPoint(IPAddress.Parse(b.Host.IPv4), 655));
        await second.Says("^Received UDP packet from unknown source");
        await second.Says("^Timeout from <unknown> .* during authentication");
        await first.Says("^Expiring symmetric keys");
        await second.Says("^Got KEY_CHANGED ");

        File.WriteAllText(conf, good.Replace("ConnectTo = b", ""));
        a.Signal("HUP");
        await mesh.Until("b is gone", Limit, () => !a.Reaches(b));
        File.WriteAllText(conf, good);
        a.Signal("HUP");
        await mesh.Until("b is back", Limit, () => a.Reaches(b));

        // b ends, and is called in vain; it comes again.
        b.Stop();
        await first.Says("^Trying to re-establish outgoing connection in");
        a.Signal("ALRM");
        await first.Says("^Error while connecting to b .*: Connection refused");
        await second.Start();
        a.Signal("ALRM");
        await mesh.EveryoneReachesEveryone(Limit);

        // The line is cut.
        a.Host.Cut();
        b.Host.Cut();
        await first.Says("didn't respond to PING in");
        await first.Says("^Timeout while connecting to b");
        a.Stop();

        Socket Call(Node node, string line)
        {
            Socket caller = a.Host.Namespace.Open(2, 1, 0);
            caller.Connect(IPAddress.Parse(node.Host.IPv4), 655);
            caller.Send(Encoding.ASCII.GetBytes(line));
            return caller;
        }
    }

    /// <summary>Hears all that a daemon says at level 5, and what of it is for those who want less.</summary>
    private sealed class Observer(Mesh mesh, Node node) : IDisposable
    {
        private readonly Syslog _log = new(node);
        private readonly List<LogStream> _streams = [];

        public async Task Start()
        {
            int ready = _log.Count("^Ready$");
            node.Start("-s");
            await mesh.Until($"{node.Name} is ready", Limit, () => _log.Count("^Ready$") > ready);
            _streams.AddRange(Levels.Select(level => new LogStream(node, level)));
        }

        public Task Says(string pattern, int times = 1) =>
            mesh.Until($"{node.Name} says {pattern}", Limit, () => _log.Count(pattern) >= times);

        public void Report(List<(string Text, int Level, int? Priority)> lines)
        {
            lines.AddRange(_log.Messages.Select(message => (message.Text, Levels[^1], (int?)message.Priority)));
            lines.AddRange(_streams.SelectMany(stream => stream.Messages.Select(message => (message, stream.Level, (int?)null))));
        }

        public void Dispose()
        {
            foreach (LogStream stream in _streams) stream.Dispose();
            _log.Dispose();
        }
    }

    // Requests have their own tests: what they are does not count here.
    private static string Shape(string text) =>
        Numbers().Replace(Nodes().Replace(Keys().Replace(Addresses().Replace(Versions().Replace(Requests().Replace(text, "$1 REQUEST $2: TEXT"), "tincd VERSION"), "ADDRESS"), "KEY"), "NODE"), "N");

    [GeneratedRegex("^(Got|Sending|Forwarding) [A-Z_]+ ((?:from|to) .*? \\(.*?\\)): .*", RegexOptions.Singleline)]
    private static partial Regex Requests();

    [GeneratedRegex(@"^tincd \S+ \(.*?\)")]
    private static partial Regex Versions();

    [GeneratedRegex(@"\b\d+\.\d+\.\d+\.\d+\b|(?<![\w:])[0-9a-f]{1,4}:[0-9a-f:]*:[0-9a-f]*(?![\w:])")]
    private static partial Regex Addresses();

    [GeneratedRegex("[A-Za-z0-9+/=_-]{40,}")]
    private static partial Regex Keys();

    [GeneratedRegex(@"(?<=^|\b(from|to|of|with|by|via|for|Node) )[ab]\b")]
    private static partial Regex Nodes();

    [GeneratedRegex(@"\b(0x)?[0-9a-f]*\d[0-9a-f]*\b")]
    private static partial Regex Numbers();
}
