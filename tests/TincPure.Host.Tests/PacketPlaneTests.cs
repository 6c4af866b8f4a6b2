using System.Net;
using System.Net.Sockets;
using TincPure.Host.Devices;
using TincPure.Host.Engine;
using TincPure.Host.Linux;
using TincPure.Host.Logs;
using TincPure.Host.Sockets;
using TincPure.Packet;
using TincPure.Primitives;
using TincPure.Routing;

namespace TincPure.Host.Tests;

/// <summary>The end of a packet plane of two halves, which wake each other by what they close.</summary>
public sealed class PacketPlaneTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Logger _log = new(new RecordingSink(), DebugLevel.traffic);

    public void Dispose() => _log.Dispose();

    /// <summary>
    /// Leaves something to the other half for whatever it gets: the command again until its number is 0, and every datagram as a
    /// frame, which goes back to where the datagram came from.
    /// </summary>
    private sealed class Half(Duty duty) : IForwarder
    {
        private Endpoint _from;
        private int _brought;
        private int _pause;

        public Duty Duty => duty;

        /// <summary>Frames that the other half has left to this one.</summary>
        public int Brought => Volatile.Read(ref _brought);

        public bool Takes(PacketCommand command) => true;

        /// <summary>Is slow about the next datagram.</summary>
        public void Pause() => Volatile.Write(ref _pause, 1);

        public void Apply(PacketCommand command, Instant now, Outbox outbox)
        {
            if (command is PacketCommand.ReportTraffic { token: > 0 } report)
                outbox.Tell(PacketCommand.NewReportTraffic(report.token - 1));
            if (command is PacketCommand.SendProbe probe)
                _from = probe.target;
        }

        public void FromDevice(Span<byte> frame, in Offload offload, Instant now, Outbox outbox) { }

        public void Bring(int node, Span<byte> frame, byte priority, Instant now, Outbox outbox)
        {
            Volatile.Write(ref _brought, _brought + 1);
            frame.CopyTo(outbox.Reserve(frame.Length));
            outbox.AddDatagram(frame.Length, 0, 0, _from, node, frame.Length);
        }

        public void Dropped(DropCause cause) { }

        public void FromSocket(int socket, Endpoint source, Span<byte> datagram, Instant now, Outbox outbox)
        {
            if (Interlocked.Exchange(ref _pause, 0) == 1)
                Thread.Sleep(2);
            datagram.CopyTo(outbox.Reserve(datagram.Length));
            outbox.AddPassed(datagram.Length, 0, 1);
        }
    }

    /// <summary>A thread that does nothing while it is held, and knows whether it was woken by what it had closed.</summary>
    private sealed class HeldLoop(IForwarder forwarder, Logger log)
        : PacketLoop(forwarder, new DummyDevice(), new InputQueue(), new Clock(), log)
    {
        private readonly SemaphoreSlim _wakes = new(0);
        private readonly ManualResetEventSlim _free = new();
        private volatile bool _isClosed;
        private int _woken;

        public int Woken => Volatile.Read(ref _woken);

        public bool WasWokenWhenClosed { get; private set; }

        public void Release() => _free.Set();

        protected override void Run()
        {
            while (!IsStopping)
            {
                _wakes.Wait();
                _free.Wait();
                ApplyCommands();
            }
        }

        protected override void Wake()
        {
            WasWokenWhenClosed |= _isClosed;
            Interlocked.Increment(ref _woken);
            _wakes.Release();
        }

        protected override void SendDatagrams() { }

        public override void Dispose()
        {
            base.Dispose();
            _isClosed = true;
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_half_closes_nothing_while_the_other_may_still_wake_it(bool isSending)
    {
        HeldLoop sending = new(new Half(Duty.Sending), _log), receiving = new(new Half(Duty.Receiving), _log);
        var (busy, other) = isSending ? (sending, receiving) : (receiving, sending);
        var plane = PacketPlane.OfHalves(sending, receiving);
        other.Release();
        plane.Start();

        // One is busy with a command that it will leave to the other, and learns only behind it that it is to end.
        busy.Post(PacketCommand.NewReportTraffic(1));
        Assert.Equal(1, busy.Woken);
        var disposing = Task.Run(plane.Dispose);
        Assert.True(SpinWait.SpinUntil(() => busy.Woken == 2, Patience));
        busy.Release();
        await disposing.WaitAsync(Patience);

        Assert.True(other.Woken > 0);
        Assert.False(sending.WasWokenWhenClosed);
        Assert.False(receiving.WasWokenWhenClosed);
    }

    /// <summary>
    /// Opens descriptors as fast as it can, so that it has those that others have just closed, until it is told to stop. How many of
    /// them somebody has written to?
    /// </summary>
    private static unsafe int WritesToOthers(CancellationToken stop)
    {
        const int many = 16;
        var writes = 0;
        Span<int> descriptors = stackalloc int[many];
        while (!stop.IsCancellationRequested)
        {
            foreach (ref var descriptor in descriptors)
                descriptor = Libc.EventDescriptor(0, Libc.EFD_NONBLOCK | Libc.EFD_CLOEXEC);
            Thread.Yield();
            foreach (var descriptor in descriptors)
            {
                ulong count;
                if (SystemCall.Read(descriptor, &count, sizeof(ulong)) > 0)
                    writes++;
                Libc.Close(descriptor);
            }
        }

        return writes;
    }

    [Fact]
    public async Task Under_traffic_and_commands_a_plane_ends_again_and_again_without_a_write_to_what_is_closed()
    {
        if (!OperatingSystem.IsLinux())
            return;

        using var socket = Udp();
        using var peer = Udp();
        using var stop = new CancellationTokenSource();
        var traffic = Task.Factory.StartNew(() => Send(peer, socket.LocalEndPoint!, stop.Token), TaskCreationOptions.LongRunning);
        var watch = Task.Factory.StartNew(() => WritesToOthers(stop.Token), TaskCreationOptions.LongRunning);
        var back = PacketCommand.NewSendProbe(1, Endpoints.FromSocket(peer.LocalEndPoint), 0, []);
        try
        {
            for (var round = 0; round < 60; round++)
            {
                Half sends = new(Duty.Sending), receives = new(Duty.Receiving);
                using var plane = PacketPlane.OfHalves(Loop(sends), Loop(receives));
                plane.Post(back);
                plane.Start();
                for (var command = 0; command < 20; command++)
                    plane.Post(PacketCommand.NewReportTraffic(5));
                Assert.True(SpinWait.SpinUntil(() => sends.Brought > 0, Patience));
                receives.Pause();
            }
        }
        finally
        {
            await stop.CancelAsync();
            await traffic.WaitAsync(Patience);
        }

        Assert.Equal(0, await watch.WaitAsync(Patience));

        LinuxPacketLoop Loop(Half half) => new(half, new DummyDevice(), [socket], new InputQueue(), new Clock(), _log);
    }

    private static Socket Udp()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }

    /// <summary>Datagrams in small bursts: the packet threads must get a turn on a machine with few processors.</summary>
    private static void Send(Socket from, EndPoint to, CancellationToken stop)
    {
        var datagram = new byte[100];
        while (!stop.IsCancellationRequested)
        {
            for (var i = 0; i < 10; i++)
                from.SendTo(datagram, to);
            Thread.Yield();
        }
    }
}
