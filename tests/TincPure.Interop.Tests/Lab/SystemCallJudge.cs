using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TincPure.Interop.Tests;

/// <summary>
/// Decides on system calls of a program that a filter has sent here (seccomp_unotify(2), since Linux 5.5): what their arguments
/// point to is in the program's memory, where a filter does not look, but who is asked can, and can write there.
/// </summary>
internal abstract unsafe partial class SystemCallJudge
{
    /// <summary>What a call returns that the kernel does not know: -EINVAL.</summary>
    protected const long InvalidArgument = -22;

    private const nuint ReceiveQuestion = 0xc0502100, SendAnswer = 0xc0182101;
    private const int Interrupted = 4, NobodyAsks = 2;
    private const uint Readable = 1;

    /// <summary>struct seccomp_notif, in words: who asks, about which call, and what the first argument of it is.</summary>
    private const int QuestionWords = 10, Id = 0, Process = 1, Call = 2, FirstArgument = 4;

    /// <summary>struct seccomp_notif_resp, in words: what the call returns; an error number, or that the kernel is to go on.</summary>
    private const int AnswerWords = 3, Value = 1, Fault = 2;

    private const ulong GoOn = 1ul << 32;

    /// <summary>Answers until there is no process left that could ask. Not to be called by a thread that is itself under the filter.</summary>
    public void Begin(int listener) => new Thread(() => Answer(listener)) { IsBackground = true }.Start();

    /// <summary>What the call is to return, if the kernel is not to do what it is for; a negative error number where it fails.</summary>
    protected abstract long? Decide(Asked call);

    private void Answer(int listener)
    {
        using SafeFileHandle door = new(listener, ownsHandle: true);
        ulong* question = stackalloc ulong[QuestionWords], answer = stackalloc ulong[AnswerWords];
        while (SomebodyAsks(listener))
        {
            new Span<ulong>(question, QuestionWords).Clear();
            if (Control(listener, ReceiveQuestion, question) < 0)
            {
                if (Marshal.GetLastPInvokeError() is Interrupted or NobodyAsks) continue;
                return;
            }

            long? result;
            try
            {
                result = Decide(new Asked((int)question[Process], (uint)question[Call], question[FirstArgument], question[FirstArgument + 1], question[FirstArgument + 2]));
            }
            catch (IOException)
            {
                result = InvalidArgument; // it has died meanwhile
            }

            new Span<ulong>(answer, AnswerWords).Clear();
            answer[Id] = question[Id];
            if (result is null) answer[Fault] = GoOn;
            else if (result < 0) answer[Fault] = (uint)result;
            else answer[Value] = (ulong)result;
            Control(listener, SendAnswer, answer); // if it still waits
        }
    }

    private static bool SomebodyAsks(int listener)
    {
        while (true)
        {
            // struct pollfd: the descriptor, what is waited for, and what has come
            ulong watched = (uint)listener | (ulong)Readable << 32;
            if (Poll(&watched, 1, Timeout.Infinite) > 0) return (watched >> 48 & Readable) != 0;
            if (Marshal.GetLastPInvokeError() != Interrupted) return false;
        }
    }

    /// <summary>A call that waits for an answer, and the memory of who made it.</summary>
    protected readonly record struct Asked(int Process, uint Number, ulong First, ulong Second, ulong Third)
    {
        /// <summary>A number or structure at some place.</summary>
        public T Read<T>(ulong at)
            where T : unmanaged
        {
            using SafeFileHandle memory = Memory(FileAccess.Read);
            T read;
            Span<byte> bytes = new(&read, sizeof(T));
            return RandomAccess.Read(memory, bytes, (long)at) == bytes.Length ? read : throw new IOException($"no memory at {at:x}");
        }

        public void Write(ulong at, ReadOnlySpan<byte> bytes)
        {
            using SafeFileHandle memory = Memory(FileAccess.Write);
            RandomAccess.Write(memory, bytes, (long)at);
        }

        private SafeFileHandle Memory(FileAccess access) => File.OpenHandle($"/proc/{Process}/mem", FileMode.Open, access, FileShare.ReadWrite);
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(int descriptor, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(void* watched, nuint count, int milliseconds);
}
