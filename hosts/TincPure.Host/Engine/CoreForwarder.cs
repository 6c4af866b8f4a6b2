using TincPure.Packet;
using TincPure.Primitives;
using TincPure.Routing;

namespace TincPure.Host.Engine;

/// <summary>The core's packet plane.</summary>
internal sealed class CoreForwarder : IForwarder
{
    private readonly Forwarder _forwarder = new();

    public void Apply(PacketCommand command, Instant now, Outbox outbox) => _forwarder.Apply(command, now, outbox);

    public void FromDevice(Span<byte> frame, in Offload offload, Instant now, Outbox outbox) =>
        _forwarder.FromDevice(frame, offload, now, outbox);

    public void Dropped(DropCause cause) => _forwarder.Dropped(cause);

    public void FromSocket(int socket, Endpoint source, Span<byte> datagram, Instant now, Outbox outbox) =>
        _forwarder.FromSocket(socket, source, datagram, now, outbox);
}
