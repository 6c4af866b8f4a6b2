namespace TincPure.Interop.Tests;

/// <summary>The scripts that a daemon runs, their order and what they are told: ours side by side with stock.</summary>
public class ScriptTests
{
    [LabFact]
    public async Task Scripts_run_in_the_same_order_with_the_same_environment()
    {
        string[] stock = await Journal(Make.Stock), ours = await Journal(Make.Ours);
        Assert.Equal(string.Join('\n', stock), string.Join('\n', ours));
        Assert.Contains(ours, entry => entry.StartsWith("hosts/b-down"));
    }

    // A node of the make lives through the coming and going of a stock node; each script writes a line.
    private static async Task<string[]> Journal(Make make)
    {
        await using Mesh mesh = new($"scripts-{make}");
        Node a = mesh.Add("a", make), b = mesh.Add("b", Make.Stock);
        Mesh.Connect(b, a);
        a.HostFile("Subnet = 10.1.0.0/16#5");
        b.HostFile("Subnet = 10.2.0.0/16#7");
        b.Knows(a, Underlay.IPv4);
        a.Knows(b);
        string journal = Path.Combine(a.Folder, "journal");
        string[] scripts = ["tinc-up", "tinc-down", "host-up", "host-down", "subnet-up", "subnet-down", "hosts/b-up", "hosts/b-down"];
        foreach (string script in scripts)
        {
            // The whole environment but what the shell and stock tinc's wrapper make of it, the arguments and the folder, on one line.
            string body = $"echo \"{script} ($# arguments, in $(basename \"$PWD\")) $(env | grep -vE '^(_|SHLVL|PWD|OLDPWD|LD_LIBRARY_PATH|OPENSSL_MODULES)=' | sort | tr '\\n' ' ')\" >>{journal}";
            string up = script == "tinc-up" ? File.ReadAllText(Path.Combine(a.Folder, script)).Split('\n', 2)[1] : "";
            a.Script(script, body + "\n" + up);
        }

        a.Start("-n", "lab");
        await mesh.Until("a is ready", TimeSpan.FromSeconds(15), () => a.Log.Count("^Ready$") == 1);
        b.Start();
        await mesh.EveryoneReachesEveryone(TimeSpan.FromSeconds(15));
        await mesh.Until("the scripts of b's coming have run", TimeSpan.FromSeconds(5), () => Lines(journal).Length >= 4 + 2 + 3);
        b.Stop();
        await mesh.Until("the scripts of b's going have run", TimeSpan.FromSeconds(10), () => Lines(journal).Count(line => line.Contains("-down")) >= 2 + 3);
        a.Stop();
        // The peer's port is its UDP port, which does not change.
        return Lines(journal);
    }

    private static string[] Lines(string path) => File.Exists(path) ? File.ReadAllLines(path) : [];
}
