using TincPure.Config;

namespace TincPure.Host.Process;

/// <summary>ProcessPriority: nice values, or priority classes on Windows.</summary>
internal static class ProcessPriorities
{
    private const int LowNice = 10, NormalNice = 0, HighNice = -10;

    /// <exception cref="StartException">The system refuses.</exception>
    public static void Set(Settings settings)
    {
        if (settings.ProcessPriority.IsNone)
            return;

        var priority = settings.ProcessPriority.Value;
        if (OperatingSystem.IsWindows())
        {
            using var process = System.Diagnostics.Process.GetCurrentProcess();
            process.PriorityClass =
                priority.IsLowPriority ? System.Diagnostics.ProcessPriorityClass.BelowNormal
                : priority.IsHighPriority ? System.Diagnostics.ProcessPriorityClass.High
                : System.Diagnostics.ProcessPriorityClass.Normal;
            return;
        }

        var nice = priority.IsLowPriority ? LowNice : priority.IsHighPriority ? HighNice : NormalNice;
        if (Posix.SetNice(nice) is { } reason)
            throw new StartException("System call `setpriority' failed: " + reason);
    }
}
