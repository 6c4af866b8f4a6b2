using System.Net.Sockets;
using System.Text;
using TincPure.Host.Process;
using ControlProtocol = TincPure.Commands.Control;

namespace TincPure.Host.Control;

/// <summary>A connection with a running daemon (spec 06 §15). Text is byte text: one char per byte.</summary>
public sealed class ControlConnection : IDisposable
{
    /// <summary>A daemon that does not answer for so long does not answer at all.</summary>
    private const int PatienceMilliseconds = 5000;

    private readonly Socket _socket;
    private readonly Action<string> _say;
    private readonly byte[] _buffer = new byte[4096];
    private int _start, _end;

    private ControlConnection(Socket socket, int pid, Action<string> say)
    {
        _socket = socket;
        _say = say;
        Pid = pid;
    }

    /// <summary>The daemon's process id.</summary>
    public int Pid { get; private set; }

    /// <summary>
    /// Finds the daemon by its pid file and greets it. What goes wrong is said if `verbose`; a daemon that left its pid
    /// file behind is always mentioned. `pid` is what the pid file says, if it could be read.
    /// </summary>
    public static ControlConnection? Open(string pidFile, bool verbose, Action<string> say, out int? pid)
    {
        Action<string> complain = verbose ? say : _ => { };
        pid = null;
        if (ReadPidFile(pidFile, complain) is not { } daemon)
            return null;

        pid = daemon.Pid;
        if (!IsAlive(pidFile, daemon.Pid, say))
            return null;

        if (Connect(pidFile, daemon, say, complain) is not { } socket)
            return null;

        var connection = new ControlConnection(socket, daemon.Pid, say);
        if (connection.Greet(daemon.Cookie, complain))
            return connection;

        connection.Dispose();
        return null;
    }

    private static ControlProtocol.PidFile? ReadPidFile(string path, Action<string> complain)
    {
        try
        {
            var parsed = ControlProtocol.parsePidFile(Encoding.Latin1.GetString(File.ReadAllBytes(path)));
            if (parsed.IsSome)
                return parsed.Value;
            complain("Could not parse pid file " + path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            complain("Could not open pid file " + path + ": " + (path.Length == 0 ? "No such file or directory" : ErrorText.Of(e)));
        }

        return null;
    }

    /// <summary>A pid file without a process is cleaned up.</summary>
    private static bool IsAlive(string pidFile, int pid, Action<string> say)
    {
        if (OperatingSystem.IsWindows() || OtherProcess.Exists(pid))
            return true;

        say("Could not find tincd running at pid " + pid);
        try
        {
            File.Delete(pidFile);
            File.Delete(ControlProtocol.socketPath(pidFile));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not ours to clean up.
        }

        return false;
    }

    private static Socket? Connect(
        string pidFile, ControlProtocol.PidFile daemon, Action<string> say, Action<string> complain) =>
        OperatingSystem.IsWindows()
            ? ConnectByTcp(daemon, complain)
            : ConnectByUnix(ControlProtocol.socketPath(pidFile), say, complain);

    private static Socket? ConnectByUnix(string path, Action<string> say, Action<string> complain)
    {
        UnixDomainSocketEndPoint address;
        try
        {
            address = new UnixDomainSocketEndPoint(path);
        }
        catch (ArgumentOutOfRangeException)
        {
            say("UNIX socket filename " + path + " is too long!");
            return null;
        }

        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(address);
            return socket;
        }
        catch (SocketException e)
        {
            // .NET does not tell a missing file apart from an address that is not ours.
            var reason = File.Exists(path) ? ErrorText.Of(e) : "No such file or directory";
            complain("Cannot connect to UNIX socket " + path + ": " + reason);
            socket.Dispose();
            return null;
        }
    }

    private static Socket? ConnectByTcp(ControlProtocol.PidFile daemon, Action<string> complain)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(daemon.Host, int.TryParse(daemon.Port, out var port) ? port : 0);
            return socket;
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            complain("Cannot connect to " + daemon.Host + " port " + daemon.Port + ": " + ErrorText.Of(e));
            socket.Dispose();
            return null;
        }
    }

    private bool Greet(string cookie, Action<string> complain)
    {
        if (!Send(ControlProtocol.greeting(cookie)) || ReadLine() is not { } greeting
            || !ControlProtocol.isGreeting(greeting))
        {
            complain("Cannot read greeting from control socket: " + LastError);
            return false;
        }

        var accepted = ReadLine() is { } line ? ControlProtocol.parseAccepted(line) : default;
        if (accepted.IsNone)
        {
            complain("Could not fully establish control socket connection");
            return false;
        }

        Pid = accepted.Value;
        return true;
    }

    /// <summary>Why the last line or block did not come.</summary>
    private string LastError { get; set; } = "Protocol error";

    /// <summary>True if the daemon said something that was not asked for, or has gone.</summary>
    public bool IsSpoilt => _start < _end || _socket.Poll(0, SelectMode.SelectRead);

    /// <summary>Waits for so many milliseconds at most. True if the daemon has said something, or has gone.</summary>
    public bool HasInput(int milliseconds) =>
        _start < _end || _socket.Poll(TimeSpan.FromMilliseconds(Math.Max(0, Math.Min(milliseconds, 100))), SelectMode.SelectRead);

    /// <summary>False if the daemon has gone.</summary>
    public bool Send(string line)
    {
        try
        {
            _socket.Send(Encoding.Latin1.GetBytes(line + "\n"));
            return true;
        }
        catch (SocketException e)
        {
            LastError = ErrorText.Of(e);
            return false;
        }
    }

    /// <summary>The next line, or null if the daemon has gone or takes too long, which is said.</summary>
    public string? ReadLine(bool patiently = false)
    {
        var line = new StringBuilder();
        while (true)
        {
            var received = _buffer.AsSpan(_start, _end - _start);
            var newline = received.IndexOf((byte)'\n');
            line.Append(Encoding.Latin1.GetString(newline < 0 ? received : received[..newline]));
            _start += newline < 0 ? received.Length : newline + 1;
            if (newline >= 0)
                return line.ToString();
            if (!Fill(patiently))
                return null;
        }
    }

    /// <summary>The next `count` bytes, or null if the daemon has gone before.</summary>
    public byte[]? ReadBytes(int count)
    {
        var bytes = new byte[count];
        for (var have = 0; have < count;)
        {
            if (_start == _end && !Fill(patiently: true))
                return null;
            var more = Math.Min(count - have, _end - _start);
            _buffer.AsSpan(_start, more).CopyTo(bytes.AsSpan(have));
            _start += more;
            have += more;
        }

        return bytes;
    }

    private bool Fill(bool patiently)
    {
        try
        {
            _socket.ReceiveTimeout = patiently ? 0 : PatienceMilliseconds;
            (_start, _end) = (0, _socket.Receive(_buffer));
            LastError = "Connection reset by peer";
            return _end > 0;
        }
        catch (SocketException e)
        {
            LastError = ErrorText.Of(e);
            if (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
                _say("Timed out waiting for the server to reply.");
            return false;
        }
    }

    public void Dispose() => _socket.Dispose();
}
