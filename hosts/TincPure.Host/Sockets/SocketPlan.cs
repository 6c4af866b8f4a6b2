using System.Net;
using TincPure.Config;
using AddressFamily = System.Net.Sockets.AddressFamily;

namespace TincPure.Host.Sockets;

/// <summary>What the configuration says about sockets, in the terms of this host.</summary>
internal static class SocketPlan
{
    public static SocketSettings Settings(Settings settings) =>
        new()
        {
            Mark = settings.FWMark,
            Interface = settings.BindToInterface.IsSome ? settings.BindToInterface.Value : null,
            ReceiveBuffer = settings.UdpReceiveBuffer,
            ReceiveBufferConfigured = settings.UdpReceiveBufferGiven,
            SendBuffer = settings.UdpSendBuffer,
            SendBufferConfigured = settings.UdpSendBufferGiven,
            DontFragment = settings.PmtuDiscovery,
            Family = FamilyOf(settings.AddressFamily),
            OutgoingFrom = [.. settings.BindToAddress.SelectMany(Literal)],
        };

    public static AddressFamily FamilyOf(Config.AddressFamily family) =>
        family.IsOnlyIpv4 ? AddressFamily.InterNetwork
        : family.IsOnlyIpv6 ? AddressFamily.InterNetworkV6
        : AddressFamily.Unspecified;

    /// <summary>BindToAddress lines come before ListenAddress lines.</summary>
    public static IReadOnlyList<ListenRequest> Listen(Settings settings) =>
        [
            .. settings.BindToAddress.Select(address => Request("BindToAddress", address)),
            .. settings.ListenAddress.Select(address => Request("ListenAddress", address)),
        ];

    private static ListenRequest Request(string variable, ListenAddress address) =>
        new(address.Host, address.Port.IsSome ? address.Port.Value : null, variable);

    private static IEnumerable<IPAddress> Literal(ListenAddress address) =>
        IPAddress.TryParse(address.Host, out var literal) ? [literal] : [];
}
