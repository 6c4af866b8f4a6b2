using TincPure.Primitives;

namespace TincPure.Host.Process;

/// <summary>The daemon cannot start; the message is the log line.</summary>
internal sealed class StartException(string message, Priority priority = Priority.Error) : Exception(message)
{
    public Priority Priority => priority;
}
