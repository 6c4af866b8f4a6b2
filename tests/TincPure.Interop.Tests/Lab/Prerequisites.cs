namespace TincPure.Interop.Tests;

/// <summary>What real daemons in network namespaces need from the machine.</summary>
public static class Prerequisites
{
    private static readonly Lazy<string?> FirstMissing = new(Find);

    /// <summary>Why the tests cannot run here; null when they can.</summary>
    public static string? Missing => FirstMissing.Value;

    /// <summary>Under CI what is missing is a failure, elsewhere a reason to skip.</summary>
    public static string? SkipReason =>
        Environment.GetEnvironmentVariable("CI") == "true" ? null : Missing;

    private static string? Find()
    {
        if (!OperatingSystem.IsLinux()) return "network namespaces are a matter of Linux";
        if (!Environment.IsPrivilegedProcess) return "root is needed to make network namespaces";
        if (!File.Exists("/dev/net/tun")) return "there is no /dev/net/tun";
        foreach (string tool in (string[])["ip -V", "nft --version", "ping -V", "iperf3 --version"])
        {
            if (!Command.Works(tool.Split(' '))) return $"{tool.Split(' ')[0]} is not installed (tests/tools/prepare.sh)";
        }

        foreach (Make make in Enum.GetValues<Make>())
        {
            if (!Command.Works(Programs.Tincd(make), "--version"))
            {
                return $"{Programs.Tincd(make)} does not run (./build.sh publish; tests/tools/prepare.sh)";
            }
        }

        // A container may let us be root and still refuse namespaces.
        string name = $"tp{Environment.ProcessId}-try";
        if (!Command.Works("ip", "netns", "add", name)) return "network namespaces cannot be made here";
        bool runs = Command.Works("ip", "netns", "exec", name, "nft", "list", "ruleset");
        Command.Run("ip", "netns", "del", name);
        return runs ? null : "nftables does not work in a network namespace here";
    }
}

/// <summary>A fact about real daemons: skipped, with the reason printed, where the machine cannot run them.</summary>
public sealed class LabFactAttribute : FactAttribute
{
    public LabFactAttribute() => Skip = Prerequisites.SkipReason;
}

/// <summary>A theory about real daemons: skipped, with the reason printed, where the machine cannot run them.</summary>
public sealed class LabTheoryAttribute : TheoryAttribute
{
    public LabTheoryAttribute() => Skip = Prerequisites.SkipReason;
}

/// <summary>A fact that takes many minutes to see: only run when asked for.</summary>
public sealed class SoakFactAttribute : FactAttribute
{
    public SoakFactAttribute() => Skip = SoakTheoryAttribute.Reason;
}

/// <summary>A theory that takes many minutes: only run when asked for.</summary>
public sealed class SoakTheoryAttribute : TheoryAttribute
{
    /// <summary>Whether the long form of tests was asked for.</summary>
    public static bool IsWanted { get; } = Environment.GetEnvironmentVariable("TINCPURE_INTEROP_SOAK") == "1";

    public SoakTheoryAttribute() => Skip = Reason;

    internal static string? Reason =>
        IsWanted
            ? Prerequisites.SkipReason
            : "takes many minutes; run with ./build.sh soak";
}
