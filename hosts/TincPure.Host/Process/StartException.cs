using TincPure.Primitives;

namespace TincPure.Host.Process;

/// <summary>The daemon cannot start; the message is the log line.</summary>
internal sealed class StartException(string message, Priority priority = Priority.Error) : Exception(message)
{
    public Priority Priority => priority;

    /// <summary>The variable whose value does not work, if it is one's fault.</summary>
    public string? Variable { get; init; }

    /// <summary>That value, where there may be several.</summary>
    public string Value { get; init; } = "";

    /// <summary>What would work here; null if the table of variables knows best.</summary>
    public string? Allowed { get; init; }
}
