using System.Runtime.InteropServices;
using TincPure.Routing;

namespace TincPure.Host.Linux;

/// <summary>Datagrams of one socket that are sent by one system call, straight from the outbox.</summary>
internal sealed unsafe class DatagramWriter
{
    private const int MaxDatagrams = 64;
    private const int IPPROTO_IP = 0, IP_TOS = 1, IPPROTO_IPV6 = 41, IPV6_TCLASS = 67;

    private readonly byte[] _addresses = GC.AllocateArray<byte>(MaxDatagrams * SocketAddress.Stride, pinned: true);
    private readonly Libc.IoVector[] _vectors = GC.AllocateArray<Libc.IoVector>(MaxDatagrams, pinned: true);
    private readonly Libc.MultiMessage[] _messages = GC.AllocateArray<Libc.MultiMessage>(MaxDatagrams, pinned: true);
    private readonly PriorityControl[] _priorities = GC.AllocateArray<PriorityControl>(MaxDatagrams, pinned: true);
    private readonly int[] _entries = new int[MaxDatagrams];

    public int Count { get; private set; }

    public bool IsFull => Count == MaxDatagrams;

    /// <summary>The outbox entry that a datagram was made from.</summary>
    public int EntryOf(int index) => _entries[index];

    public void Clear() => Count = 0;

    public void Add(int entryIndex, in OutboxEntry entry, byte* arena)
    {
        fixed (byte* addresses = _addresses)
        fixed (Libc.IoVector* vectors = _vectors)
        fixed (PriorityControl* priorities = _priorities)
        {
            var address = new Span<byte>(addresses + Count * SocketAddress.Stride, SocketAddress.Stride);
            var target = entry.Target;
            vectors[Count] = new Libc.IoVector { Base = arena + entry.Offset, Length = (nuint)entry.Length };
            _messages[Count].Header = new Libc.Message
            {
                Name = addresses + Count * SocketAddress.Stride,
                NameLength = (uint)SocketAddress.Write(target, address),
                Vectors = vectors + Count,
                VectorCount = 1,
            };

            if (entry.Priority != 0)
            {
                priorities[Count] = new PriorityControl(target.Ip.IsV6, entry.Priority);
                _messages[Count].Header.Control = priorities + Count;
                _messages[Count].Header.ControlLength = (nuint)sizeof(PriorityControl);
            }
        }

        _entries[Count++] = entryIndex;
    }

    /// <summary>Sends from this datagram on; how many were sent, or a negative error number about the first.</summary>
    public int Send(int descriptor, int first)
    {
        fixed (Libc.MultiMessage* messages = _messages)
        {
            var count = Libc.SendMany(descriptor, messages + first, (uint)(Count - first), Libc.MSG_DONTWAIT);
            return count >= 0 ? count : -Libc.LastError;
        }
    }

    /// <summary>A control message with the TOS or traffic class of one datagram.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct PriorityControl(bool isV6, int value)
    {
        private readonly nuint _length = (nuint)(sizeof(nuint) + 3 * sizeof(int));
        private readonly int _level = isV6 ? IPPROTO_IPV6 : IPPROTO_IP;
        private readonly int _type = isV6 ? IPV6_TCLASS : IP_TOS;
        private readonly int _value = value;
    }
}
