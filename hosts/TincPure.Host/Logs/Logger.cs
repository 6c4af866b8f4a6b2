using TincPure.Primitives;

namespace TincPure.Host.Logs;

/// <summary>The daemon's log. Any thread may write.</summary>
internal sealed class Logger : IDisposable
{
    private readonly Lock _lock = new();
    private ILogSink _sink;

    public Logger(ILogSink sink, int level)
    {
        _sink = sink;
        Level = level;
    }

    /// <summary>Lines of a higher level are not shown (spec 05 §2.4).</summary>
    public int Level { get; set; }

    /// <summary>Hears every line of the host's own, shown or not: the node, whose control clients may want it.</summary>
    public Action<LogLine>? Audience { get; set; }

    /// <summary>Gets a copy of every line that is shown: the starter of a daemon that detaches.</summary>
    public Umbilical? Umbilical { get; set; }

    public void MoveTo(ILogSink sink)
    {
        lock (_lock)
        {
            _sink.Dispose();
            _sink = sink;
        }
    }

    public void Write(LogLine line) => Write(line.Level, line.Priority, line.Text);

    public void Write(int level, Priority priority, string text)
    {
        if (level <= Level)
            WriteAnyway(priority, text);
        Audience?.Invoke(new LogLine(level, priority, text));
    }

    /// <summary>For a line that a node wants shown: it has its own level, which may change while it runs.</summary>
    public void WriteAnyway(Priority priority, string text)
    {
        var time = DateTime.Now;
        var message = LogFormat.Cut(text);
        lock (_lock)
        {
            _sink.Write(time, priority, message);
            Umbilical?.Write(LogFormat.Plain(time, priority, message));
        }
    }

    public void Error(string text) => Write(DebugLevel.always, Priority.Error, text);

    public void Warning(string text) => Write(DebugLevel.always, Priority.Warning, text);

    public void Notice(string text) => Write(DebugLevel.always, Priority.Notice, text);

    public void Info(string text) => Write(DebugLevel.always, Priority.Info, text);

    public void Reopen()
    {
        string? failure;
        lock (_lock)
            failure = _sink.Reopen();
        if (failure is not null)
            Error(failure);
    }

    public void Dispose() => _sink.Dispose();
}
