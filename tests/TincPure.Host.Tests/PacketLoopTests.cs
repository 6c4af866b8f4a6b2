using System.Net;
using System.Net.Sockets;
using TincPure.Host.Devices;
using TincPure.Host.Engine;
using TincPure.Host.Linux;
using TincPure.Host.Logs;
using TincPure.Host.Sockets;
using TincPure.Node;
using TincPure.Packet;
using TincPure.Primitives;
using TincPure.Routing;

namespace TincPure.Host.Tests;

public sealed class PacketLoopTests : IDisposable
{
    private readonly RecordingSink _lines = new();
    private readonly Logger _log;
    private readonly InputQueue _inputs = new();
    private readonly Socket _socket = Udp();
    private readonly Socket _peer = Udp();

    public PacketLoopTests()
    {
        _log = new Logger(_lines, DebugLevel.traffic);
        _peer.ReceiveTimeout = 10_000;
    }

    public void Dispose()
    {
        _socket.Dispose();
        _peer.Dispose();
        _log.Dispose();
    }

    private static Socket Udp()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }

    private PacketLoop Loop(IForwarder forwarder, bool portable)
    {
        PacketLoop loop = portable
            ? new PortablePacketLoop(forwarder, new DummyDevice(), [_socket], _inputs, new Clock(), _log)
            : new LinuxPacketLoop(forwarder, new DummyDevice(), [_socket], _inputs, new Clock(), _log);
        loop.Start();
        return loop;
    }

    /// <summary>Sends every datagram back to where it came from, and a probe wherever it is told to.</summary>
    private sealed class Echo : IForwarder
    {
        public Duty Duty => Duty.Whole;

        public bool Takes(PacketCommand command) => true;

        public void Bring(int node, Span<byte> frame, byte priority, Instant now, Outbox outbox) => throw new NotSupportedException();

        public void Apply(PacketCommand command, Instant now, Outbox outbox)
        {
            if (command is not PacketCommand.SendProbe probe)
                return;
            probe.payload.CopyTo(outbox.Reserve(probe.payload.Length));
            outbox.AddDatagram(probe.payload.Length, 0, probe.socket, probe.target, probe.peer, probe.payload.Length);
        }

        public void FromDevice(Span<byte> frame, in Offload offload, Instant now, Outbox outbox) { }

        public void Dropped(DropCause cause) { }

        /// <summary>Bytes that the packet thread has allocated so far.</summary>
        public long Allocated { get; private set; }

        public void FromSocket(int socket, Endpoint source, Span<byte> datagram, Instant now, Outbox outbox)
        {
            Allocated = GC.GetAllocatedBytesForCurrentThread();
            datagram.CopyTo(outbox.Reserve(datagram.Length));
            outbox.AddDatagram(datagram.Length, 0x10, socket, source, 3, datagram.Length);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Datagrams_come_in_and_go_out(bool portable)
    {
        if (!portable && !OperatingSystem.IsLinux())
            return;

        using var loop = Loop(new Echo(), portable);
        for (var i = 0; i < 100; i++)
            _peer.SendTo(BitConverter.GetBytes(i), _socket.LocalEndPoint!);

        var buffer = new byte[100];
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(4, _peer.Receive(buffer));
            Assert.Equal(i, BitConverter.ToInt32(buffer));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Commands_are_carried_out_and_what_is_too_long_for_the_path_is_reported(bool portable)
    {
        if (!portable && !OperatingSystem.IsLinux())
            return;

        using var loop = Loop(new Echo(), portable);
        var target = Endpoints.FromSocket(_peer.LocalEndPoint);
        loop.Post(PacketCommand.NewSendProbe(5, target, 0, new byte[70000]));
        loop.Post(PacketCommand.NewSendProbe(5, target, 0, [1, 2, 3]));

        Assert.Equal(3, _peer.Receive(new byte[100]));
        var batch = new List<Input>();
        _inputs.Take(batch, 10_000);
        Assert.Equal([Input.NewPunted(Punt.NewPathTooSmall(5, 70000))], batch);
    }

    /// <summary>Sends pieces of what it is told to send: all of one size but the last, numbered.</summary>
    private sealed class Burst(int size = Burst.Size) : IForwarder
    {
        public Duty Duty => Duty.Whole;

        public bool Takes(PacketCommand command) => true;

        public void Bring(int node, Span<byte> frame, byte priority, Instant now, Outbox outbox) => throw new NotSupportedException();

        public const int Size = 1200;

        public void Apply(PacketCommand command, Instant now, Outbox outbox)
        {
            if (command is not PacketCommand.SendProbe probe)
                return;
            for (var start = 0; start < probe.payload.Length; start += size)
            {
                var piece = probe.payload.AsSpan(start, Math.Min(size, probe.payload.Length - start));
                piece.CopyTo(outbox.Reserve(piece.Length));
                outbox.AddDatagram(piece.Length, 0, probe.socket, probe.target, probe.peer, piece.Length);
            }
        }

        public void FromDevice(Span<byte> frame, in Offload offload, Instant now, Outbox outbox) { }

        public void Dropped(DropCause cause) { }

        public void FromSocket(int socket, Endpoint source, Span<byte> datagram, Instant now, Outbox outbox) { }
    }

    /// <summary>Collects what it is given.</summary>
    private sealed class Collector : IForwarder
    {
        public Duty Duty => Duty.Whole;

        public bool Takes(PacketCommand command) => true;

        public void Bring(int node, Span<byte> frame, byte priority, Instant now, Outbox outbox) => throw new NotSupportedException();

        public System.Collections.Concurrent.BlockingCollection<byte[]> Datagrams { get; } = [];

        public void Apply(PacketCommand command, Instant now, Outbox outbox) { }

        public void FromDevice(Span<byte> frame, in Offload offload, Instant now, Outbox outbox) { }

        public void Dropped(DropCause cause) { }

        public void FromSocket(int socket, Endpoint source, Span<byte> datagram, Instant now, Outbox outbox) =>
            Datagrams.Add(datagram.ToArray());
    }

    [Fact]
    public void Runs_of_datagrams_arrive_one_by_one_at_sockets_and_at_packet_loops()
    {
        if (!OperatingSystem.IsLinux())
            return;

        var bytes = new byte[90 * Burst.Size + 17];
        new Random(1).NextBytes(bytes);
        var expected = bytes.Chunk(Burst.Size).ToList();
        using var sender = Loop(new Burst(), portable: false);

        _peer.ReceiveBufferSize = 1 << 20;
        sender.Post(PacketCommand.NewSendProbe(5, Endpoints.FromSocket(_peer.LocalEndPoint), 0, bytes));
        var buffer = new byte[70000];
        foreach (var piece in expected)
            Assert.Equal(piece, buffer[.._peer.Receive(buffer)]);

        var collector = new Collector();
        using var socket = Udp();
        socket.ReceiveBufferSize = 1 << 20;
        using var receiver = new LinuxPacketLoop(
            collector, new DummyDevice(), [socket], new InputQueue(), new Clock(), _log);
        receiver.Start();
        sender.Post(PacketCommand.NewSendProbe(5, Endpoints.FromSocket(socket.LocalEndPoint), 0, bytes));
        foreach (var piece in expected)
        {
            Assert.True(collector.Datagrams.TryTake(out var datagram, 10_000));
            Assert.Equal(piece, datagram);
        }
    }

    /// <summary>Sockets whose kernel code refuses runs, but takes datagrams one by one.</summary>
    public static readonly TheoryData<string, bool> Refusals = new()
    {
        // UDP without checksums: EINVAL for each run.
        { "no checksums", true },
        // UDP-Lite: EIO for each run, as for devices that cannot compute checksums before Linux 6.11.
        { "UDP-Lite", true },
        // A kernel that does not know the option at all: a socket beside it that is not UDP says so.
        { "unknown option", false },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void Where_the_kernel_refuses_runs_datagrams_go_one_by_one_from_then_on(string kind, bool atFirst)
    {
        if (!OperatingSystem.IsLinux())
            return;

        const ProtocolType udpLite = (ProtocolType)136;
        var protocol = kind == "UDP-Lite" ? udpLite : ProtocolType.Udp;
        using var from = Bound(protocol);
        using var to = Bound(protocol);
        if (from is null || to is null)
            return; // this kernel has no UDP-Lite any more
        using var other = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        if (kind == "no checksums")
            from.SetRawSocketOption(1, 11, BitConverter.GetBytes(1)); // SO_NO_CHECK
        to.ReceiveBufferSize = 1 << 20;
        to.ReceiveTimeout = 10_000;
        var bytes = new byte[60 * Burst.Size + 17];
        new Random(1).NextBytes(bytes);
        var sockets = kind == "unknown option" ? new[] { from, other } : [from];
        using var sender = new LinuxPacketLoop(
            new Burst(), new DummyDevice(), sockets, new InputQueue(), new Clock(), _log);
        sender.Start();

        Assert.Equal(atFirst, sender.SendsRuns);
        var buffer = new byte[70000];
        for (var round = 0; round < 2; round++)
        {
            sender.Post(PacketCommand.NewSendProbe(5, Endpoints.FromSocket(to.LocalEndPoint), 0, bytes));
            foreach (var piece in bytes.Chunk(Burst.Size))
                Assert.Equal(piece, buffer[..to.Receive(buffer)]);
            Assert.False(sender.SendsRuns);
        }
    }

    private static Socket? Bound(ProtocolType protocol)
    {
        try
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, protocol);
            socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            return socket;
        }
        catch (SocketException)
        {
            return null;
        }
    }

    /// <summary>A run whose pieces the path refuses says nothing about runs.</summary>
    [Fact]
    public void A_run_too_long_for_the_path_is_reported_and_runs_go_on()
    {
        if (!OperatingSystem.IsLinux())
            return;

        using var sender = (LinuxPacketLoop)Loop(new Burst(70_000), portable: false);
        sender.Post(PacketCommand.NewSendProbe(5, Endpoints.FromSocket(_peer.LocalEndPoint), 0, new byte[140_000]));
        sender.Post(PacketCommand.NewSendProbe(5, Endpoints.FromSocket(_peer.LocalEndPoint), 0, [1, 2, 3]));

        Assert.Equal(3, _peer.Receive(new byte[100]));
        Assert.True(sender.SendsRuns);

        // Each is told of by itself, while the third goes out.
        var batch = new List<Input>();
        for (var tries = 0; batch.Count < 2 && tries < 3; tries++)
            _inputs.Take(batch, 10_000);
        Assert.Equal(2, batch.Count(input => input.Equals(Input.NewPunted(Punt.NewPathTooSmall(5, 70_000)))));
    }

    /// <summary>An empty datagram is one all the same: it must be taken away, or the loop would see it for ever.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Empty_datagrams_and_the_longest_come_and_go(bool portable)
    {
        if (!portable && !OperatingSystem.IsLinux())
            return;

        using var loop = Loop(new Echo(), portable);
        var longest = new byte[65507];
        new Random(1).NextBytes(longest);
        var buffer = new byte[70000];
        foreach (var sent in (byte[][])[[], [1, 2, 3], [], [], longest, [4]])
        {
            _peer.SendTo(sent, _socket.LocalEndPoint!);
            Assert.Equal(sent, buffer[.._peer.Receive(buffer)]);
        }
    }

    /// <summary>The control message of UDP_GRO: its length, level, type and the size of the pieces.</summary>
    private static byte[] Gluing(int level, int type, int size)
    {
        var control = new byte[24];
        BitConverter.TryWriteBytes(control, 20L);
        BitConverter.TryWriteBytes(control.AsSpan(8), level);
        BitConverter.TryWriteBytes(control.AsSpan(12), type);
        BitConverter.TryWriteBytes(control.AsSpan(16), size);
        return control;
    }

    [Theory]
    [InlineData(1200, 2400, true)]
    [InlineData(1200, 1200, true)]
    [InlineData(1200, 1199, false)]
    [InlineData(0, 1200, false)]
    [InlineData(-1, 1200, false)]
    [InlineData(int.MaxValue, 1200, false)]
    public void A_message_is_cut_into_pieces_of_a_possible_size_only(int size, int length, bool possible)
    {
        Assert.True(DatagramReader.TryReadGluing(Gluing(17, 104, size), out var read));
        Assert.Equal(size, read);
        Assert.Equal(possible, DatagramReader.IsPossible(read, length));
    }

    [Fact]
    public void Other_control_messages_and_none_glue_nothing()
    {
        Assert.False(DatagramReader.TryReadGluing(Gluing(0, 104, 1200), out _));
        Assert.False(DatagramReader.TryReadGluing(Gluing(17, 103, 1200), out _));
        Assert.False(DatagramReader.TryReadGluing(Gluing(17, 104, 1200).AsSpan(0, 16), out _));
        Assert.False(DatagramReader.TryReadGluing([], out _));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_steady_stream_of_datagrams_allocates_nothing_on_the_packet_thread(bool portable)
    {
        if (!portable && !OperatingSystem.IsLinux())
            return;

        var echo = new Echo();
        using var loop = Loop(echo, portable);
        var buffer = new byte[100];
        long AllocatedAfter(int datagrams)
        {
            for (var i = 0; i < datagrams; i++)
            {
                _peer.SendTo(buffer.AsSpan(0, 50), SocketFlags.None, _socket.LocalEndPoint!);
                _peer.Receive(buffer);
            }

            return echo.Allocated;
        }

        var settled = AllocatedAfter(1000);
        Assert.Equal(settled, AllocatedAfter(1000));
    }
}
