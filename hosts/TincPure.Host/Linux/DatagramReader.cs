using System.Runtime.InteropServices;
using TincPure.Primitives;

namespace TincPure.Host.Linux;

/// <summary>
/// Datagrams received by one system call. The kernel may have glued those of one sender together, all of one size but
/// the last, which may be shorter (UDP_GRO, spec 07 §15.5).
/// </summary>
internal sealed unsafe class DatagramReader
{
    public const int MaxMessages = 64;

    /// <summary>So many messages are asked for while they come glued together: then few are much, and the caches are small.</summary>
    private const int MaxLargeMessages = 8;

    private const int SlotSize = 65536;
    private const int ControlStride = 64;
    private const int SOL_UDP = 17, UDP_GRO = 104;

    /// <summary>Only what is used of this ever takes memory.</summary>
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(MaxMessages * SlotSize, pinned: true);
    private readonly byte[] _addresses = GC.AllocateArray<byte>(MaxMessages * SocketAddress.Stride, pinned: true);
    private readonly byte[] _controls = GC.AllocateArray<byte>(MaxMessages * ControlStride, pinned: true);
    private readonly Libc.IoVector[] _vectors = GC.AllocateArray<Libc.IoVector>(MaxMessages, pinned: true);
    private readonly Libc.MultiMessage[] _messages = GC.AllocateArray<Libc.MultiMessage>(MaxMessages, pinned: true);
    private int _wanted = MaxMessages;

    public DatagramReader()
    {
        fixed (byte* buffer = _buffer, addresses = _addresses, controls = _controls)
        fixed (Libc.IoVector* vectors = _vectors)
        {
            for (var i = 0; i < MaxMessages; i++)
            {
                vectors[i] = new Libc.IoVector { Base = buffer + i * SlotSize, Length = SlotSize };
                _messages[i].Header.Name = addresses + i * SocketAddress.Stride;
                _messages[i].Header.Vectors = vectors + i;
                _messages[i].Header.VectorCount = 1;
                _messages[i].Header.Control = controls + i * ControlStride;
            }
        }
    }

    /// <summary>Lets the kernel glue what comes to this socket, if it can.</summary>
    public static void AskForGluing(int descriptor)
    {
        var on = 1;
        Libc.SetSocketOption(descriptor, SOL_UDP, UDP_GRO, &on, sizeof(int));
    }

    /// <summary>How many messages came; a negative error number if none could be read.</summary>
    public int Receive(int descriptor)
    {
        foreach (ref var message in _messages.AsSpan(0, _wanted))
        {
            message.Header.NameLength = SocketAddress.Stride;
            message.Header.ControlLength = ControlStride;
        }

        fixed (Libc.MultiMessage* messages = _messages)
        {
            var count = Libc.ReceiveMany(descriptor, messages, (uint)_wanted, Libc.MSG_DONTWAIT, null);
            if (count < 0)
                return -Libc.LastError;
            _wanted = MaxMessages;
            return count;
        }
    }

    /// <summary>
    /// One message of those received: datagrams of <paramref name="size"/> bytes each, but perhaps the last. False if
    /// something was cut off or there is no address.
    /// </summary>
    public bool TryGet(int index, out Endpoint source, out Span<byte> datagrams, out int size)
    {
        ref readonly var message = ref _messages[index];
        datagrams = _buffer.AsSpan(index * SlotSize, (int)message.Length);
        size = GluedSize(message.Header);
        if (size == 0)
            size = datagrams.Length;
        else
            _wanted = MaxLargeMessages;
        var isWhole = (message.Header.Flags & Libc.MSG_TRUNC) == 0;
        return SocketAddress.TryRead(_addresses.AsSpan(index * SocketAddress.Stride), out source) && isWhole;
    }

    /// <summary>The size of the pieces of a message; 0 if it is one datagram.</summary>
    private static int GluedSize(in Libc.Message header)
    {
        // No other control message was asked for.
        if (header.ControlLength < (nuint)sizeof(GluedControl))
            return 0;
        var control = (GluedControl*)header.Control;
        return control->Level == SOL_UDP && control->Type == UDP_GRO ? Math.Max(control->Size, 0) : 0;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct GluedControl
    {
        public readonly nuint Length;
        public readonly int Level;
        public readonly int Type;
        public readonly int Size;
    }
}
