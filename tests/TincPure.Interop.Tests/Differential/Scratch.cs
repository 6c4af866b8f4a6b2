using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests.Differential;

/// <summary>A folder in which one program after the other finds the same files.</summary>
internal sealed partial class Scratch : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private static readonly string Url = new('a', 48);

    private readonly string _folder = Directory.CreateTempSubdirectory("tinc-differential").FullName;

    public Outcome Run(Make make, Case run)
    {
        Directory.Delete(_folder, recursive: true);
        Directory.CreateDirectory(_folder);
        Templates.Make(run.Files, _folder);
        string program = Programs.Tinc(make);
        ProcessStartInfo start = new(program, run.Words.Select(Expanded))
        {
            WorkingDirectory = _folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.Latin1,
            StandardErrorEncoding = Encoding.Latin1,
        };
        start.Environment["NETNAME"] = run.NetName;
        if (run.NetName is null) start.Environment.Remove("NETNAME");
        start.Environment["WHO"] = "who-me!";
        start.Environment["EDITOR"] = "true";
        start.Environment.Remove("VISUAL");

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        try
        {
            process.StandardInput.Write(run.Input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading.
        }

        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{make}: {run}");
        }

        return new Outcome(process.ExitCode, Steady(output.Result, program), Steady(errors.Result, program), Files(program));
    }

    private string Expanded(string word) => word.Replace("{D}", _folder).Replace("{U}", Url);

    /// <summary>Without what is another each time: folders, keys, how the program is called.</summary>
    private string Steady(string text, string program)
    {
        text = StockProgram().Replace(text.Replace(_folder, "D"), "tinc").Replace(program, "tinc");
        text = PemBody().Replace(text, "-----BEGIN$1-----\n(key)\n-----END");
        text = PublicKey().Replace(RandomPort().Replace(text, "port (random)"), "$1(key)");
        return Progress().Replace(InvitationUrl().Replace(text, "/(url)"), "");
    }

    private Dictionary<string, string> Files(string program) =>
        new DirectoryInfo(_folder).EnumerateFileSystemInfos("*", SearchOption.AllDirectories).ToDictionary(
            info => InvitationFile().Replace(Path.GetRelativePath(_folder, info.FullName), "invitations/(id)"),
            info => Convert.ToString((int)info.UnixFileMode, 8) + " "
                + (info is FileInfo ? Steady(File.ReadAllText(info.FullName, Encoding.Latin1), program) : "folder"));

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [GeneratedRegex(@"/\S+/sbin/tinc")]
    private static partial Regex StockProgram();

    [GeneratedRegex("/[A-Za-z0-9_-]{48}(?=\n)")]
    private static partial Regex InvitationUrl();

    [GeneratedRegex("invitations/(?=.*[^0-9a-n])[A-Za-z0-9_-]{24}$")]
    private static partial Regex InvitationFile();

    /// <summary>What OpenSSL shows while it looks for primes.</summary>
    [GeneratedRegex(@"(?<=(?:keys|pair):\n)[-.+ pq\n]+(?=Done\.)")]
    private static partial Regex Progress();

    [GeneratedRegex(@"-----BEGIN([^-]*)-----\n[A-Za-z0-9+/=\n-]{40,}?-----END")]
    private static partial Regex PemBody();

    [GeneratedRegex(@"(Ed25519PublicKey = )[A-Za-z0-9+/]{43}")]
    private static partial Regex PublicKey();

    [GeneratedRegex(@"port \d{4,5}(?=\.\n)|(?<=\n)Port = \d{5}")]
    private static partial Regex RandomPort();
}
