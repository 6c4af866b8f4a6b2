using System.Diagnostics;

namespace TincPure.Interop.Tests;

/// <summary>Waiting for something to become true.</summary>
public static class Waiting
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>Looks again and again; after the limit it fails with what it waited for and the evidence. Tells how long it took.</summary>
    public static async Task<TimeSpan> True(string what, TimeSpan limit, Func<bool> condition, Func<string>? evidence = null)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (!condition())
        {
            if (watch.Elapsed > limit) Assert.Fail($"{what}: not within {limit.TotalSeconds} s\n{evidence?.Invoke()}");
            await Task.Delay(Pause);
        }

        return watch.Elapsed;
    }
}
