namespace TincPure.Host.Files;

/// <summary>
/// Keeps two control programs from editing the files of a configuration directory at the same time. The lock is on the
/// folder, since the files themselves are replaced.
/// </summary>
public sealed class FolderLock : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly int? _descriptor;
    private readonly FileStream? _file;

    private FolderLock(int? descriptor, FileStream? file) => (_descriptor, _file) = (descriptor, file);

    /// <summary>The lock, waiting for it for a while; null if another process keeps it.</summary>
    public static FolderLock? Take(string folder)
    {
        for (var until = DateTime.UtcNow + Patience; DateTime.UtcNow < until; Thread.Sleep(Pause))
        {
            if (Try(folder, out var lockedByOther) is { } held)
                return held;

            // A folder that cannot be opened cannot be edited either: whoever tries will say so.
            if (!lockedByOther)
                return new FolderLock(null, null);
        }

        return null;
    }

    private static FolderLock? Try(string folder, out bool lockedByOther)
    {
        if (!OperatingSystem.IsWindows())
            return PosixFiles.TryLock(folder, out lockedByOther) is { } descriptor ? new FolderLock(descriptor, null) : null;

        lockedByOther = false;
        try
        {
            var path = Path.Combine(folder, ".lock");
            return new FolderLock(
                null, new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            lockedByOther = e is IOException and not DirectoryNotFoundException;
            return null;
        }
    }

    public void Dispose()
    {
        if (_descriptor is { } descriptor && !OperatingSystem.IsWindows())
            PosixFiles.Close(descriptor);
        _file?.Dispose();
    }
}
