using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests.Dialogues;

/// <summary>
/// Stories from dice: requests of every kind about nodes that are there, that are not, and that nobody has heard of, in any order,
/// so that they contradict each other; some are damaged. The same seed makes the same stories.
/// </summary>
public sealed partial class MadeUpStories(int seed)
{
    private const int Length = 12;

    private static readonly string[] Nodes = ["alpha", "fake", "fake", "obs", "third", "third", "ghost", "other"];

    private static readonly string[] Subnets =
    [
        "10.0.1.0/24", "10.0.2.0/24", "10.0.2.0/24", "10.0.4.0/24", "10.0.2.0/24#5", "10.0.2.5/24", "10.9.0.0/16", "10.9.1.1", "0.0.0.0/0", "10.0.4.0/24#10",
        "2001:db8:2::/48", "2001:DB8:2::/48", "::/0", "fe80::1", "2001:db8::192.0.2.1/128", "2:0:5e:1:2:3", "02:00:5E:01:02:03#7", "10.0.2.0/24#-3",
    ];

    private static readonly string[] BadSubnets =
    [
        "10.0.0", "10.0.2.0/33", "10.0.2.0/", "10.0.2.0/24/8", "10.0.2.0/x", "2001:db8::/129", "2001:db8:::/32", "1:2:3:4:5:6:7:8:9", "10.0.2.0#",
        "10.0.2.0/24#x", "#5", "/24", "10.0.2.256", "02:00:5e:01:02", "10.0.2.0/24 #5", "0x0a.0.0.0/8", "010.0.2.0/24", "10.0.2.0/+8", "10.0.2.0/08", "::1/-1",
    ];

    private static readonly string[] Addresses = ["192.0.2.9", "192.0.2.10", "2001:db8::9", "unspec", "vpn.example.org", "::ffff:192.0.2.9", "300.1.1.1", "fe80::1"];

    private static readonly string[] Ports = ["655", "656", "65535", "0", "unspec", "http", "70000", "-1"];

    private static readonly string[] Options = ["700000c", "c", "d", "0", "700000f", "ffffffff", "0x700000c", "700000C", "1ffffffff"];

    // Stock daemons crash when two weights of edges are further apart than 2147483647.
    private static readonly string[] Weights = ["10", "20", "0", "-5", "1000000000", "+7", "007", "12x"];

    private static readonly string[] BadNames = ["fa-ke", "gh.st", "*", "../fake", "a\u00e9", "^fake", "."];

    private static readonly string[] Junk = ["x", "-1", "0x", "zz", "4294967296", "99999999999", "#", "%s", "\u0001", "\u00ff\u00fe", "fake", ""];

    private readonly Random _dice = new(seed);
    private int _nonce = seed << 20;

    /// <summary>What dice would not find soon.</summary>
    public static IEnumerable<Story> ByHand() =>
    [
        new("leading zeros", "", [new("10 e0001 fake 010.0.9.0/24")]),
        new("a long address", "", [new($"12 e0002 fake ghost {new string('y', 400)} 655 700000c 10")]),
        new("two ways of equal length", "", [new("12 e0003 fake third 192.0.2.3 655 700000c 50"), new("12 e0004 third fake 192.0.2.4 655 700000c 50")]),
        new("contradictions", "",
        [
            new("13 e0005 alpha fake"), new("13 e0006 alpha obs"), new("12 e0007 alpha third 192.0.2.3 655 700000c 1"),
            new("10 e0008 alpha 10.0.2.0/24"), new("11 e0009 alpha 10.0.1.0/24"), new("11 e000a alpha 10.0.1.0/24"),
        ]),
    ];

    /// <summary>First words of strangers.</summary>
    public static IEnumerable<(string Title, byte[] Words)> Greetings() =>
        from words in (string[])
        [
            "0 fake 17.7 extra\n", "0  fake  17.7\n", "00 fake 17.7\n", " 0 fake 17.7\n", "\t0 fake 17.7\n", "+0 fake 17.7\n", "-0 fake 17.7\n", "0x fake 17.7\n",
            "0 fake 017.7\n", "0 fake 17.07\n", "0 fake 17.7.7\n", "0 fake -17.7\n", "0 fake +17.7\n", "0 fake 17.-1\n", "0 fake 17.x\n", "0 fake 17.\n", "0 fake .7\n",
            "0 fake 17,7\n", "0 fake 1 7.7\n", "0 fake 17.1000\n", "0 fake 17.255\n", "0 fake 16.7\n", "0 fake x\n", "0 FAKE 17.7\n", "0 fake\u0000x 17.7\n", "0 fake\u00e9 17.7\n",
            "0 ^ 0\n", "0 ? 17.1\n", "0 ?? 17.1\n", "1 94 64 0 0 00\n", "2 00\n", "3 00\n", "4 655 10 700000c\n", "5\n", "7\n", "9\n", "10 1 fake 10.0.2.0/24\n", "17 5\nhello",
            "18 0\n", "21 5\nhello", "24\n", "-1\n", "99999999999\n", "hello\n", "\u0000\n", "\r\n", " \n", "0 ^<cookie>\n", "0 ^<cookie> 17.1\n18 99\n", "0 ^<cookie> 0\n19\n", "0 ^<cookie> 0\nx\n",
        ]
        select (words.Replace("\n", "\\n").Replace("\0", "\\0"), Encoding.Latin1.GetBytes(words));

