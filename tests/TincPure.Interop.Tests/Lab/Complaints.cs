using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>What no log shows while all is well.</summary>
public static class Complaints
{
    /// <summary>The lines of the storm that stock tinc's sessions fall into (spec 03 §11.6), and of broken connections.</summary>
    public const string Pattern =
        "Invalid packet seqno|Handshake phase not finished yet|Failed to decrypt and verify|Failed to decode|late or replayed packet" +
        "|Bogus data received|Error while processing|Unauthorized request|Got bad |[Ee]xception|Broken pipe";

    // When both ends start a session at once, a stock end finds the start of ours out of place, once (spec 03 §11.6 (e)).
    private const string CrossedStart = "^Invalid packet seqno: 0 != 1 ";

    public static void None(Node node, int after = 0)
    {
        List<string> lines = [.. node.Log.Matching(Pattern, after)];
        if (node.Make == Make.Stock) lines = [.. lines.Where(line => !Regex.IsMatch(line, CrossedStart)), .. RepeatedCrossedStarts(lines)];
        Assert.True(lines.Count == 0, $"{node.Name} ({node.Make}) logged {lines.Count} complaints, the first ones:\n{string.Join('\n', lines.Take(10))}");
    }

    private static IEnumerable<string> RepeatedCrossedStarts(IEnumerable<string> lines) =>
        lines.Where(line => Regex.IsMatch(line, CrossedStart)).GroupBy(line => line).SelectMany(same => same.Skip(1));
}
