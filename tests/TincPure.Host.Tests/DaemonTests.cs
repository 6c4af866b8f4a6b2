using System.Collections.Concurrent;
using System.Text.Json;
using Xunit.Abstractions;

namespace TincPure.Host.Tests;

/// <summary>The daemon itself, started as stock was when the vectors were made.</summary>
public class DaemonTests(ITestOutputHelper output)
{
    /// <summary>Cases that are not compared, and why.</summary>
    private static readonly Dictionary<string, string> LeftOut = new()
    {
        ["-K option gone in 1.1"] = "here it is not gone",
        ["-k option gone in 1.1"] = "here it is not gone",
        ["user nobody"] = "the namespace has no such user; tested with real daemons",
        ["chroot"] = "stock complains of a directory that needs no making; tested with real daemons",
        ["Sandbox normal"] = "we have a sandbox on Linux, stock has none",
        ["mlock"] = "needs a right that tests may lack",
        ["logfile unopenable"] = "stock then logs nowhere; we log to standard error",
        ["logfile then syslog"] = "needs a syslog daemon",
        ["-d-1 silent"] = "says nothing, so there is nothing to wait for",
    };

    private void Compare(string vectors, Func<JsonElement, string?> leaveOut)
    {
        if (!DaemonRun.IsPossible)
        {
            output.WriteLine("left out: this machine gives tests no network namespace");
            return;
        }

        var failures = new ConcurrentBag<string>();
        var compared = 0;
        var cases = Vectors.Load(vectors).GetProperty("cases").EnumerateArray();
        Parallel.ForEach(cases, new ParallelOptions { MaxDegreeOfParallelism = 4 }, testCase =>
        {
            var name = testCase.GetProperty("name").GetString()!;
            if (leaveOut(testCase) is { } reason)
            {
                lock (output)
                    output.WriteLine("left out: " + name + " (" + reason + ")");
                return;
            }

            Interlocked.Increment(ref compared);
            if (Difference(testCase) is { } difference)
                failures.Add(name + "\n" + difference);
        });

        output.WriteLine(compared + " cases compared");
        Assert.True(failures.IsEmpty, string.Join("\n\n", failures));
    }

    private static string? Difference(JsonElement testCase)
    {
        var expected = testCase.GetProperty("1.1-git");
        var wanted = expected.GetProperty("stderr").Strings();
        var exit = expected.GetProperty("exit");
        using var run = new DaemonRun(testCase);
        var (lines, exitCode) = run.Run();
        if (lines.SequenceEqual(wanted) && exit.ValueKind == JsonValueKind.Number && exit.GetInt32() == exitCode)
            return null;
        return "wanted " + exit + ":\n" + string.Join('\n', wanted) + "\ngot " + exitCode + ":\n" + string.Join('\n', lines);
    }

    [Fact]
    public void A_daemon_whose_interface_is_deleted_ends_in_order()
    {
        if (!DaemonRun.IsPossible || !File.Exists("/dev/net/tun"))
        {
            output.WriteLine("left out: this machine gives tests no network namespace or no TUN");
            return;
        }

        const string testCase =
            """
            {
              "args": ["-D", "-c", "{C}", "--pidfile", "{T}/pid"],
              "files": {
                "tinc.conf": "Name = foo\nInterface = gone\nBindToAddress = 127.0.0.1\n",
                "tinc-up": "#!/bin/sh\nip link set $INTERFACE up\n(sleep 0.2; ip link del $INTERFACE) 2>/dev/null &\n",
                "tinc-down": "#!/bin/sh\necho $NAME $DEVICE $INTERFACE $DEBUG >&2\n"
              }
            }
            """;
        using var run = new DaemonRun(JsonDocument.Parse(testCase).RootElement) { EndsByItself = true };
        var (lines, exitCode) = run.Run();
        Assert.Equal(
            [
                "{TS} NOTICE  tincd {VERSION} ({BUILD}) starting, debug level 0",
                "{TS} INFO    /dev/net/tun is a Linux tun/tap device (tun mode)",
                "{TS} NOTICE  Ready",
                "{TS} ERROR   Error while reading from Linux tun/tap device (tun mode) /dev/net/tun: File descriptor in bad state",
                "foo /dev/net/tun gone 0",
                "{TS} NOTICE  Terminating",
            ],
            lines);
        Assert.Equal(0, exitCode);
    }

    [Fact]
    public void Command_lines_lead_to_the_words_of_stock() =>
        Compare("05-tincd-commandline.json", testCase =>
            LeftOut.GetValueOrDefault(testCase.GetProperty("name").GetString()!));

    /// <summary>What configuration alone decides is compared by the tests of the core.</summary>
    [Fact]
    public void Sockets_devices_and_scripts_fail_at_start_in_the_words_of_stock() =>
        Compare("05-tincd-startup.json", testCase =>
            Startups.TryGetValue(testCase.GetProperty("name").GetString()!, out var reason)
                ? reason
                : "configuration alone decides");

    /// <summary>Cases that concern this host; those with a reason are not compared.</summary>
    private static readonly Dictionary<string, string?> Startups = new()
    {
        ["Port name unknown"] = null,
        ["Port name known"] = null,
        ["Port -1"] = null,
        ["Port 70000"] = null,
        ["UDPRcvBuf 0"] = null,
        ["DeviceType bad"] = null,
        ["DeviceType vde/uml not compiled in"] = null,
        ["Device cannot be opened"] = null,
        ["BindToAddress unresolvable"] = null,
        ["BindToAddress not local"] = null,
        ["BindToAddress not local, ListenAddress ok"] = null,
        ["ListenAddress * port"] = null,
        ["default listen both families"] = null,
        ["9 listen addresses"] = null,
        ["duplicate listen addresses"] = null,
        ["BindToInterface missing"] = null,
        ["ProcessPriority low"] = null,
        ["ConnectTo without host file"] = null,
        ["tinc-up fails"] = null,
        ["tinc-up killed"] = null,
        ["tinc-up with -d2"] = null,
        ["tinc-up not executable"] = null,
        ["ScriptsInterpreter"] = null,
        ["ScriptsExtension"] = null,
        ["tinc-down runs after failed start"] = "a defect of stock: we run tinc-down only after tinc-up",
        ["DeviceType fd no Device"] = "device types other than tun and dummy come with a later issue",
        ["DeviceType fd in switch mode"] = "device types other than tun and dummy come with a later issue",
        ["DeviceType multicast no Device"] = "device types other than tun and dummy come with a later issue",
        ["DeviceType multicast no port"] = "device types other than tun and dummy come with a later issue",
        ["DeviceType raw_socket no interface"] = "device types other than tun and dummy come with a later issue",
    };
}
