using System.Text;
using TincPure.Config;
using TincPure.Host.Process;

namespace TincPure.Tinc;

/// <summary>Why a file cannot be used, in the system's words.</summary>
internal sealed class DiskException(string reason) : Exception(reason);

/// <summary>Files by paths and contents of byte text.</summary>
internal static class Disk
{
    public static readonly UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static readonly UnixFileMode Shared =
        Private | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    public static readonly UnixFileMode SharedProgram =
        Shared | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    public static readonly UnixFileMode SharedFolder =
        Private | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    public static bool Exists(string path) => Path.Exists(ByteText.decode(path));

    public static bool IsReadable(string path)
    {
        try
        {
            File.OpenHandle(ByteText.decode(path)).Dispose();
            return true;
        }
        catch (Exception e) when (IsDiskError(e))
        {
            return false;
        }
    }

    /// <exception cref="DiskException">It cannot be read.</exception>
    public static string Read(string path)
    {
        var name = ByteText.decode(path);
        return Directory.Exists(name)
            ? throw new DiskException("Is a directory")
            : Try(() => Encoding.Latin1.GetString(File.ReadAllBytes(name)));
    }

    /// <summary>Creates a file, or empties it, and writes it.</summary>
    /// <exception cref="DiskException">It cannot be written.</exception>
    public static void Write(string path, string text, UnixFileMode mode) => Save(path, text, FileMode.Create, mode);

    /// <exception cref="DiskException">It cannot be written.</exception>
    public static void Append(string path, string text, UnixFileMode mode) => Save(path, text, FileMode.Append, mode);

    /// <summary>Gives a file, new or old, this content as a whole: nobody sees a part of it.</summary>
    /// <exception cref="DiskException">It cannot be written, and is as it was.</exception>
    public static void Replace(string path, string text, UnixFileMode mode)
    {
        var temporary = path + ".tmp";
        try
        {
            Delete(temporary);
            Save(temporary, text, FileMode.CreateNew, mode);
            Move(temporary, path);
        }
        catch (DiskException)
        {
            TryDelete(temporary);
            throw;
        }
    }

    private static void Move(string from, string to) => Try(() =>
    {
        File.Move(ByteText.decode(from), ByteText.decode(to), overwrite: true);
        return true;
    });

    /// <summary>Renames a file, replacing another, and lets everybody run it.</summary>
    /// <exception cref="DiskException">It cannot be done.</exception>
    public static void MoveProgram(string from, string to)
    {
        SetMode(from, SharedFolder);
        Move(from, to);
    }

    /// <summary>Gives a file or folder exactly these rights, where there are such.</summary>
    /// <exception cref="DiskException">It is not ours to change.</exception>
    public static void SetMode(string path, UnixFileMode mode) => Try(() =>
    {
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(ByteText.decode(path), mode);
        return true;
    });

    /// <exception cref="DiskException">It cannot be renamed.</exception>
    public static void MoveFolder(string from, string to) => Try(() =>
    {
        Directory.Move(ByteText.decode(from), ByteText.decode(to));
        return true;
    });

    /// <exception cref="DiskException">No file can be made in it; with the whole message.</exception>
    public static void CheckWritable(string folder, string complaint)
    {
        var probe = folder + Path.DirectorySeparatorChar + ".writable.tmp";
        try
        {
            Save(probe, "", FileMode.Create, Private);
            Delete(probe);
        }
        catch (DiskException e)
        {
            throw new DiskException(complaint + folder + ": " + e.Message);
        }
    }

    /// <summary>Makes a folder that others may read.</summary>
    /// <exception cref="DiskException">It cannot be made; with the whole message.</exception>
    public static void MakeFolderOrSay(string path)
    {
        try
        {
            MakeFolder(path, SharedFolder);
        }
        catch (DiskException e)
        {
            throw new DiskException("Could not create directory " + path + ": " + e.Message);
        }
    }

    private static void TryDelete(string path)
    {
        try
        {
            Delete(path);
        }
        catch (DiskException)
        {
            // What went wrong before is more to the point.
        }
    }

    /// <exception cref="DiskException">It is there and cannot be removed.</exception>
    public static void Delete(string path) => Try(() =>
    {
        File.Delete(ByteText.decode(path));
        return true;
    });

    private static void Save(string path, string text, FileMode fileMode, UnixFileMode mode)
    {
        var options = new FileStreamOptions { Mode = fileMode, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = mode;

        Try(() =>
        {
            using var stream = new FileStream(ByteText.decode(path), options);
            stream.Write(Encoding.Latin1.GetBytes(text));
            return true;
        });
    }

    /// <summary>Makes a folder; one that is there stays as it is.</summary>
    /// <exception cref="DiskException">It cannot be made.</exception>
    public static void MakeFolder(string path, UnixFileMode mode)
    {
        var name = ByteText.decode(path);
        if (Path.Exists(name))
            return;

        // .NET would make the parents too.
        if (Path.GetDirectoryName(Path.GetFullPath(name)) is { } parent && !Directory.Exists(parent))
            throw new DiskException("No such file or directory");

        Try(() => OperatingSystem.IsWindows() ? Directory.CreateDirectory(name) : Directory.CreateDirectory(name, mode));
    }

    /// <summary>Names in a folder, sorted.</summary>
    /// <exception cref="DiskException">It cannot be read.</exception>
    public static IReadOnlyList<string> List(string path) =>
        Try(() => Directory.EnumerateFileSystemEntries(ByteText.decode(path))
            .Select(entry => ByteText.encode(Path.GetFileName(entry)))
            .Order(StringComparer.Ordinal)
            .ToList());

    private static T Try<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (IsDiskError(e))
        {
            throw new DiskException(ErrorText.Of(e));
        }
    }

    public static bool IsDiskError(Exception e) =>
        e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException;
}
