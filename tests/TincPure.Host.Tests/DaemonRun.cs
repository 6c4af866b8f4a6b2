using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using TincPure.Config;
using Ed25519 = TincPure.Crypto.Ed25519;

namespace TincPure.Host.Tests;

/// <summary>
/// Runs the daemon as the vectors describe it: in a network namespace that has only the loopback interface, in a fresh
/// directory {T} with the configuration {T}/C, stopped with SIGTERM after it has said Ready.
/// </summary>
internal sealed partial class DaemonRun : IDisposable
{
    private const string Configuration =
        "Name = foo\nDeviceType = dummy\nAddressFamily = ipv4\nBindToAddress = 127.0.0.1\n";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>The daemon lies beside the tests.</summary>
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "tincd.dll");

    private static readonly string RsaKey = RSA.Create(2048).ExportRSAPrivateKeyPem() + "\n";

    private static readonly string LongName = new('x', 110);

    private readonly TemporaryFolder _folder = new();

    public DaemonRun(JsonElement testCase)
    {
        var key = Ed25519.generate(new byte[Ed25519.SeedSize]);
        Write("tinc.conf", Configuration);
        Write("hosts/foo", "");
        Write("ed25519_key.priv", KeyFile.printPrivate(new KeyPair(key.Private.Span.ToArray(), key.Public)));
        SetMode("ed25519_key.priv", "600");
        Write("rsa_key.priv", RsaKey);
        SetMode("rsa_key.priv", "600");

        foreach (var (path, content) in Members(testCase, "files"))
        {
            Write(path, content);
            SetMode(path, path.EndsWith(".priv", StringComparison.Ordinal) ? "600" : "755");
        }

        foreach (var (path, mode) in Members(testCase, "modes"))
            SetMode(path, mode);
        if (testCase.TryGetProperty("remove", out var removed))
        {
            foreach (var path in removed.Strings())
                Remove(_folder.File("C/" + path));
        }

        Arguments = [.. testCase.GetProperty("args").Strings().Select(Expand)];
        Environment = [.. Members(testCase, "env")];
    }

    /// <summary>Whether this machine lets a test have a network namespace of its own.</summary>
    public static bool IsPossible { get; } = OperatingSystem.IsLinux() && Try("unshare", "-rn", "ip", "link", "set", "lo", "up");

    public string[] Arguments { get; }

    /// <summary>The daemon ends without being told to: a signal on top could strike it after it has stopped listening.</summary>
    public bool EndsByItself { get; init; }

    private IReadOnlyList<(string Name, string Value)> Environment { get; }

    /// <summary>The lines on standard error, in the words of the vectors, and the exit code.</summary>
    public (IReadOnlyList<string> Lines, int ExitCode) Run()
    {
        var start = new ProcessStartInfo("unshare")
        {
            WorkingDirectory = _folder.Path,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        string[] command =
            ["-rn", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh", "dotnet", Program];
        foreach (var argument in command.Concat(Arguments))
            start.ArgumentList.Add(argument);
        start.Environment.Remove("NETNAME");
        foreach (var (name, value) in Environment)
            start.Environment[name] = value;

        using var process = System.Diagnostics.Process.Start(start)!;
        var lines = new List<string>();
        using var end = new ManualResetEventSlim();
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null)
                end.Set();
            else
                lines.Add(line.Data);
        };
        process.BeginErrorReadLine();
        if (!EndsByItself)
            StopWhenReady(process, lines);
        if (!process.WaitForExit(Patience))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(string.Join('\n', lines));
        }

        end.Wait(Patience);
        return ([.. lines.Where(line => !IsAdvice(line)).Select(Normal)], process.ExitCode);
    }

    /// <summary>
    /// After a bad value we say what would be right, of some we say that they do nothing, and at the end what the runtime
    /// cost; stock does not.
    /// </summary>
    private static bool IsAdvice(string line) =>
        line.Contains(" is not allowed; allowed: ", StringComparison.Ordinal)
        || line.Contains(" cannot be used here; allowed: ", StringComparison.Ordinal)
        || line.Contains(" Remedy: ", StringComparison.Ordinal)
        || line.Contains(" has no effect without ", StringComparison.Ordinal)
        || line.Contains(" Garbage was collected ", StringComparison.Ordinal);

    private void StopWhenReady(System.Diagnostics.Process process, List<string> lines)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (!process.HasExited && DateTime.UtcNow < deadline)
        {
            if (IsReady(lines))
            {
                // Signals are handled from Ready on; what comes right after it is to be seen too.
                Thread.Sleep(300);
                Try("kill", "-TERM", process.Id.ToString());
                return;
            }

            Thread.Sleep(20);
        }
    }

    private bool IsReady(List<string> lines)
    {
        if (lines.ToArray().Any(line => line is not null && line.EndsWith(" Ready", StringComparison.Ordinal)))
            return true;
        var log = _folder.File("log");
        return File.Exists(log) && File.ReadAllText(log).Contains(": Ready", StringComparison.Ordinal);
    }

    [GeneratedRegex(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")]
    private static partial Regex Time { get; }

    [GeneratedRegex(@"tincd \S+ \(\w+ [ \d]\d \d+ [\d:]+\) starting")]
    private static partial Regex Version { get; }

    private string Normal(string line)
    {
        var text = Version.Replace(Time.Replace(line, "{TS} "), "tincd {VERSION} ({BUILD}) starting");
        var program = Program[..^".dll".Length];
        return text.Replace(program, "{argv0}", StringComparison.Ordinal)
            .Replace(_folder.Path, "{T}", StringComparison.Ordinal)
            .Replace(LongName, "<110 times x>", StringComparison.Ordinal)
            // The shell names itself as it was started.
            .Replace("/bin/sh: ", "sh: ", StringComparison.Ordinal);
    }

    private string Expand(string text) =>
        text.Replace("{C}", _folder.File("C"), StringComparison.Ordinal)
            .Replace("{T}", _folder.Path, StringComparison.Ordinal)
            .Replace("<110 times x>", LongName, StringComparison.Ordinal);

    private void Write(string path, string content)
    {
        var full = _folder.File("C/" + path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, content);
    }

    private void SetMode(string path, string octal)
    {
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_folder.File("C/" + path), (UnixFileMode)Convert.ToInt32(octal, 8));
    }

    private static void Remove(string path)
    {
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
        else
            File.Delete(path);
    }

    private static IEnumerable<(string Name, string Value)> Members(JsonElement testCase, string property) =>
        testCase.TryGetProperty(property, out var members) && members.ValueKind == JsonValueKind.Object
            ? members.EnumerateObject().Select(member => (member.Name, member.Value.GetString()!))
            : [];

    private static bool Try(string program, params string[] arguments)
    {
        try
        {
            using var process = System.Diagnostics.Process.Start(new ProcessStartInfo(program, arguments)
            {
                RedirectStandardError = true,
            })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    public void Dispose() => _folder.Dispose();
}
