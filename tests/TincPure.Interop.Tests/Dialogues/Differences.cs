using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests.Dialogues;

/// <summary>A saying, and what came of it among both makes.</summary>
public sealed record Comparison(Story Story, Saying Saying, Outcome Stock, Outcome Ours)
{
    public override string ToString() => $"{Story.Title} ({Story.Settings}): {Saying}\n    stock: {Stock}\n    ours:  {Ours}";
}

/// <summary>Where ours does otherwise on purpose.</summary>
/// <param name="Title">What it is about; docs/differences.md tells of it too.</param>
/// <param name="Explains">Whether this is what is to be seen here.</param>
/// <param name="Hurried">It only shows while little time has passed.</param>
public sealed record Difference(string Title, string Reason, Func<Comparison, bool> Explains, bool Hurried = false);

/// <summary>All differences that the dialogues may show. The stock daemon is 1.1~pre18.</summary>
public static partial class Differences
{
    public static readonly Difference[] All =
    [
        new("a session that cannot begin",
            "what should be a KEX is none: stock answers with its own, ours goes on as before",
            found => Said(found, @"^15 \S+ alpha 15 \S") && (Replied(found.Stock, "^16 alpha ") || Forwarded(found.Stock, "^16 alpha ")) && IsQuiet(found.Ours)),
        new("compression level 12",
            "LZ4 came after pre18, which calls the level bogus",
            found => Said(found, "^16 .* alpha .* 12$") && IsQuiet(found.Stock) && Replied(found.Ours, "^15 alpha ")),
        new("packets for others, without a session with them",
            "stock must have a key of its own with the destination; ours passes them on without, and sends no probes without a session",
            found => Said(found, "^21 40 ") && found.Stock.Forwarded.Contains("17 18") && found.Ours.Forwarded.Take(2).SequenceEqual(["21 40", "<sealed packet>"])),
        new("SPTPS_PACKET of a negative length",
            "pre18 waits for it; newer ones and ours hang up",
            found => Said(found, "^21 -1$") && found.Stock.Verdict == Verdict.Stuck && found.Ours.Verdict == Verdict.Closed),
        new("UDP_INFO with an address that is none",
            "stock believes it and passes it on; ours passes on what it knows",
            found => Said(found, "^22 ") && Forwarded(found.Stock, "^22 ") && Forwarded(found.Ours, "^22 ") && IsNoEndpoint(LastLine(found).Split(' '))),
        new("leading zeros in an IPv4 subnet",
            "pre18 takes them; newer ones and ours call the subnet invalid",
            found => Said(found, @"^1[01] \S+ \S+ 0\d+\.") && found.Stock.Verdict == Verdict.Kept && found.Ours.Verdict == Verdict.Closed),
        new("TunnelServer, withdrawal of a subnet that is not known",
            "stock passes it on, as with StrictSubnets; ours tells nobody anything",
            found => found.Story.Settings.Contains("TunnelServer") && Said(found, "^11 ") && Forwarded(found.Stock, "^11 ") && IsQuiet(found.Ours)),
        new("an edge whose address is a text of more than 300 characters",
            "stock keeps any text; ours keeps no more than a host name can have",
            found => Said(found, @"^12 .*\S{301,} ") && Forwarded(found.Stock, "^12 ") && IsQuiet(found.Ours)),
        new("the same contradiction again",
            "stock answers each; ours the first at once, further ones together after a pause",
            found => found.Stock.Reply is [var correction] && Correction().IsMatch(correction) && IsQuiet(found.Ours),
            Hurried: true),
        new("edges with addresses that are none, in the end",
            "stock cuts ports to 16 bits, reads names of services, and keeps local addresses that are none",
            found => AreAtTheEnd(found, (stock, ours) => Kind(stock) == "18 4" && Ends(stock) == Ends(ours) && HasOddAddress(stock, ours))),
        new("the next hop among ways of equal length, in the end",
            "pre18 keeps the first way it finds; newer ones and ours take the lighter one",
            found => AreAtTheEnd(
                found,
                (stock, ours) => Kind(stock) == "node third:" && Hop().Replace(stock, "") == Hop().Replace(ours, "")
                    || Kind(stock) == "18 4" && Ends(stock) == Ends(ours) && HasOddAddress(stock, ours))),
    ];

    /// <summary>First words of strangers that are answered otherwise, and why.</summary>
    public static readonly Dictionary<string, string> OfGreetings = new()
    {
        ["control connection, other request than 18"] = LostWords,
        ["0 ^<cookie> 0\\n19\\n"] = LostWords,
        ["0 ^<cookie> 0\\nx\\n"] = LostWords,
        ["2176 bytes without a newline"] = "this build of pre18 has room for longer lines",
    };

    private const string LostWords = "pre18 closes a control connection before it has said what it had to say; newer ones and ours say it";

    private static string LastLine(Comparison found) => found.Saying.Parts is [.., Utterance.Line line] ? line.Text.Trim() : "";

    private static bool Said(Comparison found, string pattern) =>
        found.Saying.Parts is [Utterance.Line first, ..] && Regex.IsMatch(found.Saying.Parts.Length == 1 ? first.Text.Trim() : first.Text + " ", pattern);

    private static bool IsQuiet(Outcome outcome) => outcome is { Verdict: Verdict.Kept, Reply: [], Forwarded: [] };

    private static bool Replied(Outcome outcome, string pattern) =>
        outcome is { Verdict: Verdict.Kept, Reply: [var line], Forwarded: [] } && Regex.IsMatch(line, pattern);

    private static bool Forwarded(Outcome outcome, string pattern) =>
        outcome is { Verdict: Verdict.Kept, Reply: [], Forwarded: [var line] } && Regex.IsMatch(line, pattern);

    // Of UDP_INFO: address and port are the last two of five words.
    private static bool IsNoEndpoint(string[] words) => words.Length >= 5 && !IsEndpoint(words[3], words[4]);

    private static bool IsEndpoint(string address, string port) =>
        System.Net.IPAddress.TryParse(address, out _) && ushort.TryParse(port, out _);

    // What is believed stands in the replies: as many lines on either side, which differ in pairs.
    private static bool AreAtTheEnd(Comparison found, Func<string, string, bool> explains) =>
        found.Saying == Saying.End && found.Stock.Reply.Length == found.Ours.Reply.Length && found.Stock.Reply.Zip(found.Ours.Reply).All(pair => explains(pair.First, pair.Second));

    private static string Kind(string line) => string.Join(' ', line.Split(' ').Take(2));

    // "18 4 FROM TO ADDRESS port PORT LOCAL port PORT OPTIONS WEIGHT"
    private static string Ends(string line) => string.Join(' ', [.. line.Split(' ').Take(4), .. line.Split(' ').TakeLast(2)]);

    private static bool HasOddAddress(string stock, string ours)
    {
        string[] one = stock.Split(' '), other = ours.Split(' ');
        bool address = one[4..7].SequenceEqual(other[4..7]) || !IsEndpoint(other[4], other[6]);
        bool local = one[7..10].SequenceEqual(other[7..10]) || other[7] == "unspec";
        return address && local;
    }

    [GeneratedRegex("^1[0-3] NONCE alpha ")]
    private static partial Regex Correction();

    [GeneratedRegex(" by [a-z]+ ")]
    private static partial Regex Hop();
}
