using System.Diagnostics;
using System.Text.Json;

namespace TincPure.Interop.Tests;

/// <summary>What `tinc events` tells on a node, from when it listens.</summary>
internal sealed class EventStream : IDisposable
{
    private readonly Node _node;
    private readonly string _log;
    private readonly Process _events;

    public EventStream(Node node)
    {
        (_node, _log) = (node, Path.Combine(node.Folder, "events"));
        _events = Process.Start(new ProcessStartInfo("sh", [
            "-c", "output=$1; shift; exec \"$@\" >\"$output\"", "start", _log,
            "ip", "netns", "exec", node.Host.Namespace.Name, Programs.Tinc(Make.Ours), "-c", node.Folder, $"--pidfile={node.PidFile}", "events", "--json"]))!;
    }

    /// <summary>It does: beside the one who asks there is another client.</summary>
    public bool Listens => _node.Dump(ControlClient.DumpConnections).Count(line => line.Contains("<control>")) >= 2;

    /// <summary>The kinds of the events so far.</summary>
    public string[] Kinds =>
        [.. File.ReadAllText(_log).Split('\n')[..^1].Select(line => JsonDocument.Parse(line).RootElement.GetProperty("event").GetString()!)];

    public void Dispose()
    {
        _events.Kill(entireProcessTree: true);
        _events.Dispose();
    }
}
