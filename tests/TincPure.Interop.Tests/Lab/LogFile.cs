using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>A daemon's log file: lines of the form <c>YYYY-MM-DD hh:mm:ss IDENT[PID]: MESSAGE</c> (spec 05 §2.3).</summary>
public sealed partial class LogFile(string path)
{
    public string Path { get; } = path;

    /// <summary>All messages so far, without time and identity.</summary>
    public string[] Messages()
    {
        if (!File.Exists(Path)) return [];
        using StreamReader reader = new(new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        string[] lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return [.. lines.Select(line => Heading().Replace(line, "", 1))];
    }

    public int Count(string pattern) => Messages().Count(message => Regex.IsMatch(message, pattern));

    /// <summary>The messages that match, those before a mark left out (see <see cref="Mark"/>).</summary>
    public string[] Matching(string pattern, int after = 0) =>
        [.. Messages().Skip(after).Where(message => Regex.IsMatch(message, pattern))];

    /// <summary>A place in the log: how many messages there are by now.</summary>
    public int Mark() => Messages().Length;

    public string Tail(int lines) => string.Join('\n', Messages().TakeLast(lines));

    [GeneratedRegex(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [^ ]+\[\d+\]: ")]
    private static partial Regex Heading();
}
