using System.Diagnostics;

namespace TincPure.Interop.Tests;

/// <summary>Invitations among all makes of daemon, inviter and joiner.</summary>
public sealed class InvitationTests
{
    private static readonly Make[] Makes = [Make.Stock, Make.Ours];

    public static readonly TheoryData<Make, Underlay> Daemons =
        (from daemon in Makes from underlay in Enum.GetValues<Underlay>() select (daemon, underlay)).Theory();

    private int _guests;

    [LabTheory, MemberData(nameof(Daemons))]
    public async Task Whoever_invites_whoever_joins_becomes_a_node(Make daemon, Underlay underlay)
    {
        await using Mesh mesh = await Inviting(daemon, underlay);
        Node a = mesh["a"];
        using Host host = Elsewhere(mesh);
        foreach (Make inviter in Makes)
        {
            foreach (Make joiner in Makes)
            {
                string name = NewName(), folder = Path.Combine(a.Folder, "..", name);
                string url = Invite(a, inviter, name);
                Assert.StartsWith(underlay == Underlay.IPv6 ? $"[{a.Host.IPv6}]:655/" : $"{a.Host.IPv4}:655/", url);
                CommandResult joined = Join(host, joiner, folder, url);
                Assert.True(joined.ExitCode == 0, joined + mesh.Evidence());
                string own = File.ReadAllText(Path.Combine(folder, "hosts", name));
                string key = own.Split('\n').Single(line => line.StartsWith("Ed25519PublicKey"));
                Assert.Equal(key + "\n", File.ReadAllText(a.HostFilePath(name)));
                Assert.StartsWith($"Name = {name}\n", File.ReadAllText(Path.Combine(folder, "tinc.conf")));
                Assert.Contains("ConnectTo = a\n", File.ReadAllText(Path.Combine(folder, "tinc.conf")));
                Assert.Contains("Address = ", File.ReadAllText(Path.Combine(folder, "hosts", "a")));
                Assert.Equal("600", Mode(Path.Combine(folder, "ed25519_key.priv")));
                Assert.DoesNotContain(Directory.EnumerateFiles(Path.Combine(a.Folder, "invitations")), file => Path.GetFileName(file).Length >= 24);
                if (inviter == joiner) await ConnectsItself(mesh, host, joiner, folder, name);
            }
        }
    }

    [LabTheory, InlineData(Make.Stock), InlineData(Make.Ours)]
    public async Task Urls_that_are_tampered_with_used_or_expired_open_nothing(Make daemon)
    {
        await using Mesh mesh = await Inviting(daemon, Underlay.IPv4);
        Node a = mesh["a"];
        using Host host = Elsewhere(mesh);
        string name = NewName(), url = Invite(a, Make.Ours, name);
        foreach (Make joiner in Makes)
        {
            CommandResult otherKey = Refused(host, joiner, a, Changed(url, url.IndexOf('/') + 3));
            Assert.Contains("invalid key", otherKey.Error);
            Refused(host, joiner, a, url[..^1]);
        }

        // A daemon that refuses a cookie says nothing more, and 1.1pre18 would wait for ever.
        Refused(host, Make.Ours, a, Changed(url, url.Length - 3));
        Assert.Equal(0, Join(host, Make.Stock, Path.Combine(a.Folder, "..", name), url).ExitCode);
        Refused(host, Make.Ours, a, url);

        string late = Invite(a, Make.Stock, NewName());
        foreach (string file in Directory.EnumerateFiles(Path.Combine(a.Folder, "invitations")))
        {
            if (Path.GetFileName(file).Length == 24) File.SetLastWriteTimeUtc(file, DateTime.UtcNow - TimeSpan.FromDays(8));
        }

        Refused(host, Make.Ours, a, late);
    }

    [LabFact]
    public async Task Where_nothing_can_be_written_nothing_is_half_written()
    {
        await using Mesh mesh = await Inviting(Make.Ours, Underlay.IPv4);
        Node a = mesh["a"];
        using Host host = Elsewhere(mesh);
        CommandResult full = JoinOn(host, a, "size=4k,nr_inodes=100");
        Assert.True(full.Error.Contains("No space left on device"), full.ToString());
        CommandResult readOnly = JoinOn(host, a, "ro");
        Assert.Contains("No permission to write in directory", readOnly.Error);
        Assert.Contains("Read-only file system", readOnly.Error);
    }

    /// <summary>Joins into a file system with these options. Prints the exit code, then what tinc.conf there is.</summary>
    private CommandResult JoinOn(Host host, Node a, string options)
    {
        string name = NewName(), folder = Path.Combine(a.Folder, "..", name), url = Invite(a, Make.Ours, name);
        Directory.CreateDirectory(folder);
        CommandResult result = host.Namespace.Run(
            "sh", "-c", "mount -t tmpfs -o \"$1\" none \"$2\" && \"$3\" -b -c \"$2\" join \"$4\"; echo $?; ls \"$2\" | grep -v '^invitation-'; true", "join",
            options, folder, Programs.Tinc(Make.Ours), url);
        Assert.True(result.Output is "1\n" or "1\nhosts\n" or "1\ncache\nhosts\n", result.ToString());
        return result;
    }

