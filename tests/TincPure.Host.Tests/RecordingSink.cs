using System.Collections.Concurrent;
using TincPure.Host.Logs;
using TincPure.Primitives;

namespace TincPure.Host.Tests;

/// <summary>Keeps log lines for the test.</summary>
internal sealed class RecordingSink : ILogSink
{
    public ConcurrentQueue<string> Lines { get; } = new();

    public void Write(DateTime time, Priority priority, string message) => Lines.Enqueue(message);

    public void Dispose() { }
}
