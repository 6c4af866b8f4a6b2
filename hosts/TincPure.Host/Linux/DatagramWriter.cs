using System.Runtime.InteropServices;
using TincPure.Routing;

namespace TincPure.Host.Linux;

/// <summary>
/// Messages of one socket that are sent by one system call, straight from the outbox. A run of datagrams of one size to
/// one address is one message, which the kernel cuts (UDP_SEGMENT, spec 07 §15.5).
/// </summary>
internal sealed unsafe class DatagramWriter
{
    private const int MaxMessages = 64;

    /// <summary>The limits of the kernel, before 6.9 and of IPv4.</summary>
    private const int MaxSegments = 64, MaxLength = 65507;

    private const int IPPROTO_IP = 0, IP_TOS = 1, IPPROTO_IPV6 = 41, IPV6_TCLASS = 67, SOL_UDP = 17, UDP_SEGMENT = 103;

    private readonly byte[] _addresses = GC.AllocateArray<byte>(MaxMessages * SocketAddress.Stride, pinned: true);
    private readonly Libc.IoVector[] _vectors = GC.AllocateArray<Libc.IoVector>(MaxMessages, pinned: true);
    private readonly Libc.MultiMessage[] _messages = GC.AllocateArray<Libc.MultiMessage>(MaxMessages, pinned: true);
    private readonly Controls[] _controls = GC.AllocateArray<Controls>(MaxMessages, pinned: true);
    private readonly int[] _entries = new int[MaxMessages];
    private readonly int[] _segments = new int[MaxMessages];
    private bool _isOpen;

    /// <summary>Runs become one message each.</summary>
    public bool JoinsRuns { get; set; }

    public int Count { get; private set; }

    public bool IsFull => Count == MaxMessages;

    /// <summary>The first outbox entry of a message, and how many follow each other in it.</summary>
    public (int First, int Count) EntriesOf(int index) => (_entries[index], _segments[index]);

    public void Clear()
    {
        Count = 0;
        _isOpen = false;
    }

    /// <summary>Can this socket's kernel cut messages?</summary>
    public static bool CanJoin(int descriptor)
    {
        var off = 0;
        return Libc.SetSocketOption(descriptor, SOL_UDP, UDP_SEGMENT, &off, sizeof(int)) == 0;
    }

    /// <summary>Makes an entry part of the last message, if it follows on; otherwise there must be room for another message.</summary>
    public bool TryJoin(int entryIndex, ReadOnlySpan<OutboxEntry> entries)
    {
        if (!JoinsRuns || !_isOpen)
            return false;

        var last = Count - 1;
        ref readonly var first = ref entries[_entries[last]];
        ref readonly var entry = ref entries[entryIndex];
        ref var length = ref _vectors[last].Length;
        if (entry.Offset != first.Offset + (int)length
            || entry.Length > first.Length
            || entry.Priority != first.Priority
            || _segments[last] == MaxSegments
            || (int)length + entry.Length > MaxLength
            || !entry.Target.Equals(first.Target))
        {
            return false;
        }

        length += (nuint)entry.Length;
        _segments[last]++;
        _isOpen = entry.Length == first.Length;
        SetControls(last, first);
        return true;
    }

    public void Add(int entryIndex, in OutboxEntry entry, byte* arena)
    {
        fixed (byte* addresses = _addresses)
        fixed (Libc.IoVector* vectors = _vectors)
        {
            var address = addresses + Count * SocketAddress.Stride;
            vectors[Count] = new Libc.IoVector { Base = arena + entry.Offset, Length = (nuint)entry.Length };
            _messages[Count].Header = new Libc.Message
            {
                Name = address,
                NameLength = (uint)SocketAddress.Write(entry.Target, new Span<byte>(address, SocketAddress.Stride)),
                Vectors = vectors + Count,
                VectorCount = 1,
            };
        }

        _entries[Count] = entryIndex;
        _segments[Count] = 1;
        _isOpen = true;
        SetControls(Count++, entry);
    }

    private void SetControls(int index, in OutboxEntry entry)
    {
        ref var header = ref _messages[index].Header;
        var hasRun = _segments[index] > 1;
        if (!hasRun && entry.Priority == 0)
            return;

        fixed (Controls* controls = _controls)
        {
            var control = controls + index;
            control->Run = new RunControl((ushort)entry.Length);
            control->Priority = new PriorityControl(entry.Target.Ip.IsV6, entry.Priority);
            header.Control = hasRun ? control : &control->Priority;
            header.ControlLength =
                (nuint)((hasRun ? sizeof(RunControl) : 0) + (entry.Priority != 0 ? sizeof(PriorityControl) : 0));
        }
    }

    /// <summary>Sends from this message on; how many were sent, or a negative error number about the first.</summary>
    public int Send(int descriptor, int first)
    {
        fixed (Libc.MultiMessage* messages = _messages)
            return SystemCall.SendMany(descriptor, messages + first, (uint)(Count - first), Libc.MSG_DONTWAIT);
    }

    /// <summary>The control messages of one message, the optional ones first.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Controls
    {
        public RunControl Run;
        public PriorityControl Priority;
    }

    /// <summary>A control message with the length of each datagram of a run.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct RunControl(ushort size)
    {
        private readonly nuint _length = (nuint)(sizeof(nuint) + 2 * sizeof(int) + sizeof(ushort));
        private readonly int _level = SOL_UDP;
        private readonly int _type = UDP_SEGMENT;
        private readonly ushort _size = size;
    }

    /// <summary>A control message with the TOS or traffic class of one message.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct PriorityControl(bool isV6, int value)
    {
        private readonly nuint _length = (nuint)(sizeof(nuint) + 3 * sizeof(int));
        private readonly int _level = isV6 ? IPPROTO_IPV6 : IPPROTO_IP;
        private readonly int _type = isV6 ? IPV6_TCLASS : IP_TOS;
        private readonly int _value = value;
    }
}