    [LabFact]
    public async Task A_join_that_was_killed_can_be_done_again()
    {
        await using Mesh mesh = await Inviting(Make.Ours, Underlay.IPv4);
        Node a = mesh["a"];
        using Host host = Elsewhere(mesh);
        string name = NewName(), folder = Path.Combine(a.Folder, "..", name), url = Invite(a, Make.Ours, name);

        // The inviter does not answer: its daemon is stopped for a moment.
        a.Signal("STOP");
        using (Process join = Process.Start(new ProcessStartInfo(
            "ip", ["netns", "exec", host.Namespace.Name, Programs.Tinc(Make.Ours), "-b", "-c", folder, "join", url])
        { RedirectStandardError = true })!)
        {
            await join.StandardError.ReadLineAsync();
            join.Kill();
            join.WaitForExit();
        }

        a.Signal("CONT");
        Assert.False(File.Exists(Path.Combine(folder, "tinc.conf")));
        CommandResult again = Join(host, Make.Ours, folder, url);
        Assert.True(again.ExitCode == 0, again + mesh.Evidence());
    }

    [LabTheory, InlineData(Make.Stock), InlineData(Make.Ours)]
    public async Task A_join_that_was_killed_when_its_cookie_was_spent_goes_on_from_what_is_on_disk(Make daemon)
    {
        await using Mesh mesh = await Inviting(daemon, Underlay.IPv4);
        Node a = mesh["a"];
        using Host host = Elsewhere(mesh);
        string name = NewName(), folder = Path.Combine(a.Folder, "..", name), url = Invite(a, Make.Ours, name);
        using (Process join = Process.Start(new ProcessStartInfo(
            "ip", ["netns", "exec", host.Namespace.Name, Programs.Tinc(Make.Ours), "-b", "-c", folder, "join", url])
        { RedirectStandardError = true })!)
        {
            // From then on our key is on its way; other keys are still to be made.
            await Waiting.True("tinc.conf is there", TimeSpan.FromSeconds(20), () => File.Exists(Path.Combine(folder, "tinc.conf")));
            join.Kill();
            join.WaitForExit();
        }

        CommandResult again = Join(host, Make.Ours, folder, url);
        Assert.True(again.ExitCode == 0 && again.Error.Contains("The interrupted join is complete"), again + mesh.Evidence());
        if (!File.Exists(a.HostFilePath(name)))
        {
            // What it says is to be done then.
            Assert.Contains("let it run `tinc import' with what", again.Error);
            string export = host.Namespace.Run(Programs.Tinc(Make.Ours), "-b", "-c", folder, "export").OrThrow().Output;
            File.WriteAllText(Path.Combine(folder, "export"), export);
            Command.Run("sh", "-c", "\"$1\" -b -c \"$2\" import <\"$3\"", "import", Programs.Tinc(Make.Ours), a.Folder, Path.Combine(folder, "export")).OrThrow();
        }

        Assert.Contains("BEGIN RSA PUBLIC KEY", File.ReadAllText(Path.Combine(folder, "hosts", name)));
        await ConnectsItself(mesh, host, Make.Ours, folder, name);
        Assert.Equal(1, Join(host, Make.Ours, folder, url).ExitCode);
    }

    private static async Task<Mesh> Inviting(Make daemon, Underlay underlay) =>
        await new Mesh($"invite-{daemon}-{underlay}").Ready(async mesh =>
        {
            Node a = mesh.Add("a", daemon);
            a.HostFile($"Address = {a.Host.Address(underlay)}", "Port = 655");
            await mesh.Start();
        });

    private static Host Elsewhere(Mesh mesh)
    {
        Host host = new("guest");
        host.Attach(mesh.Wire, 9);
        return host;
    }

    private string NewName() => $"guest{++_guests}";

    private static string Invite(Node a, Make inviter, string name) =>
        a.Tinc(inviter, "-b", "invite", name).OrThrow().Output.Trim();

    private static CommandResult Join(Host host, Make joiner, string folder, string url) =>
        host.Namespace.Run(Programs.Tinc(joiner), "-b", "-c", folder, "join", url);

    private CommandResult Refused(Host host, Make joiner, Node a, string url)
    {
        string folder = Path.Combine(a.Folder, "..", NewName());
        CommandResult result = Join(host, joiner, folder, url);
        Assert.True(result.ExitCode == 1, result.ToString());
        Assert.False(File.Exists(Path.Combine(folder, "tinc.conf")));
        return result;
    }

    private static string Changed(string url, int at) => url[..at] + (url[at] == 'A' ? 'B' : 'A') + url[(at + 1)..];

    private static string Mode(string path) => Convert.ToString((int)File.GetUnixFileMode(path), 8);

    private static async Task ConnectsItself(Mesh mesh, Host host, Make make, string folder, string name)
    {
        File.AppendAllText(Path.Combine(folder, "tinc.conf"), "DeviceType = dummy\nPingTimeout = 15\n");
        using Process daemon = Process.Start(new ProcessStartInfo(
            "ip", ["netns", "exec", host.Namespace.Name, Programs.Tincd(make), "-c", folder, "-D", $"--pidfile={folder}/pid", $"--logfile={folder}/log"]))!;
        try
        {
            await mesh.Until($"{name} is reachable", TimeSpan.FromSeconds(30), () => mesh["a"].Nodes().GetValueOrDefault(name) is { Reachable: true });
        }
        finally
        {
            daemon.Kill();
            daemon.WaitForExit();
        }
    }
}
