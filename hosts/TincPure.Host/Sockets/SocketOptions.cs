using System.Net.Sockets;
using TincPure.Host.Linux;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Primitives;

namespace TincPure.Host.Sockets;

/// <summary>Options of each kind of socket (spec 02 §18.3).</summary>
internal static class SocketOptions
{
    private const int LowDelay = 0x10;

    /// <summary>Options of an open or opening meta connection. None of them is worth losing the connection for.</summary>
    public static void SetMeta(Socket socket, SocketSettings settings)
    {
        Try(() => socket.NoDelay = true);
        if (socket.AddressFamily == AddressFamily.InterNetwork)
            Try(() => socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.TypeOfService, LowDelay));
        else if (OperatingSystem.IsLinux())
            LinuxSocketOptions.TrySetTrafficClass(socket, LowDelay);
        SetMark(socket, settings);
    }

    /// <summary>The mark of everything that goes out by the socket, and by what a listening socket accepts.</summary>
    public static void SetMark(Socket socket, SocketSettings settings)
    {
        if (settings.Mark != 0 && OperatingSystem.IsLinux())
            LinuxSocketOptions.TrySetMark(socket, settings.Mark);
    }

    /// <summary>Ties a socket to the configured interface; false, after a log line, if that cannot be.</summary>
    public static bool BindToInterface(Socket socket, SocketSettings settings, Logger log)
    {
        if (settings.Interface is not { } name)
            return true;

        if (!OperatingSystem.IsLinux())
        {
            log.Warning("BindToInterface not supported on this platform");
            return true;
        }

        var errno = LinuxSocketOptions.BindToInterface(socket, name);
        if (errno == 0)
            return true;
        log.Error("Can't bind to interface " + name + ": " + ErrorText.OfErrno(errno));
        return false;
    }

    public static void SetDatagram(Socket socket, SocketSettings settings, Logger log)
    {
        Try(() => socket.EnableBroadcast = true);
        SetBuffer("SO_RCVBUF", settings.ReceiveBuffer, settings.ReceiveBufferConfigured, log,
            size => socket.ReceiveBufferSize = size, () => socket.ReceiveBufferSize);
        SetBuffer("SO_SNDBUF", settings.SendBuffer, settings.SendBufferConfigured, log,
            size => socket.SendBufferSize = size, () => socket.SendBufferSize);

        if (settings.DontFragment)
            Try(() => SetDontFragment(socket));
    }

    private static void SetDontFragment(Socket socket)
    {
        if (OperatingSystem.IsLinux())
            LinuxSocketOptions.DiscoverPathMtu(socket);
        else if (socket.AddressFamily == AddressFamily.InterNetwork)
            socket.DontFragment = true;
    }

    private static void SetBuffer(
        string name, int size, bool configured, Logger log, Action<int> set, Func<int> get)
    {
        if (size == 0)
            return;

        try
        {
            set(size);
            var given = get();
            if (configured && given < size)
                log.Warning("Can't set UDP " + name + " to " + size + ", the system set it to " + given + " instead");
        }
        catch (SocketException e)
        {
            log.Warning("Can't set UDP " + name + " to " + size + ": " + ErrorText.Of(e));
        }
    }

    /// <summary>Sets an option that a socket can do without.</summary>
    private static void Try(Action set)
    {
        try
        {
            set();
        }
        catch (SocketException)
        {
            // The system does not have it: the socket works all the same.
        }
    }
}
