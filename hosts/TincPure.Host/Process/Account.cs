using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;

namespace TincPure.Host.Process;

/// <summary>
/// A user of the system, and becoming that user. The C library's functions change all threads of the process, as system
/// calls do not.
/// </summary>
[UnsupportedOSPlatform("windows")]
internal sealed unsafe partial record Account(string Name, uint User, uint Group)
{
    private const string Library = "libc";

    /// <summary>struct passwd, as far as all systems agree.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Entry
    {
        public byte* Name;
        public byte* Password;
        public uint User;
        public uint Group;
    }

    [LibraryImport(Library, EntryPoint = "getpwnam")]
    private static partial Entry* FindByName(byte* name);

    [LibraryImport(Library, EntryPoint = "initgroups", SetLastError = true)]
    private static partial int SetGroups(byte* name, uint group);

    [LibraryImport(Library, EntryPoint = "setgid", SetLastError = true)]
    private static partial int SetGroup(uint group);

    [LibraryImport(Library, EntryPoint = "setuid", SetLastError = true)]
    private static partial int SetUser(uint user);

    /// <exception cref="StartException">There is no such user.</exception>
    public static Account Find(string name)
    {
        fixed (byte* bytes = Encoding.UTF8.GetBytes(name + "\0"))
        {
            var entry = FindByName(bytes);
            return entry is not null
                ? new Account(name, entry->User, entry->Group)
                : throw new StartException("unknown user `" + name + "'");
        }
    }

    /// <exception cref="StartException">The system refuses.</exception>
    public void TakeGroups()
    {
        fixed (byte* bytes = Encoding.UTF8.GetBytes(Name + "\0"))
        {
            if (SetGroups(bytes, Group) != 0 || SetGroup(Group) != 0)
                throw Posix.CallFailed("initgroups");
        }
    }

    /// <exception cref="StartException">The system refuses.</exception>
    public void TakeUser()
    {
        if (SetUser(User) != 0)
            throw Posix.CallFailed("setuid");
    }
}
