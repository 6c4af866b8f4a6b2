using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace TincPure.Interop.Tests;

/// <summary>
/// What strangers, broken peers and forgers send to a daemon of ours that has a tunnel with a stock node. Each time the log names
/// who and why, and the tunnel does not lose a packet.
/// </summary>
public class BadInputTests(BadInputTests.Meshes meshes) : IClassFixture<BadInputTests.Meshes>
{
    private const int PingSize = 777;

    // Ethernet is stripped: IP and ICMP headers, then what SPTPS and the node IDs add.
    private const int PingDatagram = 20 + 8 + PingSize + 33;

    public static readonly TheoryData<string, string> FirstLines = new()
    {
        { "GET / HTTP/1.1\r\n", "Bogus data received from" },
        { "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\n", "Bogus data received from" },
        { "8\n", "Unauthorized request from" },
        { "18 0\n", "Unauthorized (control )?request from" },
        { "99 hello\n", "Unknown request from" },
        { "0 a 17.7\n", "Got bad ID from .*: invalid name" },
        { "0 no-name 17.7\n", "Got bad ID from .*: invalid name" },
        { "0 mallory\n", "Got bad ID from" },
        { "0 mallory 99.7\n", "Peer mallory .* uses incompatible version 99\\.7" },
        { "0 stranger 17.7\n", "Peer .* had unknown identity \\(stranger\\)" },
        { "0 ^0000000000000000000000000000000000000000000000000000000000000000 0\n", "Got bad ID from .*: invalid name" },
        { "0 ?tooshort 17.1\n", "Got (bad )?invitation from" },
        { new string('x', 3000), "Input buffer full for" },
    };

    [LabTheory, MemberData(nameof(FirstLines))]
    public Task A_stranger_s_first_line_is_refused_with_a_reason(string line, string reason) => WhileThePingRuns(async mesh =>
    {
        Node a = mesh["a"];
        int mark = a.Log.Mark();
        using Socket stranger = mesh["c"].Host.Namespace.Open(2, 1, 0);
        stranger.Connect(IPAddress.Parse(a.Host.IPv4), 655);
        stranger.Send(Encoding.Latin1.GetBytes(line));
        string address = $"{mesh["c"].Host.IPv4} port {((IPEndPoint)stranger.LocalEndPoint!).Port}";
        await mesh.Until(
            $"the log says {reason} and {address}",
            TimeSpan.FromSeconds(5),
            () => a.Log.Matching(reason, mark).Any(message => message.Contains(mesh["c"].Host.IPv4)));
    });

    public static readonly TheoryData<string, string> BadRequests = new()
    {
        { "12 1234 a", "Got bad ADD_EDGE from mallory" },
        { "12 1234 a b! 192.0.2.1 655 0 1", "Got bad ADD_EDGE from mallory .*: invalid name" },
        { "10 1234 mallory 10.0.0.0/99", "Got bad ADD_SUBNET from mallory .*: invalid subnet string" },
        { "13 1234 a", "Got bad DEL_EDGE from mallory" },
        { "15 a", "Got bad REQ_KEY from mallory" },
        { "16 mallory a x", "Got bad ANS_KEY from mallory" },
        { "17 x", "Got bad PACKET from mallory" },
        { "21 x", "Got bad SPTPS_PACKET from mallory" },
        { "23 mallory a 100", "Got bad MTU_INFO from mallory" },
        { "5", "Unknown request from mallory" },
        { "4711", "Unknown request from mallory" },
        { "hello", "Bogus data received from mallory" },
        { "", "Bogus data received from mallory" },
        { "18 0", "Unauthorized (control )?request from mallory" },
    };

    [LabTheory, MemberData(nameof(BadRequests))]
    public Task A_peer_s_bad_request_costs_it_the_connection(string line, string reason) => WhileThePingRuns(async mesh =>
    {
        Node a = mesh["a"];
        int mark = a.Log.Mark();
        using Impostor mallory = meshes.Mallory();
        mallory.LogIn(mesh["c"].Host, a);
        mallory.SendLine(line);
        await mesh.Until($"the log says {reason}", TimeSpan.FromSeconds(5), () => a.Log.Matching(reason, mark).Length > 0);
        Assert.True(mallory.IsLeftAlone(), mesh.Evidence());
    });

