using System.Globalization;
using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>What a daemon's process holds.</summary>
/// <param name="Descriptors">Sockets, pipes and the like; a runtime opens the files of its libraries when it needs them.</param>
/// <param name="Kilobytes">Resident memory, pages of shared files included.</param>
/// <param name="Private">Of those, the pages that are nobody else's.</param>
public sealed partial record Footprint(int Descriptors, int Kilobytes, int Private)
{
    public static Footprint Of(Node node)
    {
        string status = File.ReadAllText($"/proc/{node.ProcessId}/status");
        return new(
            Directory.GetFileSystemEntries($"/proc/{node.ProcessId}/fd").Count(path => new FileInfo(path).LinkTarget is { } target && !target.StartsWith('/')),
            Number(Resident().Match(status)),
            Number(Anonymous().Match(status)));
    }

    public override string ToString() => $"{Descriptors} fd {Kilobytes / 1024} MB";

    private static int Number(Match match) => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"VmRSS:\s+(\d+) kB")]
    private static partial Regex Resident();

    [GeneratedRegex(@"RssAnon:\s+(\d+) kB")]
    private static partial Regex Anonymous();
}
