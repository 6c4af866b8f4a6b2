using System.Diagnostics;
using System.Globalization;

namespace TincPure.Interop.Tests;

/// <summary>
/// The place where meshes are built: namespaces named after this process and a folder of its own.
/// All of it vanishes when this process ends, in whatever way: a shell waits for the end of its standard input and tidies up.
/// </summary>
public sealed class Laboratory
{
    private static readonly Lazy<Laboratory> Single = new(() => new Laboratory());

    private readonly string _prefix = Prefix(Environment.ProcessId);
    private readonly Process _janitor;
    private int _made;

    private Laboratory()
    {
        if (Prerequisites.Missing is { } reason) throw new InvalidOperationException("The interop tests cannot run: " + reason);
        SweepAfterTheDead();
        Folder = Directory.CreateTempSubdirectory(_prefix).FullName;
        OpenSslWithOldCiphers = Path.Combine(Folder, "openssl.cnf");
        File.WriteAllText(OpenSslWithOldCiphers, OldCiphers);
        _janitor = Process.Start(new ProcessStartInfo("setsid", ["sh", "-c", JanitorScript, "janitor", _prefix, Folder])
        {
            RedirectStandardInput = true,
        })!;
    }

    public static Laboratory Here => Single.Value;

    public string Folder { get; }

    /// <summary>A configuration of OpenSSL in which stock tinc finds Blowfish, as it did when that was its default.</summary>
    public string OpenSslWithOldCiphers { get; }

    /// <summary>The logs of a mesh stay here when it is gone, until the next run.</summary>
    public static string Archive => Path.Combine(Programs.Tree, "artifacts", "interop");

    /// <summary>An unused name for a namespace.</summary>
    public string NewName(string label) =>
        _prefix + Interlocked.Increment(ref _made).ToString(CultureInfo.InvariantCulture) + label;

    private const string OldCiphers =
        """
        openssl_conf = init
        [init]
        providers = providers
        [providers]
        default = active
        legacy = active
        [active]
        activate = 1

        """;

    // $1: prefix of the namespaces' names, $2: folder.
    private const string RemoveScript =
        """
        for ns in $(ip netns list | cut -d' ' -f1 | grep "^$1"); do
            for pid in $(ip netns pids "$ns"); do kill -9 "$pid"; done
            ip netns del "$ns"
            rm -rf "/etc/netns/$ns"
        done
        [ -z "$2" ] || rm -rf "$2"
        """;

    private const string JanitorScript = "trap '' INT TERM HUP; exec >/dev/null 2>&1; cat\n" + RemoveScript;

    private static string Prefix(int process) => $"tp{process}-";

    // A machine that lost power, a janitor that was killed too: whoever comes next sweeps.
    private static void SweepAfterTheDead()
    {
        IEnumerable<int> owners =
            from line in Command.Run("ip", "netns", "list").Output.Split('\n')
            where line.StartsWith("tp", StringComparison.Ordinal) && line.Contains('-')
            let number = line[2..line.IndexOf('-')]
            where int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out _)
            select int.Parse(number, CultureInfo.InvariantCulture);
        foreach (int owner in owners.Distinct())
        {
            if (!Directory.Exists($"/proc/{owner}")) Command.Run("sh", "-c", RemoveScript, "sweep", Prefix(owner), "");
        }
    }
}
