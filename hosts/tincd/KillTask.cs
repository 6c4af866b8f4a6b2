using System.Globalization;
using Microsoft.FSharp.Core;
using TincPure.Commands;
using TincPure.Host.Process;

namespace TincPure.Tincd;

/// <summary>Signals the daemon that runs (-k, spec 08 §19.3).</summary>
internal sealed class KillTask(TincdOptions.Options options, FSharpValueOption<string> argument)
{
    private const int Failure = 1;

    public int Run()
    {
        if (PlacesOf.Options(options) is not { } places)
            return Failure;

        var wanted = Tinc10.signal(argument);
        if (wanted.IsError)
            return Fail(wanted.ErrorValue + "\n" + TincdOptions.hint(ProgramName.AsStarted));
        if (OperatingSystem.IsWindows())
            return Fail("There are no signals on Windows; use `tinc stop' and `tinc reload'.");

        var netName = places.NetName is { } name ? FSharpValueOption<string>.Some(name) : FSharpValueOption<string>.None;
        var process = ProcessId(places.PidFile);
        if (process.IsNone)
            return Fail(Tinc10.notRunning(netName));

        var failure = OtherProcess.Signal(process.Value, Number(wanted.ResultValue), out var isGone);
        if (isGone)
        {
            Console.Error.WriteLine(Tinc10.noLongerRunning(netName));
            File.Delete(places.PidFile);
            return 0;
        }

        return failure is null
            ? 0
            : Fail("Cannot signal process " + process.Value.ToString(CultureInfo.InvariantCulture) + ": " + failure);
    }

    private static FSharpValueOption<int> ProcessId(string pidFile)
    {
        try
        {
            return Tinc10.processId(File.ReadAllText(pidFile));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return FSharpValueOption<int>.None;
        }
    }

    /// <summary>Linux has numbers of its own for the users' signals.</summary>
    private static int Number(Tinc10.Wanted wanted)
    {
        var isLinux = OperatingSystem.IsLinux() || OperatingSystem.IsAndroid();
        return wanted switch
        {
            Tinc10.Wanted.Numbered numbered => numbered.Item,
            Tinc10.Wanted.Named { Item: var name } => name switch
            {
                "HUP" => 1,
                "INT" => 2,
                "ABRT" => 6,
                "KILL" => 9,
                "ALRM" => 14,
                "USR1" => isLinux ? 10 : 30,
                "USR2" => isLinux ? 12 : 31,
                "WINCH" => 28,
                _ => 15,
            },
            _ => 15,
        };
    }

    private static int Fail(string message)
    {
        Console.Error.WriteLine(message);
        return Failure;
    }
}
