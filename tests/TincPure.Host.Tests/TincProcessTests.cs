using System.Diagnostics;
using TincPure.Host.Files;
using Xunit.Abstractions;

namespace TincPure.Host.Tests;

/// <summary>`tinc` as a process, with `tincd` beside it.</summary>
public sealed class TincProcessTests(ITestOutputHelper output) : IDisposable
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "tinc.dll");
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private sealed record Outcome(int Code, string Output, string Errors);

    private Outcome Tinc(string node, params string[] words) => Run(
        "dotnet", [Program, "-b", "-c", _folder.File(node), "--pidfile", _folder.File(node + ".pid"), .. words], input: "");

    private Outcome Run(string program, string[] arguments, string input)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = _folder.Path,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove("NETNAME");
        using var process = System.Diagnostics.Process.Start(start)!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var errors = process.StandardError.ReadToEndAsync();
        var text = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(Patience))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(string.Join(' ', arguments));
        }

        var outcome = new Outcome(process.ExitCode, text.Result, errors.Result);
        output.WriteLine(string.Join(' ', arguments.Skip(1)) + "\n" + outcome);
        return outcome;
    }

    private string Conf(string node) => _folder.File(Path.Combine(node, "tinc.conf"));

    private void Make(string node, string conf)
    {
        Directory.CreateDirectory(_folder.File(Path.Combine(node, "hosts")));
        File.WriteAllText(Conf(node), conf);
    }

    [Fact]
    public void A_daemon_is_started_asked_reloaded_restarted_and_stopped()
    {
        if (OperatingSystem.IsWindows())
            return;

        Assert.Equal(0, Tinc("a", "init", "alpha").Code);
        foreach (var setting in new[] { "DeviceType dummy", "BindToAddress 127.0.0.1", "Port 0", "Subnet 10.0.0.0/8" })
            Assert.Equal(0, Tinc("a", ["set", .. setting.Split(' ')]).Code);

        var started = Tinc("a", "start");
        try
        {
            Assert.Equal(0, started.Code);
            Assert.Contains("Ready", started.Errors);
            var pid = Tinc("a", "pid").Output;
            Assert.Contains("with pid " + pid.Trim(), Tinc("a", "start").Errors);
            Assert.StartsWith("alpha id ", Tinc("a", "dump", "nodes").Output);
            Assert.Contains("10.0.0.0/8 owner alpha\n", Tinc("a", "dump", "subnets").Output);
            Assert.Contains("<control> at localhost port unix", Tinc("a", "dump", "connections").Output);
            Assert.Contains("Reachability: can reach itself\n", Tinc("a", "info", "alpha").Output);
            Assert.Equal(0, Tinc("a", "add", "Subnet", "fd00::/64").Code);
            Assert.Equal(0, Tinc("a", "reload").Code);
            Assert.Contains("fd00::/64 owner alpha\n", Tinc("a", "dump", "subnets").Output);
            Assert.Equal("Old level 0, new level 2.\n", Tinc("a", "debug", "2").Errors);
            Assert.NotEqual("0\n", Tinc("a", "get", "Port").Output);
            Assert.Equal(0, Tinc("a", "restart").Code);
            Assert.NotEqual(pid, Tinc("a", "pid").Output);
        }
        finally
        {
            Assert.Equal(0, Tinc("a", "stop").Code);
        }

        Assert.False(File.Exists(_folder.File("a.pid")));
        Assert.False(File.Exists(_folder.File("a.socket")));
    }

    [Fact]
    public void A_daemon_that_cannot_start_is_a_failure_with_its_words()
    {
        if (OperatingSystem.IsWindows())
            return;

        Make("a", "Name = alpha\nMode = nonsense\n");
        var started = Tinc("a", "start");
        Assert.Equal(1, started.Code);
        Assert.Contains("Invalid routing mode!", started.Errors);
        Assert.EndsWith("tincd\n", started.Errors);
    }

    [Fact]
    public void Programs_that_edit_at_the_same_time_lose_nothing()
    {
        Make("a", "Name = alpha\n");
        Parallel.For(0, 8, i => Assert.Equal(0, Tinc("a", "add", "ConnectTo", "n" + i).Code));
        var lines = File.ReadAllLines(Conf("a"));
        Assert.Equal(Enumerable.Range(0, 8).Select(i => "ConnectTo = n" + i), lines.Skip(1).Order());
    }

    [Fact]
    public void Both_programs_name_what_is_in_them_on_the_second_line_of_their_version()
    {
        string Features(string program) =>
            Run("dotnet", [Path.Combine(AppContext.BaseDirectory, program), "--version"], input: "").Output.Split('\n')[1].TrimEnd();

        var machine = OperatingSystem.IsLinux() ? " sandbox watchdog" : "";
        Assert.Equal("Features: comp_lzo comp_zlib comp_lz4 legacy_protocol" + machine, Features("tincd.dll"));
        Assert.Equal("Features: legacy_protocol", Features("tinc.dll"));
    }

    [Fact]
    public void Edited_files_keep_their_mode_and_links_stay_links()
    {
        if (OperatingSystem.IsWindows())
            return;

        Make("a", "Name = alpha\n");
        File.Move(Conf("a"), _folder.File("real"));
        File.CreateSymbolicLink(Conf("a"), "../real");
        File.SetUnixFileMode(_folder.File("real"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(0, Tinc("a", "set", "Mode", "hub").Code);
        Assert.Equal("../real", new FileInfo(Conf("a")).LinkTarget);
        Assert.Equal("Name = alpha\nMode = hub\n", File.ReadAllText(_folder.File("real")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.File("real")));
        Assert.Equal(["hosts", "tinc.conf"], Directory.EnumerateFileSystemEntries(_folder.File("a")).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void New_files_are_private_under_a_strict_umask()
    {
        if (OperatingSystem.IsWindows())
            return;

        string[] words = ["-c", "umask 077; exec \"$@\"", "sh", "dotnet", Program, "-b", "-c", _folder.File("a"), "init", "alpha"];
        Assert.Equal(0, Run("sh", words, input: "").Code);
        var open = new DirectoryInfo(_folder.File("a"))
            .EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Where(info => (info.UnixFileMode & (UnixFileMode.GroupRead | UnixFileMode.OtherRead)) != 0);
        Assert.Empty(open);
    }

    [Fact]
    public void Two_nodes_exchange_their_host_files_through_a_pipe()
    {
        Make("a", "Name = alpha\n");
        Make("b", "Name = beta\n");
        File.WriteAllText(_folder.File("a/hosts/alpha"), "Port = 1\n");
        File.WriteAllText(_folder.File("b/hosts/beta"), "Address = b\u00e9\n", System.Text.Encoding.Latin1);
        var exported = Tinc("a", "export").Output;
        var exchanged = Run("dotnet", [Program, "-c", _folder.File("b"), "exchange"], exported);
        Assert.Equal(0, exchanged.Code);
        Assert.Equal("Port = 1\n", File.ReadAllText(_folder.File("b/hosts/alpha")));
    }

    [Fact]
    public async Task A_locked_folder_waits_for_whoever_has_it()
    {
        Directory.CreateDirectory(_folder.File("a"));
        Task<FolderLock?> other;
        using (FolderLock.Take(_folder.File("a")))
        {
            other = Task.Run(() => FolderLock.Take(_folder.File("a")));
            await Task.Delay(TimeSpan.FromMilliseconds(300));
            Assert.False(other.IsCompleted);
        }

        using var free = await other;
        Assert.NotNull(free);
    }
}
