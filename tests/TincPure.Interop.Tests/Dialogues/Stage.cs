using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests.Dialogues;

/// <summary>What became of a connection.</summary>
public enum Verdict
{
    Kept,
    Closed,

    /// <summary>There, but what is said is not answered any more: the daemon takes it for something else.</summary>
    Stuck,
}

/// <summary>What came of a saying.</summary>
/// <param name="Reply">Lines to the speaker.</param>
/// <param name="Forwarded">Lines to the observer.</param>
public sealed record Outcome(Verdict Verdict, string[] Reply, string[] Forwarded)
{
    public bool Equals(Outcome? other) =>
        other is not null && Verdict == other.Verdict && Reply.SequenceEqual(other.Reply) && Forwarded.SequenceEqual(other.Forwarded);

    public override int GetHashCode() => HashCode.Combine(Verdict, Reply.Length, Forwarded.Length);

    public override string ToString() => $"{Verdict}, replied [{string.Join(" | ", Reply)}], forwarded [{string.Join(" | ", Forwarded)}]";
}

/// <summary>What came of a whole story: saying by saying, and what the daemon believed at the end.</summary>
public sealed record Performance(Outcome[] Outcomes, string[] Belief);

/// <summary>
/// A daemon with two peers, of which <c>fake</c> says what it is told and <c>obs</c> hears what is passed on. Every story begins from
/// the same state (that of the recorded ones): both peers are active, <c>obs</c> has told of a node <c>third</c> behind it.
/// </summary>
public sealed partial class Stage : IAsyncDisposable
{
    /// <summary>Where both peers say they are.</summary>
    public const string PeerAddress = "192.0.2.2";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    // After so long a daemon that does not answer and has not closed the connection either has lost the thread.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Mesh _mesh;
    private readonly Node _alpha;
    private readonly Host _peers;
    private readonly Impostor[] _keys = [new("fake"), new("obs")];
    private int _played;

    private Stage(Mesh mesh, Node alpha, Host peers) => (_mesh, _alpha, _peers) = (mesh, alpha, peers);

    public static async Task<Stage> Set(string label, Make make, string settings)
    {
        Mesh mesh = new($"dialogue-{label}-{make}");
        Node alpha = mesh.Add("alpha", make);
        Host peers = mesh.Keep(new Host("peers"));
        peers.Attach(mesh.Wire, 2);
        peers.DropUdp();
        Stage stage = new(mesh, alpha, peers);
        await mesh.Ready(async _ =>
        {
            // Nothing that depends on time is to happen meanwhile.
            alpha.Set(
                "AutoConnect = no", "DeviceType = dummy", "Weight = 50", "MaxConnectionBurst = 1000000", "PingTimeout = 1800",
                "PingInterval = 3600", "UDPInfoInterval = 3600", "MTUInfoInterval = 3600", settings);
            File.Delete(Path.Combine(alpha.Folder, "tinc-up"));
            string[] own = [.. File.ReadAllLines(alpha.HostFilePath("alpha")).Where(line => !line.StartsWith("Subnet"))];
            File.WriteAllLines(alpha.HostFilePath("alpha"), [.. own, "Subnet = 10.0.1.0/24"]);
            foreach ((Impostor peer, int net) in stage._keys.Zip([2, 3]))
            {
                peer.IntroduceTo(alpha);
                File.AppendAllText(alpha.HostFilePath(peer.Name), $"Subnet = 10.0.{net}.0/24\n");
            }

            alpha.Start();
            await mesh.Until("alpha is ready", TimeSpan.FromSeconds(30), () => alpha.Log.Count("^Ready$") > 0);
        });
        return stage;
    }

