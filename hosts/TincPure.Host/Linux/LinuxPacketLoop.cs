using System.Net.Sockets;
using TincPure.Host.Devices;
using TincPure.Host.Engine;
using TincPure.Host.Logs;
using TincPure.Primitives;
using TincPure.Routing;

namespace TincPure.Host.Linux;

/// <summary>A packet thread on Linux: one epoll wait for the device or all UDP sockets, or both, and for other threads.</summary>
internal sealed unsafe class LinuxPacketLoop : PacketLoop
{
    /// <summary>Tags of the epoll set; sockets have their numbers.</summary>
    private const int CommandsTag = -1, DeviceTag = -2;

    private readonly EpollSet _ready = new();
    private readonly int[] _tags = new int[16];
    private readonly int _commands = Libc.EventDescriptor(0, Libc.EFD_NONBLOCK | Libc.EFD_CLOEXEC);
    private readonly int[] _sockets;
    private readonly DatagramReader? _reader;
    private readonly DatagramWriter _writer = new() { JoinsRuns = true };

    /// <summary>For the datagrams of a run that the kernel did not take as one message.</summary>
    private readonly DatagramWriter _pieces = new();
    private Instant _lastDatagram = InstantModule.never;
    private bool _deviceWatched;
    private bool _sendsRuns;

    public LinuxPacketLoop(
        IForwarder forwarder, IDevice device, IEnumerable<Socket> sockets, InputQueue inputs, Clock clock, Logger log)
        : base(forwarder, device, inputs, clock, log)
    {
        _sockets = [.. sockets.Select(socket => (int)socket.Handle)];
        _ready.Add(_commands, CommandsTag);
        for (var i = 0; i < _sockets.Length; i++)
            _writer.JoinsRuns &= DatagramWriter.CanJoin(_sockets[i]);
        if (ReadsSockets)
        {
            _reader = new DatagramReader();
            for (var i = 0; i < _sockets.Length; i++)
            {
                _ready.Add(_sockets[i], i);
                DatagramReader.AskForGluing(_sockets[i]);
            }
        }

        _sendsRuns = _writer.JoinsRuns;
    }

    /// <summary>Runs of datagrams still go as one message: no kernel or device on the way has refused.</summary>
    internal bool SendsRuns => Volatile.Read(ref _sendsRuns);

    protected override void Run()
    {
        while (!IsStopping)
            Turn();
    }

    private void Turn()
    {
        var count = _ready.Wait(_tags, WatchDevice());
        for (var i = 0; i < count; i++)
        {
            switch (_tags[i])
            {
                case CommandsTag:
                    ulong wakeUps;
                    SystemCall.Read(_commands, &wakeUps, sizeof(ulong));
                    ApplyCommands();
                    break;
                case DeviceTag:
                    ReadDevice();
                    break;
                case var socket:
                    ReceiveFrom(socket, _reader!);
                    break;
            }
        }
    }

    /// <summary>Watches the device except while it is paused; the milliseconds until the pause ends.</summary>
    private int WatchDevice()
    {
        if ((_deviceWatched && DevicePausedUntil == default) || !ReadsDevice || Device.Handle < 0)
            return Timeout.Infinite;

        var pause = DevicePausedUntil - DateTime.UtcNow;
        var watch = pause <= TimeSpan.Zero;
        if (watch != _deviceWatched)
        {
            if (watch)
                _ready.Add(Device.Handle, DeviceTag);
            else
                _ready.Remove(Device.Handle);
            _deviceWatched = watch;
        }

        return watch || DevicePausedUntil == DateTime.MaxValue
            ? Timeout.Infinite
            : (int)pause.TotalMilliseconds + 1;
    }

    private void ReceiveFrom(int socket, DatagramReader reader)
    {
        var now = Now();
        var count = reader.Receive(_sockets[socket], IsAlone(now, ref _lastDatagram) ? 1 : DatagramReader.MaxMessages);
        if (count < 0 && -count is not (Libc.EAGAIN or Libc.EINTR))
            Complain(DebugLevel.always, Priority.Error, "Receiving packet failed", -count);

        for (var i = 0; i < count; i++)
        {
            if (reader.TryGet(i, out var source, out var datagrams, out var size) is { } fault)
            {
                Dropped(fault);
                continue;
            }

            do
            {
                var length = Math.Min(size, datagrams.Length);
                Received(socket, source, datagrams[..length], now);
                datagrams = datagrams[length..];
            }
            while (!datagrams.IsEmpty);
        }

        Flush();
    }

    protected override void SendDatagrams()
    {
        var entries = Outbox.Entries;
        var socket = -1;
        _writer.Clear();
        fixed (byte* arena = Outbox.Arena)
        {
            for (var i = 0; i < entries.Length; i++)
            {
                ref readonly var entry = ref entries[i];
                if (entry.Kind != EntryKind.Datagram || (uint)entry.Socket >= (uint)_sockets.Length)
                    continue;

                if (entry.Socket == socket && _writer.TryJoin(i, entries))
                    continue;
                if (entry.Socket != socket || _writer.IsFull)
                    SendGathered(_writer, socket, arena);
                socket = entry.Socket;
                _writer.Add(i, entry, arena);
            }

            SendGathered(_writer, socket, arena);
        }
    }

    private void SendGathered(DatagramWriter writer, int socket, byte* arena)
    {
        for (var i = 0; i < writer.Count;)
        {
            var sent = writer.Send(_sockets[socket], i);
            if (sent > 0)
                i += sent;
            else if (-sent != Libc.EINTR)
                SendFailed(writer.EntriesOf(i++), socket, arena, -sent);
        }

        writer.Clear();
    }

    private void SendFailed((int First, int Count) run, int socket, byte* arena, int errno)
    {
        if (run.Count == 1)
        {
            SendFailed(Outbox.Entries[run.First], errno);
        }
        else if (errno is Libc.EMSGSIZE or Libc.EINVAL or Libc.EIO)
        {
            // One by one they may go: the kernel cuts no message for some devices, and never one whose pieces the path
            // refuses (spec 07 §15.5).
            if (errno != Libc.EMSGSIZE)
                Volatile.Write(ref _sendsRuns, _writer.JoinsRuns = false);
            for (var i = run.First; i < run.First + run.Count; i++)
                _pieces.Add(i, Outbox.Entries[i], arena);
            SendGathered(_pieces, socket, arena);
        }
        else
        {
            SendFailed(Outbox.Entries[run.First], errno);
        }
    }

    private void SendFailed(in OutboxEntry entry, int errno)
    {
        switch (errno)
        {
            case Libc.EMSGSIZE:
                ReportTooLong(entry);
                break;
            case Libc.EAGAIN:
                // The socket's buffer is full: lost, as on any full queue.
                break;
            default:
                Complain(
                    DebugLevel.traffic, Priority.Warning, "Error sending to " + EndpointModule.toText(entry.Target), errno);
                break;
        }
    }

    protected override void Wake()
    {
        ulong one = 1;
        SystemCall.Write(_commands, &one, sizeof(ulong));
    }

    public override void Dispose()
    {
        base.Dispose();
        _ready.Dispose();
        Libc.Close(_commands);
    }
}
