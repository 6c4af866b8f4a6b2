using System.Text;

namespace TincPure.Host.Process;

/// <summary>The name by which the program was started, as its messages begin.</summary>
public static class ProgramName
{
    public static string AsStarted { get; } = FromKernel() ?? FromRuntime();

    /// <summary>Only Linux tells; a program started through `dotnet` has no name of its own there.</summary>
    private static string? FromKernel()
    {
        if (!OperatingSystem.IsLinux())
            return null;

        try
        {
            var words = File.ReadAllBytes("/proc/self/cmdline");
            var end = Array.IndexOf(words, (byte)0);
            var first = Encoding.UTF8.GetString(words, 0, Math.Max(end, 0));
            return first.Length == 0 || Path.GetFileName(first) == "dotnet" ? null : first;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string FromRuntime()
    {
        var first = Environment.GetCommandLineArgs()[0];
        return first.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) ? first[..^".dll".Length] : first;
    }
}
