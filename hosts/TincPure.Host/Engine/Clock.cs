using TincPure.Primitives;

namespace TincPure.Host.Engine;

/// <summary>
/// The wall clock, made to go forward only: when it is set back, time goes on from where it was. When it jumps ahead
/// (the machine slept) so does time, which is how a node notices a sleep. All threads share it, without waiting for each other.
/// </summary>
internal sealed class Clock
{
    /// <summary>
    /// Microseconds that the wall clock may be behind without having been set back: another thread has read it later and been here
    /// sooner, or it is being brought into step. Time stands still for as long.
    /// </summary>
    internal const long Tolerance = 1_000_000;

    private readonly Lock _correction = new();
    private long _lost;
    private long _last;

    public Instant Now() => Advance((DateTime.UtcNow.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond);

    /// <summary>The time when the wall clock shows so many microseconds since the epoch.</summary>
    internal Instant Advance(long wall)
    {
        var now = wall + Volatile.Read(ref _lost);
        var last = Volatile.Read(ref _last);
        if (last - now > Tolerance)
            return Instant.NewInstant(SetBack(wall));

        while (now > last)
        {
            var before = Interlocked.CompareExchange(ref _last, now, last);
            if (before == last)
                return Instant.NewInstant(now);
            last = before;
        }

        return Instant.NewInstant(last);
    }

    private long SetBack(long wall)
    {
        lock (_correction)
        {
            // Somebody else may have seen to it.
            var last = Volatile.Read(ref _last);
            if (last - (wall + _lost) > Tolerance)
                Volatile.Write(ref _lost, last - wall);
            return last;
        }
    }
}
