using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Runtime.InteropServices;

namespace TincPure.Interop.Tests;

/// <summary>
/// Tells a daemon of packets that never were: it answers some reads of the device and of sockets in the place of the kernel, which
/// has no bugs of the kind. What the kernel has comes with the next read.
/// </summary>
internal sealed class LyingKernel : SystemCallJudge
{
    /// <summary>A packet is read with room for the longest.</summary>
    private const uint LongestPacket = 65535;

    private const string Device = "/dev/net/tun";
    private const int Cut = 0x20, UdpLevel = 17, UdpGro = 104;

    private readonly ConcurrentQueue<byte[]> _packets = new();
    private readonly ConcurrentQueue<(byte[] Bytes, int? Pieces, bool IsCut)> _datagrams = new();
    private readonly byte[] _source = new byte[16];

    private LyingKernel(IPEndPoint source)
    {
        const ushort inet = 2;
        MemoryMarshal.Write(_source, inet);
        BinaryPrimitives.WriteUInt16BigEndian(_source.AsSpan(2), (ushort)source.Port);
        source.Address.GetAddressBytes().CopyTo(_source, 4);
    }

    /// <summary>Starts a daemon; what is made up for its socket seems to come from there.</summary>
    public static LyingKernel Start(Node node, IPEndPoint source)
    {
        SystemCallFilter filter = new();
        filter.AskOfAtLeast(SystemCallFilter.Read, LongestPacket);
        filter.AskOfAtLeast(SystemCallFilter.ReceiveMany, 1);
        LyingKernel kernel = new(source);
        kernel.Begin(filter.Start(() => node.Start()));
        return kernel;
    }

    /// <summary>Something to be read from the device, its offload in front.</summary>
    public void Packet(byte[] written) => _packets.Enqueue(written);

    /// <summary>Something to be received: glued together in pieces of this size, if any, and cut off by the kernel or not.</summary>
    public void Datagrams(byte[] bytes, int? pieces, bool isCut = false) => _datagrams.Enqueue((bytes, pieces, isCut));

    /// <summary>All of it has been told.</summary>
    public bool HasTold => _packets.IsEmpty && _datagrams.IsEmpty;

    protected override long? Decide(Asked call) =>
        call.Number == SystemCallFilter.ReceiveMany ? Receive(call)
        : IsDevice(call) && _packets.TryDequeue(out byte[]? packet) ? Tell(call, packet)
        : null;

    private static bool IsDevice(Asked call) => File.ResolveLinkTarget($"/proc/{call.Process}/fd/{call.First}", returnFinalTarget: false)?.FullName == Device;

    private static long Tell(Asked call, byte[] packet)
    {
        call.Write(call.Second, packet);
        return packet.Length;
    }

    private long? Receive(Asked call)
    {
        if (!_datagrams.TryDequeue(out (byte[] Bytes, int? Pieces, bool IsCut) told)) return null;
        Message message = call.Read<Message>(call.Second);
        call.Write(call.Read<ulong>(message.Vectors), told.Bytes);
        call.Write(message.Name, _source);
        message.NameLength = (uint)_source.Length;
        message.ControlLength = 0;
        if (told.Pieces is { } size)
        {
            // struct cmsghdr and a number: its length, whose it is, what it is
            byte[] control = new byte[24];
            MemoryMarshal.Write(control, (ulong)20);
            MemoryMarshal.Write(control.AsSpan(8), UdpLevel);
            MemoryMarshal.Write(control.AsSpan(12), UdpGro);
            MemoryMarshal.Write(control.AsSpan(16), size);
            call.Write(message.Control, control);
            message.ControlLength = (ulong)control.Length;
        }

        message.Flags = told.IsCut ? Cut : 0;
        message.Length = (uint)told.Bytes.Length;
        call.Write(call.Second, MemoryMarshal.AsBytes(new ReadOnlySpan<Message>(in message)));
        return 1;
    }

    /// <summary>struct mmsghdr</summary>
    [StructLayout(LayoutKind.Explicit, Size = 64)]
    private struct Message
    {
        [FieldOffset(0)]
        public ulong Name;

        [FieldOffset(8)]
        public uint NameLength;

        [FieldOffset(16)]
        public ulong Vectors;

        [FieldOffset(32)]
        public ulong Control;

        [FieldOffset(40)]
        public ulong ControlLength;

        [FieldOffset(48)]
        public int Flags;

        [FieldOffset(56)]
        public uint Length;
    }
}
