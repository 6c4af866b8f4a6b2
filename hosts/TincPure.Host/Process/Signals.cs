using System.Runtime.InteropServices;
using TincPure.Host.Engine;
using TincPure.Node;

namespace TincPure.Host.Process;

/// <summary>Signals become inputs of the node (spec 05 §2.6). Default effects return when disposed.</summary>
internal sealed unsafe partial class Signals : IDisposable
{
    /// <summary>Numbers that are the same on Linux, macOS and BSD.</summary>
    private const int Hangup = 1, Interrupt = 2, Quit = 3, Terminate = 15;

    private const nint Default = 0, Ignored = 1;

    /// <summary>More than a struct sigaction of any system takes. The handler stands first.</summary>
    private const int ActionSize = 256;

    /// <summary>Signals without a name in .NET have the same number on Linux, macOS and BSD, but for those of users.</summary>
    private const int Alarm = 14;

    private static int User1 => OperatingSystem.IsLinux() || OperatingSystem.IsAndroid() ? 10 : 30;

    private static int User2 => OperatingSystem.IsLinux() || OperatingSystem.IsAndroid() ? 12 : 31;

    private readonly List<PosixSignalRegistration> _registrations = [];

    public Signals(InputQueue inputs)
    {
        On(PosixSignal.SIGTERM, () => inputs.Post(Input.NewSignalled(Signal.Terminate)));
        On(PosixSignal.SIGINT, () => inputs.Post(Input.NewSignalled(Signal.Interrupt)));
        On(PosixSignal.SIGQUIT, () => inputs.Post(Input.NewSignalled(Signal.Quit)));
        On(PosixSignal.SIGHUP, () => inputs.Post(Input.NewSignalled(Signal.Hangup)));

        if (OperatingSystem.IsWindows())
            return;
        On((PosixSignal)Alarm, () => inputs.Post(Input.NewSignalled(Signal.Alarm)));
        On((PosixSignal)User1, () => inputs.Post(Input.NewSignalled(Signal.User1)));
        On((PosixSignal)User2, () => inputs.Post(Input.NewSignalled(Signal.User2)));
        On(PosixSignal.SIGWINCH, () => inputs.Post(Input.NewSignalled(Signal.WindowChange)));
    }

    /// <summary>
    /// What was started by nohup, or in the background of a script, ignores some signals, and the runtime leaves it so. A daemon is
    /// reloaded and ended by them nonetheless, as stock tinc is. To be called first of all: the runtime looks when it first has to do
    /// with a terminal.
    /// </summary>
    public static void Heed()
    {
        if (OperatingSystem.IsWindows())
            return;

        var action = stackalloc byte[ActionSize];
        foreach (var signal in (ReadOnlySpan<int>)[Hangup, Interrupt, Quit, Terminate, Alarm])
        {
            if (GetAction(signal, null, action) == 0 && *(nint*)action == Ignored)
                SetHandler(signal, Default);
        }
    }

    [LibraryImport("libc", EntryPoint = "sigaction")]
    private static partial int GetAction(int signal, void* newer, void* current);

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetHandler(int signal, nint handler);

    private void On(PosixSignal signal, Action act) =>
        _registrations.Add(PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            act();
        }));

    public void Dispose() => _registrations.ForEach(registration => registration.Dispose());
}
