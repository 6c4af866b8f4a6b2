using System.Runtime.InteropServices;

namespace TincPure.Host.Linux;

/// <summary>
/// The system calls that are made for every packet. The functions of the C library for them are points where a thread can be
/// cancelled, and make sure of that each time; what is here asks the kernel, and no more. As the kernel does, all return a
/// negative error number where they fail.
/// <para>
/// All but the wait are for descriptors on which nothing waits. So the collector waits for them: telling the runtime of each call
/// takes longer than what that is good for.
/// </para>
/// </summary>
internal static unsafe partial class SystemCall
{
    private static readonly bool IsX64 = RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>Set for a test: as on a processor whose numbers are not known.</summary>
    private const string Variable = "TINCPURE_LIBRARY_CALLS";

    /// <summary>Their numbers are known for this processor; for others the C library has to do.</summary>
    private static readonly bool IsKnown =
        (IsX64 || RuntimeInformation.ProcessArchitecture == Architecture.Arm64)
        && Environment.GetEnvironmentVariable(Variable) is null;

    private static readonly nint ReadNumber = IsX64 ? 0 : 63;
    private static readonly nint WriteNumber = IsX64 ? 1 : 64;
    private static readonly nint WriteVectorNumber = IsX64 ? 20 : 66;
    private static readonly nint EpollWaitNumber = IsX64 ? 281 : 22;
    private static readonly nint ReceiveManyNumber = IsX64 ? 299 : 243;
    private static readonly nint SendManyNumber = IsX64 ? 307 : 269;

    public static nint Read(int descriptor, void* buffer, nuint count) =>
        Result(IsKnown
            ? Call(ReadNumber, descriptor, (nint)buffer, (nint)count, 0, 0, 0)
            : LibraryRead(descriptor, buffer, count));

    public static nint Write(int descriptor, void* buffer, nuint count) =>
        Result(IsKnown
            ? Call(WriteNumber, descriptor, (nint)buffer, (nint)count, 0, 0, 0)
            : LibraryWrite(descriptor, buffer, count));

    public static nint WriteVector(int descriptor, Libc.IoVector* vectors, int count) =>
        Result(IsKnown
            ? Call(WriteVectorNumber, descriptor, (nint)vectors, count, 0, 0, 0)
            : LibraryWriteVector(descriptor, vectors, count));

    /// <summary>epoll_pwait, which all processors have, with the signals as they are.</summary>
    public static int EpollWait(int epoll, void* events, int count, int milliseconds) =>
        (int)Result(IsKnown
            ? Wait(EpollWaitNumber, epoll, (nint)events, count, milliseconds, 0, 0)
            : LibraryEpollWait(epoll, events, count, milliseconds));

    public static int ReceiveMany(int descriptor, Libc.MultiMessage* messages, uint count, int flags) =>
        (int)Result(IsKnown
            ? Call(ReceiveManyNumber, descriptor, (nint)messages, (nint)count, flags, 0, 0)
            : LibraryReceiveMany(descriptor, messages, count, flags, null));

    public static int SendMany(int descriptor, Libc.MultiMessage* messages, uint count, int flags) =>
        (int)Result(IsKnown
            ? Call(SendManyNumber, descriptor, (nint)messages, (nint)count, flags, 0, 0)
            : LibrarySendMany(descriptor, messages, count, flags));

    /// <summary>The error number is asked for only where there is one: not before the call, nor after one that went well.</summary>
    private static nint Result(nint result) => result >= 0 ? result : -Marshal.GetLastSystemError();

    [LibraryImport(Libc.Library, EntryPoint = "syscall")]
    private static partial nint Wait(nint number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth);

    [SuppressGCTransition]
    [LibraryImport(Libc.Library, EntryPoint = "syscall")]
    private static partial nint Call(nint number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth);

    [LibraryImport(Libc.Library, EntryPoint = "read")]
    private static partial nint LibraryRead(int descriptor, void* buffer, nuint count);

    [LibraryImport(Libc.Library, EntryPoint = "write")]
    private static partial nint LibraryWrite(int descriptor, void* buffer, nuint count);

    [LibraryImport(Libc.Library, EntryPoint = "writev")]
    private static partial nint LibraryWriteVector(int descriptor, Libc.IoVector* vectors, int count);

    [LibraryImport(Libc.Library, EntryPoint = "epoll_wait")]
    private static partial int LibraryEpollWait(int epoll, void* events, int count, int milliseconds);

    [LibraryImport(Libc.Library, EntryPoint = "recvmmsg")]
    private static partial int LibraryReceiveMany(
        int descriptor, Libc.MultiMessage* messages, uint count, int flags, void* timeout);

    [LibraryImport(Libc.Library, EntryPoint = "sendmmsg")]
    private static partial int LibrarySendMany(int descriptor, Libc.MultiMessage* messages, uint count, int flags);
}
