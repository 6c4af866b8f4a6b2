using System.Globalization;
using System.Net.Sockets;
using System.Text;
using TincPure.Host.Logs;

namespace TincPure.Host.Process;

/// <summary>
/// systemd, if that started us (spec 05 §2.10, spec 02 §18.2): told when the daemon is ready and when it ends, and again and
/// again that it is alive. The beats are the control thread's, so that one that hangs is missed.
/// </summary>
internal sealed class ServiceManager : IDisposable
{
    private static readonly TimeSpan ShortPeriod = TimeSpan.FromSeconds(2);

    private readonly Socket? _socket;
    private readonly TimeSpan _period;
    private DateTime _nextBeat = DateTime.MaxValue;

    private ServiceManager(Socket? socket, TimeSpan period) => (_socket, _period) = (socket, period);

    /// <summary>As the environment says; scripts do not get to see it.</summary>
    public static ServiceManager FromEnvironment(Logger log)
    {
        var address = Take("NOTIFY_SOCKET");
        var period = Period(Take("WATCHDOG_USEC"), Take("WATCHDOG_PID"));
        if (string.IsNullOrEmpty(address) || OperatingSystem.IsWindows())
            return new ServiceManager(null, TimeSpan.Zero);

        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            // @ stands for the NUL with which names begin that are no files.
            socket.Connect(new UnixDomainSocketEndPoint(address[0] == '@' ? "\0" + address[1..] : address));
            return new ServiceManager(socket, period);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            log.Warning("Cannot tell the service manager that tincd runs: " + ErrorText.Of(e));
            socket.Dispose();
            return new ServiceManager(null, TimeSpan.Zero);
        }
    }

    /// <summary>Listening sockets that we were started with are the descriptors from 3 on: so many; 0 if there are none.</summary>
    public static int TakeListenCount() =>
        int.TryParse(Take("LISTEN_FDS"), NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : 0;

    /// <summary>The sockets are meant for this process, which then does not detach.</summary>
    public static bool TakeListenProcess() =>
        int.TryParse(Take("LISTEN_PID"), NumberStyles.None, CultureInfo.InvariantCulture, out var process)
        && process == Environment.ProcessId;

    /// <summary>For this process when it executes another program.</summary>
    public static void PutBackListenProcess() =>
        Environment.SetEnvironmentVariable("LISTEN_PID", Environment.ProcessId.ToString(CultureInfo.InvariantCulture));

    private static TimeSpan Period(string? microseconds, string? process)
    {
        var isOurs = process is null || process == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        return isOurs && long.TryParse(microseconds, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? TimeSpan.FromMicroseconds(value)
            : TimeSpan.Zero;
    }

    private static string? Take(string variable)
    {
        var value = Environment.GetEnvironmentVariable(variable);
        Environment.SetEnvironmentVariable(variable, null);
        return value;
    }

    public void Ready(Logger log)
    {
        if (_socket is null)
            return;

        Send("READY=1");
        if (_period == TimeSpan.Zero)
        {
            log.Info("Watchdog is disabled");
            return;
        }

        if (_period < ShortPeriod)
            log.Warning("Consider using a higher watchdog timeout. Spurious failures may occur.");
        log.Info("Watchdog started");
        _nextBeat = DateTime.MinValue;
    }

    public void Stopping()
    {
        _nextBeat = DateTime.MaxValue;
        Send("STOPPING=1");
    }

    /// <summary>Says that we are alive, if it is time. Milliseconds until it is time again; -1 for never.</summary>
    public int Beat()
    {
        if (_nextBeat == DateTime.MaxValue)
            return Timeout.Infinite;

        var now = DateTime.UtcNow;
        if (now >= _nextBeat)
        {
            Send("WATCHDOG=1");
            _nextBeat = now + _period / 2;
        }

        return (int)Math.Min((_nextBeat - now).TotalMilliseconds, _period.TotalMilliseconds) + 1;
    }

    private void Send(string state)
    {
        try
        {
            _socket?.Send(Encoding.ASCII.GetBytes(state));
        }
        catch (SocketException)
        {
            // The service manager is gone: nobody to tell.
        }
    }

    public void Dispose() => _socket?.Dispose();
}
