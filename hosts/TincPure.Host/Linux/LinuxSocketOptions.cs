using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text;

namespace TincPure.Host.Linux;

/// <summary>Socket options that .NET has no names for.</summary>
[SupportedOSPlatform("linux")]
internal static class LinuxSocketOptions
{
    private const int SOL_SOCKET = 1, SO_BINDTODEVICE = 25, SO_MARK = 36;
    private const int IPPROTO_IP = 0, IP_MTU_DISCOVER = 10, IP_MTU = 14;
    private const int IPPROTO_IPV6 = 41, IPV6_MTU_DISCOVER = 23, IPV6_MTU = 24, IPV6_TCLASS = 67;

    /// <summary>The same number for both families.</summary>
    private const int PMTUDISC_DO = 2;

    /// <summary>The traffic class of everything that an IPv6 socket sends; left as it is where that is not allowed.</summary>
    public static void TrySetTrafficClass(Socket socket, int value) => TrySet(socket, IPPROTO_IPV6, IPV6_TCLASS, value);

    /// <summary>The mark of everything that a socket sends; left as it is without the right to set it.</summary>
    public static void TrySetMark(Socket socket, int value) => TrySet(socket, SOL_SOCKET, SO_MARK, value);

    /// <summary>Ties a socket to an interface: 0, or the error number, which .NET's own exception would not know.</summary>
    public static unsafe int BindToInterface(Socket socket, string name)
    {
        var bytes = Encoding.UTF8.GetBytes(name + "\0");
        fixed (byte* first = bytes)
        {
            var result = Libc.SetSocketOption(
                (int)socket.Handle, SOL_SOCKET, SO_BINDTODEVICE, first, (uint)bytes.Length);
            return result < 0 ? Libc.LastError : 0;
        }
    }

    /// <summary>Every datagram carries "don't fragment"; what is too long for the path is refused.</summary>
    public static void DiscoverPathMtu(Socket socket)
    {
        if (socket.AddressFamily == AddressFamily.InterNetwork)
            Set(socket, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO);
        else
            Set(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DO);
    }

    /// <summary>The path MTU that the kernel knows for the peer of a connected socket.</summary>
    public static int PathMtu(Socket socket) =>
        socket.AddressFamily == AddressFamily.InterNetwork
            ? Get(socket, IPPROTO_IP, IP_MTU)
            : Get(socket, IPPROTO_IPV6, IPV6_MTU);

    private static void Set(Socket socket, int level, int option, int value) =>
        socket.SetRawSocketOption(level, option, BitConverter.GetBytes(value));

    private static void TrySet(Socket socket, int level, int option, int value)
    {
        try
        {
            Set(socket, level, option, value);
        }
        catch (SocketException)
        {
            // The socket works all the same.
        }
    }

    private static int Get(Socket socket, int level, int option)
    {
        Span<byte> value = stackalloc byte[sizeof(int)];
        socket.GetRawSocketOption(level, option, value);
        return BitConverter.ToInt32(value);
    }
}