    [LabFact]
    public Task A_record_as_large_as_records_get_is_taken_for_what_it_is() => WhileThePingRuns(async mesh =>
    {
        Node a = mesh["a"];
        int mark = a.Log.Mark();
        using Impostor mallory = meshes.Mallory();
        mallory.LogIn(mesh["c"].Host, a);
        mallory.SendRecord(Encoding.ASCII.GetBytes("x" + new string('y', 65000)));
        await mesh.Until("the log says so", TimeSpan.FromSeconds(5), () => a.Log.Matching("Bogus data received from mallory", mark).Length > 0);
    });

    [LabFact]
    public Task A_broken_record_costs_the_connection() => WhileThePingRuns(async mesh =>
    {
        Node a = mesh["a"];
        int mark = a.Log.Mark();
        using Impostor mallory = meshes.Mallory();
        mallory.LogIn(mesh["c"].Host, a);
        mallory.SendRaw(RandomNumberGenerator.GetBytes(400));
        mallory.SendRaw(new byte[65536]); // whatever length the first two bytes were
        await mesh.Until("the connection is closed", TimeSpan.FromSeconds(5), () => a.Log.Matching("Closing connection with mallory", mark).Length > 0);
    });

    [LabFact]
    public Task Contradicting_edges_are_put_right_and_change_nothing() => WhileThePingRuns(async mesh =>
    {
        Node a = mesh["a"];
        int mark = a.Log.Mark();
        using Impostor mallory = meshes.Mallory();
        mallory.LogIn(mesh["c"].Host, a);
        // Another address for an edge of a's own: a says how it is.
        mallory.SendLine($"12 {Nonce()} a b 192.0.2.99 655 700000c 5");
        string told = mallory.Hear(line => line.StartsWith("12 ") && line.Contains(" a b ") && !line.Contains("192.0.2.99"));
        Assert.Contains(mesh["b"].Host.IPv4, told);
        await mesh.Until(
            "the log says so",
            TimeSpan.FromSeconds(5),
            () => a.Log.Matching("Got ADD_EDGE from mallory .* for ourself which does not match existing entry", mark).Length > 0);
        // An edge that a does not have: a takes it back.
        mallory.SendLine($"12 {Nonce()} a nowhere 192.0.2.99 655 700000c 5");
        mallory.Hear(line => line.StartsWith("13 ") && line.EndsWith(" a nowhere"));
        // And one that it has and that is said to be gone.
        mallory.SendLine($"13 {Nonce()} a b");
        int before = mallory.Heard.Count;
        mallory.SendLine($"13 {Nonce()} a b");
        mallory.Hear(line => line.StartsWith("12 ") && line.Contains(" a b "));
        Assert.True(a.Reaches(mesh["b"]) && mesh["b"].Reaches(a), mesh.Evidence());
        Assert.Empty(a.Log.Matching("Node b .* became unreachable", mark));
    });

    [LabFact]
    public Task A_peer_with_another_key_than_the_one_we_know_is_refused() => WhileThePingRuns(async mesh =>
    {
        (Node a, Node eve) = (mesh["a"], mesh["c"]);
        int mark = a.Log.Mark();
        eve.Start();
        string address = $"c ({eve.Host.IPv4} port ";
        await mesh.Until(
            "the connection is refused",
            TimeSpan.FromSeconds(15),
            () => a.Log.Matching("^(Closing connection with c|Failed|Incorrect|Signature|Invalid)", mark).Any(message => message.Contains(address)));
        Assert.False(a.Reaches(eve) || eve.Reaches(a));
        Assert.Empty(a.Log.Matching("^Connection with c .* activated", mark));
        Assert.NotEmpty(a.Log.Matching(@"(verif|[Ss]ignature|SIG).*c \(", mark));
        eve.Stop();
    });

    [LabFact]
    public Task Replayed_truncated_and_altered_datagrams_are_dropped() => WhileThePingRuns(async mesh =>
    {
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        int mark = a.Log.Mark();
        using DatagramTap tap = new(b.Host, a.Host);
        byte[] datagram = tap.Take(PingDatagram);
        for (int i = 0; i < 20; i++) tap.Inject(datagram);
        for (int length = 0; length < datagram.Length; length += 40) tap.Inject(datagram[..length]);
        for (int position = 0; position < datagram.Length; position += 40)
        {
            byte[] altered = [.. datagram];
            altered[position] ^= 1;
            tap.Inject(altered);
        }

        await mesh.Until(
            "the log tells of replays",
            TimeSpan.FromSeconds(5),
            () => a.Log.Matching(@"(late or replayed|Failed to decrypt|unknown source).*", mark).Any(message => message.Contains("b (")));
        if (!Programs.DryRun) Assert.Empty(a.Log.Matching("^(Sending|Got) REQ_KEY", mark)); // stock makes a new session
    });

