using System.Security.Cryptography;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Config;
using TincPure.Host.Devices;
using TincPure.Node;
using TincPure.Primitives;
using PureNode = TincPure.Node.Node;

namespace TincPure.Host.Engine;

/// <summary>The core's control plane: a value that each step replaces.</summary>
internal sealed class CoreNode
{
    private const int SeedSize = 64;

    private PureNode _node;

    public CoreNode(Settings settings, IDevice device, string cookie, int debugLevel, Instant now)
    {
        var launch = new Launch(
            FSharpValueOption<string>.Some(device.Path),
            FSharpValueOption<string>.Some(device.Interface),
            FSharpValueOption<string>.Some(device.Description),
            Environment.ProcessId,
            cookie,
            debugLevel,
            device.EthernetAddress is { } address
                ? FSharpValueOption<ulong>.Some(address)
                : FSharpValueOption<ulong>.None,
            RandomNumberGenerator.GetBytes(SeedSize));
        _node = NodeModule.create(settings, launch, now);
    }

    public FSharpList<Effect> Step(Instant now, Input input)
    {
        (_node, var effects) = NodeModule.step(now, input, _node);
        return effects;
    }

    /// <summary>After each batch of inputs: what is done once for all of them.</summary>
    public FSharpList<Effect> Settle(Instant now)
    {
        (_node, var effects) = NodeModule.settle(now, _node);
        return effects;
    }
}
