namespace TincPure.Tinc;

/// <summary>Where the system keeps configurations and run-time files.</summary>
internal sealed record Roots(string Configuration, string RunTime)
{
    public static Roots OfSystem() =>
        OperatingSystem.IsWindows()
            ? new(Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "tinc"), "")
            : new("/etc/tinc", "/var/run");
}
