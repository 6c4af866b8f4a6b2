using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace TincPure.Host.Process;

/// <summary>Processes that are not ours, by number.</summary>
[UnsupportedOSPlatform("windows")]
internal static partial class OtherProcess
{
    private const int PermissionDenied = 1;
    private const int Terminate = 15;

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);

    /// <summary>A process that we may not signal exists nevertheless.</summary>
    public static bool Exists(int pid) =>
        pid > 0 && (Kill(pid, 0) == 0 || Marshal.GetLastPInvokeError() == PermissionDenied);

    /// <summary>Sends a signal. Null, or why it cannot be sent; `isGone`: there is no such process.</summary>
    public static string? Signal(int pid, int signal, out bool isGone)
    {
        const int noSuchProcess = 3;
        isGone = false;
        if (Kill(pid, signal) == 0)
            return null;
        var error = Marshal.GetLastPInvokeError();
        isGone = error == noSuchProcess;
        return ErrorText.OfErrno(error);
    }

    /// <summary>Asks a process to end. Null, or why it cannot be asked.</summary>
    public static string? AskToEnd(int pid) =>
        Kill(pid, Terminate) == 0 ? null : ErrorText.OfErrno(Marshal.GetLastPInvokeError());
}
