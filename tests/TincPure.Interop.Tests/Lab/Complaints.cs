namespace TincPure.Interop.Tests;

/// <summary>What no log shows while all is well.</summary>
internal static class Complaints
{
    /// <summary>The lines of the storm that stock tinc's sessions fall into (spec 03 §11.6), and of broken connections.</summary>
    public const string Pattern =
        "Invalid packet seqno|Handshake phase not finished yet|Failed to decrypt and verify|Failed to decode|late or replayed packet" +
        "|Bogus data received|Error while processing|Unauthorized request|Got bad |[Ee]xception|Broken pipe";

    public static void None(Node node, int after = 0)
    {
        string[] lines = node.Log.Matching(Pattern, after);
        Assert.True(lines.Length == 0, $"{node.Name} ({node.Make}) logged {lines.Length} complaints, the first ones:\n{string.Join('\n', lines.Take(10))}");
    }
}
