using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TincPure.Primitives;
using TincPure.Routing;

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

    /// <summary>Messages that the kernel has written to: the others need not be made ready again, nor come into the caches.</summary>
    private int _used = MaxMessages;

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

    /// <summary>How many messages came, of so many at most; a negative error number if none could be read.</summary>
    public int Receive(int descriptor, int limit)
    {
        foreach (ref var message in _messages.AsSpan(0, _used))
        {
            message.Header.NameLength = SocketAddress.Stride;
            message.Header.ControlLength = ControlStride;
        }

        fixed (Libc.MultiMessage* messages = _messages)
        {
            var count = SystemCall.ReceiveMany(descriptor, messages, (uint)Math.Min(_wanted, limit), Libc.MSG_DONTWAIT);

            // One that failed behind the others may have been begun.
            _used = Math.Min(Math.Max(count, 0) + 1, MaxMessages);
            if (count < 0)
                return count;
            _wanted = MaxMessages;
            return count;
        }
    }

    /// <summary>
    /// One message of those received: datagrams of <paramref name="size"/> bytes each, but perhaps the last. Otherwise why
    /// nothing can be done with it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public DropCause? TryGet(int index, out Endpoint source, out Span<byte> datagrams, out int size)
    {
        ref readonly var message = ref _messages[index];
        datagrams = _buffer.AsSpan(index * SlotSize, (int)message.Length);
        var control = _controls.AsSpan(index * ControlStride, (int)message.Header.ControlLength);
        var isGlued = TryReadGluing(control, out size);
        if (isGlued)
            _wanted = MaxLargeMessages;
        else
            size = datagrams.Length;

        return !SocketAddress.TryRead(_addresses.AsSpan(index * SocketAddress.Stride), out source) ? DropCause.Stranger
            : (message.Header.Flags & Libc.MSG_TRUNC) != 0 ? DropCause.Long
            : isGlued && !IsPossible(size, datagrams.Length) ? DropCause.BadGluing
            : null;
    }

    /// <summary>Can a message of so many bytes be cut into pieces of this size?</summary>
    internal static bool IsPossible(int size, int length) => size > 0 && size <= length;

    /// <summary>The size of the pieces of a message, as its control message says; false if it is one datagram.</summary>
    internal static bool TryReadGluing(ReadOnlySpan<byte> control, out int size)
    {
        // No other control message was asked for.
        var isThere = MemoryMarshal.TryRead<GluedControl>(control, out var read) && read is { Level: SOL_UDP, Type: UDP_GRO };
        size = isThere ? read.Size : 0;
        return isThere;
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
