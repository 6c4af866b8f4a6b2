using System.Globalization;

namespace TincPure.Interop.Tests;

/// <summary>One line of <c>dump nodes</c> as it goes over the control socket (spec 06 §15.5, §16).</summary>
public sealed record NodeState(
    string Name,
    string Host,
    string Port,
    uint Options,
    uint Status,
    string NextHop,
    string Via,
    int Mtu,
    int MinMtu,
    int MaxMtu)
{
    public bool ValidKey => (Status & 0x2) != 0;

    public bool Reachable => (Status & 0x10) != 0;

    public bool UdpConfirmed => (Status & 0x80) != 0;

    /// <summary>Discovery has found the path MTU, and it goes by UDP.</summary>
    public bool MtuFixed => UdpConfirmed && MinMtu > 0 && MinMtu == MaxMtu;

    public static NodeState Parse(string line)
    {
        // 18 3 NAME ID HOST port PORT CIPHER DIGEST MACLEN COMPRESSION OPTIONS STATUS NEXTHOP VIA DISTANCE MTU MINMTU MAXMTU ...
        string[] fields = line.Split(' ');
        return new NodeState(
            fields[2], fields[4], fields[6], Hex(fields[11]), Hex(fields[12]), fields[13], fields[14],
            Decimal(fields[16]), Decimal(fields[17]), Decimal(fields[18]));
    }

    private static uint Hex(string text) => uint.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static int Decimal(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
