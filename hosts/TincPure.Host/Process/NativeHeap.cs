using System.Runtime.InteropServices;

namespace TincPure.Host.Process;

/// <summary>The memory that the C library hands out: little of it is ours, most of it the JIT's.</summary>
internal static unsafe class NativeHeap
{
    /// <summary>M_ARENA_MAX of glibc's malloc.h.</summary>
    private const int ArenaMax = -8;

    /// <summary>
    /// Lets threads share what there is. By itself glibc gives each new thread a heap of its own, up to eight for each processor, and
    /// the JIT, which works in a new thread each time, leaves megabytes in one after the other: a daemon would grow for days.
    /// </summary>
    public static void Share()
    {
        // Other C libraries do not have this, nor the trouble.
        if (OperatingSystem.IsLinux() && NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "mallopt", out var set))
            ((delegate* unmanaged<int, int, int>)set)(ArenaMax, 1);
    }
}
