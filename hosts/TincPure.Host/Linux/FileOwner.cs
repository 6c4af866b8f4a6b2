using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;

namespace TincPure.Host.Linux;

/// <summary>Who owns a file.</summary>
[SupportedOSPlatform("linux")]
internal static unsafe partial class FileOwner
{
    private const int CurrentDirectory = -100;
    private const uint OwnerAndGroup = 0x18;
    private const int UserOffset = 20, GroupOffset = 24, Size = 256;

    [LibraryImport("libc", EntryPoint = "statx")]
    private static partial int Statx(int folder, byte* path, int flags, uint mask, byte* result);

    /// <summary>User and group, or null if the system does not tell.</summary>
    public static (uint User, uint Group)? Of(string file)
    {
        var result = stackalloc byte[Size];
        try
        {
            fixed (byte* path = Encoding.UTF8.GetBytes(file + "\0"))
            {
                if (Statx(CurrentDirectory, path, 0, OwnerAndGroup, result) != 0)
                    return null;
            }

            return (*(uint*)(result + UserOffset), *(uint*)(result + GroupOffset));
        }
        catch (EntryPointNotFoundException)
        {
            return null;
        }
    }
}
