using TincPure.Host.Devices;
using TincPure.Packet;
using TincPure.Routing;

namespace TincPure.Host.Linux;

/// <summary>
/// Writes frames to a TUN or TAP device that takes super-packets: those of a flow that follow each other in one call, put
/// together by the kernel from where they are (spec 07 §15.4).
/// </summary>
internal sealed unsafe class SuperPacketWriter(int descriptor, bool isTun, bool takesUdp) : IFrameWriter
{
    private const int MaxPackets = 512;

    /// <summary>Bytes in front of an IP packet that the device takes: the frame's header, on TAP.</summary>
    private readonly int _link = isTun ? 0 : IpFrames.HeaderSize;
    private readonly Coalescer _packets = new(MaxPackets, isTun ? 0 : IpFrames.HeaderSize);
    private readonly Libc.IoVector[] _vectors = GC.AllocateArray<Libc.IoVector>(MaxPackets + 1, pinned: true);
    private readonly byte[] _nothingToDo = GC.AllocateArray<byte>(OffloadModule.size, pinned: true);
    private int _failure;

    /// <summary>Writes every frame in the outbox, in order; the error number of the last that failed, or 0.</summary>
    public int Write(Outbox outbox)
    {
        _failure = 0;
        if (outbox.Entries.Length == 1)
        {
            WriteAlone(outbox);
            return _failure;
        }

        _packets.Reset(takesUdp);
        foreach (ref readonly var entry in outbox.Entries)
        {
            if (entry.Kind != EntryKind.Device || !IpFrames.IsFor(isTun, outbox.Arena.AsSpan(entry.Offset, entry.Length)))
                continue;

            if (_packets.IsFull)
                WriteGroups(outbox.Arena);
            _packets.Add(outbox.Arena, entry.Offset + IpFrames.HeaderSize, entry.Length - IpFrames.HeaderSize);
        }

        WriteGroups(outbox.Arena);
        return _failure;
    }

    /// <summary>Where there is little to do, nothing is merged: it need not be looked at.</summary>
    private void WriteAlone(Outbox outbox)
    {
        ref readonly var entry = ref outbox.Entries[0];
        if (entry.Kind != EntryKind.Device || !IpFrames.IsFor(isTun, outbox.Arena.AsSpan(entry.Offset, entry.Length)))
            return;
        fixed (byte* arena = outbox.Arena)
            WriteOne(arena + entry.Offset + IpFrames.HeaderSize, entry.Length - IpFrames.HeaderSize);
    }

    private void WriteGroups(byte[] arena)
    {
        _packets.Finish(arena);
        fixed (byte* first = arena)
        {
            for (var group = 0; group < _packets.Groups; group++)
            {
                // What the kernel does not take in one piece it takes in several.
                if (_packets.Count(group) == 1 || !TryWriteMerged(first, group))
                    WriteEach(first, group);
            }
        }

        _packets.Reset(takesUdp);
    }

    private bool TryWriteMerged(byte* arena, int group)
    {
        fixed (byte* headers = _packets.Headers)
        fixed (Libc.IoVector* vectors = _vectors)
        {
            var header = _packets.HeaderLength(group);
            var count = 0;
            vectors[count++] = new Libc.IoVector
            {
                Base = headers + _packets.HeaderStart(group),
                Length = (nuint)(OffloadModule.size + _link + header),
            };
            for (var packet = _packets.First(group); packet >= 0; packet = _packets.Next(packet))
            {
                vectors[count++] = new Libc.IoVector
                {
                    Base = arena + _packets.Offset(packet) + header,
                    Length = (nuint)(_packets.Length(packet) - header),
                };
            }

            return SystemCall.WriteVector(descriptor, vectors, count) >= 0;
        }
    }

    private void WriteEach(byte* arena, int group)
    {
        for (var packet = _packets.First(group); packet >= 0; packet = _packets.Next(packet))
            WriteOne(arena + _packets.Offset(packet), _packets.Length(packet));
    }

    private void WriteOne(byte* packet, int length)
    {
        var result = isTun ? WriteBare(packet, length) : WriteFrame(packet - _link, length + _link);
        if (result < 0)
            _failure = (int)-result;
    }

    /// <summary>An empty offload takes the place of the Ethernet header.</summary>
    private nint WriteBare(byte* packet, int length)
    {
        var start = packet - OffloadModule.size;
        new Span<byte>(start, OffloadModule.size).Clear();
        return SystemCall.Write(descriptor, start, (nuint)(length + OffloadModule.size));
    }

    /// <summary>In front of the Ethernet header is what belongs to somebody else.</summary>
    private nint WriteFrame(byte* frame, int length)
    {
        fixed (byte* nothingToDo = _nothingToDo)
        {
            var vectors = stackalloc Libc.IoVector[2];
            vectors[0] = new Libc.IoVector { Base = nothingToDo, Length = OffloadModule.size };
            vectors[1] = new Libc.IoVector { Base = frame, Length = (nuint)length };
            return SystemCall.WriteVector(descriptor, vectors, 2);
        }
    }
}
