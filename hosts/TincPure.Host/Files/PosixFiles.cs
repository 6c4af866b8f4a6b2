using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using TincPure.Host.Process;

namespace TincPure.Host.Files;

/// <summary>What .NET cannot do with files, from the C library of any POSIX system.</summary>
[UnsupportedOSPlatform("windows")]
internal static unsafe partial class PosixFiles
{
    private const string Library = "libc";
    private const int ExclusiveWithoutWaiting = 2 | 4;
    private const int ReadAndExecute = 4 | 1;

    [LibraryImport(Library, EntryPoint = "umask")]
    private static partial int SetMask(int mask);

    [LibraryImport(Library, EntryPoint = "open", SetLastError = true)]
    private static partial int Open(byte* path, int flags);

    [LibraryImport(Library, EntryPoint = "flock", SetLastError = true)]
    private static partial int Lock(int descriptor, int operation);

    [LibraryImport(Library, EntryPoint = "close")]
    private static partial int CloseDescriptor(int descriptor);

    [LibraryImport(Library, EntryPoint = "chown", SetLastError = true)]
    private static partial int ChangeOwner(byte* path, uint user, uint group);

    [LibraryImport(Library, EntryPoint = "access", SetLastError = true)]
    private static partial int Access(byte* path, int rights);

    [LibraryImport(Library, EntryPoint = "getuid")]
    private static partial uint UserOfProcess();

    /// <summary>The user that this process runs as.</summary>
    public static uint OwnUser => UserOfProcess();

    /// <summary>Why this process cannot read and run a file, or null if it can.</summary>
    public static string? WhyNotRun(string file)
    {
        fixed (byte* path = Terminated(file))
            return Access(path, ReadAndExecute) == 0 ? null : ErrorText.OfErrno(Marshal.GetLastPInvokeError());
    }

    /// <summary>The rights that this process withholds from new files.</summary>
    public static UnixFileMode Mask
    {
        get
        {
            var mask = SetMask(0);
            _ = SetMask(mask);
            return (UnixFileMode)mask;
        }
    }

    /// <summary>A descriptor of a folder, locked against others who lock it, or null: it is locked or cannot be opened.</summary>
    public static int? TryLock(string folder, out bool lockedByOther)
    {
        int descriptor;
        fixed (byte* path = Terminated(folder))
            descriptor = Open(path, 0);

        lockedByOther = false;
        if (descriptor < 0)
            return null;
        Posix.CloseOnExec(descriptor);
        if (Lock(descriptor, ExclusiveWithoutWaiting) == 0)
            return descriptor;

        lockedByOther = true;
        Close(descriptor);
        return null;
    }

    public static void Close(int descriptor) => _ = CloseDescriptor(descriptor);

    public static void GiveTo(string file, uint user, uint group)
    {
        fixed (byte* path = Terminated(file))
            _ = ChangeOwner(path, user, group);
    }

    private static byte[] Terminated(string path) => Encoding.UTF8.GetBytes(path + "\0");
}
