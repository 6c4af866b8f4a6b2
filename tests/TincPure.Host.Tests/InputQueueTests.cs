using TincPure.Host.Engine;
using TincPure.Node;
using TincPure.Primitives;
using TincPure.Routing;

namespace TincPure.Host.Tests;

public class InputQueueTests
{
    private static List<Input> TakeAll(InputQueue queue)
    {
        var all = new List<Input>();
        for (var count = -1; count != all.Count;)
        {
            count = all.Count;
            queue.Take(all, 0);
        }

        return all;
    }

    [Fact]
    public void Of_too_many_punted_packets_the_oldest_go_and_nothing_else_is_lost()
    {
        var queue = new InputQueue();
        for (var i = 0; i < 5000; i++)
        {
            queue.Post(Punt.NewFrameOverTcp(i, []));
            queue.Post(Punt.NewHandshakeSealed(i, []));
            queue.Post(Input.Woken);
        }

        var all = TakeAll(queue);
        Assert.Equal(5000, all.Count(input => input.IsWoken));
        var punts = all.OfType<Input.Punted>().Select(input => input.Item).ToList();
        Assert.Equal(5000, punts.Count(punt => punt.IsHandshakeSealed));
        var frames = punts.OfType<Punt.FrameOverTcp>().Select(punt => punt.peer).ToList();
        Assert.Equal(Enumerable.Range(5000 - 2048, 2048), frames);
    }

    [Fact]
    public void The_clock_does_not_go_back()
    {
        var clock = new Clock();
        var last = clock.Now();
        for (var i = 0; i < 1000; i++)
        {
            var now = clock.Now();
            Assert.True(now.Microseconds >= last.Microseconds);
            last = now;
        }
    }
}
