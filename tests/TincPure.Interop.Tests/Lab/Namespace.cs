using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TincPure.Interop.Tests;

/// <summary>A network namespace: programs run in it, and sockets of this process are opened in it.</summary>
public sealed partial class Namespace : IDisposable
{
    public Namespace(string label)
    {
        Name = Laboratory.Here.NewName(label);
        Command.Run("ip", "netns", "add", Name).OrThrow();
        Ip("link set lo up");
    }

    public string Name { get; }

    /// <summary>Runs a program in here to its end.</summary>
    public CommandResult Run(params string[] line) => Command.Run(["ip", "netns", "exec", Name, .. line]);

    /// <summary>Carries out commands of iproute2, one a line.</summary>
    public void Ip(params string[] commands) =>
        Command.RunWith(string.Join('\n', commands) + "\n", "ip", "-n", Name, "-batch", "-").OrThrow();

    /// <summary>Opens a socket in here, with the kernel's own numbers.</summary>
    public Socket Open(int domain, int type, int protocol)
    {
        int descriptor = -1, error = 0;
        // Moving between namespaces is a matter of the thread; this one goes away afterwards.
        Thread thread = new(() =>
        {
            using SafeFileHandle door = File.OpenHandle($"/run/netns/{Name}");
            if (SetNamespace(door, NetworkNamespace) == 0)
            {
                descriptor = OpenSocket(domain, type | CloseOnExec, protocol);
            }

            if (descriptor < 0) error = Marshal.GetLastPInvokeError();
        });
        thread.Start();
        thread.Join();
        if (descriptor < 0) throw new Win32Exception(error, $"no socket {domain} {type} {protocol} in {Name}");
        return new Socket(new SafeSocketHandle(descriptor, ownsHandle: true));
    }

    public void Dispose()
    {
        Command.Run("sh", "-c", "for pid in $(ip netns pids \"$1\"); do kill -9 \"$pid\"; done", "end", Name);
        Command.Run("ip", "netns", "del", Name);
    }

    private const int NetworkNamespace = 0x40000000; // CLONE_NEWNET
    private const int CloseOnExec = 0x80000; // SOCK_CLOEXEC

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(SafeFileHandle descriptor, int kind);

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int OpenSocket(int domain, int type, int protocol);
}
