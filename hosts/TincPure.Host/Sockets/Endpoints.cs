using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
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

    /// <summary>
    /// Of a datagram's source, without allocation. All systems put port, address and scope at the same places; only how the
    /// family is written differs.
    /// </summary>
    public static Endpoint FromSocket(SocketAddress address)
    {
        var bytes = address.Buffer.Span;
        var port = BinaryPrimitives.ReadUInt16BigEndian(bytes[PortOffset..]);
        return address.Family == AddressFamily.InterNetwork
            ? new Endpoint(IpModule.readV4(bytes[Ipv4Offset..]), port, 0)
            : new Endpoint(
                IpModule.unmap(IpModule.readV6(bytes[Ipv6Offset..])), port, MemoryMarshal.Read<uint>(bytes[ScopeOffset..]));
    }

    /// <summary>Writes an endpoint into an address of its own family.</summary>
    public static void Write(in Endpoint endpoint, SocketAddress target)
    {
        var bytes = target.Buffer.Span;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[PortOffset..], endpoint.Port);
        if (!endpoint.Ip.IsV6)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes[Ipv4Offset..], (uint)endpoint.Ip.Low);
            return;
        }

        BinaryPrimitives.WriteUInt64BigEndian(bytes[Ipv6Offset..], endpoint.Ip.High);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[(Ipv6Offset + sizeof(ulong))..], endpoint.Ip.Low);
        MemoryMarshal.Write(bytes[ScopeOffset..], endpoint.Scope);
    }

    private const int PortOffset = 2, Ipv4Offset = 4, Ipv6Offset = 8, ScopeOffset = 24;

    private static Endpoint Zero => new(IpModule.v4(0), 0, 0);
}
