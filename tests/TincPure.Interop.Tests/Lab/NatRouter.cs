namespace TincPure.Interop.Tests;

/// <summary>How an address translator treats UDP, in the words of RFC 3489.</summary>
public enum Nat
{
    /// <summary>One outer port for an inner one, and everybody may send to it.</summary>
    FullCone,

    /// <summary>One outer port for an inner one, open to those addresses and ports that were sent something.</summary>
    PortRestricted,

    /// <summary>Another outer port for each destination, open to that one only.</summary>
    Symmetric,
}

/// <summary>A router with a network of its own behind an address translator: eth0 is outside, eth1 inside.</summary>
public sealed class NatRouter : IDisposable
{
    private const int InnerNumber = 1;

    private readonly Host _router;
    private readonly Wire _inside;
    private readonly int _number;
    private int _hosts = InnerNumber;

    /// <param name="number">Of the network inside: 192.0.N.0/24.</param>
    /// <param name="address">The router's number on the wire outside.</param>
    public NatRouter(Wire outside, int address, int number, Nat nat)
    {
        (_number, _inside, _router) = (number, new Wire(number), new Host("nat"));
        _router.Attach(outside, address);
        _router.Attach(_inside, InnerNumber);
        _router.Forward();
        Translate(nat);
    }

    public Host Host => _router;

    /// <summary>A host inside. A full cone sends what comes in to the first one.</summary>
    public Host Add(string label)
    {
        Host host = new(label);
        host.Attach(_inside, ++_hosts);
        host.Namespace.Ip($"route add default via 192.0.{_number}.{InnerNumber}");
        return host;
    }

    public void Dispose()
    {
        _router.Dispose();
        _inside.Dispose();
    }

    private void Translate(Nat nat)
    {
        string table =
            $$"""
            table ip nat {
              chain in {
                type nat hook prerouting priority dstnat
                {{(nat == Nat.FullCone ? $"iifname eth0 meta l4proto udp dnat to 192.0.{_number}.{InnerNumber + 1}" : "")}}
              }
              chain out {
                type nat hook postrouting priority srcnat
                oifname eth0 masquerade {{(nat == Nat.Symmetric ? "fully-random" : "")}}
              }
              chain mine {
                type filter hook input priority filter
                iifname eth0 meta l4proto udp drop comment "else the first stray datagram takes the port"
              }
              chain through {
                type filter hook forward priority filter
                iifname eth0 ct state established,related accept
                iifname eth0 ct status dnat accept
                iifname eth0 drop
              }
            }

            """;
        Command.RunWith(table, "ip", "netns", "exec", _router.Namespace.Name, "nft", "-f", "-").OrThrow();
    }
}
