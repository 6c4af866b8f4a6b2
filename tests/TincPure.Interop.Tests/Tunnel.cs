namespace TincPure.Interop.Tests;

/// <summary>Sizes of the tunnel, all of them counted with the 14 bytes of an Ethernet header (spec 03 §15.6).</summary>
internal static class Tunnel
{
    private const int UdpHeader = 8, NodeIds = 12, SptpsOverhead = 21, EthernetHeader = 14;

    /// <summary>The `pmtu` that both ends find on a path of this MTU.</summary>
    public static int PathMtu(int link, Underlay underlay) =>
        link - (underlay == Underlay.IPv4 ? 20 : 40) - UdpHeader - NodeIds - SptpsOverhead;

    /// <summary>
    /// The largest IP packet that goes through in one piece: what "fragmentation needed" tells. (Stock never tells less than 576
    /// for IPv4 and 1280 for IPv6, but none of our links is that narrow.)
    /// </summary>
    public static int IpMtu(int link, Underlay underlay) => PathMtu(link, underlay) - EthernetHeader;
}
