using System.Security.Cryptography;

namespace TincPure.Interop.Tests;

/// <summary>
/// What strangers and broken peers say to a daemon of ours in the states of the legacy login (spec 08 §10), while it has a tunnel with another
/// node. Each time the log says what stock's would, nothing is left of the connection, and the tunnel does not notice.
/// </summary>
public class LegacyBadInputTests(LegacyBadInputTests.Meshes meshes) : IClassFixture<LegacyBadInputTests.Meshes>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private static readonly (string Line, string Reason)[] FirstLines =
    [
        ("0 stranger 17", "Peer .* had unknown identity \\(stranger\\)"),
        ("0 mallory 16", "Peer mallory .* uses incompatible version 16.0"),
        ("0 a 17", "Got bad ID from .*: invalid name"),
        ("0 b-c 17", "Got bad ID from .*: invalid name"),
        ("0 b 17", "Peer b .* tries to roll back protocol version to 17.0"),
        ("4 655 1 c", "Unauthorized request from"),
        ("1 429 672 0 0 00", "Unauthorized request from"),
    ];

    private static readonly (int Field, string Value, string Reason)[] MetaKeys =
    [
        (1, "0", "Possible intruder mallory .*: cipher 0, digest 672"),
        (2, "0", "Possible intruder mallory .*: cipher 429, digest 0"),
        (1, "99999", "Unknown cipher nid 99999!"),
        (1, "672", "Unknown cipher nid 672!"),
        (1, "427", "Unknown cipher nid 427!"),
        (1, "901", "Unknown cipher nid 901!"),
        (2, "99999", "Unknown digest nid 99999!"),
        (5, new string('0', 510), "Possible intruder mallory .*: wrong keylength"),
        (5, new string('0', 514), "Possible intruder mallory .*: wrong keylength"),
        (5, new string('Z', 512), "Possible intruder mallory .*: wrong keylength"),
        (5, new string('F', 512), "Error during decryption of meta key for mallory"),
        (5, "", "Got bad METAKEY from mallory"),
    ];

    private static readonly (string Line, string Reason)[] Challenges =
    [
        ("2 " + new string('0', 510), "Possible intruder mallory .*: wrong challenge length"),
        ("2 " + new string('Z', 512), "Got bad CHALLENGE from mallory.*: invalid challenge"),
        ("2", "Got bad CHALLENGE from mallory"),
        ("3 " + new string('0', 64), "Unauthorized request from mallory"),
        ("4 655 1 c", "Unauthorized request from mallory"),
        ("hello", "Bogus data received from mallory"),
        (new string('x', 3000), "Input buffer full for mallory"),
    ];

    private static readonly (string Line, string Reason)[] Replies =
    [
        (new string('0', 64), "Possible intruder mallory .*: wrong challenge reply"),
        (new string('0', 62), "Possible intruder mallory .*: wrong challenge reply length"),
        (new string('Z', 64), "Possible intruder mallory .*: wrong challenge reply length"),
        ("", "Got bad CHAL_REPLY from mallory"),
    ];

    private static readonly (string Line, string Reason)[] LastLines =
    [
        ("4 655", "Got bad ACK from mallory"),
        ("8", "Unauthorized request from mallory"),
        ("10 1234 mallory 10.0.0.0/8", "Unauthorized request from mallory"),
    ];

    private static readonly (string Line, string Reason)[] AfterActivation =
    [
        ("0 mallory 17", "Unauthorized request from mallory"),
        ("1 429 672 0 0 00", "Unauthorized request from mallory"),
        ("12 1234 a", "Got bad ADD_EDGE from mallory"),
        ("16 mallory a x", "Got bad ANS_KEY from mallory"),
        ("17 x", "Got bad PACKET from mallory"),
    ];

    [LabFact]
    public Task Bad_first_lines_are_refused_with_stock_s_words_and_not_answered() =>
        Refused(
            from stimulus in FirstLines
            select new Stimulus(stimulus.Reason, (_, mallory) => mallory.Say(stimulus.Line), Answers: false));

    [LabFact]
    public Task Bad_METAKEYs_are_refused_with_stock_s_words() =>
        Refused(
            from stimulus in MetaKeys
            select new Stimulus(stimulus.Reason, (_, mallory) =>
            {
                mallory.Greet();
                mallory.SendMetaKey(fields => [.. fields[..stimulus.Field], stimulus.Value, .. fields[(stimulus.Field + 1)..]]);
            }));

    [LabFact]
    public Task Anything_but_a_CHALLENGE_behind_METAKEY_is_refused_with_stock_s_words() =>
        Refused(
            from stimulus in Challenges
            select new Stimulus(stimulus.Reason, (_, mallory) =>
            {
                mallory.Greet();
                mallory.SendMetaKey();
                mallory.Say(stimulus.Line);
            }));

    [LabFact]
    public Task A_bad_CHAL_REPLY_is_refused_and_gets_no_answer_to_its_own_challenge() =>
        Refused(
            from stimulus in Replies
            select new Stimulus(
                stimulus.Reason,
                (_, mallory) =>
                {
                    mallory.Greet();
                    mallory.SendMetaKey();
                    mallory.Prove(_ => stimulus.Line);
                },
                Answers: false));

    [LabFact]
    public Task Anything_but_an_ACK_at_last_is_refused() =>
        Refused(
            from stimulus in LastLines
            select new Stimulus(stimulus.Reason, (_, mallory) =>
            {
                mallory.Greet();
                mallory.SendMetaKey();
                mallory.Prove();
                mallory.Say(stimulus.Line);
            }));

    [LabFact]
    public Task A_bad_request_of_an_active_peer_costs_the_connection() =>
        Refused(
            from stimulus in AfterActivation
            select new Stimulus(stimulus.Reason, (_, mallory) =>
            {
                mallory.Greet();
                mallory.SendMetaKey();
                mallory.Prove();
                mallory.Say("4 655 1 c");
                mallory.Say(stimulus.Line);
            }));

    [LabFact]
    public Task A_peer_with_another_key_than_the_one_we_know_is_refused_and_the_log_tells_why() =>
        Refused([
            new Stimulus(
                "The RSA keys that we and mallory .* have of each other do not belong to the private keys in use",
                (mesh, mallory) =>
                {
                    // The daemon encrypts for a key whose private half the peer does not have: each takes the other's lines for noise.
                    using RSA other = RSA.Create(2048);
                    mallory.IntroduceTo(mesh["a"], other);
                    mallory.Say("0 mallory 17");
                    mallory.SendMetaKey();
                    mallory.SendRaw(RandomNumberGenerator.GetBytes(3000));
                })]);

    [LabFact]
    public Task A_node_whose_key_we_lack_is_refused_by_name() =>
        Refused([new Stimulus("Error while processing ID from keyless", (_, mallory) => mallory.Say("0 keyless 17"))]);

    /// <summary>What is said to the daemon, what its log must say to that, and whether it still says anything itself.</summary>
    private sealed record Stimulus(string Reason, Action<Mesh, LegacyImpostor> Deed, bool Answers = true);

    private async Task Refused(IEnumerable<Stimulus> stimuli)
    {
        Mesh mesh = await meshes[0];
        (Node a, Node b) = (mesh["a"], mesh["b"]);
        int start = a.Log.Mark();
        await using PingStream pings = new(b, a.IPv4, 0.02);
        await mesh.Until("the ping runs", Limit, () => pings.Answered >= 3);
        foreach (Stimulus stimulus in stimuli)
        {
            int mark = a.Log.Mark();
            using LegacyImpostor mallory = new("mallory", meshes.Key);
            mallory.IntroduceTo(a);
            mallory.Connect(mesh["c"].Host, a);
            stimulus.Deed(mesh, mallory);
            await mesh.Until($"the log says {stimulus.Reason}", Limit, () => a.Log.Matching("^" + stimulus.Reason, mark).Length > 0);
            // Whoever did not prove who it is hears nothing (CVE-2018-16738).
            if (!stimulus.Answers) Assert.Empty(mallory.Rest(TimeSpan.FromMilliseconds(100)));
            await mesh.Until(
                "nothing is left of the connection",
                Limit,
                () => !a.Dump(ControlClient.DumpConnections).Any(line => line.Contains("mallory") || line.Contains("<unknown>")));
            Assert.False(a.Nodes().TryGetValue("mallory", out NodeState? state) && state.Reachable);
        }

        int answered = pings.Answered;
        await mesh.Until("the ping still runs", Limit, () => pings.Answered >= answered + 3);
        PingReport report = await pings.Stop();
        Assert.True(report.Lost == 0, $"{report}\n{mesh.Evidence()}");
        Assert.Empty(a.Log.Matching("[Ee]xception", start));
    }

    public sealed class Meshes : MeshShelf<int>
    {
        /// <summary>The impostor's.</summary>
        public RSA Key { get; } = RSA.Create(2048);

        protected override IEnumerable<int> Keys => [0];

        // c is only a host for strangers. b is stock 1.1, so that a knows an Ed25519 key of it.
        protected override Task<Mesh> Run(int key) => new Mesh("legacy-badinput") { Keys = Interop.Tests.Keys.Both }.Ready(async mesh =>
        {
            Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Stock);
            Mesh.Connect(b, a);
            a.Set("MaxConnectionBurst = 1000");
            mesh.Add("c", Make.Stock10);
            File.WriteAllText(a.HostFilePath("keyless"), "Subnet = 10.1.0.0/16\n");
            a.Start();
            await mesh.Until("a is ready", TimeSpan.FromSeconds(20), () => a.Log.Count("^Ready$") > 0);
            b.Start();
            await mesh.Until("a and b reach each other", TimeSpan.FromSeconds(20), () => a.Reaches(b) && b.Reaches(a));
            await mesh.Settle(b, a, TimeSpan.FromSeconds(20));
        });
    }
}
