using Microsoft.FSharp.Core;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Host.Files;

namespace TincPure.Tincd;

/// <summary>Where the files of the daemon are that the command line means.</summary>
internal static class PlacesOf
{
    /// <summary>Null, with the reason on standard error, if the net name cannot be one.</summary>
    public static Places? Options(TincdOptions.Options options) =>
        TryNetName(options, out var netName)
            ? Places.Find(netName, Given(options.Config), Given(options.PidFile))
            : null;

    /// <summary>-n, else the environment; a dot and the empty name mean none (spec 05 §1.1 rule 7).</summary>
    private static bool TryNetName(TincdOptions.Options options, out string? name)
    {
        name = options.Net.IsSome ? options.Net.Value : Environment.GetEnvironmentVariable("NETNAME");
        if (name is null or "" or ".")
        {
            name = null;
            return true;
        }

        if (!NetName.isValid(name))
        {
            Console.Error.WriteLine("Invalid character in netname!");
            return false;
        }

        if (!NetName.isSafe(name))
            Console.Error.WriteLine("Warning: unsafe character in netname!");
        return true;
    }

    private static string? Given(FSharpValueOption<string> value) => value.IsSome ? value.Value : null;
}
