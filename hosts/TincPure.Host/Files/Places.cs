using TincPure.Host.Process;

namespace TincPure.Host.Files;

/// <summary>Where a daemon's files are (spec 05 §2.3, §2.5, §3.1), before anything is read.</summary>
public sealed class Places
{
    private const string VariableState = "/var";

    private Places(string? netName, string confBase, string? pidFile)
    {
        NetName = netName;
        Identity = netName is null ? "tinc" : "tinc." + netName;
        ConfBase = confBase;
        var stateIsOurs = WhyStateInaccessible is null;
        PidFile = pidFile ?? (stateIsOurs ? VariableState + "/run/" + Identity + ".pid" : Path.Combine(ConfBase, "pid"));
        LogFile = stateIsOurs ? VariableState + "/log/" + Identity + ".log" : Path.Combine(ConfBase, "log");
    }

    public string? NetName { get; }

    /// <summary>What the daemon calls itself in logs: `tinc` or `tinc.NETNAME`.</summary>
    public string Identity { get; }

    /// <summary>The configuration directory.</summary>
    public string ConfBase { get; }

    public string PidFile { get; }

    /// <summary>The log file if none is named.</summary>
    public string LogFile { get; }

    /// <summary>Why the system's own folders for run-time files cannot be used; null if they can.</summary>
    public static string? WhyStateInaccessible { get; } =
        OperatingSystem.IsWindows() ? "" : Posix.WhyInaccessible(VariableState);

    private static string SystemConfiguration =>
        OperatingSystem.IsWindows()
            ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "tinc")
            : "/etc/tinc";

    /// <summary>Paths that are given are relative to the current directory.</summary>
    public static Places Find(string? netName, string? confBase, string? pidFile) =>
        new(
            netName,
            confBase is not null ? Absolute(confBase)
                : netName is not null ? Path.Combine(SystemConfiguration, netName)
                : SystemConfiguration,
            pidFile is not null ? Absolute(pidFile) : null);

    /// <summary>Only made absolute, not tidied: messages show paths as they were given.</summary>
    public static string Absolute(string path) => Path.Combine(Environment.CurrentDirectory, path);
}
