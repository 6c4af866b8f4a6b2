using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TincPure.Interop.Tests;

/// <summary>
/// Refuses a program headers in front of its device's packets (IFF_VNET_HDR), as kernels do that have none. The wish is in memory, where
/// a filter on system calls does not look: it lets the kernel ask here what is to become of the call (seccomp_unotify(2), since Linux 5.5).
/// </summary>
internal sealed unsafe partial class HeaderJudge(int listener)
{
    private const nuint ReceiveQuestion = 0xc0502100, SendAnswer = 0xc0182101;
    private const int Interrupted = 4, NobodyAsks = 2;
    private const uint Readable = 1;

    /// <summary>struct seccomp_notif, in words: who asks and what the third argument of the call is.</summary>
    private const int QuestionWords = 10, Number = 0, Process = 1, ThirdArgument = 6;

    /// <summary>struct seccomp_notif_resp, in words: EINVAL, or that the kernel is to go on.</summary>
    private const int AnswerWords = 3, Verdict = 2;

    private const ulong InvalidArgument = unchecked((uint)-22), GoOn = 1ul << 32;

    /// <summary>Where flags stand in struct ifreq, and the one that means headers.</summary>
    private const int FlagsOffset = 16;

    private const ushort Headers = 0x4000;

    private int _refused;

    /// <summary>How often headers were wished for, and refused.</summary>
    public int Refused => Volatile.Read(ref _refused);

    /// <summary>Answers until there is no process left that could ask.</summary>
    public void Begin() => new Thread(Judge) { IsBackground = true }.Start();

    private void Judge()
    {
        using SafeFileHandle door = new(listener, ownsHandle: true);
        ulong* question = stackalloc ulong[QuestionWords], answer = stackalloc ulong[AnswerWords];
        while (SomebodyAsks())
        {
            new Span<ulong>(question, QuestionWords).Clear();
            if (Control(listener, ReceiveQuestion, question) < 0)
            {
                if (Marshal.GetLastPInvokeError() is Interrupted or NobodyAsks) continue;
                return;
            }

            bool isRefused = WishesForHeaders((uint)question[Process], (long)question[ThirdArgument]);
            if (isRefused) Interlocked.Increment(ref _refused);
            new Span<ulong>(answer, AnswerWords).Clear();
            answer[Number] = question[Number];
            answer[Verdict] = isRefused ? InvalidArgument : GoOn;
            Control(listener, SendAnswer, answer); // if it still waits
        }
    }

    private bool SomebodyAsks()
    {
        while (true)
        {
            // struct pollfd: the descriptor, what is waited for, and what has come
            ulong watched = (uint)listener | (ulong)Readable << 32;
            if (Poll(&watched, 1, Timeout.Infinite) > 0) return (watched >> 48 & Readable) != 0;
            if (Marshal.GetLastPInvokeError() != Interrupted) return false;
        }
    }

    private static bool WishesForHeaders(uint process, long request)
    {
        using SafeFileHandle memory = File.OpenHandle($"/proc/{process}/mem", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        Span<byte> flags = stackalloc byte[sizeof(ushort)];
        return RandomAccess.Read(memory, flags, request + FlagsOffset) == flags.Length && (BitConverter.ToUInt16(flags) & Headers) != 0;
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(int descriptor, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(void* watched, nuint count, int milliseconds);
}
