using TincPure.Packet;
using TincPure.Primitives;
using TincPure.Routing;

namespace TincPure.Host.Engine;

/// <summary>The packet plane as its thread drives it: the core's forwarder, or a test's.</summary>
internal interface IForwarder
{
    Duty Duty { get; }

    /// <summary>Is this command for this one, and not only for the other half?</summary>
    bool Takes(PacketCommand command);

    void Apply(PacketCommand command, Instant now, Outbox outbox);

    /// <summary>The frame may be changed in place; the offload says what is left to do to it.</summary>
    void FromDevice(Span<byte> frame, in Offload offload, Instant now, Outbox outbox);

    /// <summary>A frame for a node, from the other half; it may be changed in place.</summary>
    void Bring(int node, Span<byte> frame, byte priority, Instant now, Outbox outbox);

    /// <summary>Something that came in was let go before it could be handed over.</summary>
    void Dropped(DropCause cause);

    /// <summary>The datagram may be changed in place.</summary>
    void FromSocket(int socket, Endpoint source, Span<byte> datagram, Instant now, Outbox outbox);
}
