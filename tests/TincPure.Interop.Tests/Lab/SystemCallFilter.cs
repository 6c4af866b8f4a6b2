using System.ComponentModel;
using System.Runtime.InteropServices;

namespace TincPure.Interop.Tests;

/// <summary>
/// What becomes of the system calls of a program, and of those that it starts: a filter on the thread that starts it, which they
/// inherit (seccomp(2)). What it has no word on goes on.
/// </summary>
internal sealed unsafe partial class SystemCallFilter
{
    private const ushort Load = 0x20, JumpIfEqual = 0x15, JumpIfAnySet = 0x45, JumpIfAtLeast = 0x35, Return = 0x06;
    private const uint Allow = 0x7fff0000, InvalidArgument = 0x00050016, AskJudge = 0x7fc00000;
    private const uint Number = 0, SecondArgument = 24, ThirdArgument = 32;
    private const int NoNewPrivileges = 38;
    private const uint FilterMode = 1, NewListener = 8;

    private readonly List<ulong> _program = [];
    private bool _asks;

    private static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    public static uint Read => IsArm64 ? 63u : 0;

    public static uint Ioctl => IsArm64 ? 29u : 16;

    public static uint SetOption => IsArm64 ? 208u : 54;

    public static uint ReceiveMany => IsArm64 ? 243u : 299;

    private static nint Seccomp => IsArm64 ? 277 : 317;

    /// <summary>Refuses a call (EINVAL) whose second argument is this, if the third is that or anything.</summary>
    public void Refuse(uint call, uint second, uint? third = null) =>
        Add(call, InvalidArgument, Equal(SecondArgument, second), third is { } wanted ? Equal(ThirdArgument, wanted) : null);

    /// <summary>Refuses a call (EINVAL) whose second argument is this, if any of these bits is in the third.</summary>
    public void RefuseAny(uint call, uint second, uint thirdBits) =>
        Add(call, InvalidArgument, Equal(SecondArgument, second), new Test(ThirdArgument, JumpIfAnySet, thirdBits));

    /// <summary>Lets a judge decide on a call whose second argument is this.</summary>
    public void Ask(uint call, uint second) => Ask(call, Equal(SecondArgument, second));

    /// <summary>Lets a judge decide on a call whose third argument is at least this.</summary>
    public void AskOfAtLeast(uint call, uint third) => Ask(call, new Test(ThirdArgument, JumpIfAtLeast, third));

    /// <summary>Starts a program under the filter. The descriptor by which the kernel asks, or -1 if it has nothing to ask.</summary>
    public int Start(Action start)
    {
        Exception? fault = null;
        int listener = -1;
        Thread thread = new(() =>
        {
            try
            {
                listener = Install();
                start();
            }
            catch (Exception e)
            {
                fault = e;
            }
        });
        thread.Start();
        thread.Join();
        return fault is null ? listener : throw fault;
    }

    private static Test Equal(uint argument, uint value) => new(argument, JumpIfEqual, value);

    private void Ask(uint call, Test test)
    {
        _asks = true;
        Add(call, AskJudge, test, null);
    }

    private void Add(uint call, uint verdict, Test first, Test? second)
    {
        Test[] tests = second is { } other ? [first, other] : [first];
        // A test that fails jumps behind the verdict.
        byte left = (byte)(tests.Length * 2 + 1);
        _program.AddRange([Step(Load, Number), Step(JumpIfEqual, call, ifFalse: left)]);
        foreach (Test test in tests)
        {
            left -= 2;
            _program.AddRange([Step(Load, test.Argument), Step(test.Jump, test.Value, ifFalse: left)]);
        }

        _program.Add(Step(Return, verdict));
    }

    private int Install()
    {
        fixed (ulong* instructions = (ulong[])[.. _program, Step(Return, Allow)])
        {
            Program whole = new() { Count = (ushort)(_program.Count + 1), Instructions = instructions };
            nint result = Control(NoNewPrivileges, 1, 0, 0, 0);
            if (result == 0) result = SystemCall(Seccomp, FilterMode, _asks ? NewListener : 0, &whole);
            if (result < 0) throw new Win32Exception(Marshal.GetLastPInvokeError());
            return _asks ? (int)result : -1;
        }
    }

    private static ulong Step(ushort code, uint operand, byte ifFalse = 0) => code | ((ulong)ifFalse << 24) | ((ulong)operand << 32);

    /// <summary>Something to be true of the lower half of an argument.</summary>
    private readonly record struct Test(uint Argument, ushort Jump, uint Value);

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
