namespace TincPure.Interop.Tests.Differential;

/// <summary>Why we differ from the stock program that is at hand, 1.1pre18, where we do.</summary>
internal static class Reasons
{
    /// <summary>The reason, if there is one for everything in which the two differ.</summary>
    public static string? For(Case run, IReadOnlyList<string> differences)
    {
        bool Has(string word) => run.Words.Any(w => w.Contains(word, StringComparison.OrdinalIgnoreCase));
        bool Only(params string[] aspects) => differences.All(found => aspects.Any(aspect => found.StartsWith(aspect, StringComparison.Ordinal)));

        if (Only("stderr") && differences.All(found => found.Contains("Did you mean `")))
            return "we name what may have been meant";
        if (Has("Subnet") && differences.Any(found => found.StartsWith("stderr", StringComparison.Ordinal) && found.Contains("Malformed subnet")))
            return "1.1pre18 complains of a malformed Subnet, or of none at all, and goes on";
        if (Has("Subnet") && run.Words.Any(word => word.Equals("add", StringComparison.OrdinalIgnoreCase)) && Only("exit code", "file net/hosts/"))
            return "1.1pre18 takes a malformed Subnet after all";
        if (Has("get") && Has("Port") && Only("stderr", "stdout"))
            return "the newest 1.1 asks the pid file for the port first";
        if (Has("init") && Only("file net/cache"))
            return "the newest 1.1 makes the folder of the address cache";
        if (Has("export-all") && Only("stdout"))
            return "the order of folders; and the newest 1.1 puts an empty line before separators";
        if (Has("invite") && Only("file net/invitations/"))
            return "the newest 1.1 replaces Port in the host file of an invitation";
        if (Has("invite") && run.Files == "messy")
            return "1.1pre18 makes an invitation without an address";
        if (run.Files == "badname" && Has("generate-") && Only("stderr"))
            return "the newest 1.1 looks up the name in silence";
        return null;
    }
}
