namespace TincPure.Interop.Tests.Differential;

/// <summary>
/// A configuration with something wrong in it.
/// </summary>
/// <param name="Lines">What stands in tinc.conf behind the lines of a daemon that starts; a variable of those lines replaces theirs.</param>
/// <param name="Starts">Whether daemons start with it.</param>
/// <param name="Text">What they say, in the order in which it must come.</param>
public sealed record BadStart(string Lines, bool Starts, params string[] Text)
{
    /// <summary>Other files, by their paths; null takes one away, a path that ends with a slash is a folder.</summary>
    public IReadOnlyDictionary<string, string?> Files { get; init; } = new Dictionary<string, string?>();

    public IReadOnlyDictionary<string, UnixFileMode> Modes { get; init; } = new Dictionary<string, UnixFileMode>();

    public string[] Arguments { get; init; } = [];

    /// <summary>Where stock does not say the same, and why: ours says what is in <see cref="Text"/>.</summary>
    public string? StockSaysOtherwise { get; init; }

    /// <summary>Why stock 1.1~pre18 does the opposite.</summary>
    public string? StockDoesOtherwise { get; init; }

    /// <summary>What ours says besides, so that people find the fault.</summary>
    public string[] OursAdds { get; init; } = [];

    public override string ToString() =>
        string.Join("; ", (string[])[
            .. Lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Length > 60 ? line[..60] + "..." : line),
            .. Files.Select(file => $"{file.Key}: {file.Value?.Split('\n')[0] ?? "missing"}"),
            .. Modes.Select(mode => $"{mode.Key} {Convert.ToString((int)mode.Value, 8)}"),
            .. Arguments]);
}
