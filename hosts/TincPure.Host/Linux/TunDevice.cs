using System.Text;
using TincPure.Host.Devices;
using TincPure.Host.Process;
using TincPure.Packet;
using TincPure.Routing;

namespace TincPure.Host.Linux;

/// <summary>
/// A TUN interface without packet information: the ethertype of a frame comes from the version of the IP packet, and
/// other frames are not written (spec 07 §3). Where the kernel offers it, TCP and UDP come and go as super-packets
/// (spec 07 §15).
/// </summary>
internal sealed unsafe class TunDevice : IDevice
{
    /// <summary>Offloads: checksums, TCP over IPv4 and IPv6, ECN; and UDP, since Linux 6.2.</summary>
    private const uint OffloadTcp = 0x0f, OffloadUdp = 0x60;

    private readonly SuperPacketWriter? _writer;
    private int _descriptor;

    private TunDevice(string path, string interfaceName, int descriptor, SuperPacketWriter? writer)
    {
        _writer = writer;
        Path = path;
        Interface = interfaceName;
        _descriptor = descriptor;
    }

    public string Path { get; }

    public string Interface { get; }

    public string Description => "Linux tun/tap device (tun mode)";

    public ulong? EthernetAddress => null;

    public int Handle => _descriptor;

    /// <summary>Makes or attaches to the interface of this name; the kernel chooses one for an empty name.</summary>
    /// <exception cref="StartException">It cannot be opened or created.</exception>
    public static TunDevice Open(string path, string wantedName, bool oneQueue)
    {
        var flags = (ushort)(TunTap.Tun | TunTap.NoPacketInformation | (oneQueue ? TunTap.OneQueue : 0));
        var withOffload = (ushort)(flags | TunTap.Offload);
        var descriptor = TunTap.Open(path, wantedName, [withOffload, flags], out var granted, out var name);
        return new TunDevice(path, name, descriptor, granted == withOffload ? Offloaded(descriptor) : null);
    }

    /// <summary>Asks for as much as the kernel has. Without any of it packets still come and go behind an empty offload.</summary>
    private static SuperPacketWriter Offloaded(int descriptor)
    {
        var takesUdp = Libc.Ioctl(descriptor, TunTap.SetOffload, (void*)(OffloadTcp | OffloadUdp)) >= 0;
        if (!takesUdp)
            Libc.Ioctl(descriptor, TunTap.SetOffload, (void*)OffloadTcp);
        return new SuperPacketWriter(descriptor, takesUdp);
    }

    public DeviceRead Read(FrameBatch batch, out int errno)
    {
        // An offload stands where the end of the Ethernet header will be.
        var start = IpFrames.HeaderSize - (_writer is null ? 0 : OffloadModule.size);
        while (!batch.IsFull)
        {
            var room = batch.Room;
            nint count;
            fixed (byte* first = room)
                count = Libc.Read(_descriptor, first + start, (nuint)(room.Length - start));

            if (count <= 0)
            {
                errno = count == 0 ? Libc.EIO : Libc.LastError;
                if (errno == Libc.EINTR)
                    continue;
                if (errno == Libc.EAGAIN)
                    break;
                return errno == Libc.EBADFD ? DeviceRead.Gone : DeviceRead.Failed;
            }

            var length = start + (int)count;
            var offload = _writer is null ? OffloadModule.none : OffloadModule.read(room[start..]);

            // What is neither IPv4 nor IPv6 has no ethertype and no place to go.
            if (length > IpFrames.HeaderSize && IpFrames.TryWriteHeader(room))
                batch.Add(length, offload);
        }

        errno = 0;
        return DeviceRead.Done;
    }

    public int Write(Outbox outbox)
    {
        if (_writer is not null)
            return _writer.Write(outbox);

        var failure = 0;
        fixed (byte* arena = outbox.Arena)
        {
            foreach (ref readonly var entry in outbox.Entries)
            {
                // The kernel takes IP packets only.
                if (entry.Kind != EntryKind.Device || !IpFrames.IsIp(outbox.Arena.AsSpan(entry.Offset, entry.Length)))
                    continue;

                var packet = arena + entry.Offset + IpFrames.HeaderSize;
                if (Libc.Write(_descriptor, packet, (nuint)(entry.Length - IpFrames.HeaderSize)) < 0)
                    failure = Libc.LastError;
            }
        }

        return failure;
    }

    public void Dispose()
    {
        if (_descriptor >= 0)
            Libc.Close(_descriptor);
        _descriptor = -1;
    }
}
