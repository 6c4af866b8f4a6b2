using System.Buffers.Binary;
using System.ComponentModel;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace TincPure.Interop.Tests;

/// <summary>
/// A packet socket on a node's VPN device: sends IP packets as its host would, and keeps those that pass. Super-packets stay whole,
/// with the kernel's header in front of each. Ethernet headers, where the device has them, are nobody's concern outside.
/// </summary>
internal sealed unsafe partial class DeviceTap : IDisposable
{
    private const int Packet = 17, Raw = 3, PacketLevel = 263, VnetHeader = 15, SocketLevel = 1, ForceReceiveBuffer = 33;
    private const int AddressSize = 20, KindOffset = 10;
    private const byte Outgoing = 4;
    private const ushort IPv4 = 0x0800, IPv6 = 0x86dd, Tag = 0x8100;
    private const int MacSize = 6, TypeOffset = 12, TagSize = 4;

    private readonly Socket _socket;
    private readonly int _device;
    private readonly Thread _reader;
    private readonly List<byte[]> _seen = [];
    private readonly bool _outgoing, _isTap;

    /// <summary>What goes in front of a packet that is sent, but for its type.</summary>
    private readonly byte[] _link = [];
    private volatile bool _ended;

    /// <param name="node">Whose device.</param>
    /// <param name="outgoing">Keep what the host sends into the VPN, or else what comes out of it.</param>
    /// <param name="towards">Whose device what is sent is for, if they are Ethernet devices.</param>
    /// <param name="tagged">Send behind a VLAN tag.</param>
    public DeviceTap(Node node, bool outgoing, Node? towards = null, bool tagged = false)
    {
        _outgoing = outgoing;
        _isTap = MacOf(node).Length == MacSize;
        if (_isTap && towards is not null) _link = [.. MacOf(towards), .. MacOf(node), .. tagged ? [Tag >> 8, Tag & 0xff, 0x20, 5] : (byte[])[]];
        _device = int.Parse(node.Host.Namespace.Run("ip", "-o", "link", "show", "vpn").OrThrow().Output.Split(':')[0], CultureInfo.InvariantCulture);
        _socket = node.Host.Namespace.Open(Packet, Raw, BinaryPrimitives.ReverseEndianness((ushort)3));
        int on = 1, size = 64 << 20;
        Check(SetOption(Descriptor, SocketLevel, ForceReceiveBuffer, &size, sizeof(int)));
        Check(SetOption(Descriptor, PacketLevel, VnetHeader, &on, sizeof(int)));
        byte* address = stackalloc byte[AddressSize];
        WriteAddress(address, 0);
        Check(Bind(Descriptor, address, AddressSize));
        _socket.ReceiveTimeout = 200;
        _reader = new Thread(Read) { IsBackground = true };
        _reader.Start();
    }

    private int Descriptor => (int)_socket.Handle;

    /// <summary>What has passed so far, each behind its header.</summary>
    public byte[][] Seen
    {
        get
        {
            lock (_seen) return [.. _seen];
        }
    }

    /// <summary>Sends something, header in front, as the device's own host would. False if the kernel does not take it.</summary>
    public bool Send(byte[] written)
    {
        byte* address = stackalloc byte[AddressSize];
        ushort type = written[RawPacket.OffloadSize] >> 4 == 6 ? IPv6 : IPv4;
        WriteAddress(address, _link.Length > 2 * MacSize ? Tag : type);
        if (_link.Length > 0)
        {
            byte[] offload = Moved(written.AsSpan(0, RawPacket.OffloadSize), _link.Length + 2);
            written = [.. offload, .. _link, (byte)(type >> 8), (byte)type, .. written.AsSpan(RawPacket.OffloadSize)];
        }

        fixed (byte* first = written) return SendTo(Descriptor, first, (nuint)written.Length, 0, address, AddressSize) >= 0;
    }

    public void Dispose()
    {
        _ended = true;
        _reader.Join();
        _socket.Dispose();
    }

    private void Read()
    {
        byte[] buffer = new byte[70000];
        byte* address = stackalloc byte[AddressSize];
        while (!_ended)
        {
            uint length = AddressSize;
            nint count;
            fixed (byte* first = buffer) count = ReceiveFrom(Descriptor, first, (nuint)buffer.Length, 0, address, &length);
            if (count < RawPacket.OffloadSize + 20 || address[KindOffset] == Outgoing != _outgoing) continue;
            if (WithoutLink(buffer.AsSpan(0, (int)count)) is not { } written) continue;
            lock (_seen) _seen.Add(written);
        }
    }

    /// <summary>An IP packet behind its offload; null if it is something else.</summary>
    private byte[]? WithoutLink(ReadOnlySpan<byte> written)
    {
        if (!_isTap) return written.ToArray();
        int type = RawPacket.OffloadSize + TypeOffset;
        if (BinaryPrimitives.ReadUInt16BigEndian(written[type..]) == Tag) type += TagSize;
        if (BinaryPrimitives.ReadUInt16BigEndian(written[type..]) is not (IPv4 or IPv6)) return null;
        return [.. Moved(written[..RawPacket.OffloadSize], RawPacket.OffloadSize - type - 2), .. written[(type + 2)..]];
    }

    /// <summary>An offload whose packet begins so many bytes later.</summary>
    private static byte[] Moved(ReadOnlySpan<byte> offload, int bytes)
    {
        byte[] moved = offload.ToArray();
        // The length of the headers counts where there is something to cut, the start of the sum where it was left open.
        if (RawPacket.IsSuper(moved)) Move(moved.AsSpan(2), bytes);
        if (moved[0] == 1) Move(moved.AsSpan(6), bytes);
        return moved;
    }

    private static void Move(Span<byte> place, int bytes) => BitConverter.TryWriteBytes(place, (ushort)(BitConverter.ToUInt16(place) + bytes));

    /// <summary>The device's Ethernet address; empty if it has none.</summary>
    private static byte[] MacOf(Node node)
    {
        string text = node.Host.Namespace.Run("cat", "/sys/class/net/vpn/address").Output.Trim();
        return text.Length == 0 ? [] : Convert.FromHexString(text.Replace(":", ""));
    }

    // struct sockaddr_ll
    private void WriteAddress(byte* address, ushort protocol)
    {
        Span<byte> bytes = new(address, AddressSize);
        bytes.Clear();
        BitConverter.TryWriteBytes(bytes, (ushort)Packet);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], protocol == 0 ? (ushort)3 : protocol);
        BitConverter.TryWriteBytes(bytes[4..], _device);
    }

    private static void Check(int result)
    {
        if (result < 0) throw new Win32Exception(Marshal.GetLastPInvokeError());
    }

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int SetOption(int socket, int level, int option, void* value, uint length);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    private static partial int Bind(int socket, void* address, uint length);

    [LibraryImport("libc", EntryPoint = "sendto", SetLastError = true)]
    private static partial nint SendTo(int socket, void* data, nuint length, int flags, void* address, uint addressLength);

    [LibraryImport("libc", EntryPoint = "recvfrom", SetLastError = true)]
    private static partial nint ReceiveFrom(int socket, void* data, nuint length, int flags, void* address, uint* addressLength);
}
