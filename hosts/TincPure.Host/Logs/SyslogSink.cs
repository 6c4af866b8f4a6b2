using System.Net.Sockets;
using System.Text;
using TincPure.Primitives;

namespace TincPure.Host.Logs;

/// <summary>The local syslog daemon; the console if there is none.</summary>
internal sealed class SyslogSink(string identity) : ILogSink
{
    private const string SocketPath = "/dev/log";
    private const string ConsolePath = "/dev/console";

    private Socket? _socket;

    public void Write(DateTime time, Priority priority, string message)
    {
        var line = LogFormat.Syslog(time, priority, identity, Environment.ProcessId, message);

        // A restarted syslog daemon has a new socket: one more attempt with a fresh connection.
        if (!TrySend(line) && !TrySend(line))
            WriteConsole(identity + "[" + Environment.ProcessId + "]: " + message);
    }

    private bool TrySend(string line)
    {
        try
        {
            if (_socket is null)
            {
                _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
                _socket.Connect(new UnixDomainSocketEndPoint(SocketPath));
            }

            _socket.Send(Encoding.UTF8.GetBytes(line));
            return true;
        }
        catch (SocketException)
        {
            _socket?.Dispose();
            _socket = null;
            return false;
        }
    }

    private static void WriteConsole(string line)
    {
        try
        {
            File.AppendAllText(ConsolePath, line + "\r\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No console either.
        }
    }

    public void Dispose() => _socket?.Dispose();
}
