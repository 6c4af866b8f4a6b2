namespace TincPure.Interop.Tests;

/// <summary>Tests that want the machine for themselves: they measure, use all of it,
/// or compare what two daemons do side by side. They run after the others, one by one.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
