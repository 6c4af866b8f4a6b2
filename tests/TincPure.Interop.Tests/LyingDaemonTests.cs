using System.Net.Sockets;
using System.Text;

namespace TincPure.Interop.Tests;

/// <summary>Pid files that lie, and daemons that go away in the middle: one clear line, and stock's exit code.</summary>
public sealed class LyingDaemonTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tinc-lies").FullName;

    private string PidFile => Path.Combine(_folder, "pid");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Cookie { get; } = new('A', 64);

    private CommandResult Tinc(Make make, params string[] words) =>
        Command.Run([Programs.Tinc(make), "-b", "-c", Path.Combine(_folder, "net"), $"--pidfile={PidFile}", .. words]);

    private void WritePidFile() => File.WriteAllText(PidFile, $"{Environment.ProcessId} {Cookie} 127.0.0.1 port 655\n");

    [LabTheory, InlineData("pid"), InlineData("dump nodes"), InlineData("reload"), InlineData("top")]
    public void A_pid_file_of_another_process_is_found_out(string words)
    {
        WritePidFile();
        CommandResult stock = Tinc(Make.Stock, words.Split(' ')), ours = Tinc(Make.Ours, words.Split(' '));
        Assert.Equal((stock.ExitCode, stock.Output, stock.Error), (ours.ExitCode, ours.Output, ours.Error));
        Assert.Equal(1, ours.ExitCode);
        Assert.Single(ours.Error.Trim().Split('\n'));
        Assert.True(File.Exists(PidFile));
    }

    public static readonly TheoryData<string, string> Speeches = new()
    {
        { "dump nodes", "18 3 alpha 000000000000 MYSELF port 655 0 0 0 0 700000c 58 alpha alpha 0 1518 0 1518 0 -1 0 0 0 0\n" },
        { "dump nodes", "18 3 alpha\n18 3\n" },
        { "dump edges", "18 4 a b c\n" },
        { "dump subnets", "18 5 10.0.0.0/8 a\n18 5 10" },
        { "dump connections", "" },
        { "dump graph", "18 3\n18 4 a b h port 1 h port 1 0 x\n" },
        { "info alpha", "18 3\n" },
        { "info 10.0.0.1", "18 5\n" },
        { "reload", "18 1 22\n" },
        { "reload", "18 1\n" },
        { "reload", "nonsense\n" },
        { "purge", "" },
        { "retry", "18 10 1\n" },
        { "debug 3", "18 9 x\n" },
        { "connect b", "18 -1\n" },
        { "disconnect b", "18 12 -2\n" },
    };

    // Stock prints a dump that turns out to be broken up to there; we print what is whole.
    [LabTheory, MemberData(nameof(Speeches))]
    public void A_daemon_that_says_half_or_nonsense_leads_to_what_stock_says(string words, string speech)
    {
        WritePidFile();
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(PidFile + ".socket"));
        listener.Listen();
        CommandResult Ask(Make make)
        {
            Task answering = Task.Run(() => Answer(listener, speech));
            CommandResult result = Tinc(make, words.Split(' '));
            answering.Wait();
            return result;
        }

        CommandResult stock = Ask(Make.Stock), ours = Ask(Make.Ours);
        Assert.Equal((stock.ExitCode, stock.Error), (ours.ExitCode, ours.Error));
        if (stock.ExitCode == 0) Assert.Equal(stock.Output, ours.Output);
    }

    /// <summary>Greets, waits for a request, says its speech and hangs up.</summary>
    private static void Answer(Socket listener, string speech)
    {
        using Socket client = listener.Accept();
        byte[] buffer = new byte[1024];
        client.Receive(buffer);
        client.Send(Encoding.ASCII.GetBytes($"0 alpha 17.7\n4 0 {Environment.ProcessId}\n"));
        if (client.Receive(buffer) > 0) client.Send(Encoding.ASCII.GetBytes(speech));
    }
}
