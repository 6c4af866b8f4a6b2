using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Config;
using TincPure.Host.Process;
using TincPure.Primitives;
using ConfigFiles = TincPure.Config.Files;

namespace TincPure.Host.Files;

/// <summary>Reads the files of a configuration directory for the core, which says which it wants and what they mean.</summary>
public sealed class ConfigurationReader(string confBase, string? netName, IReadOnlyList<string> options)
{
    private const UnixFileMode OwnerRights =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Changes when the directory becomes the root.</summary>
    public string ConfBase { get; set; } = confBase;

    /// <summary>The configuration for a start.</summary>
    public Loaded Load() => ConfigFiles.load(ReadAll());

    /// <summary>The files themselves.</summary>
    public Snapshot Read() => ReadAll();

    /// <summary>The configuration after a reload.</summary>
    public Loaded Reload(Settings running) => ConfigFiles.reload(ReadAll(), running);

    /// <summary>One host file, with everything that is wrong with it.</summary>
    public (FSharpValueOption<HostSettings> Settings, IEnumerable<LogLine> Log) ReadHost(NodeName name)
    {
        var snapshot = Complete(Empty(), s => ConfigFiles.wantedForHost(s, name));
        var (settings, log) = ConfigFiles.readHost(snapshot, name);
        return (settings, log);
    }

    private Snapshot ReadAll()
    {
        var empty = Empty();
        var folders = MapModule.OfSeq(new[] { "conf.d", "hosts" }.SelectMany(Folder));
        var named = new Snapshot(
            empty.ConfBase, empty.NetName, empty.Separator, empty.Options, empty.Environment, empty.HostName, folders,
            empty.Files);
        return Complete(named, ConfigFiles.wanted);
    }

    /// <summary>Reads until nothing more is wanted: what is read may name further files.</summary>
    private static Snapshot Complete(Snapshot snapshot, Func<Snapshot, FSharpList<string>> wanted)
    {
        for (var paths = wanted(snapshot); !paths.IsEmpty; paths = wanted(snapshot))
        {
            var files = snapshot.Files;
            foreach (var path in paths)
                files = files.Add(path, Read(path));
            snapshot = new Snapshot(
                snapshot.ConfBase, snapshot.NetName, snapshot.Separator, snapshot.Options, snapshot.Environment,
                snapshot.HostName, snapshot.Folders, files);
        }

        return snapshot;
    }

    private Snapshot Empty()
    {
        var environment = new List<Tuple<string, string>>();
        foreach (System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables())
            environment.Add(Tuple.Create((string)entry.Key, (string?)entry.Value ?? ""));

        return new Snapshot(
            ConfBase,
            netName is null ? FSharpValueOption<string>.None : FSharpValueOption<string>.Some(netName),
            Path.DirectorySeparatorChar.ToString(),
            ListModule.OfSeq(options.Select(ByteText.encode)),
            MapModule.OfSeq(environment),
            HostName(),
            MapModule.Empty<string, FSharpResult<FSharpList<string>, string>>(),
            MapModule.Empty<string, FileRead>());
    }

    private static FSharpResult<string, string> HostName()
    {
        try
        {
            return FSharpResult<string, string>.NewOk(Environment.MachineName);
        }
        catch (InvalidOperationException e)
        {
            return FSharpResult<string, string>.NewError(e.Message);
        }
    }

    /// <summary>The names in a folder; nothing if it does not exist.</summary>
    private IEnumerable<Tuple<string, FSharpResult<FSharpList<string>, string>>> Folder(string name)
    {
        var path = Path.Combine(ConfBase, name);
        if (!Directory.Exists(path))
            return [];

        try
        {
            var names = Directory.EnumerateFileSystemEntries(path).Select(entry => Path.GetFileName(entry));
            return [Tuple.Create(name, FSharpResult<FSharpList<string>, string>.NewOk(ListModule.OfSeq(names)))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [Tuple.Create(name, FSharpResult<FSharpList<string>, string>.NewError(ErrorText.Of(e)))];
        }
    }

    private static FileRead Read(string path)
    {
        if (Directory.Exists(path))
            return FileRead.NewCannotRead("Is a directory");

        try
        {
            var content = File.ReadAllBytes(path);
            var exposed = !OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~OwnerRights) != 0;
            return FileRead.NewContent(System.Text.Encoding.Latin1.GetString(content), exposed);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return FileRead.NewCannotOpen(ErrorText.Of(e), e is FileNotFoundException or DirectoryNotFoundException);
        }
    }
}
