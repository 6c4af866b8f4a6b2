using System.Runtime.InteropServices;

namespace TincPure.Host.Linux;

/// <summary>
/// The program by which the kernel judges system calls, for the classic packet filter machine: what a VPN daemon and its
/// runtime never need is refused with EPERM.
/// </summary>
internal static class SystemCallFilter
{
    private const int ArchitectureOffset = 4, FirstArgumentOffset = 16;
    private const ushort Load = 0x20, JumpIfEqual = 0x15, JumpIfAtLeast = 0x35, JumpIfAnySet = 0x45, Return = 0x06;
    private const uint Allow = 0x7fff0000, Refuse = 0x00050001, Unknown = 0x00050026;

    /// <summary>CLONE_THREAD: a new thread and no new process.</summary>
    private const uint NewThread = 0x10000;

    /// <summary>On x86-64 numbers from here on belong to another way of calling, with other structures.</summary>
    private const uint OtherCalls = 0x40000000;

    /// <summary>System call numbers of one processor. New calls have the same number on all.</summary>
    internal sealed record Calls(
        uint Architecture, int Seccomp, int NewTask, int[] Processes, int[] Denied);

    /// <summary>
    /// ptrace, process_vm_readv and writev, mount, umount2, pivot_root, chroot, swapon, swapoff, reboot, sethostname,
    /// setdomainname, init_module, finit_module, delete_module, kexec_load, kexec_file_load, bpf, perf_event_open, add_key,
    /// request_key, keyctl, unshare, setns, settimeofday, clock_settime, adjtimex, clock_adjtime, acct, quotactl, syslog,
    /// personality, userfaultfd, open_by_handle_at, name_to_handle_at, io_uring_setup, fanotify_init, vhangup; on x86-64
    /// iopl, ioperm and modify_ldt besides.
    /// </summary>
    private static readonly Calls X64 = new(
        0xC000003E, 317, 56, [57, 58, 59, 322],
        [
            101, 310, 311, 165, 166, 155, 161, 167, 168, 169, 170, 171, 175, 313, 176, 246, 320, 321, 298, 248, 249, 250,
            272, 308, 164, 227, 159, 305, 163, 179, 103, 135, 323, 304, 303, 425, 300, 153, 172, 173, 154,
        ]);

    private static readonly Calls Arm64 = new(
        0xC00000B7, 277, 220, [221, 281],
        [
            117, 270, 271, 40, 39, 41, 51, 224, 225, 142, 161, 162, 105, 273, 106, 104, 294, 280, 241, 217, 218, 219,
            97, 268, 170, 112, 171, 266, 89, 60, 116, 92, 282, 265, 264, 425, 262, 58,
        ]);

    /// <summary>clone3, whose flags a filter cannot see: said not to exist, so that the C library takes clone.</summary>
    private const int Clone3 = 435;

    /// <summary>The new calls around mounts: open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr.</summary>
    private static readonly int[] MountCalls = [428, 429, 430, 431, 432, 433, 442];

    /// <summary>Those of this processor; null where none are known.</summary>
    public static Calls? Numbers =>
        RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => X64,
            Architecture.Arm64 => Arm64,
            _ => null,
        };

    /// <summary>Instructions, each as the eight bytes of struct sock_filter. Without child processes if so wished.</summary>
    public static ulong[] Build(Calls calls, bool withoutChildren)
    {
        var program = new List<ulong>
        {
            Instruction(Load, ArchitectureOffset),
            Instruction(JumpIfEqual, calls.Architecture, ifTrue: 1),
            Instruction(Return, Refuse),
            Instruction(Load, 0),
        };
        if (calls.Architecture == X64.Architecture)
        {
            program.Add(Instruction(JumpIfAtLeast, OtherCalls, ifFalse: 1));
            program.Add(Instruction(Return, Refuse));
        }

        foreach (var call in calls.Denied.Concat(MountCalls))
            Answer(program, call, Refuse);
        if (withoutChildren)
        {
            foreach (var call in calls.Processes)
                Answer(program, call, Refuse);
            Answer(program, Clone3, Unknown);
            program.Add(Instruction(JumpIfEqual, (uint)calls.NewTask, ifFalse: 3));
            program.Add(Instruction(Load, FirstArgumentOffset));
            program.Add(Instruction(JumpIfAnySet, NewThread, ifTrue: 1));
            program.Add(Instruction(Return, Refuse));
        }

        program.Add(Instruction(Return, Allow));
        return [.. program];
    }

    private static void Answer(List<ulong> program, int call, uint answer)
    {
        program.Add(Instruction(JumpIfEqual, (uint)call, ifFalse: 1));
        program.Add(Instruction(Return, answer));
    }

    private static ulong Instruction(ushort code, uint operand, byte ifTrue = 0, byte ifFalse = 0) =>
        code | ((ulong)ifTrue << 16) | ((ulong)ifFalse << 24) | ((ulong)operand << 32);
}
