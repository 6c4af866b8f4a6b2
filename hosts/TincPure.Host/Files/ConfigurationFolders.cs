using System.Runtime.Versioning;
using TincPure.Host.Logs;
using TincPure.Host.Process;
using TincPure.Primitives;

namespace TincPure.Host.Files;

/// <summary>The folders below the configuration directory that a daemon writes to (spec 05 §2.8, §3.1).</summary>
[UnsupportedOSPlatform("windows")]
internal static class ConfigurationFolders
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private const UnixFileMode Readable =
        Private
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Makes those that are missing; the first failure ends it. Modes of existing ones stay.</summary>
    public static void Create(string confBase, Logger log)
    {
        foreach (var (name, mode) in new[] { ("invitations", Private), ("cache", Readable), ("hosts", Readable) })
        {
            var path = Path.Combine(confBase, name);
            try
            {
                if (!Directory.Exists(path))
                    Directory.CreateDirectory(path, mode);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                log.Write(
                    DebugLevel.connections, Priority.Warning, "Could not create directory " + path + ": " + ErrorText.Of(e));
                return;
            }
        }
    }
}
