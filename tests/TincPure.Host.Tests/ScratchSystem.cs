using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using TincPure.Tinc;

namespace TincPure.Host.Tests;

/// <summary>A folder that stands for `/` in recorded runs: /etc/tinc, /run, /var/run and /mnt are below it.</summary>
internal sealed class ScratchSystem : IDisposable
{
    private static readonly Regex Placeholder = new(@"\\\{\\\{[^}]*}}");
    private static readonly string[] Tops = ["/etc/tinc", "/var/run", "/run", "/mnt"];

    private readonly string _root = Directory.CreateTempSubdirectory("tinc").FullName;
    private readonly string _before = Environment.CurrentDirectory;
    private readonly IReadOnlyDictionary<string, string> _substitutions;

    public ScratchSystem(IReadOnlyDictionary<string, string> substitutions)
    {
        _substitutions = substitutions;
        foreach (var top in new[] { "/etc/tinc", "/run", "/mnt", "/var" })
            Directory.CreateDirectory(_root + top);
        File.CreateSymbolicLink(_root + "/var/run", "../run");
        Environment.CurrentDirectory = _root + "/mnt";
    }

    public static bool Port655IsFree { get; } = TryListen() is { } listener && Release(listener);

    private static bool Release(Socket listener)
    {
        listener.Dispose();
        return true;
    }

