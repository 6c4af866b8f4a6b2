using TincPure.Host.Engine;

namespace TincPure.Host.Tests;

public sealed class ClockTests
{
    private const long Start = 1_700_000_000_000_000, Second = 1_000_000;

    private readonly Clock _clock = new();

    private long At(long wall) => _clock.Advance(wall).Microseconds;

    [Fact]
    public void Shows_what_the_wall_clock_shows()
    {
        Assert.Equal(Start, At(Start));
        Assert.Equal(Start + 1, At(Start + 1));
        Assert.Equal(Start + 3600 * Second, At(Start + 3600 * Second));
    }

    [Fact]
    public void Goes_on_from_where_it_was_when_the_wall_clock_is_set_back()
    {
        At(Start);
        Assert.Equal(Start, At(Start - 3600 * Second));
        Assert.Equal(Start + Second, At(Start - 3599 * Second));
        Assert.Equal(Start + Second, At(Start - 7200 * Second));
        Assert.Equal(Start + 3 * Second, At(Start - 7198 * Second));
    }

    [Fact]
    public void Stands_still_for_a_reading_that_comes_late_and_loses_nothing_by_it()
    {
        At(Start);
        Assert.Equal(Start, At(Start - Clock.Tolerance));
        Assert.Equal(Start, At(Start - 1));
        Assert.Equal(Start + 1, At(Start + 1));
    }

    [Fact]
    public void Goes_back_for_no_thread()
    {
        var failed = 0;
        var threads = Enumerable.Range(0, 4).Select(number => new Thread(() =>
        {
            var last = 0L;
            for (var i = 0; i < 200_000; i++)
            {
                // The wall clock goes on by a microsecond, and now and then it is an hour behind.
                var now = At(Start + i - (i % 1000 == number ? 3600 * Second : 0));
                if (now < last)
                    Interlocked.Increment(ref failed);
                last = now;
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.Equal(0, failed);
    }
}
