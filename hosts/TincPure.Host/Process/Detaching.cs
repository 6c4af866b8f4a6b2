using System.ComponentModel;
using System.Diagnostics;

namespace TincPure.Host.Process;

/// <summary>
/// Going into the background (spec 05 §2.2). .NET cannot fork: the program starts itself again, and the second process
/// leaves the terminal before it does anything else.
/// </summary>
internal static class Detaching
{
    /// <summary>Tells the second process what it is.</summary>
    private const string Variable = "TINCPURE_DETACHED";

    /// <summary>In the second process: leaves the terminal. False in every other process.</summary>
    /// <exception cref="StartException">The terminal cannot be left.</exception>
    public static bool IsDetachedProcess()
    {
        if (OperatingSystem.IsWindows() || Environment.GetEnvironmentVariable(Variable) is null)
            return false;

        Environment.SetEnvironmentVariable(Variable, null);
        if (Posix.LeaveTerminal() is { } reason)
            throw CannotDetach(reason);
        return true;
    }

    /// <summary>Starts the second process with the same command line.</summary>
    /// <exception cref="StartException">It cannot be started.</exception>
    public static void StartDetachedProcess(string startDirectory, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath ?? throw CannotDetach("own program not found"))
        {
            UseShellExecute = false,
            WorkingDirectory = startDirectory,
        };

        // `dotnet tincd.dll` and not `tincd`.
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
            start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, AppDomain.CurrentDomain.FriendlyName + ".dll"));
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment[Variable] = "1";

        try
        {
            using var streams = OperatingSystem.IsWindows() ? null : new Posix.ParkedStreams();
            using var process = System.Diagnostics.Process.Start(start);
        }
        catch (Win32Exception e)
        {
            throw CannotDetach(ErrorText.Of(e));
        }
    }

    private static StartException CannotDetach(string reason) => new("Couldn't detach from terminal: " + reason);
}
