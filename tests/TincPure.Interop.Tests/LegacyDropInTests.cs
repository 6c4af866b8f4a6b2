namespace TincPure.Interop.Tests;

/// <summary>Our daemon in the place of a 1.0 daemon: same folder, same keys, same command lines.</summary>
public class LegacyDropInTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public static readonly TheoryData<Make> Makes = [Make.Ours, Make.Stock10];

    [LabTheory, MemberData(nameof(Makes))]
    public async Task Keys_made_with_K_by_one_make_are_used_by_the_other(Make maker)
    {
        await using Mesh mesh = new($"dropin-keys-{maker}") { Keys = Keys.Rsa };
        Node a = mesh.Add("a", maker), b = mesh.Add("b", maker);
        foreach (Node node in mesh.Nodes)
        {
            string host = node.HostFilePath(node.Name), secret = Path.Combine(node.Folder, "rsa_key.priv");
            string before = File.ReadAllText(secret);
            CommandResult made = node.Tincd("-K", "1024").OrThrow();
            Assert.Contains("Generating 1024 bits keys", made.Error);
            Assert.Contains("old key(s) found and disabled", made.Error);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(secret));
            // What there was is kept, but counts no more; the new key is behind it.
            Assert.StartsWith(before.Replace(" RSA ", " OLD "), File.ReadAllText(secret));
            Assert.Contains("-----BEGIN OLD PUBLIC KEY-----", File.ReadAllText(host));
            Assert.EndsWith("-----END RSA PUBLIC KEY-----\n", File.ReadAllText(host));
            Assert.Contains("Subnet = ", File.ReadAllText(host));
        }

        Mesh.Connect(a, b);
        b.ReplaceBy(maker == Make.Ours ? Make.Stock10 : Make.Ours);
        await mesh.Start();
        await mesh.Answers(a, b, Limit);
    }

    [LabFact]
    public async Task Signals_are_sent_with_k_and_show_what_they_show_in_1_0()
    {
        await using Mesh mesh = new("dropin-signals") { Keys = Keys.Rsa };
        Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Stock10);
        Mesh.Connect(a, b);
        await mesh.Start();
        await Answers(mesh, a, "USR1", "^ b at 192\\.0\\.2\\.2 port 655 options c socket \\d+ status 01c2 outbuf ", "^End of connections\\.$");
        await Answers(mesh, a, "usr2", "^Statistics for Linux tun/tap device \\(tun mode\\) /dev/net/tun:$", "^End of subnet list\\.$");
        // The same words are in the log of the stock node: what its scripts read, they read here.
        await Answers(mesh, b, "USR2", "^Statistics for Linux tun/tap device \\(tun mode\\) /dev/net/tun:$", "^End of subnet list\\.$");
        Assert.Equal(Dumped(b, " owner "), Dumped(a, " owner "));
        Assert.Single(Dumped(a, "^ b at .* cipher 427 digest 672 maclength 4 compression 0 options c status 001a nexthop b via b pmtu "));
        await Answers(mesh, a, "ALRM", "^Got Alarm clock signal$");
        await Answers(mesh, a, "WINCH", "^Purging unreachable nodes$");
        await Answers(mesh, a, "HUP", "^Got Hangup signal$");

        CommandResult bad = a.Tincd("-kNONSENSE");
        Assert.Equal(1, bad.ExitCode);
        Assert.StartsWith("Invalid argument `NONSENSE'; SIGNAL must be a number or one of HUP, TERM", bad.Error);

        Assert.Equal(0, a.Tincd("-k").ExitCode);
        Assert.True(a.WaitForEnd(Limit), mesh.Evidence());
        Assert.NotEmpty(a.Log.Matching("^Got Terminated signal$"));

        CommandResult nobody = a.Tincd("--kill");
        Assert.Equal((1, "No other tincd is running.\n"), (nobody.ExitCode, nobody.Error));
        File.WriteAllText(a.PidFile, "4194305\n"); // more than there can be
        CommandResult stale = a.Tincd("-kTERM");
        Assert.Equal((0, "The tincd is no longer running. Removing stale lock file.\n"), (stale.ExitCode, stale.Error));
        Assert.False(File.Exists(a.PidFile));
    }

    [LabFact]
    public async Task A_folder_of_a_1_0_daemon_with_all_that_only_1_0_knows_serves_ours_as_it_is()
    {
        await using Mesh mesh = new("dropin-folder") { Keys = Keys.Rsa };
        Node a = mesh.Add("a", Make.Stock10), b = mesh.Add("b", Make.Stock10);
        Mesh.Connect(a, b);
        // The public key of b in a file of its own, as older folders have it.
        string key = RsaKeys.Of(b.Number).ExportRSAPublicKeyPem(), file = Path.Combine(a.Folder, "b.pub");
        File.WriteAllText(file, key + "\n");
        string host = File.ReadAllText(a.HostFilePath("b"));
        File.WriteAllText(a.HostFilePath("b"), host.Replace(key, "") + $"PublicKeyFile = {file}\n");
        string graph = Path.Combine(a.Folder, "graph");
        a.Set($"GraphDumpFile = {graph}", "MinTimeout = 1", "PrivateKeyFile = " + Path.Combine(a.Folder, "moved.priv"));
        File.Move(Path.Combine(a.Folder, "rsa_key.priv"), Path.Combine(a.Folder, "moved.priv"));
        await mesh.Start();
        await mesh.Answers(a, b, Limit);

        a.Stop();
        a.ReplaceBy(Make.Ours);
        int mark = a.Log.Mark();
        a.Start();
        await mesh.Until("ours is back in its place", Limit, () => a.Reaches(b) && b.Reaches(a));
        await mesh.Answers(a, b, Limit);
        Complaints.None(a, mark);
    }

    private static string[] Dumped(Node node, string pattern) => [.. node.Log.Matching(pattern).Distinct().Order(StringComparer.Ordinal)];

    private static Task Answers(Mesh mesh, Node node, string signal, params string[] patterns)
    {
        int mark = node.Log.Mark();
        CommandResult sent = node.Tincd($"-k{signal}");
        Assert.True(sent.ExitCode == 0 && sent.Error == "", sent.Error);
        return mesh.Until(
            $"the log of {node.Name} answers {signal}",
            Limit,
            () => patterns.All(pattern => node.Log.Matching(pattern, mark).Length > 0));
    }
}
