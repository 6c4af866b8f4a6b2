using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using TincPure.Config;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Primitives;

namespace TincPure.Host.Linux;

/// <summary>
/// Sandbox on Linux (spec 07 §20). Capabilities that the daemon never needs are given up first of all, by way of starting
/// the program again: they belong to threads, and the runtime has several. When all is set up a system call filter
/// follows, for all threads at once, after which neither this process nor its children gain privileges.
/// </summary>
[SupportedOSPlatform("linux")]
internal static unsafe partial class Confinement
{
    /// <summary>Tells the program, started again, that its capabilities are given up, and whether it is detached.</summary>
    private const string Variable = "TINCPURE_CONFINED";

    private const int SetNoNewPrivileges = 38, DropBounding = 24;
    private const int LastCapability = 63;
    private const uint FilterMode = 1, AllThreads = 1;

    /// <summary>
    /// chown, dac_override, dac_read_search, fowner, kill, setgid, setuid, net_bind_service, net_broadcast, net_admin,
    /// net_raw, ipc_lock, sys_chroot, sys_nice: the daemon's, and those of scripts that set up interfaces.
    /// </summary>
    private static readonly int[] Kept = [0, 1, 2, 3, 5, 6, 7, 10, 11, 12, 13, 14, 18, 23];

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    private static partial int Control(int option, nuint a, nuint b, nuint c, nuint d);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nuint a, nuint b, void* c);

    [LibraryImport("libc", EntryPoint = "execve", SetLastError = true)]
    private static partial int Execute(byte* path, byte** arguments, byte** environment);

    /// <summary>A filter can be had here.</summary>
    public static bool IsSupported => SystemCallFilter.Numbers is not null;

    /// <summary>
    /// In a program that was started again: whether it had been detached before. Null in any other.
    /// </summary>
    public static bool? WasDetached()
    {
        var value = Environment.GetEnvironmentVariable(Variable);
        Environment.SetEnvironmentVariable(Variable, null);
        return value is null ? null : value == "detached";
    }

    /// <summary>Gives up capabilities and starts the program again. Returns where there are none to give up.</summary>
    /// <exception cref="StartException">The program cannot be started again.</exception>
    public static void ShedCapabilities(bool isDetached)
    {
        for (var capability = 0; capability <= LastCapability; capability++)
        {
            if (!Kept.Contains(capability)
                && Control(DropBounding, (nuint)capability, 0, 0, 0) != 0
                && Libc.LastError == Libc.EPERM)
            {
                return;
            }
        }

        Environment.SetEnvironmentVariable(Variable, isDetached ? "detached" : "attached");
        var arguments = File.ReadAllBytes("/proc/self/cmdline");
        var variables = new List<byte>();
        foreach (System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables())
            variables.AddRange(Encoding.UTF8.GetBytes(entry.Key + "=" + entry.Value + "\0"));
        fixed (byte* path = "/proc/self/exe\0"u8)
        fixed (byte* words = arguments)
        fixed (byte* lines = variables.ToArray())
        {
            var argumentPointers = Pointers(words, arguments.Length);
            var variablePointers = Pointers(lines, variables.Count);
            fixed (nint* first = argumentPointers)
            fixed (nint* second = variablePointers)
                _ = Execute(path, (byte**)first, (byte**)second);
        }

        throw CannotEnter();
    }

    /// <summary>The addresses of texts that follow each other, each with its NUL; and a null.</summary>
    private static nint[] Pointers(byte* texts, int length)
    {
        var pointers = new List<nint>();
        for (var start = 0; start < length;)
        {
            pointers.Add((nint)(texts + start));
            while (start < length && texts[start] != 0)
                start++;
            start++;
        }

        pointers.Add(0);
        return [.. pointers];
    }

    /// <summary>From here on what the level denies cannot be done any more.</summary>
    /// <exception cref="StartException">The kernel refuses.</exception>
    public static void Enter(Sandbox level, Logger log)
    {
        if (level.IsNoSandbox)
            return;
        if (SystemCallFilter.Numbers is not { } numbers
            || Control(SetNoNewPrivileges, 1, 0, 0, 0) != 0)
        {
            throw CannotEnter();
        }

        var filter = SystemCallFilter.Build(numbers, level.IsHighSandbox);
        fixed (ulong* first = filter)
        {
            var program = new FilterProgram { Length = (ushort)filter.Length, Instructions = first };
            if (SystemCall(numbers.Seccomp, FilterMode, AllThreads, &program) != 0)
                throw CannotEnter();
        }

        log.Write(
            DebugLevel.always, Priority.Debug, "Entered sandbox at level " + (level.IsHighSandbox ? "2" : "1"));
    }

    private static StartException CannotEnter() =>
        new("Could not enter sandbox. Set a lower level or disable it in tinc.conf");

    /// <summary>struct sock_fprog</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct FilterProgram
    {
        public ushort Length;
        public ulong* Instructions;
    }
}
