using System.Runtime.InteropServices;
using TincPure.Host.Engine;
using TincPure.Node;

namespace TincPure.Host.Process;

/// <summary>Signals become inputs of the node (spec 05 §2.6). Default effects return when disposed.</summary>
internal sealed class Signals : IDisposable
{
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

    private void On(PosixSignal signal, Action act) =>
        _registrations.Add(PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            act();
        }));

    public void Dispose() => _registrations.ForEach(registration => registration.Dispose());
}
