using TincPure.Packet;

namespace TincPure.Host.Devices;

/// <summary>
/// Frames read from a device in one turn, one behind the other in a pinned buffer. With each is what a device with
/// offloads left to be done.
/// </summary>
internal sealed class FrameBatch
{
    public const int MaxFrames = 64;

    /// <summary>The largest frame: an IP packet of 65535 bytes behind an offload, an Ethernet header and a VLAN tag, aligned.</summary>
    public const int MaxFrameLength = 65535 + 10 + 14 + 4 + 5;

    private const int UsualFrameLength = 2048;

    private readonly byte[] _buffer =
        GC.AllocateUninitializedArray<byte>(MaxFrames * UsualFrameLength + MaxFrameLength, pinned: true);

    private readonly int[] _starts = new int[MaxFrames];
    private readonly int[] _lengths = new int[MaxFrames];
    private readonly Offload[] _offloads = new Offload[MaxFrames];
    private int _end;
    private int _limit = MaxFrames;

    public int Count { get; private set; }

    /// <summary>No further frame of the largest size fits, or the batch has its number.</summary>
    public bool IsFull => Count == _limit || _buffer.Length - _end < MaxFrameLength;

    /// <summary>Where the next frame goes.</summary>
    public Span<byte> Room => _buffer.AsSpan(_end);

    public Span<byte> this[int index] => _buffer.AsSpan(_starts[index], _lengths[index]);

    public ref readonly Offload OffloadOf(int index) => ref _offloads[index];

    /// <summary>Takes so many bytes from <paramref name="start"/> in <see cref="Room"/> on as a frame with something left to do.</summary>
    public void Add(int start, int length, in Offload offload)
    {
        _offloads[Count] = offload;
        _starts[Count] = _end + start;
        _lengths[Count] = length;
        Count++;
        _end += (start + length + 15) & ~15;
    }

    /// <summary>Begins anew; so many frames are wanted at most.</summary>
    public void Clear(int limit)
    {
        _limit = limit;
        Count = 0;
        _end = 0;
    }
}
