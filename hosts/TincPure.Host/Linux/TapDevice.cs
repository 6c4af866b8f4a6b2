using TincPure.Host.Devices;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Routing;

namespace TincPure.Host.Linux;

/// <summary>A TAP interface: Ethernet frames come and go as they are (spec 07 §3.3).</summary>
internal sealed unsafe class TapDevice : IDevice
{
    private const int EthernetHeader = 14;

    /// <summary>The address of a host whose own the kernel does not tell (spec 07 §1.4).</summary>
    private const ulong UnknownAddress = 0xfefd_0000_0000;

    private int _descriptor;

    private TapDevice(string path, string interfaceName, int descriptor, ulong address)
    {
        Path = path;
        Interface = interfaceName;
        _descriptor = descriptor;
        EthernetAddress = address;
    }

    public string Path { get; }

    public string Interface { get; }

    public string Description => "Linux tun/tap device (tap mode)";

    public ulong? EthernetAddress { get; }

    public int Handle => _descriptor;

    /// <summary>Makes or attaches to the interface of this name; the kernel chooses one for an empty name.</summary>
    /// <exception cref="StartException">It cannot be opened or created.</exception>
    public static TapDevice Open(string path, string wantedName, bool oneQueue, Logger log)
    {
        var flags = (ushort)(TunTap.Tap | TunTap.NoPacketInformation | (oneQueue ? TunTap.OneQueue : 0));
        var descriptor = TunTap.Open(path, wantedName, [flags], out _, out var name);
        if (!TunTap.TryGetAddress(descriptor, out var address))
        {
            log.Warning("Could not get MAC address of " + path + ": " + ErrorText.OfErrno(Libc.LastError));
            address = UnknownAddress;
        }

        return new TapDevice(path, name, descriptor, address);
    }

    public DeviceRead Read(FrameBatch batch, out int errno)
    {
        while (!batch.IsFull)
        {
            var room = batch.Room;
            nint count;
            fixed (byte* first = room)
                count = Libc.Read(_descriptor, first, (nuint)room.Length);

            if (count <= 0)
            {
                errno = count == 0 ? Libc.EIO : Libc.LastError;
                if (errno == Libc.EINTR)
                    continue;
                if (errno == Libc.EAGAIN)
                    break;
                return errno == Libc.EBADFD ? DeviceRead.Gone : DeviceRead.Failed;
            }

            batch.Add((int)count);
        }

        errno = 0;
        return DeviceRead.Done;
    }

    public int Write(Outbox outbox)
    {
        var failure = 0;
        fixed (byte* arena = outbox.Arena)
        {
            foreach (ref readonly var entry in outbox.Entries)
            {
                // The kernel takes nothing shorter than a header.
                if (entry.Kind == EntryKind.Device
                    && entry.Length >= EthernetHeader
                    && Libc.Write(_descriptor, arena + entry.Offset, (nuint)entry.Length) < 0)
                {
                    failure = Libc.LastError;
                }
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
