namespace TincPure.Host.Process;

/// <summary>
/// Notes the longest time for which a garbage collection has stopped the program. The object itself is garbage at once, so that its
/// finalizer runs after each collection; it costs nothing in between.
/// </summary>
internal sealed class PauseWatch
{
    private static long longestTicks;

    private PauseWatch() { }

    ~PauseWatch()
    {
        foreach (var pause in GC.GetGCMemoryInfo(GCKind.Any).PauseDurations)
            Volatile.Write(ref longestTicks, Math.Max(Volatile.Read(ref longestTicks), pause.Ticks));
        if (!Environment.HasShutdownStarted)
            Start();
    }

    public static TimeSpan Longest => TimeSpan.FromTicks(Volatile.Read(ref longestTicks));

    public static void Start() => _ = new PauseWatch();
}
