using System.Runtime.InteropServices;
using System.Text;
using TincPure.Host.Process;

namespace TincPure.Host.Linux;

/// <summary>How TUN and TAP interfaces of Linux are made or attached to (spec 07 §3.1).</summary>
internal static unsafe class TunTap
{
    public const string DefaultPath = "/dev/net/tun";

    public const ushort Tun = 0x0001, Tap = 0x0002, NoPacketInformation = 0x1000, OneQueue = 0x2000, Offload = 0x4000;

    private const int MaxInterfaceName = 15;
    private const int RequestSize = 40, FlagsOffset = 16, AddressOffset = 18;
    private const nuint GetHardwareAddress = 0x8927;

    /// <summary>TUNSETIFF and TUNSETOFFLOAD: an int to write, whose direction bits differ on ppc64le.</summary>
    private static nuint SetInterface => Direction | 0x454CA;

    public static nuint SetOffload => Direction | 0x454D0;

    private static nuint Direction =>
        RuntimeInformation.ProcessArchitecture == Architecture.Ppc64le ? 0x80000000 : 0x40000000;

    /// <summary>
    /// Makes or attaches to the interface of this name; the kernel chooses one for an empty name. The first of the wishes
    /// that the kernel grants counts.
    /// </summary>
    /// <exception cref="StartException">It cannot be opened or created.</exception>
    public static int Open(
        string path, string wantedName, ReadOnlySpan<ushort> wishes, out ushort granted, out string givenName)
    {
        var descriptor = Libc.Open(path, Libc.O_RDWR | Libc.O_NONBLOCK | Libc.O_CLOEXEC);
        if (descriptor < 0)
            throw new StartException("Could not open " + path + ": " + ErrorText.OfErrno(Libc.LastError))
            {
                Variable = "Device",
                Allowed = DefaultPath + ", or no line at all",
            };

        Span<byte> request = stackalloc byte[RequestSize];
        request.Clear();
        var name = Encoding.UTF8.GetBytes(wantedName);
        name.AsSpan(0, Math.Min(name.Length, MaxInterfaceName)).CopyTo(request);
        foreach (var wish in wishes)
        {
            BitConverter.TryWriteBytes(request[FlagsOffset..], wish);
            if (!TryControl(descriptor, SetInterface, request))
                continue;

            var given = request[..(MaxInterfaceName + 1)];
            var length = given.IndexOf((byte)0);
            givenName = Encoding.UTF8.GetString(given[..(length < 0 ? MaxInterfaceName : length)]);
            granted = wish;
            return descriptor;
        }

        var reason = ErrorText.OfErrno(Libc.LastError);
        Libc.Close(descriptor);
        throw new StartException("Could not create a tun/tap interface from " + path + ": " + reason);
    }

    /// <summary>The hardware address of a TAP interface, 48 bits; false, with the last error, if the kernel does not tell.</summary>
    public static bool TryGetAddress(int descriptor, out ulong address)
    {
        Span<byte> request = stackalloc byte[RequestSize];
        request.Clear();
        address = 0;
        if (!TryControl(descriptor, GetHardwareAddress, request))
            return false;

        foreach (var part in request.Slice(AddressOffset, 6))
            address = (address << 8) | part;
        return true;
    }

    private static bool TryControl(int descriptor, nuint command, Span<byte> request)
    {
        fixed (byte* first = request)
            return Libc.Ioctl(descriptor, command, first) >= 0;
    }
}