    /// <summary>Plays a story; after a connection was closed what is left of it is played on a new one.</summary>
    public async Task<Performance> Play(Story story)
    {
        _played++;
        using Impostor obs = LogIn(1);
        Impostor fake = LogIn(0);
        try
        {
            string nonce = $"f{_played:x6}";
            Announce(fake, [$"12 {nonce}1 fake alpha {PeerAddress} 655 700000c 10"]);
            Announce(obs,
            [
                $"12 {nonce}2 obs alpha {PeerAddress} 655 700000c 10",
                $"12 {nonce}3 obs third 192.0.2.3 655 700000c 20",
                $"12 {nonce}4 third obs 192.0.2.4 655 700000c 20",
                $"10 {nonce}5 third 10.0.4.0/24",
            ]);
            Drain(fake, obs);
            List<Outcome> outcomes = [];
            foreach (Saying saying in story.Sayings)
            {
                Outcome outcome = Say(saying, fake, obs);
                if (!_alpha.Running) Assert.Fail($"{_alpha.Make} tinc crashed in {story.Title} ({story.Settings}), after:\n{string.Join('\n', story.Sayings.Take(outcomes.Count + 1).Select(said => said.ToString()))}");
                outcomes.Add(outcome);
                if (outcome.Verdict == Verdict.Kept) continue;
                fake.Dispose();
                await Gone("fake");
                fake = LogIn(0);
                Announce(fake, [$"12 {nonce}{outcomes.Count:x4} fake alpha {PeerAddress} 655 700000c 10"]);
                Drain(fake, obs);
            }

            return new Performance([.. outcomes], Belief());
        }
        finally
        {
            fake.Dispose();
            obs.Dispose();
            if (_alpha.Running) await Forget();
        }
    }

    // Everything but itself (and, with StrictSubnets, those whose subnets stand in files).
    private async Task Forget()
    {
        await Gone("fake");
        await Gone("obs");
        ControlClient.Purge(_alpha.PidFile);
        ControlClient.Purge(_alpha.PidFile); // a node to which another's edge led is only forgotten by the second
    }

    /// <summary>What a stranger is answered who begins with these bytes: whole lines, and how many bytes of a handshake follow.</summary>
    public Outcome Greet(byte[] words)
    {
        string cookie = File.ReadAllText(_alpha.PidFile).Split(' ')[1];
        using Socket stranger = _peers.Namespace.Open(2, 1, 0);
        stranger.Connect(IPAddress.Parse(_alpha.Host.IPv4), 655);
        string address = $" {PeerAddress} port {((IPEndPoint)stranger.LocalEndPoint!).Port} ";
        stranger.Send(Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(words).Replace("<cookie>", cookie)));
        bool There() => _alpha.Dump(ControlClient.DumpConnections).Any(line => line.Contains(address));
        List<byte> answer = [];
        byte[] buffer = new byte[4096];
        // A daemon that keeps a stranger waits for more from it: silence is waited for longer than for the end of an answer.
        // One that is not there may not have been let in yet, so it has to be missed twice.
        int missed = 0;
        for (int silence = 0; silence < (answer.Count > 0 ? 2 : 50) && missed < 2; silence++)
        {
            for (; stranger.Poll(TimeSpan.FromMilliseconds(20), SelectMode.SelectRead); silence = 0)
            {
                int count = Receive(stranger, buffer);
                if (count == 0) break;
                answer.AddRange(buffer.AsSpan(0, count));
            }

            missed = There() ? 0 : missed + 1;
        }