    private static Socket? TryListen()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Any, 655));
            socket.Listen(1);
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    /// <summary>What differs between a recorded run and ours; empty if nothing does.</summary>
    public string Differences(JsonElement run)
    {
        foreach (var file in Members(run, "files"))
            Make(file.Name, file.Value);
        var before = Files();

        using var listener = run.TryGetProperty("port_655_in_use", out _) ? TryListen() : null;
        var (code, stdout, stderr) = Run(run);
        var result = run.GetProperty("result");
        var differences = new StringBuilder();
        Compare(differences, "exit", result.GetProperty("exit").GetInt32().ToString(), code.ToString());
        Compare(differences, "stdout", Text(result, "stdout"), stdout);
        Compare(differences, "stderr", Text(result, "stderr"), stderr);
        CompareFiles(differences, result, before, Files());
        return differences.ToString();
    }

    private (int Code, string Stdout, string Stderr) Run(JsonElement run)
    {
        var variables = Members(run, "env").Select(v => (v.Name, Value: v.Value.GetString())).ToList();
        foreach (var (name, value) in variables)
            Environment.SetEnvironmentVariable(name, value);

        using var input = new MemoryStream(Encoding.Latin1.GetBytes(Inside(Text(run, "stdin"))));
        using var output = new MemoryStream();
        using var error = new MemoryStream();
        var interactive = run.TryGetProperty("tty", out var tty) && tty.GetBoolean();
        try
        {
            var terminal = new Terminal(input, output, error, interactive, colour: false, isProcess: false);
            var session = new Session("tinc", terminal, new Roots(_root + "/etc/tinc", _root + "/var/run"));
            var arguments = run.GetProperty("args").EnumerateArray().Select(a => Inside(a.GetString()!)).ToArray();
            var code = session.Run(arguments);
            return (code, Read(output), Read(error));
        }
        finally
        {
            foreach (var (name, _) in variables)
                Environment.SetEnvironmentVariable(name, null);
        }
    }

    private string Read(MemoryStream stream) => Encoding.Latin1.GetString(stream.ToArray()).Replace(_root, "");

    /// <summary>A word with the paths of the recorded system, in ours.</summary>
    private string Inside(string word) =>
        Tops.Aggregate(word, (text, top) => Regex.Replace(text, "(^|=)" + top, "$1" + _root + top, RegexOptions.Multiline));

    private static IEnumerable<JsonProperty> Members(JsonElement element, string name) =>
        element.TryGetProperty(name, out var members) && members.ValueKind == JsonValueKind.Object
            ? members.EnumerateObject()
            : [];

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var text) ? text.GetString() ?? "" : "";

    private string Expand(string text)
    {
        foreach (var (key, value) in _substitutions)
        {
            var commented = string.Concat(value.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => "#" + l + "\n"));
            text = text.Replace("{{#" + key[2..], commented).Replace(key, value);
        }

        return text;
    }

    private void Make(string path, JsonElement description)
    {
        var target = _root + path;
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        if (description.ValueKind == JsonValueKind.String)
        {
            Write(target, description.GetString()!, "644");
        }
        else if (description.TryGetProperty("dir", out _))
        {
            Directory.CreateDirectory(target);
        }
        else if (description.TryGetProperty("symlink", out var link))
        {
            File.CreateSymbolicLink(target, Inside(link.GetString()!));
        }
        else
        {
            Write(target, Text(description, "content"), Text(description, "mode") is { Length: > 0 } mode ? mode : "644");
            if (description.TryGetProperty("mtime_age", out var age))
                File.SetLastWriteTimeUtc(target, DateTime.UtcNow - TimeSpan.FromSeconds(age.GetDouble()));
        }
    }

    private void Write(string target, string content, string mode)
    {
        File.WriteAllText(target, Expand(content), Encoding.Latin1);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(target, (UnixFileMode)Convert.ToInt32(mode, 8));
    }

    private Dictionary<string, (string Mode, string? Content)> Files() =>
        new DirectoryInfo(_root).EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Where(info => !info.FullName.StartsWith(_root + "/var", StringComparison.Ordinal))
            // Ours alone: by it the next join goes on where one was interrupted.
            .Where(info => info.Name != TincPure.Commands.JoinProgress.fileName)
            .ToDictionary(
                info => info.FullName[_root.Length..],
                info => (
                    Convert.ToString((int)info.UnixFileMode, 8),
                    info is FileInfo && info.LinkTarget is null ? File.ReadAllText(info.FullName, Encoding.Latin1) : null));

    private void CompareFiles(
        StringBuilder differences, JsonElement result,
        Dictionary<string, (string Mode, string? Content)> before,
        Dictionary<string, (string Mode, string? Content)> after)
    {
        var expected = Members(result, "files_changed").ToDictionary(p => p.Name, p => p.Value);
        var changed = before.Keys.Union(after.Keys)
            .Where(path => !before.TryGetValue(path, out var old) || !after.TryGetValue(path, out var now) || old != now)
            .ToDictionary(path => NameIn(expected.Keys, path), path => path);
        Compare(
            differences, "changed files",
            string.Join("\n", expected.Keys.Order(StringComparer.Ordinal)),
            string.Join("\n", changed.Keys.Order(StringComparer.Ordinal)));

        foreach (var (path, description) in expected.Where(e => e.Value.ValueKind != JsonValueKind.Null))
        {
            if (!changed.TryGetValue(path, out var found) || !after.TryGetValue(found, out var file))
                continue;
            Compare(differences, "mode of " + path, Text(description, "mode"), file.Mode);
            if (file.Content is { } content)
                Compare(differences, path, Text(description, "content"), content);
        }
    }

    /// <summary>What the recording calls a path, parts of which differ from run to run.</summary>
    private static string NameIn(ICollection<string> names, string path) =>
        names.Contains(path)
            ? path
            : names.FirstOrDefault(name => name.Contains("{{") && Regex.IsMatch(path, Pattern(name, "[^/]+"))) ?? path;

    private static string Pattern(string text, string varying) =>
        "^" + Placeholder.Replace(Regex.Escape(text), varying) + "$(?!\n)";

    private void Compare(StringBuilder differences, string what, string expected, string found)
    {
        // Why a name has no address depends on the network that the tests run in.
        var pattern = Pattern(Expand(expected).Replace("Temporary failure in name resolution", "{{REASON}}"), @"[\s\S]+?");
        if (!Regex.IsMatch(found, pattern))
            differences.Append($"  {what}:\n    expected {Quote(expected)}\n    found    {Quote(found)}\n");
    }

    private static string Quote(string text) => text.Replace("\n", "\\n");

    public void Dispose()
    {
        Environment.CurrentDirectory = _before;
        Directory.Delete(_root, recursive: true);
    }
}
