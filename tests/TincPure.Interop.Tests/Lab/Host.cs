using System.Globalization;

namespace TincPure.Interop.Tests;

/// <summary>A cable between hosts: a bridge in a namespace of its own.</summary>
public sealed class Wire : IDisposable
{
    private readonly Namespace _bridge = new("wire");
    private int _ports;

    /// <summary>Networks are told apart by a number: 192.0.N.0/24 and 2001:db8:N::/64.</summary>
    public Wire(int number = 2)
    {
        Number = number;
        // Snooping would hold back neighbour discovery until it knows who listens.
        _bridge.Ip("link add bridge type bridge mcast_snooping 0", "link set bridge up");
    }

    public int Number { get; }

    public void Plug(Namespace host, string device)
    {
        int port = Interlocked.Increment(ref _ports);
        Command.Run("ip", "link", "add", device, "netns", host.Name, "type", "veth", "peer", "name", $"port{port}", "netns", _bridge.Name).OrThrow();
        _bridge.Ip($"link set port{port} master bridge", $"link set port{port} up");
    }

    public void Dispose() => _bridge.Dispose();
}

/// <summary>A machine of the lab: a namespace with addresses on wires, and a firewall.</summary>
public sealed class Host : IDisposable
{
    private int _devices;
    private int _firstWire;

    public Host(string label) => Namespace = new Namespace(label);

    public Namespace Namespace { get; }

    /// <summary>The addresses on the first wire.</summary>
    public string IPv4 { get; private set; } = "";

    public string IPv6 { get; private set; } = "";

    public void Attach(Wire wire, int number, int mtu = 1500)
    {
        string device = $"eth{_devices++}", ipv4 = $"192.0.{wire.Number}.{number}", ipv6 = $"2001:db8:{wire.Number}::{number}";
        wire.Plug(Namespace, device);
        Namespace.Ip(
            $"link set {device} mtu {mtu} up",
            $"addr add {ipv4}/24 dev {device}",
            $"addr add {ipv6}/64 dev {device} nodad");
        if (_devices == 1) (_firstWire, IPv4, IPv6) = (wire.Number, ipv4, ipv6);
    }

    /// <summary>Takes other addresses on the first wire, as a host does that moved.</summary>
    public void Move(int number)
    {
        string ipv4 = $"192.0.{_firstWire}.{number}", ipv6 = $"2001:db8:{_firstWire}::{number}";
        Namespace.Ip(
            "addr flush dev eth0",
            $"addr add {ipv4}/24 dev eth0",
            $"addr add {ipv6}/64 dev eth0 nodad");
        (IPv4, IPv6) = (ipv4, ipv6);
    }

    /// <summary>Makes a router of it.</summary>
    public void Forward() => Namespace.Run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward").OrThrow();

    public string Address(Underlay underlay) => underlay == Underlay.IPv4 ? IPv4 : IPv6;

    /// <summary>Drops all datagrams that come in by wire.</summary>
    public void DropUdp() => Firewall("iifname \"eth*\" meta l4proto udp drop");

    /// <summary>Drops the datagrams that come from another host.</summary>
    public void DropUdpFrom(Host other) =>
        Firewall($"ip saddr {other.IPv4} meta l4proto udp drop", $"ip6 saddr {other.IPv6} meta l4proto udp drop");

    /// <summary>Lets nothing in any more, as when the line is cut.</summary>
    public void Cut() => Firewall("iifname \"eth*\" drop");

    /// <summary>Loses some of what comes in, in percent. (Not every kernel has netem, which could do it on the way.)</summary>
    public void Lose(int percent) => Firewall($"iifname \"eth*\" numgen random mod 100 < {percent} drop");

    public void Open() => Firewall();

    /// <summary>How many datagrams the kernel has taken in.</summary>
    public long Datagrams()
    {
        string[] lines = [.. Namespace.Run("cat", "/proc/net/snmp").Output.Split('\n').Where(line => line.StartsWith("Udp:"))];
        int column = Array.IndexOf(lines[0].Split(' '), "InDatagrams");
        return long.Parse(lines[1].Split(' ')[column], CultureInfo.InvariantCulture);
    }

    public void Dispose() => Namespace.Dispose();

    private void Firewall(params string[] rules)
    {
        string table = string.Join('\n', [
            "table inet lab", "delete table inet lab",
            "table inet lab {", "chain incoming {", "type filter hook input priority 0", .. rules, "}", "}", ""]);
        Command.RunWith(table, "ip", "netns", "exec", Namespace.Name, "nft", "-f", "-").OrThrow();
    }
}

/// <summary>The protocol that carries the tunnel.</summary>
public enum Underlay
{
    IPv4,
    IPv6,
}
