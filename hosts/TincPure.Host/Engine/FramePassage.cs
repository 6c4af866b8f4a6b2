using TincPure.Routing;

namespace TincPure.Host.Engine;

/// <summary>
/// Frames that one half of the packet plane leaves to the other, a batch at a time. They are lost, as on any full queue, when the
/// other half does not keep up.
/// </summary>
internal sealed class FramePassage
{
    private const int MaxBytes = 1 << 20, MaxFrames = 4096;

    private readonly Lock _gate = new();
    private Batch _filling = new(), _emptying = new();

    /// <summary>Takes what is passed on among the entries of the outbox; true if there was any.</summary>
    public bool Add(Outbox outbox)
    {
        var any = false;
        foreach (ref readonly var entry in outbox.Entries)
            any |= entry.Kind == EntryKind.Passed;
        if (!any)
            return false;

        lock (_gate)
        {
            foreach (ref readonly var entry in outbox.Entries)
            {
                if (entry.Kind == EntryKind.Passed)
                    _filling.Add(outbox.Arena.AsSpan(entry.Offset, entry.Length), entry.Peer, entry.Priority);
            }
        }

        return true;
    }

    /// <summary>What has come since the last time; good until the next.</summary>
    public Batch Take()
    {
        _emptying.Clear();
        lock (_gate)
            (_filling, _emptying) = (_emptying, _filling);
        return _emptying;
    }

    /// <summary>Frames one behind the other.</summary>
    public sealed class Batch
    {
        private readonly List<(int Offset, int Length, int Node, byte Priority)> _frames = [];
        private byte[] _bytes = [];
        private int _used;

        public int Count => _frames.Count;

        public Span<byte> this[int index] => _bytes.AsSpan(_frames[index].Offset, _frames[index].Length);

        /// <summary>The node that a frame is for.</summary>
        public int Node(int index) => _frames[index].Node;

        public byte Priority(int index) => _frames[index].Priority;

        public void Add(ReadOnlySpan<byte> frame, int node, byte priority)
        {
            if (_used + frame.Length > MaxBytes || _frames.Count == MaxFrames)
                return;

            if (_used + frame.Length > _bytes.Length)
                Array.Resize(ref _bytes, Math.Min(MaxBytes, Math.Max(1 << 16, 2 * _bytes.Length)));
            frame.CopyTo(_bytes.AsSpan(_used));
            _frames.Add((_used, frame.Length, node, priority));
            _used += frame.Length;
        }

        public void Clear()
        {
            _frames.Clear();
            _used = 0;
        }
    }
}
