using TincPure.Host.Linux;

namespace TincPure.Host.Files;

/// <summary>Replaces files as a whole, so that a reader sees the old content or the new.</summary>
public static class AtomicFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>
    /// Gives an existing file new content by way of a temporary file with `suffix` beside it. Mode and owner stay; what
    /// a symbolic link points to is replaced, not the link.
    /// </summary>
    /// <exception cref="IOException">Or one of its kin: the file is as it was.</exception>
    public static void Replace(string path, ReadOnlySpan<byte> content, string suffix)
    {
        var target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        var temporary = target + suffix;
        try
        {
            Write(temporary, content, target);
            File.Move(temporary, target, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Delete(temporary);
            throw;
        }
    }

    private static void Write(string temporary, ReadOnlySpan<byte> content, string target)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;

        using var stream = new FileStream(temporary, options);
        stream.Write(content);
        if (OperatingSystem.IsLinux() && FileOwner.Of(target) is { } owner)
            PosixFiles.GiveTo(temporary, owner.User, owner.Group);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(stream.SafeFileHandle, File.GetUnixFileMode(target));
        stream.Flush(flushToDisk: true);
    }
}
