using System.Security.Cryptography;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Node;
using TincPure.Primitives;
using TincPure.Routing;
using PureNode = TincPure.Node.Node;

namespace TincPure.Host.Engine;

/// <summary>The core's control plane: a value that each step replaces.</summary>
internal sealed class CoreNode(PureNode initial) : INode
{
    private PureNode _node = initial;

    public FSharpList<Effect> Step(Instant now, Input input)
    {
        (_node, var effects) = NodeModule.step(now, input, _node);
        return effects;
    }

    public FSharpList<Effect> Settle(Instant now)
    {
        (_node, var effects) = NodeModule.settle(now, _node);
        return effects;
    }
}

/// <summary>The core's packet plane.</summary>
internal sealed class CoreForwarder : IForwarder
{
    private readonly Forwarder _forwarder = new();

    public void Apply(PacketCommand command, Instant now, Outbox outbox) => _forwarder.Apply(command, now, outbox);

    public void FromDevice(Span<byte> frame, Instant now, Outbox outbox) => _forwarder.FromDevice(frame, now, outbox);

    public void FromSocket(int socket, Endpoint source, Span<byte> datagram, Instant now, Outbox outbox) =>
        _forwarder.FromSocket(socket, source, datagram, now, outbox);
}

/// <summary>Makes nodes of the core.</summary>
internal sealed class CoreNodeMaker : INodeMaker
{
    private const int SeedSize = 64;

    public INode Node(NodeStart start, Instant now)
    {
        var launch = new Launch(
            FSharpValueOption<string>.Some(start.Device.Path),
            FSharpValueOption<string>.Some(start.Device.Interface),
            Environment.ProcessId,
            start.Cookie,
            start.Start.DebugLevel,
            start.Device.CarriesEthernet,
            RandomNumberGenerator.GetBytes(SeedSize));
        return new CoreNode(NodeModule.create(start.Start.Settings, launch, now));
    }

    public IForwarder Forwarder() => new CoreForwarder();
}
