using TincPure.Primitives;

namespace TincPure.Host.Logs;

/// <summary>Where log lines end.</summary>
internal interface ILogSink : IDisposable
{
    void Write(DateTime time, Priority priority, string message);

    /// <summary>Opens the destination anew (log rotation); says why if it cannot, and keeps the old one.</summary>
    string? Reopen() => null;
}
