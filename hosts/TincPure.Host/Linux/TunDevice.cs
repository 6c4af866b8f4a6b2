using System.Text;
using TincPure.Host.Devices;
using TincPure.Host.Process;

namespace TincPure.Host.Linux;

/// <summary>
/// A TUN interface without packet information: the ethertype of a frame comes from the version of the IP packet, and
/// other frames are not written (spec 07 §3).
/// </summary>
internal sealed unsafe class TunDevice : IDevice
{
    public const string DefaultPath = "/dev/net/tun";

    private const int EthernetHeader = 14;
    private const int MaxInterfaceName = 15;
    private const int RequestSize = 40;
    private const ushort IffTun = 0x0001;
    private const ushort IffNoPacketInformation = 0x1000;

    /// <summary>TUNSETIFF: an int to write, so its direction bits differ on ppc64le.</summary>
    private static nuint SetInterface =>
        System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture
            == System.Runtime.InteropServices.Architecture.Ppc64le
            ? 0x800454CA
            : 0x400454CA;

    private int _descriptor;

    private TunDevice(string path, string interfaceName, int descriptor)
    {
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
    public static TunDevice Open(string path, string wantedName)
    {
        var descriptor = Libc.Open(path, Libc.O_RDWR | Libc.O_NONBLOCK | Libc.O_CLOEXEC);
        if (descriptor < 0)
            throw new StartException("Could not open " + path + ": " + ErrorText.OfErrno(Libc.LastError));

        Span<byte> request = stackalloc byte[RequestSize];
        request.Clear();
        var name = Encoding.UTF8.GetBytes(wantedName);
        name.AsSpan(0, Math.Min(name.Length, MaxInterfaceName)).CopyTo(request);
        BitConverter.TryWriteBytes(request[16..], (ushort)(IffTun | IffNoPacketInformation));

        int result;
        fixed (byte* first = request)
            result = Libc.Ioctl(descriptor, SetInterface, first);
        if (result < 0)
        {
            var reason = ErrorText.OfErrno(Libc.LastError);
            Libc.Close(descriptor);
            throw new StartException("Could not create a tun/tap interface from " + path + ": " + reason);
        }

        var given = request[..(MaxInterfaceName + 1)];
        var length = given.IndexOf((byte)0);
        return new TunDevice(path, Encoding.UTF8.GetString(given[..(length < 0 ? MaxInterfaceName : length)]), descriptor);
    }

    public DeviceRead Read(FrameBatch batch, out int errno)
    {
        while (!batch.IsFull)
        {
            var room = batch.Room;
            nint count;
            fixed (byte* first = room)
                count = Libc.Read(_descriptor, first + EthernetHeader, (nuint)(room.Length - EthernetHeader));

            if (count <= 0)
            {
                errno = count == 0 ? Libc.EIO : Libc.LastError;
                if (errno == Libc.EINTR)
                    continue;
                if (errno == Libc.EAGAIN)
                    break;
                return errno == Libc.EBADFD ? DeviceRead.Gone : DeviceRead.Failed;
            }

            // What is neither IPv4 nor IPv6 has no ethertype and no place to go.
            if (WriteHeader(room, room[EthernetHeader] >> 4))
                batch.Add((int)count + EthernetHeader);
        }

        errno = 0;
        return DeviceRead.Done;
    }

    private static bool WriteHeader(Span<byte> frame, int version)
    {
        frame[..12].Clear();
        if (version == 4)
            (frame[12], frame[13]) = (0x08, 0x00);
        else if (version == 6)
            (frame[12], frame[13]) = (0x86, 0xdd);
        else
            return false;
        return true;
    }

    public int Write(ReadOnlySpan<byte> frame)
    {
        // The kernel takes IP packets only.
        if (frame.Length <= EthernetHeader || frame[EthernetHeader] >> 4 is not (4 or 6))
            return 0;

        fixed (byte* first = frame)
        {
            var count = Libc.Write(_descriptor, first + EthernetHeader, (nuint)(frame.Length - EthernetHeader));
            return count < 0 ? Libc.LastError : 0;
        }
    }

    public void Dispose()
    {
        if (_descriptor >= 0)
            Libc.Close(_descriptor);
        _descriptor = -1;
    }
}
