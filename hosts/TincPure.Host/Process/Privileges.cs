using TincPure.Config;
using TincPure.Host.Files;
using TincPure.Host.Linux;
using TincPure.Host.Logs;

namespace TincPure.Host.Process;

/// <summary>What the command line says about the rights of the process.</summary>
internal sealed record Rights(string? User, bool Chroot, bool LockMemory);

/// <summary>Gives up what only the start needs, in the order of spec 05 §6.1, steps 23 and 24.</summary>
internal sealed class Privileges(Rights rights, Settings settings, Logger log)
{
    /// <summary>Called when the configuration directory has become the root.</summary>
    public Action RootChanged { get; set; } = () => { };

    /// <exception cref="StartException">Something cannot be done: the daemon must not go on with more rights than it should.</exception>
    public void Drop()
    {
        ProcessPriorities.Set(settings);
        if (OperatingSystem.IsWindows())
            return;

        var account = rights.User is { } user ? Account.Find(user) : null;
        account?.TakeGroups();
        if (rights.Chroot)
        {
            RootFolder.MoveTo(settings.ConfBase);
            RootChanged();
        }

        if (account is not null && rights.LockMemory && !Posix.TryLiftLockLimit())
        {
            log.Warning("Only memory in use by now is locked: " + account.Name + " may not lock what comes");
            Posix.LockNoMoreMemory();
        }

        account?.TakeUser();
        ConfigurationFolders.Create(rights.Chroot ? "/" : settings.ConfBase, log);
        if (OperatingSystem.IsLinux())
            Confinement.Enter(settings.Sandbox, log);
    }
}
