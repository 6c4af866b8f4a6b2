using TincPure.Config;
using TincPure.Host.Files;

namespace TincPure.Tinc;

/// <summary>Where the files of a network are (spec 06 §2). Paths are byte text, as they appear in messages.</summary>
internal sealed class Locations
{
    private static readonly char Separator = Path.DirectorySeparatorChar;

    /// <summary>Most commands have no use for it, and to look for it takes time.</summary>
    private readonly Lazy<string> _pidFile;

    public Locations(Roots roots, string? netName, string? config, string? pidFile)
    {
        NetName = netName;
        Identity = netName is null ? "tinc" : "tinc." + netName;
        ConfigurationRoot = roots.Configuration;
        ConfBase = config ?? (netName is null ? roots.Configuration : Join(roots.Configuration, netName));
        _pidFile = new Lazy<string>(() => pidFile ?? FindPidFile(roots.RunTime));
    }

    public string? NetName { get; }

    /// <summary>What daemon and prompt are called: `tinc` or `tinc.NETNAME`.</summary>
    public string Identity { get; }

    /// <summary>The folder of all networks.</summary>
    public string ConfigurationRoot { get; }

    /// <summary>The folder of this network.</summary>
    public string ConfBase { get; }

    public string PidFile => _pidFile.Value;

    public string TincConf => Join(ConfBase, "tinc.conf");

    public string Hosts => Join(ConfBase, "hosts");

    public string Host(string name) => Join(Hosts, name);

    public static string Join(string folder, string name) => folder + Separator + name;

    /// <summary>The system's folder, unless only the configuration directory has a pid file that can be read.</summary>
    private string FindPidFile(string runTime)
    {
        var own = Join(ConfBase, "pid");
        if (OperatingSystem.IsWindows())
            return own;

        var usual = Join(runTime, Identity + ".pid");
        return !Disk.IsReadable(usual) && Disk.IsReadable(own) ? own : usual;
    }
}
