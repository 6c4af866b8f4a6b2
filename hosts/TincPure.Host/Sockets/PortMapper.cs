using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using Microsoft.FSharp.Core;
using TincPure.Config;
using TincPure.Host.Logs;
using Upnp = TincPure.PortMapping.Upnp;
using TincPure.Primitives;
using AddressFamily = System.Net.Sockets.AddressFamily;

namespace TincPure.Host.Sockets;

/// <summary>Asks the router for mappings of our ports, again and again, on a thread of its own (spec 07 §21).</summary>
internal sealed class PortMapper : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PatienceAtEnd = TimeSpan.FromSeconds(1);

    private readonly Settings _settings;
    private readonly string _identity;
    private readonly string _ownInterface;
    private readonly IReadOnlyList<(int Tcp, int Udp)> _ports;
    private readonly Logger _log;
    private readonly CancellationTokenSource _end = new();
    private readonly Task _work;

    /// <summary>What the router gave us, to be given back at the end.</summary>
    private readonly Dictionary<(Upnp.Protocol Protocol, int Port), (Upnp.Gateway Gateway, Upnp.Mapping Mapping)> _made = [];

    public PortMapper(
        Settings settings, string identity, string ownInterface, IReadOnlyList<(int Tcp, int Udp)> ports, Logger log)
    {
        (_settings, _identity, _ownInterface, _ports, _log) = (settings, identity, ownInterface, ports, log);
        _work = settings.Upnp.IsNoUpnp ? Task.CompletedTask : Task.Run(RefreshAgainAndAgain);
    }

    private async Task RefreshAgainAndAgain()
    {
        while (!_end.IsCancellationRequested)
        {
            var next = DateTime.UtcNow.AddSeconds(_settings.UpnpRefreshPeriod);
            try
            {
                await Refresh();
                var pause = next - DateTime.UtcNow;
                if (pause > TimeSpan.Zero)
                    await Task.Delay(pause, _end.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task Refresh()
    {
        Say(Priority.Info, "Discovering IGD devices");
        if (await Discover() is not { } found)
        {
            Say(Priority.Warning, "Unable to find IGD devices: [0] Success");
            return;
        }

        if (await Describe(found) is not { } gateway)
        {
            Say(Priority.Warning, "No IGD found");
            return;
        }

        var (status, answer, client) = await Post(gateway, "GetStatusInfo", Upnp.statusRequest(gateway), Patience);
        if (client is null)
        {
            Say(Priority.Warning, "No IGD found");
            return;
        }

        var result = status == 200 && Upnp.isConnected(answer) ? 1 : 2;
        Say(
            Priority.Info,
            $"IGD found: [{result}] {gateway.ControlUrl} (local address: {client}, service type: {gateway.ServiceType})");
        var asked = new HashSet<(Upnp.Protocol, int)>();
        foreach (var (tcp, udp) in _ports)
        {
            foreach (var protocol in Upnp.protocols(_settings))
            {
                var port = protocol.IsTcp ? tcp : udp;
                if (asked.Add((protocol, port)))
                    await Map(gateway, Upnp.mapping(_settings, _identity, client, port, protocol));
            }
        }
    }

    private async Task Map(Upnp.Gateway gateway, Upnp.Mapping mapping)
    {
        var (status, answer, _) = await Post(gateway, "AddPortMapping", Upnp.addRequest(gateway, mapping), Patience);
        var failure = Upnp.failure(status, answer);
        if (failure.IsSome && Upnp.wantsPermanent(failure.Value.Item1))
        {
            mapping = new Upnp.Mapping(mapping.Protocol, mapping.Port, mapping.Client, mapping.Description, 0);
            (status, answer, _) = await Post(gateway, "AddPortMapping", Upnp.addRequest(gateway, mapping), Patience);
            failure = Upnp.failure(status, answer);
        }

        var what = $"({mapping.Client}:{mapping.Port} {Upnp.protocolName(mapping.Protocol)} for {mapping.LeaseSeconds} seconds)";
        if (failure.IsNone)
        {
            _made[(mapping.Protocol, mapping.Port)] = (gateway, mapping);
            Say(Priority.Info, "Successfully set port mapping " + what);
        }
        else
        {
            Say(Priority.Error, $"Failed to set port mapping {what}: [{failure.Value.Item1}] {failure.Value.Item2}");
        }
    }

    /// <summary>Where the first router that answers has its description. All kinds of routers are called at once, twice.</summary>
    private async Task<Uri?> Discover()
    {
        var sockets = LocalAddresses().Select(Caller).OfType<Socket>().ToList();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(_end.Token);
        patience.CancelAfter(TimeSpan.FromSeconds(_settings.UpnpDiscoverWait));
        try
        {
            var answers = sockets.Select(socket => FirstAnswer(socket, patience.Token)).ToList();
            for (var time = 0; time < 2; time++)
            {
                foreach (var socket in sockets)
                    Call(socket);
            }

            while (answers.Count > 0)
            {
                var done = await Task.WhenAny(answers);
                answers.Remove(done);
                if (await done is { } location)
                    return location;
            }

            _end.Token.ThrowIfCancellationRequested();
            return null;
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }
    }

    private IEnumerable<IPAddress> LocalAddresses() =>
        NetworkInterface.GetAllNetworkInterfaces()
            .Where(device => device.OperationalStatus == OperationalStatus.Up
                && device.NetworkInterfaceType != NetworkInterfaceType.Loopback
                && device.Name != _ownInterface)
            .SelectMany(device => device.GetIPProperties().UnicastAddresses)
            .Select(unicast => unicast.Address)
            .Where(address => address.AddressFamily == AddressFamily.InterNetwork);

    private static Socket? Caller(IPAddress local)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            socket.Bind(new IPEndPoint(local, 0));
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastTimeToLive, 2);
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, local.GetAddressBytes());
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    private void Call(Socket socket)
    {
        var everybody = new IPEndPoint(IPAddress.Parse(Upnp.searchAddress), Upnp.searchPort);
        foreach (var search in Upnp.searches(_settings))
        {
            try
            {
                socket.SendTo(Encoding.ASCII.GetBytes(search), everybody);
            }
            catch (SocketException)
            {
                // No way out on this interface.
            }
        }
    }

    private static async Task<Uri?> FirstAnswer(Socket socket, CancellationToken patience)
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                var got = await socket.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0), patience);
                var from = ((IPEndPoint)got.RemoteEndPoint).Address.ToString();
                var location = Upnp.location(Encoding.Latin1.GetString(buffer, 0, got.ReceivedBytes), from);
                if (location.IsSome)
                    return location.Value;
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            return null;
        }
    }

    private async Task<Upnp.Gateway?> Describe(Uri url)
    {
        var (status, description, _) = await Exchange(url, "GET", "", "", Patience);
        var gateway = status == 200 ? Upnp.gateway(url, description) : FSharpValueOption<Upnp.Gateway>.None;
        return gateway.IsSome ? gateway.Value : null;
    }

    private Task<(int Status, string Body, string? Local)> Post(
        Upnp.Gateway gateway, string action, string body, TimeSpan patience)
    {
        var headers = "Content-Type: text/xml; charset=\"utf-8\"\r\nSOAPAction: " + Upnp.soapAction(gateway, action) + "\r\n";
        return Exchange(new Uri(gateway.ControlUrl), "POST", headers, body, patience);
    }

    /// <summary>One HTTP request on a connection of its own. Status 0, without a local address, when that fails.</summary>
    private async Task<(int Status, string Body, string? Local)> Exchange(
        Uri url, string method, string headers, string body, TimeSpan patience)
    {
        using var limit = new CancellationTokenSource(patience);
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(url.Host), url.Port), limit.Token);
            var content = Encoding.UTF8.GetBytes(body);
            var head =
                $"{method} {url.PathAndQuery} HTTP/1.1\r\nHost: {url.Host}:{url.Port}\r\nUser-Agent: TincPure, UPnP/1.1\r\n"
                + headers + (content.Length > 0 ? $"Content-Length: {content.Length}\r\n" : "") + "Connection: close\r\n\r\n";
            await socket.SendAsync(Encoding.ASCII.GetBytes(head).Concat(content).ToArray(), limit.Token);
            var answer = await ReadAll(socket, limit.Token);
            var local = ((IPEndPoint)socket.LocalEndPoint!).Address.ToString();
            var start = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            return start >= 0 && answer.Length > 12 && int.TryParse(answer.AsSpan(9, 3), CultureInfo.InvariantCulture, out var status)
                ? (status, answer[(start + 4)..], local)
                : (0, "", null);
        }
        catch (Exception e) when (e is SocketException or FormatException or OperationCanceledException)
        {
            return (0, "", null);
        }
    }

    private static async Task<string> ReadAll(Socket socket, CancellationToken limit)
    {
        var buffer = new byte[Upnp.maxAnswer];
        var length = 0;
        while (length < buffer.Length && await socket.ReceiveAsync(buffer.AsMemory(length), limit) is > 0 and var count)
        {
            length += count;
            if (IsComplete(buffer.AsSpan(0, length)))
                break;
        }

        return Encoding.UTF8.GetString(buffer, 0, length);
    }

    /// <summary>As long as it says it is. Routers that say nothing close the connection.</summary>
    private static bool IsComplete(ReadOnlySpan<byte> answer)
    {
        var start = answer.IndexOf("\r\n\r\n"u8);
        if (start < 0)
            return false;

        foreach (var line in Encoding.Latin1.GetString(answer[..start]).Split("\r\n"))
        {
            if (line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)
                && int.TryParse(line["Content-Length:".Length..], CultureInfo.InvariantCulture, out var length))
            {
                return answer.Length >= start + 4 + length;
            }
        }

        return false;
    }

    private void Say(Priority priority, string text) => _log.Write(DebugLevel.protocol, priority, "[upnp] " + text);

    /// <summary>Gives back what the router gave us, if it is quick.</summary>
    public void Dispose()
    {
        _end.Cancel();
        _work.Wait(PatienceAtEnd);
        var returns = _made.Values
            .Select(made => Post(made.Gateway, "DeletePortMapping", Upnp.deleteRequest(made.Gateway, made.Mapping), PatienceAtEnd))
            .ToArray();
        Task.WaitAll(returns, PatienceAtEnd);
    }
}
