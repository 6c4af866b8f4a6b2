using System.Collections.Concurrent;
using TincPure.Host.Devices;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Primitives;
using TincPure.Routing;

namespace TincPure.Host.Engine;

/// <summary>
/// A thread that owns the packet plane, or a half of it. Each turn takes what is there from one source, a batch at most, and writes out
/// what came of it. How to wait for sources and how to move datagrams is the platform's.
/// </summary>
internal abstract class PacketLoop : IDisposable
{
    /// <summary>Failed reads of the device in a row that end the daemon (spec 07 §1.3).</summary>
    private const int MaxDeviceErrors = 10;

    /// <summary>Microseconds without a packet after which the next one is not kept waiting for a look at whether there are more.</summary>
    private const long Quiet = 200;

    private static readonly TimeSpan DevicePause = TimeSpan.FromMilliseconds(50);

    private readonly ConcurrentQueue<PacketCommand> _commands = new();
    private readonly FrameBatch _frames = new();
    private readonly IFrameWriter _writer;
    private readonly FramePassage _passage = new();
    private readonly IForwarder _forwarder;
    private readonly Clock _clock;
    private readonly Logger _log;
    private readonly RateLimit _complaints = new(perSecond: 5);
    private readonly Thread _thread;
    private Instant _lastFrame = InstantModule.never;
    private int _deviceErrors;
    private int _woken;
    private volatile bool _stopping;

    protected PacketLoop(IForwarder forwarder, IDevice device, InputQueue inputs, Clock clock, Logger log)
    {
        _forwarder = forwarder;
        ReadsDevice = !forwarder.Duty.IsReceiving;
        ReadsSockets = !forwarder.Duty.IsSending;
        Device = device;
        _writer = device.NewWriter();
        Inputs = inputs;
        _clock = clock;
        _log = log;
        _thread = new Thread(Run) { Name = "packets " + forwarder.Duty, IsBackground = true };
    }

    /// <summary>The other half, if there is one. It is told before the start.</summary>
    public PacketLoop? Other { get; set; }

    protected IDevice Device { get; }

    protected bool ReadsDevice { get; }

    protected bool ReadsSockets { get; }

    protected InputQueue Inputs { get; }

    protected Outbox Outbox { get; } = new();

    /// <summary>The device is not read before this moment; the far future when it is gone.</summary>
    protected DateTime DevicePausedUntil { get; private set; }

    public void Start() => _thread.Start();

    /// <summary>Is this command for this thread, and not only for the other half?</summary>
    public bool Takes(PacketCommand command) => _forwarder.Takes(command);

    /// <summary>Carried out between packets, in order.</summary>
    public void Post(PacketCommand command)
    {
        _commands.Enqueue(command);
        WakeOnce();
    }

    private void WakeOnce()
    {
        if (Interlocked.Exchange(ref _woken, 1) == 0)
            Wake();
    }

    protected bool IsStopping => _stopping;

    /// <summary>Waits for something to do and does it, time after time, until it is to stop.</summary>
    protected abstract void Run();

    /// <summary>Ends the wait of the packet thread. Called by other threads.</summary>
    protected abstract void Wake();

    /// <summary>Sends the datagrams among the entries of the outbox, in order; reports those that the path refuses.</summary>
    protected abstract void SendDatagrams();

    protected void ApplyCommands()
    {
        Volatile.Write(ref _woken, 0);
        var now = _clock.Now();
        while (_commands.TryDequeue(out var command))
        {
            _forwarder.Apply(command, now, Outbox);
            if (!Outbox.HasRoom)
                Flush();
        }

        var passed = _passage.Take();
        for (var i = 0; i < passed.Count; i++)
        {
            _forwarder.Bring(passed.Node(i), passed[i], passed.Priority(i), now, Outbox);
            if (!Outbox.HasRoom)
                Flush();
        }

        Flush();
    }

    /// <summary>Leaves to the other half what is its.</summary>
    private void HandOver()
    {
        if (Other is not { } other)
            return;

        foreach (var command in Outbox.Commands)
            other.Post(command);
        if (other._passage.Add(Outbox))
            other.WakeOnce();
    }

    protected void ReadDevice()
    {
        var now = _clock.Now();
        _frames.Clear(IsAlone(now, ref _lastFrame) ? 1 : FrameBatch.MaxFrames);
        var result = Device.Read(_frames, out var errno);
        for (var i = 0; i < _frames.Count; i++)
        {
            _forwarder.FromDevice(_frames[i], _frames.OffloadOf(i), now, Outbox);
            if (!Outbox.HasRoom)
                Flush();
        }

        Flush();
        if (result == DeviceRead.Done)
            _deviceErrors = 0;
        else
            DeviceFailed(result, errno);
    }

    private void DeviceFailed(DeviceRead result, int errno)
    {
        _log.Error(
            "Error while reading from " + Device.Description + " " + Device.Path + ": " + ErrorText.OfErrno(errno));
        DevicePausedUntil = DateTime.UtcNow + DevicePause * _deviceErrors;
        _deviceErrors++;
        if (result == DeviceRead.Failed && _deviceErrors <= MaxDeviceErrors)
            return;

        if (result == DeviceRead.Failed)
            _log.Error("Too many errors from " + Device.Path + ", exiting!");
        DevicePausedUntil = DateTime.MaxValue;
        Inputs.Post(Node.Input.DeviceLost);
    }

    /// <summary>Nothing came for a while before what comes now.</summary>
    protected static bool IsAlone(Instant now, ref Instant last)
    {
        var pause = now.Microseconds - last.Microseconds;
        last = now;
        return pause > Quiet;
    }

    /// <summary>One turn's moment, for all datagrams of a batch.</summary>
    protected Instant Now() => _clock.Now();

    protected void Received(int socket, Endpoint source, Span<byte> datagram, Instant now)
    {
        _forwarder.FromSocket(socket, source, datagram, now, Outbox);
        if (!Outbox.HasRoom)
            Flush();
    }

    /// <summary>Something that came from a socket was let go.</summary>
    protected void Dropped(DropCause cause) => _forwarder.Dropped(cause);

    /// <summary>Writes out everything in the outbox and empties it.</summary>
    protected void Flush()
    {
        if (Outbox.IsEmpty)
            return;

        SendDatagrams();
        var errno = _writer.Write(Outbox);
        if (errno != 0)
            Complain(
                DebugLevel.always, Priority.Error, "Can't write to " + Device.Description + " " + Device.Path, errno);
        foreach (var punt in Outbox.Punts)
            Inputs.Post(punt);
        HandOver();
        Outbox.Reset();
    }

    /// <summary>The path refuses a datagram of this size.</summary>
    protected void ReportTooLong(in OutboxEntry entry)
    {
        if (entry.Peer >= 0)
            Outbox.Punt(Punt.NewPathTooSmall(entry.Peer, entry.Payload));
    }

    /// <summary>A log line about a packet; of too many in a short time only some are written.</summary>
    protected void Complain(int level, Priority priority, string what, int errno)
    {
        if (level <= _log.Level && _complaints.Allows())
            _log.Write(level, priority, what + ": " + ErrorText.OfErrno(errno));
    }

    /// <summary>Ends the thread. It can still be woken.</summary>
    public void Stop()
    {
        _stopping = true;
        Wake();
        if (_thread.IsAlive)
            _thread.Join();
    }

    public virtual void Dispose() => Stop();
}
