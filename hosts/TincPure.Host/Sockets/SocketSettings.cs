using System.Net;
using System.Net.Sockets;

namespace TincPure.Host.Sockets;

/// <summary>What the configuration says about all sockets (spec 02 §18.3).</summary>
internal sealed record SocketSettings
{
    /// <summary>SO_MARK; 0 is none.</summary>
    public int Mark { get; init; }

    /// <summary>SO_BINDTODEVICE.</summary>
    public string? Interface { get; init; }

    /// <summary>Bytes; 0 leaves it to the system.</summary>
    public int ReceiveBuffer { get; init; }

    public bool ReceiveBufferConfigured { get; init; }

    /// <summary>Bytes; 0 leaves it to the system.</summary>
    public int SendBuffer { get; init; }

    public bool SendBufferConfigured { get; init; }

    /// <summary>UDP datagrams are never fragmented on their way.</summary>
    public bool DontFragment { get; init; }

    /// <summary>Families of listening sockets and of every name that is looked up.</summary>
    public AddressFamily Family { get; init; } = AddressFamily.Unspecified;

    /// <summary>Source addresses of outgoing connections, from BindToAddress.</summary>
    public IReadOnlyList<IPAddress> OutgoingFrom { get; init; } = [];
}
