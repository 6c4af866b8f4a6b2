using System.ComponentModel;
using System.Runtime.InteropServices;

namespace TincPure.Interop.Tests;

/// <summary>What a kernel can be made to refuse, as older ones or ones of containers do.</summary>
[Flags]
public enum Refused
{
    Nothing = 0,

    /// <summary>TUNSETOFFLOAD, whatever is asked for.</summary>
    DeviceOffloads = 1,

    /// <summary>TUNSETOFFLOAD with UDP in it, as before Linux 6.2.</summary>
    DeviceUdpOffloads = 2,

    /// <summary>UDP_SEGMENT, as before Linux 4.18.</summary>
    Runs = 4,

    /// <summary>UDP_GRO, as before Linux 5.0.</summary>
    Gluing = 8,

    /// <summary>TUNSETIFF with IFF_VNET_HDR, as before Linux 2.6.27.</summary>
    DeviceHeaders = 16,
}

/// <summary>
/// Starts programs for whom the kernel refuses something: by a filter on the system calls of the thread that starts them, which
/// they inherit.
/// </summary>
internal static unsafe partial class Refusals
{
    private const ushort Load = 0x20, JumpIfEqual = 0x15, JumpIfAnySet = 0x45, Return = 0x06;
    private const uint Allow = 0x7fff0000, InvalidArgument = 0x00050016, AskJudge = 0x7fc00000;
    private const uint Number = 0, SecondArgument = 24, ThirdArgument = 32;
    private const int NoNewPrivileges = 38;
    private const uint FilterMode = 1, NewListener = 8;
    private const uint UdpLevel = 17, UdpSegment = 103, UdpGro = 104, SetInterface = 0x400454CA, SetOffload = 0x400454D0, UdpOffloads = 0x60;

    private static readonly ulong Always = Step(JumpIfEqual, 0);

    private static (uint Ioctl, uint SetOption, nint Seccomp) Calls =>
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? (29u, 208u, 277) : (16u, 54u, 317);

    /// <summary>Starts a program. Who refuses it headers, if they are refused, tells how often that was.</summary>
    public static HeaderJudge? Start(Refused refused, Action start)
    {
        Exception? fault = null;
        HeaderJudge? judge = null;
        Thread thread = new(() =>
        {
            try
            {
                int listener = Install(refused);
                if (listener >= 0) judge = new HeaderJudge(listener);
                start();
            }
            catch (Exception e)
            {
                fault = e;
            }
        });
        thread.Start();
        thread.Join();
        // Not by that thread: what it starts inherits the filter.
        judge?.Begin();
        return fault is null ? judge : throw fault;
    }

    // The descriptor by which the kernel asks, or -1 if it has nothing to ask.
    private static int Install(Refused refused)
    {
        List<ulong> program = [];
        bool asks = refused.HasFlag(Refused.DeviceHeaders);
        if (refused.HasFlag(Refused.Runs)) Judge(program, Calls.SetOption, UdpLevel, Step(JumpIfEqual, UdpSegment, ifFalse: 1));
        if (refused.HasFlag(Refused.Gluing)) Judge(program, Calls.SetOption, UdpLevel, Step(JumpIfEqual, UdpGro, ifFalse: 1));
        if (refused.HasFlag(Refused.DeviceOffloads)) Judge(program, Calls.Ioctl, SetOffload, Always);
        if (refused.HasFlag(Refused.DeviceUdpOffloads)) Judge(program, Calls.Ioctl, SetOffload, Step(JumpIfAnySet, UdpOffloads, ifFalse: 1));
        if (asks) Judge(program, Calls.Ioctl, SetInterface, Always, AskJudge);
        program.Add(Step(Return, Allow));

        fixed (ulong* instructions = program.ToArray())
        {
            Program whole = new() { Count = (ushort)program.Count, Instructions = instructions };
            nint result = Control(NoNewPrivileges, 1, 0, 0, 0);
            if (result == 0) result = SystemCall(Calls.Seccomp, FilterMode, asks ? NewListener : 0, &whole);
            if (result < 0) throw new Win32Exception(Marshal.GetLastPInvokeError());
            return asks ? (int)result : -1;
        }
    }

    /// <summary>What is to become of a call whose second argument is this, if the third passes the test.</summary>
    private static void Judge(List<ulong> program, uint call, uint second, ulong test, uint verdict = InvalidArgument) => program.AddRange([
        Step(Load, Number),
        Step(JumpIfEqual, call, ifFalse: 5),
        Step(Load, SecondArgument),
        Step(JumpIfEqual, second, ifFalse: 3),
        Step(Load, ThirdArgument),
        test,
        Step(Return, verdict)]);

    private static ulong Step(ushort code, uint operand, byte ifFalse = 0) => code | ((ulong)ifFalse << 24) | ((ulong)operand << 32);

    /// <summary>struct sock_fprog</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Program
    {
        public ushort Count;
        public ulong* Instructions;
    }

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    private static partial int Control(int option, nuint one, nuint two, nuint three, nuint four);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nuint operation, nuint flags, void* program);
}
