using TincPure.Primitives;

namespace TincPure.Host.Engine;

/// <summary>
/// The wall clock, made to go forward only: when it is set back, time goes on from where it was. When it jumps ahead
/// (the machine slept) so does time, which is how a node notices a sleep.
/// </summary>
internal sealed class Clock
{
    private readonly Lock _lock = new();
    private long _lost;
    private long _last;

    public Instant Now()
    {
        var wall = (DateTime.UtcNow.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;
        lock (_lock)
        {
            if (wall + _lost < _last)
                _lost = _last - wall;
            _last = wall + _lost;
            return Instant.NewInstant(_last);
        }
    }
}
