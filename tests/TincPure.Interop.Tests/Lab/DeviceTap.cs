using System.Buffers.Binary;
using System.ComponentModel;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace TincPure.Interop.Tests;

/// <summary>
/// A packet socket on a node's VPN device: sends packets as its host would, and keeps what passes. Super-packets stay whole, with
/// the kernel's header in front of each.
/// </summary>
internal sealed unsafe partial class DeviceTap : IDisposable
{
    private const int Packet = 17, Raw = 3, PacketLevel = 263, VnetHeader = 15, SocketLevel = 1, ForceReceiveBuffer = 33;
    private const int AddressSize = 20, KindOffset = 10;
    private const byte Outgoing = 4;

    private readonly Socket _socket;
    private readonly int _device;
    private readonly Thread _reader;
    private readonly List<byte[]> _seen = [];
    private readonly bool _outgoing;
    private volatile bool _ended;

    /// <param name="node">Whose device.</param>
    /// <param name="outgoing">Keep what the host sends into the VPN, or else what comes out of it.</param>
    public DeviceTap(Node node, bool outgoing)
    {
        _outgoing = outgoing;
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
        WriteAddress(address, written[RawPacket.OffloadSize] >> 4 == 6 ? (ushort)0x86dd : (ushort)0x0800);
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
            lock (_seen) _seen.Add(buffer[..(int)count]);
        }
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
