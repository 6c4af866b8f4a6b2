using System.Buffers.Binary;
using System.Runtime.InteropServices;
using TincPure.Primitives;

namespace TincPure.Host.Linux;

/// <summary>Endpoints in the form of the kernel's sockaddr_in and sockaddr_in6.</summary>
internal static class SocketAddress
{
    /// <summary>Room for one, aligned.</summary>
    public const int Stride = 32;

    public const int Ipv4Length = 16, Ipv6Length = 28;

    private const ushort AF_INET = 2, AF_INET6 = 10;

    /// <summary>Writes an endpoint for a socket of its own family; its length.</summary>
    public static int Write(in Endpoint endpoint, Span<byte> target)
    {
        target[..Ipv6Length].Clear();
        BinaryPrimitives.WriteUInt16BigEndian(target[2..], endpoint.Port);
        if (!endpoint.Ip.IsV6)
        {
            MemoryMarshal.Write(target, AF_INET);
            BinaryPrimitives.WriteUInt32BigEndian(target[4..], (uint)endpoint.Ip.Low);
            return Ipv4Length;
        }

        MemoryMarshal.Write(target, AF_INET6);
        BinaryPrimitives.WriteUInt64BigEndian(target[8..], endpoint.Ip.High);
        BinaryPrimitives.WriteUInt64BigEndian(target[16..], endpoint.Ip.Low);
        MemoryMarshal.Write(target[24..], endpoint.Scope);
        return Ipv6Length;
    }

    public static bool TryRead(ReadOnlySpan<byte> source, out Endpoint endpoint)
    {
        var port = BinaryPrimitives.ReadUInt16BigEndian(source[2..]);
        switch (MemoryMarshal.Read<ushort>(source))
        {
            case AF_INET:
                endpoint = new Endpoint(IpModule.readV4(source[4..]), port, 0);
                return true;
            case AF_INET6:
                endpoint = new Endpoint(IpModule.readV6(source[8..]), port, MemoryMarshal.Read<uint>(source[24..]));
                return true;
            default:
                endpoint = default;
                return false;
        }
    }
}
