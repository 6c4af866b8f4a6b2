using System.Net;
using System.Net.Sockets;
using TincPure.Primitives;

namespace TincPure.Host.Sockets;

/// <summary>The core's endpoints as .NET's, and back.</summary>
internal static class Endpoints
{
    public static IPEndPoint ToSocket(Endpoint endpoint)
    {
        var address = IpModule.toIPAddress(endpoint.Ip);
        if (endpoint.Scope != 0)
            address.ScopeId = endpoint.Scope;
        return new IPEndPoint(address, endpoint.Port);
    }

    /// <summary>An IPv4-mapped address becomes the IPv4 address it stands for.</summary>
    public static Endpoint FromSocket(EndPoint? endpoint) =>
        endpoint is IPEndPoint ip ? FromAddress(ip.Address, ip.Port) : Zero;

    public static Endpoint FromAddress(IPAddress address, int port)
    {
        var scope = address.AddressFamily == AddressFamily.InterNetworkV6 ? (uint)address.ScopeId : 0;
        return new Endpoint(IpModule.unmap(IpModule.ofIPAddress(address)), (ushort)port, scope);
    }

    private static Endpoint Zero => new(IpModule.v4(0), 0, 0);
}
