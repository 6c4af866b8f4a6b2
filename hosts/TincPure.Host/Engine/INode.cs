using Microsoft.FSharp.Collections;
using TincPure.Node;
using TincPure.Primitives;

namespace TincPure.Host.Engine;

/// <summary>A node as the control thread drives it: the core's pure one, or a test's.</summary>
internal interface INode
{
    FSharpList<Effect> Step(Instant now, Input input);

    /// <summary>After each batch of inputs: what is done once for all of them.</summary>
    FSharpList<Effect> Settle(Instant now);
}
