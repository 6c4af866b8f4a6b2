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
        { "purge", "18 8 1\n" },
        { "purge", "18 8" },
        { "purge", "nonsense\n" },
        { "retry", "" },
        { "retry", "18 10" },
        { "retry", "18 10 1\n" },
        { "connect b", "" },
        { "connect b", "18 11 -2\n" },
        { "connect b", "nonsense\n" },
        { "disconnect b", "" },
        { "disconnect b", "18 12" },
        { "disconnect b", "18 12 x\n" },
        { "disconnect b", "nonsense\n" },
        { "debug 3", "18 9 x\n" },
        { "connect b", "18 -1\n" },
        { "disconnect b", "18 12 -2\n" },
    };

    /// <summary>Commands that stock does not have, and daemons that give up on them.</summary>
    [LabTheory]
    [InlineData("status", "18 3 alpha 000000000000 MYSELF port 655 0 0 0 0 700000c 58 alpha alpha 0 1518 0 1518 0 -1 0 0 0 0\n18 3\n", "Error receiving dump.")]
    [InlineData("status", "18 3\n18 100 alpha 1\n", "Unable to parse path dump from tincd.")]
    [InlineData("status", "18 3\n18 100\n18 103 empty x\n", "Unable to parse drop dump from tincd.")]
    [InlineData("status", "18 -1\n", "Unable to parse dump from tincd.")]
    [InlineData("ping b", "", "Lost connection to tincd.")]
    [InlineData("ping b", "18 101 1 meta b sent\n", "Lost connection to tincd.")]
    [InlineData("ping b", "18 101 1 meta\n", "Unable to parse what tincd measured: 18 101 1 meta")]
    [InlineData("ping b", "18 -1\n", "The running tincd cannot measure: it is not TincPure's. `tinc status' tells what it knows of round trips.")]
    [InlineData("events", "", "Error receiving dump.")]
    [InlineData("events", "18 102 5 subscribed\n", "Lost connection to tincd.")]
    [InlineData("events", "18 102\n", "Unable to parse event from tincd: 18 102")]
    [InlineData("why 10.0.0.1", "18 3\n", "Error receiving dump.")]
    public void What_stock_does_not_have_ends_with_one_line_too(string words, string speech, string error)
    {
        WritePidFile();
        using Socket listener = Listen();
        CommandResult ours = Ask(listener, Make.Ours, words, speech);
        Assert.Equal((1, error + "\n", ""), (ours.ExitCode, ours.Error, ours.Output));
    }

    // Stock prints a dump that turns out to be broken up to there; we print what is whole.
    [LabTheory, MemberData(nameof(Speeches))]
    public void A_daemon_that_says_half_or_nonsense_leads_to_what_stock_says(string words, string speech)
    {
        WritePidFile();
        using Socket listener = Listen();
        CommandResult stock = Ask(listener, Make.Stock, words, speech), ours = Ask(listener, Make.Ours, words, speech);
        Assert.Equal((stock.ExitCode, stock.Error), (ours.ExitCode, ours.Error));
        if (stock.ExitCode == 0) Assert.Equal(stock.Output, ours.Output);
    }

    private Socket Listen()
    {
        Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(PidFile + ".socket"));
        listener.Listen();
        return listener;
    }

    private CommandResult Ask(Socket listener, Make make, string words, string speech)
    {
        Task answering = Task.Run(() => Answer(listener, speech));
        CommandResult result = Tinc(make, words.Split(' '));
        answering.Wait();
        return result;
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
