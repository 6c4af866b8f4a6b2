using System.CommandLine;

namespace TincPure.Tinc;

/// <summary>The options of one command that were given.</summary>
internal sealed class Switches(ParseResult line)
{
    public bool Json => Has("--json");

    public bool Has(string name) => line.CommandResult.GetValue<bool>(name);

    public string? Value(string name) => line.CommandResult.GetValue<string>(name);
}
