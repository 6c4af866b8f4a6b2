namespace TincPure.Interop.Tests.Differential;

/// <summary>One command line in a scratch folder. `{D}` in words stands for the folder.</summary>
/// <param name="Files">Which files are there (<see cref="Templates"/>).</param>
public sealed record Case(string Files, string[] Words, string Input = "", string? NetName = null)
{
    public override string ToString() =>
        $"[{Files}] tinc {string.Join(' ', Words.Select(Quoted))}"
        + (Input.Length > 0 ? $" <<< {Quoted(Input)}" : "")
        + (NetName is null ? "" : $" NETNAME={NetName}");

    private static string Quoted(string word) =>
        word.Length > 0 && word.All(c => c > ' ') ? word : "'" + word.Replace("\n", "\\n").Replace("\t", "\\t") + "'";
}

/// <summary>What a run left behind, with everything replaced that is different each time.</summary>
public sealed record Outcome(int ExitCode, string Output, string Errors, IReadOnlyDictionary<string, string> Files)
{
    /// <summary>In what the two differ, one line for each aspect.</summary>
    public static IReadOnlyList<string> Differences(Outcome stock, Outcome ours)
    {
        List<string> found = [];
        if (stock.ExitCode != ours.ExitCode) found.Add($"exit code: stock {stock.ExitCode}, ours {ours.ExitCode}");
        if (stock.Output != ours.Output) found.Add($"stdout: stock {Shown(stock.Output)}, ours {Shown(ours.Output)}");
        if (stock.Errors != ours.Errors) found.Add($"stderr: stock {Shown(stock.Errors)}, ours {Shown(ours.Errors)}");
        foreach (string path in stock.Files.Keys.Union(ours.Files.Keys).Order(StringComparer.Ordinal))
        {
            string before = stock.Files.GetValueOrDefault(path, "absent"), after = ours.Files.GetValueOrDefault(path, "absent");
            if (before != after) found.Add($"file {path}: stock {Shown(before)}, ours {Shown(after)}");
        }

        return found;
    }

    private static string Shown(string text) => "\"" + text.Replace("\n", "\\n") + "\"";
}