    /// <summary>Contradictions about who is where.</summary>
    public IEnumerable<Story> Gossip(int count, string settings = "") =>
        Tell("gossip", count, settings, () => _dice.Next(20) switch
        {
            < 4 => $"10 {Nonce()} {Node()} {Subnet()}",
            < 7 => $"11 {Nonce()} {Node()} {Subnet()}",
            < 12 => $"12 {Nonce()} {Node()} {Node()} {One(Addresses)} {One(Ports)} {One(Options)} {One(Weights)}{(Chance(4) ? $" {One(Addresses)} {One(Ports)}" : "")}",
            < 16 => $"13 {Nonce()} {Node()} {Node()}",
            < 18 => $"14 {Nonce()} {Node()}",
            _ => Other(),
        });

    /// <summary>Requests about keys and addresses, while everybody stays reachable.</summary>
    public IEnumerable<Story> Keys(int count, string settings = "") =>
        Tell("keys", count, settings, () => _dice.Next(14) switch
        {
            < 2 => $"15 {Peer()} {One(["third", "obs", "ghost"])}",
            < 5 => $"15 {Peer()} {One(["alpha", "third", "obs"])} {One(["19", "20", "99", "0", "-1", "15"])}{(Chance(2) ? " " + Base64() : "")}",
            < 8 => $"16 {Peer()} {One(["third", "obs", "ghost", "fake"])} {Base64()} {One(["-1 -1 -1 0", "0 0 0 0", "427 672 4 9", "-1 -1 -1 12", "-1 -1 0"])}"
                + (Chance(3) ? $" {One(Addresses)} {One(Ports)}" : ""),
            < 10 => $"22 {Peer()} {One(["third", "alpha", "obs", "ghost"])} {One(Addresses)} {One(Ports)}",
            < 12 => $"23 {Peer()} {One(["third", "alpha", "obs", "ghost"])} {One(["1400", "512", "511", "1518", "9000", "0", "-1", "x", "2147483648"])}",
            12 => $"14 {Nonce()} {Peer()}",
            _ => Other(),
        });

    private IEnumerable<Story> Tell(string kind, int count, string settings, Func<string> line)
    {
        for (int i = 0; i < count; i++)
        {
            List<Saying> sayings = [];
            while (sayings.Count < Length)
            {
                string text = Chance(6) ? Damage(line()) : line();
                if (sayings.Count > 0 && Chance(12)) text = ((Utterance.Line)sayings[^1].Parts[0]).Text; // once more
                if (IsComparable(text)) sayings.Add(new Saying(text));
            }

            yield return new Story($"{kind} {i} of seed {seed}", settings, [.. sayings]);
        }
    }

    // What crashes stock daemons (spec 02 §22; pre18 also on long subnets), handlers they should not reach, and packets that are
    // announced and do not come.
    private static bool IsComparable(string line) => !Crashes().IsMatch(line) && !(LongSubnet().IsMatch(line) && line.Length > 200);

    private string Other() => One(["8", "9", "8 x", "9 9", "5", "6", "7", "24", "-8", "hello", "10", "12", "15", "16", "17 0", "18 3", "19 fake alpha", "22", "23", "21 0"]);

    private string Damage(string line)
    {
        List<string> words = [.. line.Split(' ')];
        int at = _dice.Next(words.Count);
        switch (_dice.Next(9))
        {
            case 0: words.RemoveAt(words.Count - 1); break;
            case 1: words.RemoveAt(at); break;
            case 2: words.Add(One(Junk)); break;
            case 3: words[at] = One(Junk); break;
            case 4: words[at] += " "; break;
            case 5: words[at] = words[at].ToUpperInvariant(); break;
            case 6: words[at] += One(BadNames); break;
            case 7: words[at] = "\t" + words[at]; break;
            default: words[at] = words[at] + new string('y', Chance(2) ? 2100 : 60); break;
        }

        return string.Join(' ', words);
    }

    private string Nonce() => (++_nonce).ToString("x", CultureInfo.InvariantCulture);

    private string Node() => Chance(20) ? One(BadNames) : One(Nodes);

    // Those that stay reachable, and one that is not known.
    private string Peer() => Chance(10) ? One(["ghost", "fa-ke"]) : One(["fake", "fake", "obs", "third"]);

    private string Subnet() => Chance(5) ? One(BadSubnets) : One(Subnets);

    private string Base64() => One(["AAAA", "A", "!!", "AAAAAAAA", new string('B', 43), new string('C', 94), "AAAA=", "-_-_"]);

    private T One<T>(T[] choices) => choices[_dice.Next(choices.Length)];

    private bool Chance(int oneIn) => _dice.Next(oneIn) == 0;

    [GeneratedRegex(@"^\s*1[01]\s")]
    private static partial Regex LongSubnet();

    [GeneratedRegex(@"^\s*[+]?0*[0-4](?!\d)|^\s*0*15\s+\S+\s+alpha(?!\s+[+-]?[1-9])|^\s*0*(17|21)\s+(?!0$)|^\s*0*15\s+(?!fake|obs|third)\S+\s+alpha|^\s*0*23\s+(?!fake|obs|third)|^-?0")]
    private static partial Regex Crashes();
}
