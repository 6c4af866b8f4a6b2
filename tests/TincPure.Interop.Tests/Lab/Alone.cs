namespace TincPure.Interop.Tests;

/// <summary>Tests that want the machine for themselves: they measure, or use all of it. They run after the others, one by one.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
