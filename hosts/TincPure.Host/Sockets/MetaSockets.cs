using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.FSharp.Core;
using TincPure.Host.Engine;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Node;
using TincPure.Primitives;
using HostPort = TincPure.Config.HostPort;

namespace TincPure.Host.Sockets;

/// <summary>All meta connections: those that are made, those that are accepted, and the tarpit (spec 02 §2, §14).</summary>
internal sealed class MetaSockets(InputQueue inputs, SocketSettings settings, Resolver resolver, Logger log) : IDisposable
{
    /// <summary>For connections from now on; a reload replaces it.</summary>
    public SocketSettings Settings { get; set; } = settings;

    /// <summary>Sockets that are kept open and ignored.</summary>
    private const int TarpitSize = 10;

    /// <summary>Accepted connections that the node has not seen yet; at this number accepting pauses.</summary>
    private const int MaxUnseenAccepts = 16;

    private static readonly TimeSpan AcceptRetry = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<ConnectionId, MetaConnection> _connections = new();
    private readonly ConcurrentDictionary<ConnectionId, Socket> _connecting = new();
    private readonly Queue<Socket> _tarpit = new();
    private readonly SemaphoreSlim _unseenAccepts = new(MaxUnseenAccepts, MaxUnseenAccepts);
    private readonly CancellationTokenSource _accepting = new();
    private int _accepted;

    /// <summary>Accepts from a listening TCP or UNIX socket until the end.</summary>
    public void Accept(Socket listener) => _ = Task.Run(() => AcceptAll(listener));

    private async Task AcceptAll(Socket listener)
    {
        while (!_accepting.IsCancellationRequested)
        {
            try
            {
                await _unseenAccepts.WaitAsync(_accepting.Token);
                var socket = await listener.AcceptAsync(_accepting.Token);
                Accepted(socket);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // Too many open files, for one: worse without a pause.
                _unseenAccepts.Release();
                log.Error("Accepting a new connection failed: " + ErrorText.Of(e));
                await Task.Delay(AcceptRetry);
            }
        }
    }

    private void Accepted(Socket socket)
    {
        var id = ConnectionId.NewIncoming(Interlocked.Increment(ref _accepted));
        var local = FSharpValueOption<Endpoint>.None;
        var remote = Remote.UnixSocket;
        if (socket.AddressFamily != AddressFamily.Unix)
        {
            SocketOptions.SetMeta(socket, Settings);
            local = FSharpValueOption<Endpoint>.Some(Endpoints.FromSocket(socket.LocalEndPoint));
            remote = Remote.NewTcp(Endpoints.FromSocket(socket.RemoteEndPoint));
        }

        var connection = new MetaConnection(id, socket, inputs);
        _connections[id] = connection;
        inputs.Post(Input.NewAccepted(id, local, remote));
        connection.Start();
    }

    public void AcceptedConsumed() => _unseenAccepts.Release();

    public void Connect(ConnectionId id, Endpoint target)
    {
        var remote = Endpoints.ToSocket(target);
        Socket socket;
        try
        {
            socket = new Socket(remote.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        }
        catch (SocketException e)
        {
            inputs.Post(Input.NewConnectFailed(id, ErrorText.Of(e)));
            return;
        }

        if (remote.AddressFamily == AddressFamily.InterNetworkV6)
            socket.DualMode = false;
        SocketOptions.SetMeta(socket, Settings);
        SocketOptions.BindToInterface(socket, Settings, log);
        BindOutgoing(socket);
        _connecting[id] = socket;
        _ = Task.Run(() => Connect(id, socket, remote));
    }

    /// <summary>The proxy's first address is used; a name that cannot be resolved is a failure like any other.</summary>
    public void ConnectToProxy(ConnectionId id, HostPort server) => _ = Task.Run(async () =>
    {
        var found = await resolver.Resolve(server.Host, server.Port, Settings.Family);
        if (found.IsOk)
            Connect(id, found.ResultValue.Head);
        else
            inputs.Post(Input.NewConnectFailed(id, found.ErrorValue));
    });

    /// <summary>The command's standard input and output take the place of a socket.</summary>
    public void RunProxy(ConnectionId id, string command, IEnumerable<Tuple<string, string>> environment)
    {
        try
        {
            var connection = new MetaConnection(id, ProxyCommand.Start(command, environment), inputs);
            _connections[id] = connection;
            inputs.Post(Input.NewConnected(id, FSharpValueOption<Endpoint>.None));
            connection.Start();
        }
        catch (Exception e) when (e is SocketException or IOException or System.ComponentModel.Win32Exception)
        {
            inputs.Post(Input.NewConnectFailed(id, e.Message));
        }
    }

    private async Task Connect(ConnectionId id, Socket socket, IPEndPoint remote)
    {
        try
        {
            await socket.ConnectAsync(remote);

            // In both tables for a moment, so that Close finds it in one; who takes it out of the first decides.
            var connection = new MetaConnection(id, socket, inputs);
            _connections[id] = connection;
            if (!_connecting.TryRemove(id, out _))
            {
                _connections.TryRemove(id, out _);
                return;
            }

            inputs.Post(Input.NewConnected(id, FSharpValueOption<Endpoint>.Some(Endpoints.FromSocket(socket.LocalEndPoint))));
            connection.Start();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            if (_connecting.TryRemove(id, out _))
                inputs.Post(Input.NewConnectFailed(id, ErrorText.Of(e)));
            socket.Dispose();
        }
    }

    /// <summary>From the BindToAddress of the target's family, if there is exactly one (spec 02 §18.1).</summary>
    private void BindOutgoing(Socket socket)
    {
        var candidates = Settings.OutgoingFrom.Where(a => a.AddressFamily == socket.AddressFamily).ToList();
        if (candidates is not [var source])
            return;

        try
        {
            socket.Bind(new IPEndPoint(source, 0));
        }
        catch (SocketException e)
        {
            log.Write(DebugLevel.connections, Priority.Warning, "Can't bind outgoing socket: " + ErrorText.Of(e));
        }
    }

    public void Send(ConnectionId id, byte[] bytes)
    {
        if (_connections.TryGetValue(id, out var connection))
            connection.Send(bytes);
    }

    public void Consumed(ConnectionId id)
    {
        if (_connections.TryGetValue(id, out var connection))
            connection.Consumed();
    }

    public void Close(ConnectionId id)
    {
        if (_connecting.TryRemove(id, out var socket))
            socket.Dispose();
        else if (_connections.TryRemove(id, out var connection))
            connection.Close();
    }

    /// <summary>The oldest socket in the tarpit makes room for a new one.</summary>
    public void Tarpit(ConnectionId id)
    {
        if (!_connections.TryRemove(id, out var connection))
            return;

        connection.Forget();
        if (_tarpit.Count == TarpitSize)
            _tarpit.Dequeue().Dispose();
        _tarpit.Enqueue(connection.Socket);
    }

    public void StopAccepting() => _accepting.Cancel();

    public void Dispose()
    {
        StopAccepting();
        foreach (var socket in _connecting.Values)
            socket.Dispose();
        foreach (var connection in _connections.Values)
            connection.Socket.Dispose();
        foreach (var socket in _tarpit)
            socket.Dispose();
    }
}
