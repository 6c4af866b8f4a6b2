using TincPure.Host.Devices;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Packet;
using TincPure.Routing;

namespace TincPure.Host.Linux;

/// <summary>
/// A TUN or TAP interface without packet information (spec 07 §3). On TAP, Ethernet frames come and go as they are. On TUN, the
/// ethertype of a frame comes from the version of the IP packet, and other frames are not written. Where the kernel offers it, TCP
/// and UDP come and go as super-packets (spec 07 §15).
/// </summary>
internal sealed unsafe class TunTapDevice : IDevice
{
    /// <summary>Offloads: checksums, TCP over IPv4 and IPv6, ECN; and UDP, since Linux 6.2.</summary>
    private const uint OffloadTcp = 0x0f, OffloadUdp = 0x60;

    /// <summary>The address of a host whose own the kernel does not tell (spec 07 §1.4).</summary>
    private const ulong UnknownAddress = 0xfefd_0000_0000;

    private readonly bool _isTun;
    private readonly Offloads _offloads;
    private int _descriptor;

    private TunTapDevice(string path, string interfaceName, int descriptor, Offloads offloads, ulong? address)
    {
        _isTun = address is null;
        _offloads = offloads;
        Path = path;
        Interface = interfaceName;
        _descriptor = descriptor;
        EthernetAddress = address;
    }

    public string Path { get; }

    public string Interface { get; }

    public string Description => _isTun ? "Linux tun/tap device (tun mode)" : "Linux tun/tap device (tap mode)";

    public ulong? EthernetAddress { get; }

    public int Handle => _descriptor;

    /// <summary>What goes in front of packets, and what the kernel puts together from them.</summary>
    private enum Offloads
    {
        None,
        Tcp,
        All,
    }

    /// <summary>Bytes of a frame's header that the kernel leaves out.</summary>
    private int Missing => _isTun ? IpFrames.HeaderSize : 0;

    /// <summary>Makes or attaches to the TUN interface of this name; the kernel chooses one for an empty name.</summary>
    /// <exception cref="StartException">It cannot be opened or created.</exception>
    public static TunTapDevice OpenTun(string path, string wantedName, bool oneQueue)
    {
        var descriptor = Open(TunTap.Tun, path, wantedName, oneQueue, out var offloads, out var name);
        return new TunTapDevice(path, name, descriptor, offloads, address: null);
    }

    /// <summary>Makes or attaches to the TAP interface of this name; the kernel chooses one for an empty name.</summary>
    /// <exception cref="StartException">It cannot be opened or created.</exception>
    public static TunTapDevice OpenTap(string path, string wantedName, bool oneQueue, Logger log)
    {
        var descriptor = Open(TunTap.Tap, path, wantedName, oneQueue, out var offloads, out var name);
        if (!TunTap.TryGetAddress(descriptor, out var address))
        {
            log.Warning("Could not get MAC address of " + path + ": " + ErrorText.OfErrno(Libc.LastError));
            address = UnknownAddress;
        }

        return new TunTapDevice(path, name, descriptor, offloads, address);
    }

    private static int Open(ushort kind, string path, string wantedName, bool oneQueue, out Offloads offloads, out string name)
    {
        var flags = (ushort)(kind | TunTap.NoPacketInformation | (oneQueue ? TunTap.OneQueue : 0));
        var withOffload = (ushort)(flags | TunTap.Offload);
        var descriptor = TunTap.Open(path, wantedName, [withOffload, flags], out var granted, out name);
        offloads = granted == withOffload ? Take(descriptor) : Offloads.None;
        return descriptor;
    }

    /// <summary>Asks for as much as the kernel has. Without any of it packets still come and go behind an empty offload.</summary>
    private static Offloads Take(int descriptor)
    {
        if (Libc.Ioctl(descriptor, TunTap.SetOffload, (void*)(OffloadTcp | OffloadUdp)) >= 0)
            return Offloads.All;
        Libc.Ioctl(descriptor, TunTap.SetOffload, (void*)OffloadTcp);
        return Offloads.Tcp;
    }

    public DeviceRead Read(FrameBatch batch, out int errno)
    {
        // An offload comes in front: on TUN it stands where the end of the Ethernet header will be.
        var offloadSize = _offloads == Offloads.None ? 0 : OffloadModule.size;
        var start = Math.Max(0, Missing - offloadSize);
        var frameStart = start + offloadSize - Missing;
        while (!batch.IsFull)
        {
            var room = batch.Room;
            nint count;
            fixed (byte* first = room)
                count = SystemCall.Read(_descriptor, first + start, (nuint)(room.Length - start));

            if (count <= 0)
            {
                errno = count == 0 ? Libc.EIO : (int)-count;
                if (errno == Libc.EINTR)
                    continue;
                if (errno == Libc.EAGAIN)
                    break;
                return errno == Libc.EBADFD ? DeviceRead.Gone : DeviceRead.Failed;
            }

            var length = Math.Max(0, start + (int)count - frameStart);
            var offload = offloadSize == 0 ? OffloadModule.none : OffloadModule.behind(Missing, OffloadModule.read(room[start..]));

            // What is neither IPv4 nor IPv6 has no ethertype and no place to go.
            if (!_isTun || (length > IpFrames.HeaderSize && IpFrames.TryWriteHeader(room)))
                batch.Add(frameStart, length, offload);
        }

        errno = 0;
        return DeviceRead.Done;
    }

    public IFrameWriter NewWriter() =>
        _offloads == Offloads.None
            ? new FrameWriter(_descriptor, _isTun)
            : new SuperPacketWriter(_descriptor, _isTun, takesUdp: _offloads == Offloads.All);

    public void Dispose()
    {
        if (_descriptor >= 0)
            Libc.Close(_descriptor);
        _descriptor = -1;
    }
}
