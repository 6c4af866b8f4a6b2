using System.Net.Sockets;
using System.Text;
using TincPure.Host.Process;

namespace TincPure.Host.Sockets;

/// <summary>The UNIX socket on which control programs are served (spec 05 §2.5). Its file goes when it is disposed.</summary>
internal sealed class ControlSocket : IDisposable
{
    /// <summary>Room in sockaddr_un, without the final zero.</summary>
    private const int MaxPathLength = 107;

    private const int Backlog = 3;

    private readonly string _path;

    private ControlSocket(string path, Socket socket)
    {
        _path = path;
        Socket = socket;
    }

    public Socket Socket { get; }

    /// <summary>A socket file that nobody serves any more is replaced.</summary>
    /// <exception cref="StartException">In use, or it cannot be made.</exception>
    public static ControlSocket Open(string path)
    {
        if (Encoding.UTF8.GetByteCount(path) > MaxPathLength)
            throw new StartException("UNIX socket filename " + path + " is too long!");
        RefuseIfServed(path);

        var socket = Create();
        try
        {
            File.Delete(path);
            socket.Bind(new UnixDomainSocketEndPoint(path));
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw new StartException("Could not bind UNIX socket to " + path + ": " + ErrorText.Of(e));
        }

        try
        {
            // Until it listens nobody can connect.
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            socket.Listen(Backlog);
            return new ControlSocket(path, socket);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw new StartException("Could not listen on UNIX socket " + path + ": " + ErrorText.Of(e));
        }
    }

    /// <exception cref="StartException">Another daemon serves this socket.</exception>
    public static void RefuseIfServed(string path)
    {
        if (IsServed(path))
            throw new StartException("UNIX socket " + path + " is still in use!");
    }

    private static Socket Create()
    {
        try
        {
            return new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        }
        catch (SocketException e)
        {
            throw new StartException("Could not create UNIX socket: " + ErrorText.Of(e));
        }
    }

    private static bool IsServed(string path)
    {
        try
        {
            using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            probe.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            // Nobody listens, or the path is longer than any that could be listened on.
            return false;
        }
    }

    public void Dispose()
    {
        Socket.Dispose();
        try
        {
            File.Delete(_path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Privileges were dropped: the next start replaces it.
        }
    }
}
