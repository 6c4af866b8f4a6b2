using System.Runtime.InteropServices;
using Microsoft.FSharp.Collections;
using TincPure.Commands;

namespace TincPure.Tinc.Commands;

/// <summary>`log`: the daemon's messages as they come (spec 06 §8.2, §15.7).</summary>
internal static class LogCommand
{
    private const int FollowDaemon = -1, LongestMessage = 1024;

    public static int Run(Session session, string[] arguments)
    {
        if (arguments.Length > 1)
            return session.TooManyArguments();
        if (session.Connect(verbose: true) is not { } daemon)
            return 1;

        var level = arguments.Length == 0 ? FollowDaemon : Control.atoi(arguments[0]);
        var colour = session.Terminal.OutputTakesColour ? "1" : "0";
        if (!daemon.Send(Control.request(Control.Request.Log, ListModule.OfSeq([level.ToString(), colour]))))
            return 1;

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            context.Cancel = true;
            session.Terminal.WriteError("\n");
            Environment.Exit(0);
        });

        while (!session.Terminal.OutputIsLost && daemon.ReadLine(patiently: true) is { } line)
        {
            var length = Control.parseResult(Control.Request.Log, line);
            if (length.IsNone || length.Value is < 0 or > LongestMessage
                || daemon.ReadBytes(length.Value) is not { } message)
                break;

            session.Terminal.WriteBytes(message);
            session.Terminal.WriteLine("");
            session.Terminal.Flush();
        }

        return 0;
    }
}
