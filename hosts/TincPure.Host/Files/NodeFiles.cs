using System.Text;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Config;
using TincPure.Host.Engine;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Host.Scripts;
using TincPure.Host.Sockets;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Files;

/// <summary>The files that a running node reads and writes.</summary>
internal sealed class NodeFiles(
    ConfigurationReader configuration,
    Settings settings,
    InputQueue inputs,
    ScriptRunner scripts,
    MetaSockets sockets,
    Logger log)
{
    private Settings _settings = settings;

    private string HostPath(NodeName name) => Path.Combine(configuration.ConfBase, "hosts", name.Text);

    private string CachePath(NodeName name) => Path.Combine(configuration.ConfBase, "cache", name.Text);

    public void ReadHost(NodeName name)
    {
        var (settings, lines) = configuration.ReadHost(name);
        WriteAll(lines);
        inputs.Post(Input.NewHostFileRead(name, settings.IsSome ? Present(name, settings.Value) : HostFile.Missing));
    }

    private HostFile Present(NodeName name, HostSettings settings) =>
        HostFile.NewPresent(settings, ListModule.OfSeq(AddressCache.Read(CachePath(name))));

    public void AppendHost(NodeName name, string text)
    {
        try
        {
            File.AppendAllText(HostPath(name), text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.Error("Cannot open config file " + HostPath(name) + ": " + ErrorText.Of(e));
        }
    }

    private string InvitationPath(string file) => Path.Combine(configuration.ConfBase, "invitations", file);

    /// <summary>Renaming makes the invitation single-use even when two ask for it at once.</summary>
    public void TakeInvitation(ConnectionId connection, string file) =>
        inputs.Post(Input.NewInvitationTaken(connection, Take(file)));

    private InvitationFile Take(string file)
    {
        var used = InvitationPath(file) + ".used";
        try
        {
            File.Move(InvitationPath(file), used, overwrite: true);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return InvitationFile.InvitationMissing;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return InvitationFile.NewInvitationUnusable("Error trying to rename invitation " + file);
        }

        try
        {
            var modified = (File.GetLastWriteTimeUtc(used) - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
            return InvitationFile.NewInvitationText(File.ReadAllBytes(used), Instant.NewInstant(modified));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return InvitationFile.NewInvitationUnusable("Error trying to open invitation " + file);
        }
    }

    public void RemoveInvitation(string file)
    {
        try
        {
            File.Delete(InvitationPath(file) + ".used");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.Error("Could not remove invitation " + file + ": " + ErrorText.Of(e));
        }
    }

    public void CreateHost(ConnectionId connection, NodeName name, string text) =>
        inputs.Post(Input.NewHostFileCreated(connection, ValueOption(TryCreate(HostPath(name), text))));

    /// <summary>What went wrong, empty if the file exists.</summary>
    private static string? TryCreate(string path, string text)
    {
        if (File.Exists(path))
            return "";

        try
        {
            using var stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
            stream.Write(Encoding.UTF8.GetBytes(text));
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "Error trying to create " + path + ": " + ErrorText.Of(e);
        }
    }

    private static FSharpValueOption<string> ValueOption(string? value) =>
        value is null ? FSharpValueOption<string>.None : FSharpValueOption<string>.Some(value);

    public void SaveRecentAddresses(NodeName name, IEnumerable<Endpoint> addresses)
    {
        if (AddressCache.Write(CachePath(name), addresses) is { } reason)
            log.Write(
                DebugLevel.connections, Priority.Debug, "Cannot write address cache of " + name.Text + ": " + reason);
    }

    /// <summary>The configuration directory has become the root.</summary>
    public void RootChanged()
    {
        configuration.ConfBase = "";
        _settings = SettingsModule.chrooted(_settings);
        scripts.Settings = ScriptSettings.From(_settings);
    }

    /// <summary>GraphDumpFile: a file, or a command that reads it (spec 05 §8.3).</summary>
    public void WriteGraph(string target, string text)
    {
        if (target.StartsWith('|'))
            scripts.Feed(target[1..], text);
        else
            WriteGraphFile(Path.Combine(configuration.ConfBase, target), text);
    }

    private void WriteGraphFile(string file, string text)
    {
        var fresh = file + ".new";
        try
        {
            File.WriteAllText(fresh, text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.Error("Unable to open graph dump file " + fresh + ": " + ErrorText.Of(e));
            return;
        }

        try
        {
            File.Move(fresh, file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.Error("Could not rename " + fresh + " to " + file + ": " + ErrorText.Of(e));
        }
    }

    public void ReadConfiguration()
    {
        var loaded = configuration.Reload(_settings);
        var fresh = FSharpValueOption<Settings>.None;
        if (loaded.Outcome.IsOk)
        {
            _settings = loaded.Outcome.ResultValue;
            scripts.Settings = ScriptSettings.From(_settings);
            sockets.Settings = SocketPlan.Settings(_settings);
            fresh = FSharpValueOption<Settings>.Some(_settings);
        }

        inputs.Post(Input.NewConfigurationRead(ListModule.Append(loaded.ReadLog, loaded.Log), fresh));
    }

    private void WriteAll(IEnumerable<LogLine> lines)
    {
        foreach (var line in lines)
            log.Write(line);
    }
}
