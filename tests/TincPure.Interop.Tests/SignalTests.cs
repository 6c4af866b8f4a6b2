using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>What a daemon says and does when it is signalled, reloaded and ended: ours side by side with stock, at debug level 5.</summary>
public partial class SignalTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [LabFact]
    public async Task Signals_and_reloads_lead_to_the_same_words()
    {
        string[][] stories = await Task.WhenAll(new[] { Make.Stock, Make.Ours }.Select(make => Task.Run(() => Journal(make))));
        Assert.Equal(string.Join('\n', stories[0]), string.Join('\n', stories[1]));
        Assert.Contains("Got Alarm clock signal", stories[1]);
    }

    /// <summary>As nohup does, and shells with what they run in the background of a script.</summary>
    [LabTheory]
    [InlineData(Make.Stock)]
    [InlineData(Make.Ours)]
    public async Task A_daemon_that_was_started_to_ignore_signals_obeys_them(Make make)
    {
        await using Mesh mesh = new($"deaf-{make}");
        Node a = mesh.Add("a", make);
        a.Prelude = "trap '' HUP INT QUIT TERM ALRM";
        foreach (string last in (string[])["INT", "QUIT", "TERM"])
        {
            int mark = a.Log.Mark();
            a.Start();
            await mesh.Until("it is ready", Limit, () => a.Log.Matching("^Ready$", mark).Length > 0);
            foreach ((string signal, string text) in ((string, string)[])[("HUP", "Hangup"), ("ALRM", "Alarm clock")])
            {
                a.Signal(signal);
                await mesh.Until($"it got {signal}", Limit, () => a.Log.Matching($"^Got {text} signal$", mark).Length > 0);
            }

            a.Signal(last);
            Assert.True(a.WaitForEnd(Limit), mesh.Evidence());
            Assert.Equal(0, a.ExitCode);
            Assert.NotEmpty(a.Log.Matching("^Terminating$", mark));
        }
    }

    private static async Task<string[]> Journal(Make make)
    {
        await using Mesh mesh = new($"signals-{make}");
        Node a = mesh.Add("a", make), b = mesh.Add("b", Make.Stock);
        Mesh.Connect(a, b);
        await mesh.Start();
        await mesh.Settle(a, b, Limit);
        List<string> journal = [];
        string conf = Path.Combine(a.Folder, "tinc.conf"), good = File.ReadAllText(conf), host = File.ReadAllText(a.HostFilePath("a"));

        await Tell("a reload of nothing new", "HUP", "signal");
        File.WriteAllText(a.HostFilePath("a"), host + "Subnet = 10.88.0.0/16\n");
        await Tell("a reload with another subnet", "HUP", "^Sending ADD_SUBNET");
        Assert.Contains("18 5 10.88.0.0/16 a", b.Dump(ControlClient.DumpSubnets));
        File.WriteAllText(a.HostFilePath("a"), host);
        await Tell("a reload without it", "HUP", "^Sending DEL_SUBNET");
        Assert.DoesNotContain("18 5 10.88.0.0/16 a", b.Dump(ControlClient.DumpSubnets));
        if (make == Make.Ours && !Programs.DryRun) await Break();
        await Tell("an alarm", "ALRM", "signal");
        foreach (string ignored in (string[])["USR1", "USR2", "WINCH"]) a.Signal(ignored);
        await Task.Delay(300);
        Assert.True(a.Running && a.Reaches(b), mesh.Evidence());
        File.WriteAllText(conf, good.Replace("ConnectTo = b", ""));
        await Tell("a reload without ConnectTo", "HUP", "Closing connection with b");
        await mesh.Until("b is gone", Limit, () => !a.Reaches(b));
        File.WriteAllText(conf, good);
        await Tell("a reload with it again", "HUP", "Connection with b .* activated");
        await mesh.Until("b is back", Limit, () => a.Reaches(b));

        foreach (string last in (string[])["INT", "TERM", "QUIT"])
        {
            if (!a.Running)
            {
                int ready = a.Log.Mark();
                a.Start();
                await mesh.Until("a is ready again", Limit, () => a.Log.Matching("^Ready$", ready).Length > 0);
                await mesh.Until("b is back", Limit, () => a.Reaches(b));
            }

            int mark = a.Log.Mark();
            a.Signal(last);
            Assert.True(a.WaitForEnd(Limit), mesh.Evidence());
            journal.AddRange([$"== {last}", .. Steady(a.Log.Messages()[mark..]), $"exit code {a.ExitCode}, pid file {(File.Exists(a.PidFile) ? "left" : "gone")}"]);
        }

        return [.. journal];

        // Stock ends at once; ours keeps what it has.
        async Task Break()
        {
            int mark = a.Log.Mark();
            File.WriteAllText(conf, "Name\n" + good);
            a.Signal("HUP");
            await mesh.Until("the fault is named", Limit, () => a.Log.Matching("No value for variable `Name' on line 1 while reading config file .*/tinc.conf", mark).Length > 0);
            Assert.True(a.Running && a.Reaches(b), mesh.Evidence());
            File.WriteAllText(conf, good);
        }

        // Until a line has come that is the last of what matters, and what belongs to it has had the time to.
        async Task Tell(string what, string signal, string until)
        {
            int mark = a.Log.Mark();
            a.Signal(signal);
            await mesh.Until($"after {what} the log says {until}", Limit, () => a.Log.Matching(until, mark).Length > 0);
            await Task.Delay(400);
            journal.AddRange([$"== {what}", .. Steady(a.Log.Messages()[mark..])]);
        }
    }

    // Lines about packets, keep-alives and control connections come at any time.
    private static IEnumerable<string> Steady(string[] messages) =>
        from message in messages
        where !Noise().IsMatch(message)
        select Changing().Replace(message, "_");

    [GeneratedRegex("bytes of (raw )?metadata|control>|localhost|probe|P[IO]NG|packet|MTU|UDP|SPTPS|KEY|ADD_EDGE|DEL_EDGE| ACK | ID |Caching|Statistics|garbage|^ ", RegexOptions.IgnoreCase)]
    private static partial Regex Noise();

    [GeneratedRegex(@"(?<=SUBNET [^:]*: 1[01] )[0-9a-f]+|(?<=port )\d+|/[^ ]*/tp\d+-[^ ]*/a/|(?<=in )\d+(?= milliseconds)")]
    private static partial Regex Changing();
}
