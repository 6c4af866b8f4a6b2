using TincPure.Primitives;

namespace TincPure.Host.Linux;

/// <summary>Datagrams received by one system call.</summary>
internal sealed unsafe class DatagramReader
{
    public const int MaxDatagrams = 64;

    /// <summary>Longer datagrams than any tinc sends do not fit and are ignored.</summary>
    private const int SlotSize = 10 * 1024;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(MaxDatagrams * SlotSize, pinned: true);
    private readonly byte[] _addresses = GC.AllocateArray<byte>(MaxDatagrams * SocketAddress.Stride, pinned: true);
    private readonly Libc.IoVector[] _vectors = GC.AllocateArray<Libc.IoVector>(MaxDatagrams, pinned: true);
    private readonly Libc.MultiMessage[] _messages = GC.AllocateArray<Libc.MultiMessage>(MaxDatagrams, pinned: true);

    public DatagramReader()
    {
        fixed (byte* buffer = _buffer, addresses = _addresses)
        fixed (Libc.IoVector* vectors = _vectors)
        {
            for (var i = 0; i < MaxDatagrams; i++)
            {
                vectors[i] = new Libc.IoVector { Base = buffer + i * SlotSize, Length = SlotSize };
                _messages[i].Header.Name = addresses + i * SocketAddress.Stride;
                _messages[i].Header.Vectors = vectors + i;
                _messages[i].Header.VectorCount = 1;
            }
        }
    }

    /// <summary>How many came; a negative error number if none could be read.</summary>
    public int Receive(int descriptor)
    {
        foreach (ref var message in _messages.AsSpan())
            message.Header.NameLength = SocketAddress.Stride;

        fixed (Libc.MultiMessage* messages = _messages)
        {
            var count = Libc.ReceiveMany(descriptor, messages, MaxDatagrams, Libc.MSG_DONTWAIT, null);
            return count >= 0 ? count : -Libc.LastError;
        }
    }

    /// <summary>One of those received; false if it was cut or has no address.</summary>
    public bool TryGet(int index, out Endpoint source, out Span<byte> datagram)
    {
        ref readonly var message = ref _messages[index];
        datagram = _buffer.AsSpan(index * SlotSize, (int)message.Length);
        var isWhole = (message.Header.Flags & Libc.MSG_TRUNC) == 0;
        return SocketAddress.TryRead(_addresses.AsSpan(index * SocketAddress.Stride), out source) && isWhole;
    }
}
