using TincPure.Node;
using TincPure.Routing;

namespace TincPure.Host.Engine;

/// <summary>
/// What waits for the control thread. Punts are many and can be lost like packets: when too many wait, the oldest go.
/// Everything else is bounded by those who post it, and none of it is lost.
/// </summary>
internal sealed class InputQueue
{
    /// <summary>Waiting punts that may be dropped.</summary>
    private const int MaxPunts = 2048;

    /// <summary>Waiting captured frames. They must not drive out the rest.</summary>
    private const int MaxCaptured = 1024;

    /// <summary>Inputs handed out at once, so that a flood of one kind does not keep the others waiting.</summary>
    private const int MaxTaken = 256;

    private readonly object _lock = new();
    private readonly Queue<Input> _inputs = new();
    private readonly Queue<Punt> _punts = new();
    private readonly Queue<Punt> _captured = new();

    public void Post(Input input)
    {
        lock (_lock)
        {
            _inputs.Enqueue(input);
            Monitor.Pulse(_lock);
        }
    }

    public void Post(Punt punt)
    {
        if (!MayBeDropped(punt))
        {
            Post(Input.NewPunted(punt));
            return;
        }

        lock (_lock)
        {
            var (queue, limit) = punt.IsCaptured ? (_captured, MaxCaptured) : (_punts, MaxPunts);
            if (queue.Count == limit)
                queue.Dequeue();
            queue.Enqueue(punt);
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>Answers to commands are waited for; the rest comes again or is a packet.</summary>
    private static bool MayBeDropped(Punt punt) =>
        !(punt.IsHandshakeSealed || punt.IsHandshakeOpened || punt.IsTraffic || punt.IsPathTooSmall);

    /// <summary>Moves what waits into the batch; waits for the first input as long as told (-1: for ever).</summary>
    public void Take(List<Input> batch, int milliseconds)
    {
        lock (_lock)
        {
            if (_inputs.Count == 0 && _punts.Count == 0 && _captured.Count == 0)
                Monitor.Wait(_lock, milliseconds);

            for (var i = 0; i < MaxTaken && _inputs.TryDequeue(out var input); i++)
                batch.Add(input);
            for (var i = 0; i < MaxTaken && _punts.TryDequeue(out var punt); i++)
                batch.Add(Input.NewPunted(punt));
            for (var i = 0; i < MaxTaken && _captured.TryDequeue(out var frame); i++)
                batch.Add(Input.NewPunted(frame));
        }
    }
}
