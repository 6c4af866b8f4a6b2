using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Config;
using TincPure.Host.Engine;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Host.Scripts;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Files;

/// <summary>The files that a running node reads and writes.</summary>
internal sealed class NodeFiles(
    ConfigurationReader configuration, Settings settings, InputQueue inputs, ScriptRunner scripts, Logger log)
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

    public void SaveRecentAddresses(NodeName name, IEnumerable<Endpoint> addresses)
    {
        if (AddressCache.Write(CachePath(name), addresses) is { } reason)
            log.Write(
                DebugLevel.connections, Priority.Debug, "Cannot write address cache of " + name.Text + ": " + reason);
    }

    public void ReadConfiguration()
    {
        var loaded = configuration.Reload(_settings);
        WriteAll(loaded.ReadLog);
        WriteAll(loaded.Log);
        if (loaded.Outcome.IsOk)
        {
            _settings = loaded.Outcome.ResultValue;
            scripts.Settings = ScriptSettings.From(_settings);
            inputs.Post(Input.NewConfigurationRead(FSharpResult<Settings, FSharpList<string>>.NewOk(_settings)));
        }
        else
        {
            var problems = ListModule.OfSeq(loaded.Outcome.ErrorValue.Select(problem => problem.Message));
            inputs.Post(Input.NewConfigurationRead(FSharpResult<Settings, FSharpList<string>>.NewError(problems)));
        }
    }

    private void WriteAll(IEnumerable<LogLine> lines)
    {
        foreach (var line in lines)
            log.Write(line);
    }
}