        for (int count; stranger.Poll(TimeSpan.Zero, SelectMode.SelectRead) && (count = Receive(stranger, buffer)) > 0;) answer.AddRange(buffer.AsSpan(0, count));
        bool there = There();
        string text = Encoding.Latin1.GetString([.. answer]);
        int end = text.LastIndexOf("\n", Math.Max(0, text.IndexOf('\0') is var zero and >= 0 ? zero : text.Length - 1), StringComparison.Ordinal) + 1;
        string[] lines = [.. text[..end].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => ProcessNumber().Replace(line, "4 0 PID"))];
        return new Outcome(there ? Verdict.Kept : Verdict.Closed, [.. lines, $"and {text.Length - end} bytes"], []);
    }

    private static int Receive(Socket socket, byte[] buffer)
    {
        try
        {
            return socket.Receive(buffer);
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    public ValueTask DisposeAsync() => _mesh.DisposeAsync();

    private Impostor LogIn(int which)
    {
        Impostor peer = _keys[which].Again();
        peer.LogIn(_peers, _alpha);
        return peer;
    }

    private static void Announce(Impostor peer, string[] lines)
    {
        foreach (string line in lines) peer.SendLine(line);
    }

    private void Drain(Impostor fake, Impostor obs)
    {
        for (int i = 0; i < 2; i++)
        {
            if (!Answers(fake, 0) || !Answers(obs, 0)) Assert.Fail($"a peer is not answered\n{_mesh.Evidence()}");
            _alpha.Dump(ControlClient.DumpNodes);
        }
    }

    private Outcome Say(Saying saying, Impostor fake, Impostor obs)
    {
        int heard = fake.Heard.Count, overheard = obs.Heard.Count;
        foreach (Utterance part in saying.Parts)
        {
            switch (part)
            {
                case Utterance.Line line: fake.SendLine(line.Text); break;
                case Utterance.Record record: fake.SendRecord(record.Payload); break;
                case Utterance.Raw raw: fake.SendRaw(raw.Bytes); break;
            }
        }

        Verdict verdict = Answers(fake, saying.Pings) ? Verdict.Kept : Active("fake") ? Verdict.Stuck : Verdict.Closed;
        // What is passed on by way of the packet plane has gone out when that has been asked to count.
        for (int i = 0; i < 2; i++)
        {
            _alpha.Dump(ControlClient.DumpNodes);
            if (!Answers(obs, 0) && _alpha.Running) Assert.Fail($"after {saying} the observer is not answered\n{_mesh.Evidence()}");
        }

        if (verdict == Verdict.Kept && !Answers(fake, 0)) verdict = Verdict.Stuck;
        HashSet<string> said = [.. saying.Parts.OfType<Utterance.Line>().Select(line => line.Text)];
        return new Outcome(verdict, Told(fake, heard, said), Told(obs, overheard, said));
    }

    /// <summary>Whether a peer is answered. A daemon that has closed a connection may leave the socket open: it is asked then.</summary>
    private bool Answers(Impostor peer, int others)
    {
        int pongs = peer.Heard.Count(IsPong) + others + 1;
        try
        {
            peer.SendLine("8");
        }
        catch (SocketException)
        {
            return false;
        }

        bool Answered() => peer.Heard.Count(IsPong) >= pongs;
        Stopwatch watch = Stopwatch.StartNew();
        while (watch.Elapsed < Patience)
        {
            if (peer.Listen(TimeSpan.FromMilliseconds(10), Answered)) return true;
            if (peer.HungUp || !Active(peer.Name)) return false;
        }

        return false;
    }

    private static bool IsPong(string line) => line == "9";

    /// <summary>Ours asks its neighbours whether they are there when something changes in its network, whatever is said.</summary>
    private static bool IsPing(string line) => line == "8";

    private bool Active(string name) => _alpha.Dump(ControlClient.DumpConnections).Any(line => line.StartsWith($"18 6 {name} "));

    private async Task Gone(string name)
    {
        for (Stopwatch watch = Stopwatch.StartNew(); Active(name); await Task.Delay(2))
        {
            if (watch.Elapsed > Limit) Assert.Fail($"{name} is not gone\n{_mesh.Evidence()}");
        }
    }

    private static string[] Told(Impostor peer, int from, HashSet<string> said) =>
        [.. peer.Heard.Skip(from).Where(line => !IsPong(line) && !IsPing(line)).Select(line => said.Contains(line) ? line : Steady(line))];

    // Random numbers and keys.
    private static string Steady(string line) => Key().Replace(Nonce().Replace(line, "$1 NONCE "), "<base64>");

    // What a story is about: nodes, edges and subnets. The status bits: reachable.
    private string[] Belief() =>
    [
        .. _alpha.Dump(ControlClient.DumpNodes).Select(NodeState.Parse)
            .Select(node => $"node {node.Name}: {(node.Reachable ? $"reachable, options {node.Options:x}, by {node.NextHop} via {node.Via}" : "unreachable")}").Order(StringComparer.Ordinal),
        .. _alpha.Dump(ControlClient.DumpEdges).Order(StringComparer.Ordinal),
        .. _alpha.Dump(ControlClient.DumpSubnets).Order(StringComparer.Ordinal),
    ];

    [GeneratedRegex("^4 0 [0-9]+$")]
    private static partial Regex ProcessNumber();

    [GeneratedRegex("^(1[0-4]) [0-9a-f]+ ")]
    private static partial Regex Nonce();

    [GeneratedRegex("[A-Za-z0-9+/]{43,}")]
    private static partial Regex Key();
}
