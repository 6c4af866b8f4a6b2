namespace TincPure.Host.Process;

/// <summary>The daemon cannot start; the message is the log line.</summary>
internal sealed class StartException(string message) : Exception(message);
