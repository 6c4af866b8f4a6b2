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
}

/// <summary>
/// Starts programs for whom the kernel refuses something: by a filter on the system calls of the thread that starts them, which
/// they inherit.
/// </summary>
internal static unsafe partial class Refusals
{
    private const ushort Load = 0x20, JumpIfEqual = 0x15, JumpIfAnySet = 0x45, Return = 0x06;
    private const uint Allow = 0x7fff0000, InvalidArgument = 0x00050016;
    private const uint Number = 0, SecondArgument = 24, ThirdArgument = 32;
    private const int NoNewPrivileges = 38, SetFilter = 22, FilterMode = 2;
    private const uint UdpLevel = 17, UdpSegment = 103, UdpGro = 104, SetOffload = 0x400454D0, UdpOffloads = 0x60;

    private static (uint Ioctl, uint SetOption) Calls =>
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? (29u, 208u) : (16u, 54u);

    public static void Start(Refused refused, Action start)
    {
        Exception? fault = null;
        Thread thread = new(() =>
        {
            try
            {
                Install(refused);
                start();
            }
            catch (Exception e)
            {
                fault = e;
            }
        });
        thread.Start();
        thread.Join();
        if (fault is not null) throw fault;
    }

    private static void Install(Refused refused)
    {
        List<ulong> program = [];
        if (refused.HasFlag(Refused.Runs)) Refuse(program, Calls.SetOption, UdpLevel, Step(JumpIfEqual, UdpSegment, ifFalse: 1));
        if (refused.HasFlag(Refused.Gluing)) Refuse(program, Calls.SetOption, UdpLevel, Step(JumpIfEqual, UdpGro, ifFalse: 1));
        if (refused.HasFlag(Refused.DeviceOffloads)) Refuse(program, Calls.Ioctl, SetOffload, Step(JumpIfEqual, 0, ifFalse: 0));
        if (refused.HasFlag(Refused.DeviceUdpOffloads)) Refuse(program, Calls.Ioctl, SetOffload, Step(JumpIfAnySet, UdpOffloads, ifFalse: 1));
        program.Add(Step(Return, Allow));

        fixed (ulong* instructions = program.ToArray())
        {
            Program whole = new() { Count = (ushort)program.Count, Instructions = instructions };
            if (Control(NoNewPrivileges, 1, null, 0, 0) != 0 || Control(SetFilter, FilterMode, &whole, 0, 0) != 0)
                throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>Refuses a call whose second argument is this, if the third passes the test.</summary>
    private static void Refuse(List<ulong> program, uint call, uint second, ulong test) => program.AddRange([
        Step(Load, Number),
        Step(JumpIfEqual, call, ifFalse: 5),
        Step(Load, SecondArgument),
        Step(JumpIfEqual, second, ifFalse: 3),
        Step(Load, ThirdArgument),
        test,
        Step(Return, InvalidArgument)]);

    private static ulong Step(ushort code, uint operand, byte ifFalse = 0) => code | ((ulong)ifFalse << 24) | ((ulong)operand << 32);

    /// <summary>struct sock_fprog</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Program
    {
        public ushort Count;
        public ulong* Instructions;
    }

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    private static partial int Control(int option, nuint one, void* two, nuint three, nuint four);
}
