using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;

namespace TincPure.Host.Process;

/// <summary>Changing the root directory of the process (--chroot).</summary>
[UnsupportedOSPlatform("windows")]
internal static unsafe partial class RootFolder
{
    [LibraryImport("libc", EntryPoint = "chroot", SetLastError = true)]
    private static partial int ChangeRoot(byte* path);

    /// <summary>The folder becomes the root and the working directory.</summary>
    /// <exception cref="StartException">The system refuses.</exception>
    public static void MoveTo(string folder)
    {
        LoadProgram();
        fixed (byte* path = Encoding.UTF8.GetBytes(folder + "\0"))
        {
            if (ChangeRoot(path) != 0)
                throw Posix.CallFailed("chroot");
        }

        Environment.CurrentDirectory = "/";
    }

    /// <summary>The runtime loads parts of the program when they are first needed; behind the new root it could not.</summary>
    [UnconditionalSuppressMessage(
        "Trimming", "IL2026", Justification = "A program that was trimmed into one file has nothing left to load.")]
    private static void LoadProgram()
    {
        var known = new HashSet<string>(StringComparer.Ordinal);
        var left = new Queue<Assembly>(AppDomain.CurrentDomain.GetAssemblies());
        while (left.TryDequeue(out var assembly))
        {
            foreach (var name in assembly.GetReferencedAssemblies())
            {
                if (!known.Add(name.FullName))
                    continue;
                try
                {
                    left.Enqueue(Assembly.Load(name));
                }
                catch (Exception e) when (e is IOException or BadImageFormatException)
                {
                    // Referred to, but not part of the program: never needed.
                }
            }
        }
    }
}
