namespace TincPure.Interop.Tests;

/// <summary>A machine of its own behind the Ethernet device of a node, which it can leave for another's.</summary>
public sealed class Guest : IDisposable
{
    public const string Address = "10.77.99.1", Mac = "02:00:00:00:99:01";

    private readonly Namespace _inside = new("guest");

    /// <summary>Plugs itself in behind a node; whatever it was plugged into before it leaves.</summary>
    public void MoveTo(Node node)
    {
        Command.Run("ip", "-n", _inside.Name, "link", "del", "eth0");
        node.Host.Namespace.Ip(
            $"link add guest link vpn address {Mac} netns {_inside.Name} type macvlan mode bridge");
        _inside.Ip("link set guest name eth0", "link set eth0 up", $"addr add {Address}/16 dev eth0");
    }

    /// <summary>Lets everybody hear of it, as a machine does that was plugged in.</summary>
    public void Announce() =>
        _inside.Run("ping", "-n", "-c", "1", "-W", "1", "-b", "10.77.255.255");

    public void Dispose() => _inside.Dispose();
}
