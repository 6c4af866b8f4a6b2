using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace TincPure.Host.Process;

/// <summary>A stream from a child process that knows the other end by its descriptor number.</summary>
[UnsupportedOSPlatform("windows")]
internal sealed unsafe partial class ChildStream : IDisposable
{
    private const int AF_UNIX = 1, SOCK_STREAM = 1;

    private readonly SafeFileHandle _childEnd;

    private ChildStream(int own, int child)
    {
        Posix.CloseOnExec(own);
        Own = new FileStream(new SafeFileHandle(own, ownsHandle: true), FileAccess.Read, bufferSize: 0);
        _childEnd = new SafeFileHandle(child, ownsHandle: true);
        ChildDescriptor = child;
    }

    /// <summary>What the child writes; ends when it and its descendants have closed their end.</summary>
    public FileStream Own { get; }

    public int ChildDescriptor { get; }

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    private static partial int SocketPair(int family, int type, int protocol, int* descriptors);

    /// <exception cref="Win32Exception">The system has no more descriptors.</exception>
    public static ChildStream Create()
    {
        var descriptors = stackalloc int[2];
        return SocketPair(AF_UNIX, SOCK_STREAM, 0, descriptors) == 0
            ? new ChildStream(descriptors[0], descriptors[1])
            : throw new Win32Exception(Marshal.GetLastPInvokeError());
    }

    /// <summary>To be called when the child has been started: only it keeps the other end then.</summary>
    public void CloseChildEnd() => _childEnd.Dispose();

    public void Dispose()
    {
        Own.Dispose();
        _childEnd.Dispose();
    }
}
