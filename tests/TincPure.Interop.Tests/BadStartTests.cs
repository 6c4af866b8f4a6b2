using System.Diagnostics;
using System.Text;
using TincPure.Interop.Tests.Differential;

namespace TincPure.Interop.Tests;

/// <summary>
/// Bad values and broken files (spec 05): a stock daemon and ours are started with the same folder. Either both start or both refuse,
/// in the same words; and ours says where the fault is and what would be right.
/// </summary>
public sealed class BadStartTests(BadStartTests.Folder good) : IClassFixture<BadStartTests.Folder>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    // In front of everything else, or behind it: which line a value is on matters.
    private static readonly string[] Usual = ["Name = foo", "DeviceType = dummy", "AddressFamily = ipv4", "BindToAddress = 127.0.0.1 0", "AutoConnect = no"];

    [LabFact]
    public void Bad_values_and_files_end_the_start_where_they_do_with_stock_and_are_named()
    {
        List<string> faults = [];
        BadStart[] cases = [.. BadStarts.All];
        Parallel.ForEach(cases, new ParallelOptions { MaxDegreeOfParallelism = 2 }, one =>
        {
            Outcome stock = Run(Make.Stock, one), ours = Run(Make.Ours, one);
            List<string> problems = [.. Problems(one, stock, ours)];
            if (problems.Count == 0) return;
            lock (faults) faults.Add($"{one}\n  {string.Join("\n  ", problems)}\n  stock: {stock}\n  ours: {ours}");
        });
        Assert.True(faults.Count == 0, $"{faults.Count} of {cases.Length} cases:\n" + string.Join("\n", faults));
    }

    private static IEnumerable<string> Problems(BadStart one, Outcome stock, Outcome ours)
    {
        if (ours.Ready != one.Starts) yield return one.Starts ? "ours does not start" : "ours starts";
        if ((stock.Ready == one.Starts) == one.StockDoesOtherwise is not null) yield return "stock does not do what the table says";
        if (ours.ExitCode != (one.Starts ? 0 : 1)) yield return $"the exit code of ours is {ours.ExitCode}";
        // A stock daemon that is told to end before its main loop has no time to be polite.
        if (one is { Starts: false, StockDoesOtherwise: null } && stock.ExitCode != ours.ExitCode) yield return $"the exit code of stock is {stock.ExitCode}";
        foreach (string text in one.Text)
        {
            if (!ours.Text.Contains(text)) yield return "ours does not say: " + text;
            if (one is { StockSaysOtherwise: null, StockDoesOtherwise: null } && !stock.Text.Contains(text)) yield return "stock does not say: " + text;
        }

        foreach (string text in one.OursAdds)
        {
            if (!ours.Text.Contains(text)) yield return "ours does not add: " + text;
        }

        if (ours.Text.Contains("xception")) yield return "an exception was shown";
    }

    private Outcome Run(Make make, BadStart one)
    {
        string folder = good.Copy();
        try
        {
            Prepare(folder, one);
            return Run(make, folder, one.Arguments);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Prepare(string folder, BadStart one)
    {
        string[] lines = one.Lines.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        bool Replaced(string usual) => lines.Any(line => line.Split(' ')[0] == usual.Split(' ')[0]);
        File.WriteAllLines(Path.Combine(folder, "tinc.conf"), [.. lines, .. Usual.Where(usual => !Replaced(usual))]);
        foreach ((string name, string? text) in one.Files)
        {
            string path = Path.Combine(folder, name.TrimEnd('/'));
            if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
            if (File.Exists(path)) File.Delete(path);
            if (text is null) continue;
            Directory.CreateDirectory(name.EndsWith('/') ? path : Path.GetDirectoryName(path)!);
            if (!name.EndsWith('/')) File.WriteAllText(path, text);
        }

        foreach ((string name, UnixFileMode mode) in one.Modes) File.SetUnixFileMode(Path.Combine(folder, name), mode);
    }

    // Until it ends or is ready; a daemon that is ready is ended.
    private static Outcome Run(Make make, string folder, string[] arguments)
    {
        ProcessStartInfo start = new(Programs.Tincd(make), ["-c", folder, "-D", $"--pidfile={folder}/pid", .. arguments])
        {
            RedirectStandardError = true,
            StandardErrorEncoding = Encoding.UTF8,
        };
        start.Environment.Remove("NETNAME");
        using Process daemon = Process.Start(start)!;
        using Timer timer = new(_ => daemon.Kill(), null, Limit, Timeout.InfiniteTimeSpan);
        StringBuilder text = new();
        bool ready = false;
        while (daemon.StandardError.ReadLine() is { } line)
        {
            text.Append(line.Replace(folder, "D")).Append('\n');
            if (ready || !line.TrimEnd().EndsWith("Ready")) continue;
            ready = true;
            Command.Run("kill", "-TERM", daemon.Id.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        daemon.WaitForExit();
        return new Outcome(ready, daemon.ExitCode, text.ToString());
    }

    private sealed record Outcome(bool Ready, int ExitCode, string Text)
    {
        public override string ToString() => $"{(Ready ? "starts" : "does not start")}, exit code {ExitCode}\n    {Text.Trim().Replace("\n", "\n    ")}";
    }

    /// <summary>The files of a daemon that starts: keys, an own host file and another node's.</summary>
    public sealed class Folder : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("tinc-badstart").FullName;
        private int _copies;

        public Folder()
        {
            if (Prerequisites.Missing is not null) return;
            Directory.CreateDirectory(Path.Combine(_folder, "good", "hosts"));
            string good = Path.Combine(_folder, "good");
            File.WriteAllText(Path.Combine(good, "tinc.conf"), "Name = foo\n");
            Command.Run(Programs.Tinc(Make.Stock), "-c", good, "generate-ed25519-keys").OrThrow();
            File.WriteAllText(Path.Combine(good, "hosts", "foo"), "");
            string rsa = Path.Combine(good, "rsa_key.priv");
            File.WriteAllText(rsa, RsaKeys.Of(1).ExportRSAPrivateKeyPem() + "\n");
            File.SetUnixFileMode(rsa, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        public string Copy()
        {
            string copy = Path.Combine(_folder, Interlocked.Increment(ref _copies).ToString(System.Globalization.CultureInfo.InvariantCulture));
            Command.Run("cp", "-a", Path.Combine(_folder, "good"), copy).OrThrow();
            return copy;
        }

        public void Dispose() => Directory.Delete(_folder, recursive: true);
    }
}
