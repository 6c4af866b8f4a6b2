using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;

namespace TincPure.Host.Process;

/// <summary>What .NET has no API for, from the C library of any POSIX system.</summary>
[UnsupportedOSPlatform("windows")]
internal static unsafe partial class Posix
{
    private const string Library = "libc";
    private const int R_OK = 4, W_OK = 2, X_OK = 1;
    private const int O_RDWR = 2;

    private const int CurrentMemory = 1, FutureMemory = 2;

    /// <summary>RLIMIT_MEMLOCK of Linux.</summary>
    private const int LockedMemory = 8;

    /// <summary>Input, output and error are the descriptors below this.</summary>
    private const int StandardStreams = 3;

    [LibraryImport(Library, EntryPoint = "access", SetLastError = true)]
    private static partial int Access(byte* path, int mode);

    [LibraryImport(Library, EntryPoint = "setsid", SetLastError = true)]
    private static partial int SetSession();

    [LibraryImport(Library, EntryPoint = "open", SetLastError = true)]
    private static partial int Open(byte* path, int flags);

    [LibraryImport(Library, EntryPoint = "dup", SetLastError = true)]
    private static partial int Copy(int descriptor);

    [LibraryImport(Library, EntryPoint = "dup2", SetLastError = true)]
    private static partial int Duplicate(int from, int to);

    [LibraryImport(Library, EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);

    [LibraryImport(Library, EntryPoint = "setpriority", SetLastError = true)]
    private static partial int SetPriority(int which, uint who, int priority);

    [LibraryImport(Library, EntryPoint = "mlockall", SetLastError = true)]
    private static partial int LockMemory(int flags);

    [LibraryImport(Library, EntryPoint = "setrlimit", SetLastError = true)]
    private static partial int SetLimit(int resource, nuint* limits);

    [LibraryImport(Library, EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(int descriptor, nuint request);

    /// <summary>FIOCLEX: programs that this process starts do not get the descriptor.</summary>
    public static void CloseOnExec(int descriptor) =>
        Ioctl(descriptor, OperatingSystem.IsLinux() || OperatingSystem.IsAndroid() ? 0x5451u : 0x20006601u);

    /// <summary>Null if this process may read, write and search the path; else why not.</summary>
    public static string? WhyInaccessible(string path)
    {
        fixed (byte* bytes = Encoding.UTF8.GetBytes(path + "\0"))
            return Access(bytes, R_OK | W_OK | X_OK) == 0 ? null : LastError;
    }

    /// <summary>Leaves the terminal: a session of its own, standard streams to nowhere. Null, or why it failed.</summary>
    public static string? LeaveTerminal() => SetSession() < 0 ? LastError : LeadNowhere();

    /// <summary>
    /// Standard streams that lead to nowhere until disposed. A .NET process keeps copies of the streams that it starts
    /// with: whoever waits for their end would wait for as long as it lives.
    /// </summary>
    public sealed class ParkedStreams : IDisposable
    {
        private readonly int[] _kept = new int[StandardStreams];

        public ParkedStreams()
        {
            for (var stream = 0; stream < StandardStreams; stream++)
            {
                _kept[stream] = Copy(stream);
                if (_kept[stream] >= 0)
                    CloseOnExec(_kept[stream]);
            }

            _ = LeadNowhere();
        }

        public void Dispose()
        {
            for (var stream = 0; stream < StandardStreams; stream++)
            {
                if (_kept[stream] < 0)
                    continue;
                _ = Duplicate(_kept[stream], stream);
                Close(_kept[stream]);
            }
        }
    }

    private static string? LeadNowhere()
    {
        int nowhere;
        fixed (byte* path = "/dev/null\0"u8)
            nowhere = Open(path, O_RDWR);
        if (nowhere < 0)
            return LastError;

        for (var stream = 0; stream < StandardStreams; stream++)
        {
            if (Duplicate(nowhere, stream) < 0)
                return LastError;
        }

        if (nowhere >= StandardStreams)
            Close(nowhere);
        return null;
    }

    /// <summary>The nice value of this process. Null, or why it failed.</summary>
    public static string? SetNice(int value) => SetPriority(0, 0, value) == 0 ? null : LastError;

    /// <summary>Keeps all memory, present and future, out of the swap space. Null, or why it failed.</summary>
    public static string? LockAllMemory()
    {
        _ = TryLiftLockLimit();
        return LockMemory(CurrentMemory | FutureMemory) == 0 ? null : LastError;
    }

    /// <summary>Keeps what is locked, but no more: for a user who may not lock memory.</summary>
    public static void LockNoMoreMemory() => _ = LockMemory(CurrentMemory);

    /// <summary>Memory of the runtime grows later, perhaps under a user who may lock little of it.</summary>
    public static bool TryLiftLockLimit()
    {
        var unlimited = stackalloc nuint[2];
        unlimited[0] = unlimited[1] = nuint.MaxValue;
        return OperatingSystem.IsLinux() && SetLimit(LockedMemory, unlimited) == 0;
    }

    /// <summary>The failure of a system call that the daemon cannot do without, after the call.</summary>
    public static StartException CallFailed(string name) => new("System call `" + name + "' failed: " + LastError);

    private static string LastError => ErrorText.OfErrno(Marshal.GetLastPInvokeError());
}
