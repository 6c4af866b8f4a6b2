using Microsoft.FSharp.Collections;
using TincPure.Commands;
using TincPure.Host.Control;

namespace TincPure.Tinc.Commands;

/// <summary>`status`, `why` and `events`: what can be concluded from what any daemon tells.</summary>
internal static class StateCommands
{
    private const string Green = "\x1b[32m", Red = "\x1b[31m", Normal = "\x1b[0m", Clear = "\x1b[H\x1b[J";

    /// <summary>Between two looks at the daemon.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    public static int Status(Session session, string[] words, Switches switches)
    {
        if (words.Length > 0)
            return session.TooManyArguments();

        return WithDaemon(session, daemon =>
        {
            var dumps = new Dumps(daemon);
            ShowStatus(session, dumps, switches);
            while (switches.Has("--watch") && !session.Terminal.OutputIsLost)
            {
                Thread.Sleep(Pause);
                ShowStatus(session, dumps, switches);
            }

            return 0;
        });
    }

    private static void ShowStatus(Session session, Dumps dumps, Switches switches)
    {
        var nodes = ListModule.OfSeq(dumps.Nodes());
        var paths = dumps.Paths();
        var drops = ListModule.OfSeq(dumps.Drops());
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var colour = session.Terminal.OutputTakesColour;
        if (switches.Has("--watch") && colour)
            session.Terminal.Write(Clear);

        if (switches.Json)
        {
            session.Print(PeerStatus.json(now, paths, drops, nodes));
        }
        else
        {
            foreach (var (reachable, text) in PeerStatus.table(now, paths, nodes))
                session.Terminal.WriteLine(
                    colour && reachable.IsSome ? (reachable.Value ? Green : Red) + text + Normal : text);
            if (PeerStatus.dropped(drops) is { IsSome: true } dropped)
                session.Terminal.WriteLine(dropped.Value);
        }

        session.Terminal.Flush();
    }

    public static int Why(Session session, string[] words, Switches switches)
    {
        if (words is not [var address])
            return session.WrongNumberOfArguments();

        return WithDaemon(session, daemon =>
        {
            var dumps = new Dumps(daemon);
            var steps = TincPure.Commands.Why.explain(
                address, ListModule.OfSeq(dumps.Nodes()), ListModule.OfSeq(dumps.Subnets()));
            if (steps.IsError)
                return session.Terminal.Fail(steps.ErrorValue);
            if (switches.Json)
                return session.Print(TincPure.Commands.Why.json(address, steps.ResultValue));

            foreach (var line in TincPure.Commands.Why.lines(steps.ResultValue))
                session.Terminal.WriteLine(line);
            return 0;
        });
    }

    /// <summary>Until interrupted, or the daemon goes: that is the last event.</summary>
    public static int Events(Session session, string[] words, Switches switches)
    {
        if (words.Length > 0)
            return session.TooManyArguments();

        return WithDaemon(session, daemon =>
        {
            daemon.Send(Control.request(Control.Request.Events, ListModule.Empty<string>()));
            return daemon.ReadLine() is { } first && !Control.isRefused(first)
                ? Told(session, daemon, first, switches.Json)
                : Looked(session, daemon, switches.Json);
        });
    }

    /// <summary>The daemon tells by itself. `line` is its first word.</summary>
    private static int Told(Session session, ControlConnection daemon, string? line, bool json)
    {
        try
        {
            for (; line is not null && !session.Terminal.OutputIsLost; line = daemon.ReadLine(patiently: true))
            {
                var fields = Control.parseItem(Control.Request.Events, line);
                var told = fields.IsError ? default : TincPure.Commands.Events.parse(fields.ResultValue);
                if (told.IsNone)
                    throw new DumpException("Unable to parse event from tincd: " + line);

                var (seconds, change) = told.Value;
                if (!TincPure.Commands.Events.isWelcome(change))
                    Print(session, change, DateTimeOffset.FromUnixTimeSeconds(seconds), json);
                session.Terminal.Flush();
            }
        }
        finally
        {
            // It goes on telling: nothing else can be asked on this connection.
            session.Disconnect();
        }

        return session.Terminal.OutputIsLost ? 0 : session.Terminal.Fail("Lost connection to tincd.");
    }

    /// <summary>The daemon is asked again and again, and the answers are compared.</summary>
    private static int Looked(Session session, ControlConnection daemon, bool json)
    {
        var dumps = new Dumps(daemon);
        var before = dumps.Picture();
        while (!session.Terminal.OutputIsLost)
        {
            Thread.Sleep(Pause);
            var after = dumps.Picture();
            foreach (var change in TincPure.Commands.Events.between(before, after))
                Print(session, change, DateTimeOffset.UtcNow, json);
            session.Terminal.Flush();
            before = after;
        }

        return 0;
    }

    private static void Print(Session session, TincPure.Commands.Events.Event change, DateTimeOffset time, bool json) =>
        session.Terminal.WriteLine(
            json
                ? Json.print(TincPure.Commands.Events.json(time.ToUnixTimeSeconds(), change))
                : TincPure.Commands.Events.line(
                    time.ToLocalTime().ToString("HH:mm:ss", System.Globalization.CultureInfo.InvariantCulture), change));

    private static int WithDaemon(Session session, Func<ControlConnection, int> run)
    {
        if (session.Connect(verbose: true) is not { } daemon)
            return 1;

        try
        {
            return run(daemon);
        }
        catch (DumpException e)
        {
            return session.Terminal.Fail(e.Message);
        }
    }
}
