using Microsoft.FSharp.Collections;
using TincPure.Commands;
using TincPure.Host.Control;

namespace TincPure.Tinc.Commands;

/// <summary>Commands that are one request to the daemon (spec 06 §8).</summary>
internal static class ControlCommands
{
    public static int Reload(Session session, string[] arguments) =>
        Simple(session, arguments, Control.Request.Reload, "Could not reload configuration.");

    public static int Purge(Session session, string[] arguments) =>
        Simple(session, arguments, Control.Request.Purge, "Could not purge old information.");

    public static int Retry(Session session, string[] arguments) =>
        Simple(session, arguments, Control.Request.Retry, "Could not retry outgoing connections.");

    public static int Connect(Session session, string[] arguments) =>
        AboutNode(session, arguments, Control.Request.Connect, "Could not connect to ");

    public static int Disconnect(Session session, string[] arguments) =>
        AboutNode(session, arguments, Control.Request.Disconnect, "Could not disconnect ");

    public static int Debug(Session session, string[] arguments)
    {
        if (arguments.Length != 1)
            return session.WrongNumberOfArguments();
        if (session.Connect(verbose: true) is not { } daemon)
            return 1;

        var level = Control.atoi(arguments[0]);
        if (Ask(daemon, Control.Request.SetDebug, level.ToString()) is not { } old)
            return session.Terminal.Fail("Could not set debug level.");

        session.Terminal.WriteError("Old level " + old + ", new level " + level + ".\n");
        return 0;
    }

    private static int Simple(Session session, string[] arguments, Control.Request request, string failure)
    {
        if (arguments.Length > 0)
            return session.TooManyArguments();
        if (session.Connect(verbose: true) is not { } daemon)
            return 1;
        return Ask(daemon, request) == 0 ? 0 : session.Terminal.Fail(failure);
    }

    private static int AboutNode(Session session, string[] arguments, Control.Request request, string failure)
    {
        if (arguments.Length != 1)
            return session.WrongNumberOfArguments();
        if (!Session.IsNodeName(arguments[0]))
            return session.Terminal.Fail("Invalid name for node.");
        if (session.Connect(verbose: true) is not { } daemon)
            return 1;
        return Ask(daemon, request, arguments[0]) == 0 ? 0 : session.Terminal.Fail(failure + arguments[0] + ".");
    }

    /// <summary>The number that the daemon answers; null if it answers nothing of the kind.</summary>
    private static int? Ask(ControlConnection daemon, Control.Request request, params string[] arguments)
    {
        if (!daemon.Send(Control.request(request, ListModule.OfSeq(arguments))) || daemon.ReadLine() is not { } line)
            return null;

        var result = Control.parseResult(request, line);
        return result.IsSome ? result.Value : null;
    }
}
