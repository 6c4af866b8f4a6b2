using System.Globalization;
using System.Reflection;

namespace TincPure.Host;

/// <summary>What this build calls itself.</summary>
public static class BuildInfo
{
    /// <summary>The protocol that is spoken.</summary>
    public const string Protocol = "17.7";

    public static string Version { get; } =
        typeof(BuildInfo).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    /// <summary>The version where programs look for that of tinc: the reference's line of versions, then our own.</summary>
    public static string TincVersion { get; } = "1.1-TincPure-" + Version;

    /// <summary>
    /// Date and time as C compilers write them. Builds are reproducible and do not know when they were made: this is
    /// when the program was put where it is.
    /// </summary>
    public static string BuildTime
    {
        get
        {
            var program = Environment.ProcessPath is { } path ? File.GetLastWriteTime(path) : DateTime.UnixEpoch;
            return program.ToString("MMM ", CultureInfo.InvariantCulture)
                + program.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2)
                + program.ToString(" yyyy HH:mm:ss", CultureInfo.InvariantCulture);
        }
    }

    /// <summary>What `--version` prints (spec 05 §1.1). Programs read the first line and that of the features.</summary>
    public static string VersionText(string features) =>
        $"""
        tinc version {TincVersion} (built {BuildTime}, protocol {Protocol})
        Features: {features}

        TincPure {Version}, an independent implementation of tinc.
        Copyright (c) TincPure authors.

        TincPure comes with ABSOLUTELY NO WARRANTY. It is free software,
        and you are welcome to use it under the terms of the MIT licence.
        """;
}
