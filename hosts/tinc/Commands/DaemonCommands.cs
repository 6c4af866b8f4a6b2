using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.FSharp.Collections;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Host.Process;

namespace TincPure.Tinc.Commands;

/// <summary>`start`, `stop`, `restart`, `pid` (spec 06 §7).</summary>
internal static class DaemonCommands
{
    private const string UmbilicalVariable = "TINC_UMBILICAL";

    public static int Pid(Session session, string[] arguments)
    {
        if (arguments.Length > 0)
            return session.TooManyArguments();
        if (session.Connect(verbose: true) is not { Pid: not 0 } daemon)
            return 1;

        session.Terminal.WriteLine(daemon.Pid.ToString());
        return 0;
    }

    public static int Stop(Session session, string[] arguments)
    {
        if (arguments.Length > 0)
            return session.TooManyArguments();

        if (session.Connect(verbose: true) is { } daemon)
        {
            // The answer is that the connection ends, when all else is done.
            daemon.Send(Control.request(Control.Request.Stop, ListModule.Empty<string>()));
            while (daemon.ReadLine() is not null)
            {
            }

            session.Disconnect();
            return 0;
        }

        if (session.KnownPid is not { } pid || OperatingSystem.IsWindows())
            return 1;

        if (OtherProcess.AskToEnd(pid) is { } reason)
            return session.Terminal.Fail("Could not send TERM signal to process with PID " + pid + ": " + reason);

        session.Terminal.WriteError("Sent TERM signal to process with PID " + pid + ".\n");
        return 0;
    }

    public static int Restart(Session session, string[] arguments)
    {
        Stop(session, []);
        return Start(session, arguments);
    }

    public static int Start(Session session, string[] arguments)
    {
        if (session.Connect(verbose: false) is { } running)
        {
            var net = session.Locations.NetName is { } name ? "for net `" + name + "' " : "";
            session.Terminal.WriteError("A tincd is already running " + net + "with pid " + running.Pid + ".\n");
            return 0;
        }

        var (program, shown) = FindDaemon(session);
        var start = new ProcessStartInfo(program) { UseShellExecute = false };
        foreach (var word in session.DaemonOptions.Concat(arguments))
            start.ArgumentList.Add(ByteText.decode(word));

        session.Terminal.Flush();
        try
        {
            if (OperatingSystem.IsWindows() ? RunToEnd(start) : RunUntilReady(session, start))
                return 0;
        }
        catch (Win32Exception e)
        {
            session.Terminal.Fail("Could not start " + shown + ": " + ErrorText.Of(e));
        }

        return session.Terminal.Fail("Error starting " + shown);
    }

    /// <summary>The daemon beside this program, else that of the search path; and what messages call it.</summary>
    private static (string Program, string Shown) FindDaemon(Session session)
    {
        var name = OperatingSystem.IsWindows() ? "tincd.exe" : "tincd";
        var beside = Path.Combine(AppContext.BaseDirectory, name);
        if (!File.Exists(beside))
            return (name, name);

        var slash = session.Program.LastIndexOf(Path.DirectorySeparatorChar);
        return (beside, session.Program[..(slash + 1)] + name);
    }

    private static bool RunToEnd(ProcessStartInfo start)
    {
        using var process = System.Diagnostics.Process.Start(start);
        process?.WaitForExit();
        return process is { ExitCode: 0 };
    }

    /// <summary>
    /// What the daemon says until it is ready goes to standard error. A NUL byte as the last one means that it is ready.
    /// </summary>
    [UnsupportedOSPlatform("windows")]
    private static bool RunUntilReady(Session session, ProcessStartInfo start)
    {
        using var ignored = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true);
        using var umbilical = ChildStream.Create();
        start.Environment[UmbilicalVariable] =
            umbilical.ChildDescriptor + (session.Terminal.ErrorTakesColour ? " 1" : " 0");
        using var process = System.Diagnostics.Process.Start(start);
        umbilical.CloseChildEnd();

        var ready = false;
        var buffer = new byte[1024];
        for (var count = umbilical.Own.Read(buffer); count > 0; count = umbilical.Own.Read(buffer))
        {
            ready = buffer[count - 1] == 0;
            session.Terminal.WriteErrorBytes(buffer.AsSpan(0, ready ? count - 1 : count));
        }

        process?.WaitForExit();
        return ready && process is { ExitCode: 0 };
    }
}
