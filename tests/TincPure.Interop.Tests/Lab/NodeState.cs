using System.Globalization;

using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>One line of <c>dump nodes</c> as it goes over the control socket (spec 06 §15.5, §16).</summary>
public sealed partial record NodeState(
    string Name,
    string Host,
    string Port,
    int Cipher,
    int Digest,
    int MacLength,
    int Compression,
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
            fields[2], fields[4], fields[6],
            Decimal(fields[7]), Decimal(fields[8]), Decimal(fields[9]), Decimal(fields[10]), Hex(fields[11]), Hex(fields[12]), fields[13], fields[14],
            Decimal(fields[16]), Decimal(fields[17]), Decimal(fields[18]));
    }

    /// <summary>A line of what stock 1.0 logs (spec 08 §20). It has no word for "UDP works" but the sizes that got through.</summary>
    public static NodeState ParseLogged(string line)
    {
        Match match = Logged().Match(line);
        string Text(string name) => match.Groups[name].Value;
        int Number(string name) => Decimal(Text(name));
        uint confirmed = Number("min") > 0 ? 0x80u : 0;
        return new NodeState(
            Text("name"), Text("host"), Text("port"), Number("cipher"), Number("digest"), Number("mac"), Number("compression"),
            Hex(Text("options")), Hex(Text("status")) | confirmed, Text("next"), Text("via"), Number("mtu"), Number("min"), Number("max"));
    }

    [GeneratedRegex(
        @"^ (?<name>\w+) at (?<host>\S+)( port (?<port>\S+))? cipher (?<cipher>\d+) digest (?<digest>\d+) maclength (?<mac>\d+)" +
        @" compression (?<compression>\d+) options (?<options>\w+) status (?<status>\w+) nexthop (?<next>\S+) via (?<via>\S+)" +
        @" pmtu (?<mtu>\d+) \(min (?<min>\d+) max (?<max>\d+)\)")]
    private static partial Regex Logged();

    private static uint Hex(string text) => uint.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static int Decimal(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