    [LabFact]
    public Task Datagrams_from_and_for_nobody_we_know_are_dropped() => WhileThePingRuns(async mesh =>
    {
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        int mark = a.Log.Mark();
        using DatagramTap peer = new(b.Host, a.Host), stranger = new(mesh["c"].Host, a.Host);
        byte[] datagram = peer.Take(PingDatagram);
        byte[] unknown = [.. RandomNumberGenerator.GetBytes(12), .. datagram[12..]];
        for (int i = 0; i < 20; i++) peer.Inject(unknown);
        stranger.Inject(unknown);
        stranger.Inject(RandomNumberGenerator.GetBytes(1400));
        stranger.Inject([]);
        await mesh.Until(
            "the log tells of both",
            TimeSpan.FromSeconds(5),
            () => a.Log.Matching("Received UDP packet from b .* with unknown source and/or destination ID", mark).Length > 0 &&
                a.Log.Matching($"Received UDP packet from unknown source {mesh["c"].Host.IPv4} port 655", mark).Length > 0);
    });

    [LabFact]
    public async Task A_bad_line_in_the_configuration_is_named()
    {
        await using Mesh mesh = new("badconfig");
        Node a = mesh.Add("a", Make.Ours);
        a.Set("Port =");
        a.Start();
        Assert.True(a.WaitForEnd(TimeSpan.FromSeconds(10)));
        Assert.Equal(1, a.ExitCode);
        int line = File.ReadAllLines(Path.Combine(a.Folder, "tinc.conf")).Length;
        Assert.Contains(
            $"No value for variable `Port' on line {line} while reading config file {a.Folder}/tinc.conf",
            File.ReadAllText(a.ConsolePath) + string.Join('\n', a.Log.Messages()));
    }

    private static string Nonce() => RandomNumberGenerator.GetHexString(8, lowercase: true);

    private async Task WhileThePingRuns(Func<Mesh, Task> deed)
    {
        Mesh mesh = await meshes[0];
        await using PingStream pings = new(mesh["b"], mesh["a"].IPv4, 0.02, PingSize);
        await mesh.Until("the ping runs", TimeSpan.FromSeconds(5), () => pings.Answered >= 3);
        await deed(mesh);
        int answered = pings.Answered;
        await mesh.Until("the ping still runs", TimeSpan.FromSeconds(5), () => pings.Answered >= answered + 10);
        PingReport report = await pings.Stop();
        // Stock tinc itself makes a new session when it sees a datagram twice.
        Assert.True(report.Lost == 0 || Programs.DryRun, $"{report}\n{mesh.Evidence()}");
        Assert.Empty(mesh["a"].Log.Matching("[Ee]xception"));
    }

    public sealed class Meshes : MeshShelf<int>
    {
        protected override IEnumerable<int> Keys => [0];

        /// <summary>One more connection of a peer that node a knows.</summary>
        public Impostor Mallory()
        {
            Impostor mallory = new("mallory");
            mallory.IntroduceTo(this[0].Result["a"]);
            return mallory;
        }

        // c is a host for strangers; its own daemon holds another key than the one that a knows.
        protected override Task<Mesh> Run(int key) => new Mesh("badinput").Ready(async mesh =>
        {
            Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Stock);
            Mesh.Connect(b, a);
            foreach (Node node in mesh.Nodes) node.Set("MaxConnectionBurst = 1000");
            Node c = mesh.Add("c", Make.Stock);
            Mesh.Connect(c, a);
            string stolen = File.ReadLines(b.HostFilePath("b")).First(line => line.StartsWith("Ed25519PublicKey"));
            File.WriteAllText(a.HostFilePath("c"), stolen + "\n");
            a.Start();
            await mesh.Until("a is ready", TimeSpan.FromSeconds(20), () => a.Log.Count("^Ready$") > 0);
            b.Start();
            await mesh.Until("a and b reach each other", TimeSpan.FromSeconds(20), () => a.Reaches(b) && b.Reaches(a));
            await mesh.Settle(b, a, TimeSpan.FromSeconds(20));
        });
    }
}
