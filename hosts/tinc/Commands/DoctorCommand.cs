using System.Net.Sockets;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Commands;
using TincPure.Config;

namespace TincPure.Tinc.Commands;

/// <summary>`doctor`: finds out what core judges (<see cref="Doctor"/>).</summary>
internal static class DoctorCommand
{
    private const string TunFile = "/dev/net/tun", TunDriver = "/sys/class/misc/tun";

    /// <summary>Not every address of a large mesh is called.</summary>
    private const int MostCalls = 16;

    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(3);

    public static int Run(Session session, string[] words, Switches switches)
    {
        if (words.Length > 1)
            return session.TooManyArguments();
        if (FsckCommand.Name(session, line => session.Terminal.Fail(line)) is not { } name)
            return session.Terminal.Fail("ERROR: tinc cannot run without a valid Name.");

        IReadOnlyList<string> log = [];
        try
        {
            if (words is [var file])
                log = Disk.Read(file).Split('\n');
        }
        catch (DiskException e)
        {
            return session.Terminal.Fail("Could not open " + words[0] + ": " + e.Message);
        }

        var findings = Doctor.examine(Find(session, name, log));
        if (switches.Json)
            session.Print(Doctor.json(findings));
        else
            Print(session, findings);
        return findings.Any(finding => finding.Gravity.IsProblem) ? 1 : 0;
    }

    private static void Print(Session session, FSharpList<Doctor.Finding> findings)
    {
        foreach (var line in findings.SelectMany(Doctor.lines))
            session.Terminal.WriteLine(line);
        if (findings.IsEmpty)
            session.Terminal.WriteLine("Nothing is wrong that can be seen from here.");
    }

    private static Doctor.Facts Find(Session session, string name, IEnumerable<string> log)
    {
        var files = FsckCommand.FilesOf(session, name);
        var picture = Picture(session);
        var tincUp = Locations.Join(session.Locations.ConfBase, "tinc-up");
        return new Doctor.Facts(
            files,
            OperatingSystem.IsLinux() && Doctor.needsTun(files),
            File.Exists(TunFile),
            Directory.Exists("/sys/class/misc") ? Some(Directory.Exists(TunDriver)) : FSharpValueOption<bool>.None,
            picture.IsSome ? FSharpValueOption<string>.None : PortProblem(Doctor.ownPort(files)),
            DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            Newest(session),
            ListModule.OfSeq(Calls(files)),
            Disk.Exists(tincUp) ? Some(FsckCommand.Script(tincUp)) : FSharpValueOption<Fsck.Script>.None,
            picture,
            ListModule.OfSeq(log));
    }

    private static FSharpValueOption<T> Some<T>(T value) => FSharpValueOption<T>.Some(value);

    private static FSharpValueOption<Events.Picture> Picture(Session session)
    {
        try
        {
            return session.Connect(verbose: false) is { } daemon
                ? Some(new Dumps(daemon).Picture())
                : FSharpValueOption<Events.Picture>.None;
        }
        catch (DumpException)
        {
            session.Disconnect();
            return FSharpValueOption<Events.Picture>.None;
        }
    }

    /// <summary>When the newest file of the configuration was written.</summary>
    private static long Newest(Session session)
    {
        var folder = new DirectoryInfo(ByteText.decode(session.Locations.ConfBase));
        var newest = folder.EnumerateFiles("*").Select(file => file.LastWriteTimeUtc).DefaultIfEmpty().Max();
        return new DateTimeOffset(newest, TimeSpan.Zero).ToUnixTimeSeconds();
    }

    /// <summary>Only looked at while no daemon of ours has the port.</summary>
    private static FSharpValueOption<string> PortProblem(string text)
    {
        if (!ushort.TryParse(text, out var port))
            return FSharpValueOption<string>.None;

        try
        {
            using var listener = new Socket(System.Net.Sockets.AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Any, port));
            return FSharpValueOption<string>.None;
        }
        catch (SocketException e)
        {
            return Some("port " + text + ": " + TincPure.Host.Process.ErrorText.Of(e));
        }
    }

    /// <summary>Calls the nodes that we are to connect to, at all their addresses, all at once.</summary>
    private static Doctor.Call[] Calls(Fsck.Files files) =>
        Task.WhenAll(Doctor.toCall(files).Take(MostCalls).Select(
            call => Task.Run(() => new Doctor.Call(call.Item1, call.Item2, Failure(call.Item2)))))
            .GetAwaiter().GetResult();

    private static FSharpValueOption<string> Failure(HostPort address)
    {
        if (!ushort.TryParse(address.Port, out var port))
            return Some("its port is no number");

        using var limit = new CancellationTokenSource(CallLimit);
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            socket.ConnectAsync(address.Host, port, limit.Token).AsTask().GetAwaiter().GetResult();
            return FSharpValueOption<string>.None;
        }
        catch (OperationCanceledException)
        {
            return Some("no answer within " + CallLimit.TotalSeconds + " s");
        }
        catch (SocketException e)
        {
            return Some(TincPure.Host.Process.ErrorText.Of(e));
        }
    }
}
