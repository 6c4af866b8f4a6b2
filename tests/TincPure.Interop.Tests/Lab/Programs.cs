namespace TincPure.Interop.Tests;

/// <summary>Who made a daemon.</summary>
public enum Make
{
    Ours,

    /// <summary>Stock tinc 1.1.</summary>
    Stock,

    /// <summary>Stock tinc 1.0, which speaks the legacy protocol only.</summary>
    Stock10,
}

/// <summary>Where the programs under test and their counterparts are.</summary>
public static class Programs
{
    public static string Tree { get; } = FindTree();

    /// <summary>
    /// A rehearsal of the tests themselves: stock tinc plays both parts. What fails then is a fault of a test.
    /// </summary>
    public static bool DryRun { get; } = Environment.GetEnvironmentVariable("TINCPURE_INTEROP_DRYRUN") is "1" or "true";

    /// <summary>The makes that speak SPTPS and have a `tinc` program.</summary>
    public static Make[] Makes11 { get; } = [Make.Ours, Make.Stock];

    public static string Tincd(Make make) => Path.Combine(Folder(make), "tincd");

    public static string Tinc(Make make) => Path.Combine(Folder(make), "tinc");

    private static string Folder(Make make) => make switch
    {
        Make.Ours when !DryRun => Path.Combine(Tree, "out"),
        Make.Stock10 => Path.Combine(Tree, "tests", ".stock", "tinc-1.0"),
        _ => Path.Combine(Tree, "tests", ".stock", "tinc-1.1"),
    };

    private static string FindTree()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "TincPure.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("TincPure.sln is in no folder above the tests");
    }
}
