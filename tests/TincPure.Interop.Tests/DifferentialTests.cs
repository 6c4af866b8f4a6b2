using System.Collections.Concurrent;
using TincPure.Interop.Tests.Differential;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>The same command lines in the same folders for the stock program and for ours.</summary>
[Collection(nameof(Alone))]
public class DifferentialTests(ITestOutputHelper output)
{
    /// <summary>Fewer would not be worth the name.</summary>
    private const int Enough = 400;

    [LabFact]
    public void Every_command_line_has_the_outcome_of_stock_or_a_reason_to_differ()
    {
        ConcurrentBag<(Case Run, IReadOnlyList<string> Differences)> different = [];
        Parallel.ForEach(
            Cases.All,
            new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount },
            () => new Scratch(),
            (run, _, scratch) =>
            {
                var differences = Outcome.Differences(scratch.Run(Make.Stock, run), scratch.Run(Make.Ours, run));
                if (differences.Count > 0) different.Add((run, differences));
                return scratch;
            },
            scratch => scratch.Dispose());

        var judged = different.Select(found => (found.Run, found.Differences, Reason: Reasons.For(found.Run, found.Differences))).ToList();
        output.WriteLine($"{Cases.All.Count} command lines, {Cases.All.Count - judged.Count} with the same outcome");
        foreach (var group in judged.Where(found => found.Reason is not null).GroupBy(found => found.Reason).OrderBy(group => group.Key))
        {
            output.WriteLine($"{group.Count()} differ: {group.Key}");
            foreach (var (run, _, _) in group) output.WriteLine($"    {run}");
        }

        var unexplained = judged.Where(found => found.Reason is null).Select(found => $"{found.Run}\n    {string.Join("\n    ", found.Differences)}");
        Assert.True(!unexplained.Any(), string.Join("\n", unexplained));
        Assert.True(Cases.All.Count >= Enough, $"only {Cases.All.Count} command lines");
    }
}
