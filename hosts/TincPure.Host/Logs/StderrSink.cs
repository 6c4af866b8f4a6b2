using System.Text;
using TincPure.Primitives;

namespace TincPure.Host.Logs;

internal sealed class StderrSink : ILogSink
{
    private readonly Stream _stream = Console.OpenStandardError();
    private readonly bool _colour = TakesColour();

    public void Write(DateTime time, Priority priority, string message)
    {
        var line = _colour ? LogFormat.Terminal(time, priority, message) : LogFormat.Plain(time, priority, message);
        WriteLine(line);
    }

    private void WriteLine(string line)
    {
        try
        {
            _stream.Write(Encoding.UTF8.GetBytes(line + "\n"));
        }
        catch (IOException)
        {
            // Nobody reads standard error any more: there is no better place to say so.
        }
    }

    private static bool TakesColour() =>
        !Console.IsErrorRedirected
        && Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } term
        && term != "dumb";

    public void Dispose() => _stream.Dispose();
}
