using TincPure.Host.Devices;
using TincPure.Primitives;

namespace TincPure.Host.Engine;

/// <summary>What a new node is told about this start of the daemon.</summary>
internal sealed record NodeStart(Start Start, IDevice Device, string Cookie);

/// <summary>Makes the two planes of a node: the core's, or a test's.</summary>
internal interface INodeMaker
{
    INode Node(NodeStart start, Instant now);

    IForwarder Forwarder();
}
