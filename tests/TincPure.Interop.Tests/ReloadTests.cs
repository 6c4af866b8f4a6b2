namespace TincPure.Interop.Tests;

/// <summary>A configuration that is edited while the daemon runs.</summary>
public class ReloadTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [LabFact]
    public async Task What_can_be_applied_is_and_what_needs_a_restart_is_named()
    {
        await using Mesh mesh = new("reload");
        Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Stock);
        Mesh.Connect(a, b);
        await mesh.Start();
        string conf = Path.Combine(a.Folder, "tinc.conf"), good = File.ReadAllText(conf);
        int mark = a.Log.Mark(), line = File.ReadAllLines(conf).Length;

        a.Set("PingInterval = 30", "Hostnames = no");
        a.HostFile("Subnet = 10.88.0.0/16");
        a.Tinc(Make.Ours, "reload").OrThrow();
        await mesh.Until("b knows the subnet", Limit, () => b.Dump(ControlClient.DumpSubnets).Contains("18 5 10.88.0.0/16 a"));
        string warning = $"PingInterval = 30 in {conf} line {line + 1} needs a restart; until then it is 60";
        Assert.Equal([warning], a.Log.Matching("needs a restart", mark));

        // A fault is named once, and nothing of the file counts.
        File.WriteAllText(conf, good + "ConnectTo\n" + "Mode = switch\n");
        string fault = $"No value for variable `ConnectTo' on line {line + 1} while reading config file {conf}";
        mark = a.Log.Mark();
        a.Signal("HUP");
        await mesh.Until("the fault is named", Limit, () => a.Log.Matching("^Unable to reread configuration file", mark).Length > 0);
        Assert.Equal([fault], a.Log.Matching("^No value for variable", mark));
        Assert.True(a.Running && a.Reaches(b) && b.Reaches(a), mesh.Evidence());
        Assert.Empty(a.Log.Matching("Closing connection with b", 0));

        File.WriteAllText(conf, good);
        mark = a.Log.Mark();
        a.Tinc(Make.Ours, "reload").OrThrow();
        Assert.Empty(a.Log.Matching("needs a restart", mark));
        Assert.True(a.Reaches(b), mesh.Evidence());
    }

    [LabFact]
    public async Task Tinc_is_told_what_a_stock_daemon_tells()
    {
        string[][] told = await Task.WhenAll(new[] { Make.Stock, Make.Ours }.Select(daemon => Task.Run(() => Told(daemon))));
        Assert.Equal(told[0], told[1]);
        Assert.Contains(told[1], answer => answer.StartsWith("1: Could not reload configuration"));
    }

    // Of either tinc program: with a good file, a bad value, a broken file, and the good one again.
    private static async Task<string[]> Told(Make daemon)
    {
        await using Mesh mesh = new($"told-{daemon}");
        Node a = mesh.Add("a", daemon);
        string conf = Path.Combine(a.Folder, "tinc.conf"), good = File.ReadAllText(conf);
        a.Start();
        await mesh.Until("a is ready", Limit, () => a.Log.Count("^Ready$") > 0);
        List<string> told = [];
        foreach (string more in (string[])["", "Mode = bridge\n", "ConnectTo\n", ""])
        {
            File.WriteAllText(conf, good + more);
            foreach (Make tinc in Programs.Makes11)
            {
                CommandResult result = a.Tinc(tinc, "reload");
                told.Add($"{result.ExitCode}: {(result.Output + result.Error).Trim()}");
            }
        }

        return [.. told];
    }
}
