using System.Text;
using TincPure.Host.Process;
using TincPure.Primitives;

namespace TincPure.Host.Logs;

/// <summary>A log file, appended to, flushed per line.</summary>
internal sealed class FileSink(string path, string identity) : ILogSink
{
    private FileStream _stream = Open(path);

    /// <exception cref="IOException">The file cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">The file cannot be opened.</exception>
    private static FileStream Open(string path) =>
        new(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);

    public void Write(DateTime time, Priority priority, string message)
    {
        try
        {
            _stream.Write(Encoding.UTF8.GetBytes(LogFormat.File(time, identity, Environment.ProcessId, message) + "\n"));
        }
        catch (IOException)
        {
            // A full disk must not end the daemon; the line is lost.
        }
    }

    public string? Reopen()
    {
        try
        {
            var old = _stream;
            _stream = Open(path);
            old.Dispose();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "Unable to reopen log file " + path + ": " + ErrorText.Of(e);
        }
    }

    public void Dispose() => _stream.Dispose();
}
