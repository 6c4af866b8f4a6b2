using System.Runtime.InteropServices;

namespace TincPure.Host.Linux;

/// <summary>
/// How long a thread runs before another's turn comes. Since Linux 6.12 one that wakes up is let in at once where its slices are shorter
/// than those of the one that runs; otherwise it waits for that one's slice to end, milliseconds, though it may need only a few
/// microseconds, and even while another processor has nothing to do.
/// </summary>
internal static unsafe partial class TimeSlice
{
    /// <summary>A fraction of what is usual (0.7 to 3 ms), and long enough for what one system call brings at full load.</summary>
    private const ulong Short = 300_000;

    /// <summary>Those scheduling policies in which all get their share: SCHED_OTHER and SCHED_BATCH.</summary>
    private const uint Other = 0, Batch = 3;

    private static (nint Set, nint Get)? Numbers =>
        RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => (314, 315),
            Architecture.Arm64 => (274, 275),
            _ => null,
        };

    /// <summary>Asks for short slices for the calling thread. Where the kernel knows nothing of that, all stays as it is.</summary>
    public static void Shorten()
    {
        var attributes = default(Attributes);
        if (Numbers is not { } numbers || !TryGet(0, out attributes) || attributes.Policy is not (Other or Batch))
            return;

        attributes.Runtime = Short;
        Call(numbers.Set, 0, &attributes, 0, 0);
    }

    /// <summary>Nanoseconds, of a thread by its number or of the calling one; 0 if the kernel does not tell.</summary>
    internal static ulong Of(int thread) => TryGet(thread, out var attributes) ? attributes.Runtime : 0;

    private static bool TryGet(int thread, out Attributes attributes)
    {
        fixed (Attributes* first = &attributes)
            return Numbers is { } numbers && Call(numbers.Get, thread, first, sizeof(Attributes), 0) == 0;
    }

    [LibraryImport(Libc.Library, EntryPoint = "syscall")]
    private static partial nint Call(nint number, nint thread, Attributes* attributes, nint third, nint fourth);

    /// <summary>struct sched_attr, as it was first.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Attributes
    {
        public uint Size;
        public uint Policy;
        public ulong Flags;
        public int Nice;
        public uint Priority;
        public ulong Runtime;
        public ulong Deadline;
        public ulong Period;
    }
}
