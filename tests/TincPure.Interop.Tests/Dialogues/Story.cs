using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests.Dialogues;

/// <summary>One thing that the peer <c>fake</c> puts on its connection.</summary>
public abstract record Utterance
{
    /// <summary>A request in a record of its own.</summary>
    public sealed record Line(string Text) : Utterance;

    /// <summary>A record with this payload.</summary>
    public sealed record Record(byte[] Payload) : Utterance;

    /// <summary>Bytes past the session.</summary>
    public sealed record Raw(byte[] Bytes) : Utterance;
}

/// <summary>What is said in one go. What comes of it is seen before the next is said.</summary>
public sealed partial record Saying(Utterance[] Parts)
{
    public Saying(string line) : this([new Utterance.Line(line)])
    {
    }

    /// <summary>Nothing is said: what is left in the end is seen.</summary>
    public static readonly Saying End = new([]);

    /// <summary>How many PONGs it asks for: numbers are read as atoi reads them.</summary>
    public int Pings => Parts.Count(part => part is not Utterance.Raw && Ping().IsMatch(Text(part)));

    public override string ToString() => Parts.Length == 0 ? "(the end)" : string.Join(" + ", Parts.Select(Shown));

    private static string Text(Utterance part) => part switch
    {
        Utterance.Line line => line.Text,
        Utterance.Record record => Encoding.Latin1.GetString(record.Payload),
        _ => "",
    };

    private static string Shown(Utterance part)
    {
        string text = part switch
        {
            Utterance.Line line => line.Text,
            Utterance.Record record => "record " + Convert.ToHexStringLower(record.Payload),
            Utterance.Raw raw => "raw " + Convert.ToHexStringLower(raw.Bytes),
            _ => "",
        };
        return text.Length <= 200 ? text : $"{text[..200]}... ({text.Length} characters)";
    }

    [GeneratedRegex(@"^\s*\+?0*8(?!\d)")]
    private static partial Regex Ping();
}

/// <summary>What is said to a daemon that knows nobody but two peers and a node behind one of them.</summary>
/// <param name="Settings">Lines of the daemon's configuration.</param>
public sealed record Story(string Title, string Settings, Saying[] Sayings);

/// <summary>The stories that were recorded with stock tinc.</summary>
public static partial class RecordedStories
{
    /// <summary>What crashes stock daemons cannot be compared; ours is tried with it in the tests of the core.</summary>
    private const string Crash = "daemon crashed";

    public static IEnumerable<Story> All()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Programs.Tree, "tests", "vectors", "02-meta-lines-active.json")));
        int number = 0;
        foreach (JsonElement section in document.RootElement.GetProperty("sections").EnumerateArray())
        {
            // Handlers that stock daemons should not let them reach: what happens there is chance.
            if (section.GetProperty("section").GetString()!.StartsWith("authentication requests")) continue;
            foreach (JsonElement item in section.GetProperty("cases").EnumerateArray())
            {
                if (Verdicts(item).Contains(Crash)) continue;
                number++;
                string settings = item.TryGetProperty("config", out JsonElement config) ? config.GetString()! : "";
                yield return new Story(item.GetProperty("title").GetString()!, settings, [.. Sayings(item.GetProperty("send"), number)]);
            }
        }
    }

    /// <summary>First words of strangers that were recorded, those left out that need keys of their own.</summary>
    public static IEnumerable<(string Title, byte[] Words)> Greetings()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Programs.Tree, "tests", "vectors", "02-meta-lines-preauth.json")));
        foreach (JsonElement item in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            string title = item.GetProperty("title").GetString()!, text = item.GetProperty("send_text").GetString()!;
            if (title.Contains("RSA") || title.Contains("invitation,")) continue;
            if (Sized().Match(text) is { Success: true } sized)
                text = "0 ".PadRight(int.Parse(sized.Groups[1].Value, CultureInfo.InvariantCulture), 'a') + (title.EndsWith("newline") && title.Contains("then") ? "\n" : "");
            if (title.StartsWith("control connection")) text += title.Contains("other request") ? "8\n" : "18 10\n";
            yield return (title, Encoding.Latin1.GetBytes(text));
        }
    }

    private static IEnumerable<string> Verdicts(JsonElement item)
    {
        yield return item.GetProperty("verdict").GetString()!;
        if (item.TryGetProperty("pre18_differs", out JsonElement older) && older.TryGetProperty("verdict", out JsonElement verdict))
            yield return verdict.GetString()!;
    }

    // An announced packet belongs to its announcement.
    private static IEnumerable<Saying> Sayings(JsonElement send, int number)
    {
        List<Utterance> parts = [];
        foreach (JsonElement item in send.EnumerateArray())
        {
            Utterance part = Read(item, number);
            if (part is Utterance.Line && parts.Count > 0)
            {
                yield return new Saying([.. parts]);
                parts.Clear();
            }

            parts.Add(part);
        }

        yield return new Saying([.. parts]);
    }

    private static Utterance Read(JsonElement item, int number)
    {
        if (item.TryGetProperty("line", out JsonElement line)) return new Utterance.Line(Line(line.GetString()!, number));
        return item.TryGetProperty("record_hex", out JsonElement record)
            ? new Utterance.Record(Convert.FromHexString(record.GetString()!))
            : new Utterance.Raw(Convert.FromHexString(item.GetProperty("raw_stream_hex").GetString()!));
    }

    private static string Line(string text, int number)
    {
        if (Repeated().Match(text) is { Success: true } repeated)
        {
            int count = int.Parse(repeated.Groups["count"].Value, CultureInfo.InvariantCulture);
            return repeated.Groups["start"].Value + new string(repeated.Groups["what"].Value[0], count);
        }

        // Daemons remember what they have seen: a number that no other story has used.
        return Nonce().Replace(text, found => $"{found.Groups[1].Value} {0x1000 * number + int.Parse(found.Groups[2].Value, CultureInfo.InvariantCulture):x} ")
            .Replace("127.0.0.1", Stage.PeerAddress);
    }

    [GeneratedRegex(@"^(?<start>.*) (?<what>.) repeated (?<count>\d+) times$")]
    private static partial Regex Repeated();

    [GeneratedRegex(@"^(\d+) bytes: ")]
    private static partial Regex Sized();

    [GeneratedRegex(@"^(1[0-4]) (\d) ")]
    private static partial Regex Nonce();
}
