using TincPure.Interop.Tests.Dialogues;
using Xunit.Abstractions;

namespace TincPure.Interop.Tests;

/// <summary>
/// The same stories are told to a stock daemon and to ours: what they answer, what they pass on and when they hang up must be the same, or
/// the difference stands in <see cref="Differences"/>.
/// </summary>
[Collection(nameof(Alone))]
public class DialogueTests(ITestOutputHelper output)
{
    [LabFact]
    public async Task Ours_answers_forwards_and_hangs_up_as_stock_does()
    {
        MadeUpStories dice = new(1);
        const string strict = "StrictSubnets = yes", server = "TunnelServer = yes";
        Story[] stories =
        [
            .. RecordedStories.All(), .. MadeUpStories.ByHand(), .. dice.Gossip(40), .. dice.Keys(24), .. dice.Gossip(8, strict), .. dice.Keys(4, strict), .. dice.Gossip(8, server), .. dice.Keys(4, server),
        ];
        Assert.True(stories.Sum(story => story.Sayings.Length) > 600);
        List<Comparison> comparisons = [];
        foreach (IGrouping<string, Story> group in stories.GroupBy(story => story.Settings))
        {
            string label = group.Key.Split(' ')[0];
            Performance[][] performances = await Task.WhenAll(
                new[] { Make.Stock, Make.Ours }.Select(make => Task.Run(() => PlayAll(label, make, group))));
            foreach ((Story story, Performance stock, Performance ours) in group.Zip(performances[0], performances[1])) comparisons.AddRange(Compare(story, stock, ours));
        }

        Difference? Reason(Comparison found) => Differences.All.FirstOrDefault(difference => difference.Explains(found));
        ILookup<Difference?, Comparison> found = comparisons.Where(comparison => comparison.Stock != comparison.Ours).ToLookup(Reason);
        output.WriteLine($"{comparisons.Count} sayings compared, {found.Sum(same => same.Count())} differ:");
        foreach (Difference difference in Differences.All) output.WriteLine($"{found[difference].Count(),5} {difference.Title}: {difference.Reason}");
        Assert.True(!found[null].Any(), string.Join('\n', found[null]));
        // What does not show any more is to be struck off the list.
        Assert.All(Differences.All, difference => Assert.True(difference.Hurried || found[difference].Any(), difference.Title));
    }

    [LabFact]
    public async Task Ours_answers_strangers_as_stock_does()
    {
        (string Title, byte[] Words)[] greetings = [.. RecordedStories.Greetings(), .. MadeUpStories.Greetings()];
        Outcome[][] outcomes = await Task.WhenAll(new[] { Make.Stock, Make.Ours }.Select(make => Task.Run(async () =>
        {
            await using Stage stage = await Stage.Set("greetings", make, "");
            return greetings.Select(greeting => stage.Greet(greeting.Words)).ToArray();
        })));
        string[] differences =
        [
            .. greetings.Zip(outcomes[0], outcomes[1]).Where(found => found.Second != found.Third && !Differences.OfGreetings.ContainsKey(found.First.Title))
                .Select(found => $"{found.First.Title}\n    stock: {found.Second}\n    ours:  {found.Third}"),
        ];
        output.WriteLine($"{greetings.Length} greetings compared");
        Assert.True(differences.Length == 0, string.Join('\n', differences));
    }

    private static async Task<Performance[]> PlayAll(string label, Make make, IEnumerable<Story> stories)
    {
        await using Stage stage = await Stage.Set(label, make, label.Length == 0 ? "" : label + " = yes");
        List<Performance> performances = [];
        foreach (Story story in stories) performances.Add(await stage.Play(story));
        return [.. performances];
    }

    // After a difference the two daemons know different things: what follows in the story cannot be compared.
    private static IEnumerable<Comparison> Compare(Story story, Performance stock, Performance ours)
    {
        foreach ((Saying saying, Outcome one, Outcome other) in story.Sayings.Zip(stock.Outcomes, ours.Outcomes))
        {
            yield return new Comparison(story, saying, one, other);
            if (one != other) yield break;
        }

        // What each believes in the end and the other does not.
        static Outcome Beyond(Performance one, Performance other) => new(Verdict.Kept, [.. one.Belief.Except(other.Belief)], []);
        yield return new Comparison(story, Saying.End, Beyond(stock, ours), Beyond(ours, stock));
    }
}
