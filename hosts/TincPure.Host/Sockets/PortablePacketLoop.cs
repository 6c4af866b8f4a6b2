using System.Net;
using System.Net.Sockets;
using TincPure.Host.Devices;
using TincPure.Host.Engine;
using TincPure.Host.Logs;
using TincPure.Primitives;
using TincPure.Routing;

namespace TincPure.Host.Sockets;

/// <summary>The packet thread with nothing but what .NET offers everywhere. It serves devices that need not be waited for.</summary>
internal sealed class PortablePacketLoop : PacketLoop
{
    private const int MaxDatagram = 65536;

    /// <summary>Datagrams taken from one socket before the others get their turn.</summary>
    private const int MaxDatagrams = 64;

    private readonly Socket[] _sockets;
    private readonly Socket _wake;
    private readonly List<Socket> _readable = [];
    private readonly SocketAddress _ipv4 = new(AddressFamily.InterNetwork), _ipv6 = new(AddressFamily.InterNetworkV6);
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(MaxDatagram, pinned: true);

    public PortablePacketLoop(
        IForwarder forwarder, IDevice device, IEnumerable<Socket> sockets, InputQueue inputs, Clock clock, Logger log)
        : base(forwarder, device, inputs, clock, log)
    {
        _sockets = [.. sockets];
        foreach (var socket in _sockets)
            socket.Blocking = false;

        // A socket that talks to itself ends the wait.
        _wake = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { Blocking = false };
        _wake.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _wake.Connect(_wake.LocalEndPoint!);
    }

    protected override void Run()
    {
        while (!IsStopping)
            Turn();
    }

    private void Turn()
    {
        _readable.Clear();
        foreach (var socket in _sockets)
            _readable.Add(socket);
        _readable.Add(_wake);
        Socket.Select(_readable, null, null, Timeout.InfiniteTimeSpan);
        foreach (var socket in _readable)
        {
            if (socket == _wake)
            {
                _wake.Receive(_buffer, SocketFlags.None, out _);
                ApplyCommands();
            }
            else
            {
                ReceiveFrom(Array.IndexOf(_sockets, socket));
            }
        }
    }

    private void ReceiveFrom(int index)
    {
        var socket = _sockets[index];
        var source = socket.AddressFamily == AddressFamily.InterNetwork ? _ipv4 : _ipv6;
        var now = Now();
        var received = 0;
        try
        {
            // Asking how much is there would not tell an empty datagram from none.
            do
            {
                var count = socket.ReceiveFrom(_buffer, SocketFlags.None, source);
                Received(index, Endpoints.FromSocket(source), _buffer.AsSpan(0, count), now);
            }
            while (++received < MaxDatagrams && socket.Poll(0, SelectMode.SelectRead));
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.ConnectionReset)
        {
            // Nothing more; or, on Windows, an ICMP error about something sent earlier.
        }
        catch (SocketException e)
        {
            Complain(DebugLevel.always, Priority.Error, "Receiving packet failed", e.NativeErrorCode);
        }

        Flush();
    }

    protected override void SendDatagrams()
    {
        var entries = Outbox.Entries;
        for (var i = 0; i < entries.Length; i++)
        {
            if (entries[i].Kind == EntryKind.Datagram && (uint)entries[i].Socket < (uint)_sockets.Length)
                Send(entries[i]);
        }
    }

    private void Send(in OutboxEntry entry)
    {
        var target = entry.Target.Ip.IsV6 ? _ipv6 : _ipv4;
        Endpoints.Write(entry.Target, target);
        try
        {
            _sockets[entry.Socket].SendTo(Outbox.Arena.AsSpan(entry.Offset, entry.Length), SocketFlags.None, target);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.MessageSize)
        {
            ReportTooLong(entry);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock)
        {
            // The socket's buffer is full: lost, as on any full queue.
        }
        catch (SocketException e)
        {
            Complain(
                DebugLevel.traffic,
                Priority.Warning,
                "Error sending to " + EndpointModule.toText(entry.Target),
                e.NativeErrorCode);
        }
    }

    protected override void Wake() => _wake.Send([1], SocketFlags.None, out _);

    public override void Dispose()
    {
        base.Dispose();
        _wake.Dispose();
    }
}
