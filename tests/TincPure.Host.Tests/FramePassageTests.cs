using TincPure.Host.Engine;
using TincPure.Routing;

namespace TincPure.Host.Tests;

public class FramePassageTests
{
    private readonly FramePassage _passage = new();

    private static Outbox Holding(params (int Node, byte Priority, byte[] Frame)[] frames)
    {
        Outbox outbox = new();
        foreach ((int node, byte priority, byte[] frame) in frames)
        {
            frame.CopyTo(outbox.Reserve(frame.Length));
            outbox.AddPassed(frame.Length, priority, node);
            // What is for the device stays where it is.
            frame.CopyTo(outbox.Reserve(frame.Length));
            outbox.AddFrame(frame.Length, 0);
        }

        return outbox;
    }

    [Fact]
    public void Frames_come_out_in_order_with_their_node_and_priority_and_only_once()
    {
        Assert.True(_passage.Add(Holding((3, 7, [1, 2]))));
        Assert.True(_passage.Add(Holding((4, 0, [3]), (5, 1, [4, 5, 6]))));
        FramePassage.Batch batch = _passage.Take();
        Assert.Equal(3, batch.Count);
        Assert.Equal([1, 2], batch[0].ToArray());
        Assert.Equal((3, 7), (batch.Node(0), batch.Priority(0)));
        Assert.Equal([3], batch[1].ToArray());
        Assert.Equal([4, 5, 6], batch[2].ToArray());
        Assert.Equal(5, batch.Node(2));
        Assert.Equal(0, _passage.Take().Count);
    }

    [Fact]
    public void Nothing_to_pass_on_is_nothing() => Assert.False(_passage.Add(Holding()));

    [Fact]
    public void Frames_that_are_not_taken_are_lost_when_there_are_too_many()
    {
        byte[] frame = new byte[1500];
        Outbox outbox = Holding([.. Enumerable.Range(0, 100).Select(node => (node, (byte)0, frame))]);
        for (int i = 0; i < 20; i++) _passage.Add(outbox);
        FramePassage.Batch batch = _passage.Take();
        Assert.Equal((1 << 20) / 1500, batch.Count);
        Assert.Equal(0, batch.Node(0));
    }
}
