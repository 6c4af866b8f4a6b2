using System.Globalization;
using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>How the daemon's process begins, goes into the background, finds others of its kind, and ends: ours side by side with stock.</summary>
public sealed partial class LifeTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [LabFact]
    public Task A_pid_file_and_a_socket_that_somebody_left_do_not_matter() => BothDo("stale", async (mesh, a) =>
    {
        List<string> story = [];
        a.Start();
        await Ready(mesh, a);
        string cookie = File.ReadAllText(a.PidFile).Split(' ')[1];
        a.Kill();
        story.Add($"killed: pid file {Exists(a.PidFile)}, socket {Exists(Socket(a))}");
        // Of a process that is gone, then of one that is another program.
        foreach (int number in (int[])[a.ProcessId, Environment.ProcessId])
        {
            File.WriteAllText(a.PidFile, $"{number} {cookie} 127.0.0.1 port 655\n");
            int mark = a.Log.Mark();
            a.Start();
            await mesh.Until("a is ready again", Limit, () => a.Log.Matching("^Ready$", mark).Length > 0);
            string[] fields = File.ReadAllText(a.PidFile).Split(' ');
            story.Add($"again: its own number {fields[0] == Text(a.ProcessId)}, another cookie {fields[1] != cookie}, answers {a.Dump(ControlClient.DumpNodes).Length}");
            a.Stop();
            story.Add($"ended: exit code {a.ExitCode}, pid file {Exists(a.PidFile)}, socket {Exists(Socket(a))}");
        }

        return story;
    });

    /// <summary>Stock leaves the first daemon without its pid file, so that nothing can control it any more; ours does not.</summary>
    [LabFact]
    public async Task A_second_daemon_ends_with_the_same_words_and_ours_leaves_the_first_alone()
    {
        await BothDo("second", async (mesh, a) =>
        {
            a.Start();
            await Ready(mesh, a);
            CommandResult onAnotherPort = a.Tincd("-D", "-o", "Port=7655"), onTheSame = a.Tincd("-D");
            if (a.Make == Make.Ours && !Programs.DryRun)
            {
                Assert.Equal(Text(a.ProcessId), File.ReadAllText(a.PidFile).Split(' ')[0]);
                Assert.Single(a.Dump(ControlClient.DumpNodes));
            }

            return [Text(onAnotherPort.ExitCode), .. Said(a, onAnotherPort), Text(onTheSame.ExitCode), .. Said(a, onTheSame)];
        });
    }

    [LabFact]
    public Task The_start_is_told_in_the_same_order() => BothDo("order", async (mesh, a) =>
    {
        a.HostFile("Subnet = 10.1.0.0/16");
        foreach (string script in (string[])["subnet-up", "subnet-down", "tinc-down"]) a.Script(script, ":");
        a.Start();
        await Ready(mesh, a);
        a.Stop();
        // The kernel sends packets of its own as soon as there is an interface.
        return [.. a.Log.Messages().Where(line => !Ours().IsMatch(line) && !line.Contains("packet")).Select(line => Changing().Replace(line.Replace(a.Folder, ""), "_"))];
    });

    [LabFact]
    public Task The_log_file_is_opened_anew_at_HUP() => BothDo("logfile", async (mesh, a) =>
    {
        a.Start();
        await Ready(mesh, a);
        string old = a.Log.Path + ".1";
        File.Move(a.Log.Path, old);
        a.Signal("HUP");
        await mesh.Until("there is a new file", Limit, () => File.Exists(a.Log.Path));
        a.Stop();
        string kept = File.ReadAllText(old);
        Assert.Matches(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d tinc\[\d+\]: tincd ", kept);
        return [$"in the old one: ready {kept.Contains("Ready")}, the signal {kept.Contains("Hangup")}, the end {kept.Contains("Terminating")}", $"in the new one: the end {a.Log.Messages()[^1]}"];
    });

    [LabFact]
    public Task Without_D_it_goes_into_the_background_and_speaks_to_the_system_log() => BothDo("detached", async (mesh, a) =>
    {
        using Syslog log = new(a);
        CommandResult parent = InTheBackground(a, "-d1");
        await mesh.Until("it is ready", Limit, () => log.Count("^Ready$") == 1);
        string number = File.ReadAllText(a.PidFile).Split(' ')[0];
        string[] stat = File.ReadAllText($"/proc/{number}/stat").Split(") ")[1].Split(' ');
        List<string> story =
        [
            $"parent: exit code {parent.ExitCode}, says [{parent.Output}{parent.Error}]",
            $"leads a session {stat[3] == number}, terminal {stat[4]}, parent {stat[1]}",
            $"folder {new FileInfo($"/proc/{number}/cwd").LinkTarget == a.Folder}",
            $"standard streams {string.Join(' ', ((int[])[0, 1, 2]).Select(stream => new FileInfo($"/proc/{number}/fd/{stream}").LinkTarget))}",
            $"identity {log.Messages[0].Identity}",
        ];
        Command.Run("kill", number).OrThrow();
        await mesh.Until("it has ended", Limit, () => !Directory.Exists($"/proc/{number}") && log.Count("^Terminating$") == 1);
        story.Add($"pid file {Exists(a.PidFile)}");

        // What is found only in the background is in the log only; what is found before that is said, too.
        File.Delete(a.HostFilePath("a"));
        CommandResult late = InTheBackground(a, "-o", "DeviceType=none");
        await mesh.Until("it has ended again", Limit, () => log.Count("^Terminating$") == 2);
        story.Add($"bad device: exit code {late.ExitCode}, {log.Messages.Select(message => message.Text).Last(text => text != "Terminating" && !Ours().IsMatch(text))}");
        File.WriteAllText(Path.Combine(a.Folder, "tinc.conf"), "Name");
        CommandResult early = InTheBackground(a);
        story.AddRange([$"bad file: exit code {early.ExitCode}", .. Said(a, early)]);
        return story;
    });

    [LabFact]
    public Task The_system_log_knows_the_net_name() => BothDo("netname", async (mesh, a) =>
    {
        using Syslog log = new(a);
        a.Start("-n", "lab", "-s");
        await mesh.Until("it is ready", Limit, () => log.Count("^Ready$") == 1);
        a.Stop();
        return [.. log.Messages.Select(message => message.Identity).Distinct()];
    });

    private static async Task BothDo(string label, Func<Mesh, Node, Task<List<string>>> story)
    {
        string[] stories = await Task.WhenAll(new[] { Make.Stock, Make.Ours }.Select(make => Task.Run(async () =>
        {
            await using Mesh mesh = new($"life-{label}-{make}");
            Node a = mesh.Add("a", make);
            // The kernel may take its time to let go of a device; only the order of the start needs one.
            if (label != "order")
            {
                a.Set("DeviceType = dummy");
                File.Delete(Path.Combine(a.Folder, "tinc-up"));
            }

            return string.Join('\n', await story(mesh, a)).Replace(a.Folder, "FOLDER");
        })));
        Assert.Equal(stories[0], stories[1]);
    }

    private static Task Ready(Mesh mesh, Node node) => mesh.Until($"{node.Name} is ready", Limit, () => node.Log.Count("^Ready$") == 1);

    // As `tincd` from a shell, with the preparations of the node's own start.
    private static CommandResult InTheBackground(Node node, params string[] words) =>
        Command.Run([
            "bash", "-c", node.Prelude + "; shift; exec \"$@\" </dev/null", "start", node.ConsolePath,
            "ip", "netns", "exec", node.Host.Namespace.Name, Programs.Tincd(node.Make), "-c", node.Folder, $"--pidfile={node.PidFile}", .. words]);

    private static string Socket(Node node) => node.PidFile + ".socket";

    private static string Exists(string path) => File.Exists(path) ? "left" : "gone";

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    // Newer stock, and ours, write time and priority in front.
    private static IEnumerable<string> Said(Node node, CommandResult result) =>
        from line in (result.Output + result.Error).Split('\n', StringSplitOptions.RemoveEmptyEntries)
        let text = Changing().Replace(Heading().Replace(line.Replace(node.Folder, ""), ""), "_")
        where !Ours().IsMatch(text)
        select text;

    [GeneratedRegex(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+ +")]
    private static partial Regex Heading();

    // The remedy in one more line, and the runtime's last words.
    [GeneratedRegex("^Garbage was collected|is not allowed; allowed: ")]
    private static partial Regex Ours();

    [GeneratedRegex(@"^tincd [^ ]+ \(.*?\)|tp\d+-\w*")]
    private static partial Regex Changing();
}
