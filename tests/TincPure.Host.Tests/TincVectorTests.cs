using System.Text.Json;
using Xunit.Abstractions;

namespace TincPure.Host.Tests;

/// <summary>Tests that change the environment of the process run alone.</summary>
[CollectionDefinition("environment", DisableParallelization = true)]
public sealed class EnvironmentCollection;

/// <summary>Recorded runs of the reference's control program, in a scratch directory instead of `/`.</summary>
[Collection("environment")]
public sealed class TincVectorTests(ITestOutputHelper output)
{
    private const string OpenSsl = "lines that OpenSSL writes";
    private const string KnownDefect = "a defect of the reference that spec 06 §22 says to do better";

    /// <summary>Cases by name in which we mean to differ, and why.</summary>
    private static readonly Dictionary<string, string> Different = new()
    {
        ["get node.Port with pid file"] = KnownDefect,
        ["set does not preserve permissions"] = KnownDefect,
        ["set with umask 077"] = KnownDefect,
        ["set replaces a symbolic link"] = KnownDefect,
        ["set long line is split at 4095"] = KnownDefect,
        ["init cannot create directory"] = KnownDefect,
        ["malformed pid file"] = KnownDefect,
        ["pid file short"] = KnownDefect,
        ["start with batch option passes it on"] = KnownDefect,
        ["edit any other name is taken as host file"] = KnownDefect,
        ["edit editor fails"] = KnownDefect,
        ["invite no Port and no daemon"] = KnownDefect,
        ["invite Port 0 and no daemon"] = KnownDefect,
        ["invite no Address, look-up fails, batch"] = KnownDefect,
        ["invite replaces Port lines in the copied host file"] = KnownDefect,
        ["fsck Ed25519 public key mismatch"] = KnownDefect,
        ["fsck RSA public key mismatch"] = KnownDefect,
        ["fsck only Ed25519"] = OpenSsl,
        ["fsck broken RSA private key"] = OpenSsl,
        ["fsck no public keys"] = OpenSsl,
        ["fsck no public keys force"] = OpenSsl,
        ["fsck unsafe key permissions other owner"] = "the tests do not run as root everywhere",
        ["fsck key file from configuration"] = "a file names a path of the recorded system",
        ["init umask 077"] = "the mask belongs to the whole process; tested with a process of its own",
        ["edit editor with arguments is quoted as one word"] = "the shell's words about a missing editor",
    };

    [Theory]
    [InlineData("06-cli-config.json")]
    [InlineData("06-cli-keys-init-fsck.json")]
    [InlineData("06-cli-general.json")]
    [InlineData("06-cli-invite-join-errors.json")]
    public void Every_run_of_the_vectors_gives_the_same_output_and_files(string file)
    {
        var vectors = Vectors.Load(file);
        var substitutions = vectors.TryGetProperty("substitutions", out var given)
            ? given.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString()!)
            : [];

        var failures = new List<string>();
        foreach (var run in vectors.GetProperty("cases").EnumerateArray())
        {
            var name = run.GetProperty("name").GetString()!;
            if (WhyNot(run, name) is { } reason)
            {
                output.WriteLine($"left out ({reason}): {name}");
                continue;
            }

            using var scratch = new ScratchSystem(substitutions);
            if (scratch.Differences(run) is { Length: > 0 } differences)
                failures.Add(name + "\n" + differences);
            else
                output.WriteLine("same: " + name);
        }

        Assert.True(failures.Count == 0, string.Join("\n", failures));
    }

    private static string? WhyNot(JsonElement run, string name)
    {
        var arguments = run.GetProperty("args").EnumerateArray().Select(a => a.GetString()!).ToArray();
        if (Different.TryGetValue(name, out var reason))
            return reason;
        if (run.TryGetProperty("uid", out _))
            return "runs as another user";
        if (arguments.Contains("edit") && run.GetProperty("result").TryGetProperty("stdout", out _))
            return "the editor writes to our own standard output";
        if (run.GetProperty("result").TryGetProperty("stdout", out var stdout)
            && stdout.GetString()! is { } text && (text.StartsWith("Usage:") || text.StartsWith("tinc version")))
            return "our own words about ourselves";
        return arguments.Contains("init") && !run.TryGetProperty("port_655_in_use", out _) && !ScratchSystem.Port655IsFree
            ? "port 655 cannot be bound here"
            : null;
    }
}
