using TincPure.Packet;
using TincPure.Primitives;
using TincPure.Routing;

namespace TincPure.Host.Engine;

/// <summary>The core's packet plane.</summary>
internal sealed class CoreForwarder(Duty duty) : IForwarder
{
    private readonly Forwarder _forwarder = new(duty);

    public Duty Duty => duty;

    public bool Takes(PacketCommand command) => _forwarder.Takes(command);

    public void Bring(int node, Span<byte> frame, byte priority, Instant now, Outbox outbox) =>
        _forwarder.Bring(node, frame, priority, now, outbox);

    public void Apply(PacketCommand command, Instant now, Outbox outbox) => _forwarder.Apply(command, now, outbox);

    public void FromDevice(Span<byte> frame, in Offload offload, Instant now, Outbox outbox) =>
        _forwarder.FromDevice(frame, offload, now, outbox);

    public void Dropped(DropCause cause) => _forwarder.Dropped(cause);

    public void FromSocket(int socket, Endpoint source, Span<byte> datagram, Instant now, Outbox outbox) =>
        _forwarder.FromSocket(socket, source, datagram, now, outbox);
}
