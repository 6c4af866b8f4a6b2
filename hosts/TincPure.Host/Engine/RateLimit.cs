namespace TincPure.Host.Engine;

/// <summary>Lets so many things through in each second.</summary>
internal sealed class RateLimit(int perSecond)
{
    private long _second;
    private int _count;

    public bool Allows()
    {
        var second = Environment.TickCount64 / 1000;
        if (second != _second)
        {
            _second = second;
            _count = 0;
        }

        return _count++ < perSecond;
    }
}
