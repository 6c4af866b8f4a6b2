using System.Net;
using System.Net.Sockets;
using System.Text;

namespace TincPure.Interop.Tests;

/// <summary>A daemon behind a router that maps ports for whoever asks.</summary>
public sealed class UpnpTests
{
    private const string Description =
        "<root><device><deviceList><device><serviceList><service>"
        + "<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>"
        + "<controlURL>/ctl/IPConn</controlURL></service></serviceList></device></deviceList></device></root>";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [LabFact, Trait("Variable", "UPnP"), Trait("Variable", "UPnPDiscoverWait"), Trait("Variable", "UPnPRefreshPeriod")]
    public async Task Ports_are_mapped_refreshed_and_given_back()
    {
        await using Mesh mesh = new("upnp");
        Node a = mesh.Add("a", Make.Ours);
        Host router = mesh.Keep(new Host("router"));
        router.Attach(mesh.Wire, 100);
        using CancellationTokenSource end = new();
        List<string> requests = [];
        Task searches = AnswerSearches(router, end.Token), posts = AnswerPosts(router, requests, end.Token);
        a.Set("UPnP = yes", "UPnPDiscoverWait = 2", "UPnPRefreshPeriod = 3", "Port = 7055");
        a.Start("-n", "netx");
        string lease = $@"\(192\.0\.2\.1:7055 (TCP|UDP) for 6 seconds\)";
        await mesh.Until("both ports are mapped, and mapped again", Limit, () => a.Log.Count(@"^\[upnp\] Successfully set port mapping " + lease + "$") >= 4);
        Assert.NotEmpty(a.Log.Matching(@"^\[upnp\] IGD found: \[1\] http://192\.0\.2\.100:5000/ctl/IPConn \(local address: 192\.0\.2\.1, service type: urn:schemas-upnp-org:service:WANIPConnection:1\)$"));
        a.Stop();
        await mesh.Until("the mappings are given back", Limit, () => Count(requests, "DeletePortMapping") == 2);
        lock (requests) Assert.Contains(requests, request => request.Contains("<NewPortMappingDescription>tinc.netx</NewPortMappingDescription>"));
        await end.CancelAsync();
        await Task.WhenAll(searches, posts);
    }

    private static int Count(List<string> requests, string action)
    {
        lock (requests) return requests.Count(request => request.Contains("#" + action + "\""));
    }

    private static async Task AnswerSearches(Host router, CancellationToken end)
    {
        using Socket socket = router.Namespace.Open(2, 2, 0);
        socket.Bind(new IPEndPoint(IPAddress.Any, 1900));
        socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.AddMembership,
            new MulticastOption(IPAddress.Parse("239.255.255.250"), IPAddress.Parse(router.IPv4)));
        byte[] buffer = new byte[2048];
        byte[] answer = Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nLocation: http://{router.IPv4}:5000/rootDesc.xml\r\n\r\n");
        try
        {
            while (true)
            {
                SocketReceiveFromResult got = await socket.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0), end);
                if (Encoding.ASCII.GetString(buffer, 0, got.ReceivedBytes).StartsWith("M-SEARCH * HTTP/1.1\r\n"))
                    await socket.SendToAsync(answer, got.RemoteEndPoint, end);
            }
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }

    private static async Task AnswerPosts(Host router, List<string> requests, CancellationToken end)
    {
        using Socket listener = router.Namespace.Open(2, 1, 0);
        listener.Bind(new IPEndPoint(IPAddress.Any, 5000));
        listener.Listen(10);
        byte[] buffer = new byte[8192];
        try
        {
            while (true)
            {
                using Socket socket = await listener.AcceptAsync(end);
                string request = "";
                while (!request.EndsWith("Envelope>\r\n") && !(request.StartsWith("GET ") && request.EndsWith("\r\n\r\n")))
                {
                    int count = await socket.ReceiveAsync(buffer, end);
                    if (count == 0) break;
                    request += Encoding.ASCII.GetString(buffer, 0, count);
                }

                lock (requests) requests.Add(request);
                string body = request.StartsWith("GET ") ? Description : "<NewConnectionStatus>Connected</NewConnectionStatus>";
                await socket.SendAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\n\r\n{body}"), end);
            }
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }
}
