using System.Net;
using System.Net.Sockets;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Primitives;

namespace TincPure.Host.Sockets;

/// <summary>One BindToAddress or ListenAddress. No address is the wildcard; no port is the node's own.</summary>
internal sealed record ListenRequest(string? Address, string? Port, string Variable)
{
    /// <summary>The node's own port on all addresses.</summary>
    public static ListenRequest Wildcard { get; } = new(null, null, "Port");

    /// <summary>As the configuration says it.</summary>
    public string Text => Port is null ? Address ?? "" : Address + " " + Port;

    public StartException Fails(string message) => new(message) { Variable = Variable, Value = Text };
}

/// <summary>A TCP and a UDP socket on the same address. Sockets are numbered in the order of these pairs.</summary>
internal sealed record ListeningPair(Socket Tcp, Socket Udp) : IDisposable
{
    public void Dispose()
    {
        Tcp.Dispose();
        Udp.Dispose();
    }
}

/// <summary>Opens the listening sockets (spec 02 §18, spec 05 §6.4).</summary>
internal sealed class Listeners(SocketSettings settings, Logger log)
{
    private const int MaxPairs = 8;
    private const int Backlog = 3;
    private const int FirstAdopted = 3;

    /// <summary>For ports that the system chooses: all sockets follow the first.</summary>
    private int _chosenPort;

    /// <exception cref="StartException">A name that cannot be resolved, too many sockets, or none.</exception>
    public IReadOnlyList<ListeningPair> Open(IReadOnlyList<ListenRequest> requests, string ownPort)
    {
        var pairs = new List<ListeningPair>();
        var seen = new HashSet<IPEndPoint>();
        var wanted = requests.Count == 0 ? [ListenRequest.Wildcard] : requests;
        try
        {
            foreach (var (request, target) in wanted.SelectMany(request => Targets(request, ownPort), (request, target) => (request, target)))
            {
                if (!seen.Add(target))
                    continue;
                if (pairs.Count == MaxPairs)
                    throw request.Fails("Too many listening sockets");
                if (OpenPair(target) is { } pair)
                    pairs.Add(pair);
            }

            if (pairs.Count == 0)
                throw wanted[0].Fails("Unable to create any listening socket!");
        }
        catch (StartException)
        {
            pairs.ForEach(pair => pair.Dispose());
            throw;
        }

        return pairs;
    }

    /// <summary>TCP sockets that the service manager listens on for us: descriptors from 3 on.</summary>
    /// <exception cref="StartException">Too many, or one is no such socket.</exception>
    public IReadOnlyList<ListeningPair> Adopt(int count)
    {
        if (count > MaxPairs)
            throw new StartException("Too many listening sockets");

        var pairs = new List<ListeningPair>();
        for (var descriptor = FirstAdopted; descriptor < FirstAdopted + count; descriptor++)
        {
            if (AdoptPair(descriptor) is { } pair)
                pairs.Add(pair);
        }

        return pairs.Count > 0 ? pairs : throw new StartException("Unable to create any listening socket!");
    }

    private ListeningPair? AdoptPair(int descriptor)
    {
        Socket tcp;
        IPEndPoint bound;
        try
        {
            if (!OperatingSystem.IsWindows())
                Posix.CloseOnExec(descriptor);
            tcp = new Socket(new SafeSocketHandle(descriptor, ownsHandle: true));
            bound = tcp.LocalEndPoint as IPEndPoint ?? throw new SocketException((int)SocketError.AddressFamilyNotSupported);
        }
        catch (SocketException e)
        {
            throw new StartException("Could not get address of listen fd " + descriptor + ": " + ErrorText.Of(e));
        }

        var udp = Open(bound, SocketType.Dgram, ProtocolType.Udp, "udp");
        if (udp is null)
        {
            tcp.Dispose();
            return null;
        }

        SayListening(bound);
        return new ListeningPair(tcp, udp);
    }

    private IEnumerable<IPEndPoint> Targets(ListenRequest request, string ownPort)
    {
        if (!ServicePort.TryParse(request.Port ?? ownPort, out var port))
            throw LookupFailed(request.Port is null ? new ListenRequest(ownPort, null, "Port") : request, "Servname not supported for ai_socktype");

        return Addresses(request).Select(address => new IPEndPoint(address, port));
    }

    private IEnumerable<IPAddress> Addresses(ListenRequest request)
    {
        var name = request.Address;
        if (name is null or "*")
            return new[] { IPAddress.Any, IPAddress.IPv6Any }.Where(IsWanted);
        if (IPAddress.TryParse(name, out var literal))
            return IsWanted(literal) ? [literal] : throw LookupFailed(request, "Address family for hostname not supported");

        try
        {
            return Dns.GetHostAddresses(name, settings.Family);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            throw LookupFailed(request, ErrorText.Of(e));
        }
    }

    private bool IsWanted(IPAddress address) =>
        settings.Family == AddressFamily.Unspecified || address.AddressFamily == settings.Family;

    private static StartException LookupFailed(ListenRequest request, string reason) =>
        request.Fails("System call `getaddrinfo' failed: " + reason);

    /// <summary>Both sockets, or neither: an address that cannot be used is logged and skipped.</summary>
    private ListeningPair? OpenPair(IPEndPoint target)
    {
        var tcp = Open(target, SocketType.Stream, ProtocolType.Tcp, "tcp");
        if (tcp is null)
            return null;

        var bound = (IPEndPoint)tcp.LocalEndPoint!;
        if (target.Port == 0 && _chosenPort == 0)
            _chosenPort = bound.Port;

        var udp = Open(target, SocketType.Dgram, ProtocolType.Udp, "udp");
        if (udp is null)
        {
            tcp.Dispose();
            return null;
        }

        tcp.Listen(Backlog);
        SayListening(bound);
        return new ListeningPair(tcp, udp);
    }

    private void SayListening(IPEndPoint bound) =>
        log.Write(
            DebugLevel.connections, Priority.Notice, "Listening on " + EndpointModule.toText(Endpoints.FromSocket(bound)));

    private Socket? Open(IPEndPoint target, SocketType type, ProtocolType protocol, string protocolName)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(target.AddressFamily, type, protocol);
            if (target.AddressFamily == AddressFamily.InterNetworkV6)
                socket.DualMode = false;
            if (type == SocketType.Dgram)
                SocketOptions.SetDatagram(socket, settings, log);
            SocketOptions.SetMark(socket, settings);
            if (SocketOptions.BindToInterface(socket, settings, log))
            {
                Bind(socket, target);
                return socket;
            }
        }
        catch (SocketException e)
        {
            log.Error(
                "Can't bind to " + EndpointModule.toText(Endpoints.FromSocket(target)) + "/" + protocolName + ": "
                + ErrorText.Of(e));
        }

        socket?.Dispose();
        return null;
    }

    /// <summary>A port of 0 takes the port that the system chose for the first socket, if it is free here too.</summary>
    private void Bind(Socket socket, IPEndPoint target)
    {
        if (target.Port == 0 && _chosenPort != 0)
        {
            try
            {
                socket.Bind(new IPEndPoint(target.Address, _chosenPort));
                return;
            }
            catch (SocketException)
            {
                // Taken: the system chooses another.
            }
        }

        socket.Bind(target);
    }
}
