using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.FSharp.Collections;
using TincPure.Commands;
using TincPure.Host.Control;

namespace TincPure.Tinc.Commands;

/// <summary>`ping`: has the daemon measure the legs of the way to a node, round after round.</summary>
internal sealed class PingCommand
{
    private const int UsualInterval = 1000;

    /// <summary>An answer that takes longer is lost, unless the interval is longer yet.</summary>
    private const int Patience = 1000;

    private readonly Session _session;
    private readonly ControlConnection _daemon;
    private readonly string _node;
    private readonly bool _json;
    private readonly ManualResetEventSlim _interrupted = new();
    private FSharpList<Ping.Tally> _tallies = ListModule.Empty<Ping.Tally>();

    private PingCommand(Session session, ControlConnection daemon, string node, bool json)
    {
        _session = session;
        _daemon = daemon;
        _node = node;
        _json = json;
    }

    public static int Run(Session session, string[] words, Switches switches)
    {
        if (words is not [var node])
            return session.WrongNumberOfArguments();

        int? count = null;
        if (switches.Value("-c") is { } countText)
        {
            var parsed = Ping.parseCount(countText);
            if (parsed.IsNone)
                return session.Terminal.Fail("Invalid number of rounds `" + countText + "'.");
            count = parsed.Value;
        }

        var interval = UsualInterval;
        if (switches.Value("-i") is { } intervalText)
        {
            var parsed = Ping.parseInterval(intervalText);
            if (parsed.IsNone)
                return session.Terminal.Fail("Invalid interval `" + intervalText + "': 0.01 to 3600 seconds.");
            interval = parsed.Value;
        }

        if (session.Connect(verbose: true) is not { } daemon)
            return 1;

        try
        {
            return new PingCommand(session, daemon, node, switches.Json).Rounds(count, interval);
        }
        finally
        {
            // Late answers may be on their way: nothing else can be asked on this connection.
            session.Disconnect();
        }
    }

    private int Rounds(int? count, int interval)
    {
        using var registration = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            context.Cancel = true;
            _interrupted.Set();
        });

        for (var number = 1; !_interrupted.IsSet && !_session.Terminal.OutputIsLost; number++)
        {
            var watch = Stopwatch.StartNew();
            if (Round(number, Math.Max(interval, Patience)) is { } failure)
                return _session.Terminal.Fail(failure);
            if (number == count)
                break;
            _interrupted.Wait(Math.Max(0, interval - (int)watch.ElapsedMilliseconds));
        }

        if (_json)
        {
            _session.Terminal.WriteLine(Json.print(Ping.jsonSummary(_node, _tallies)));
        }
        else
        {
            foreach (var line in Ping.summary(_node, _tallies))
                _session.Terminal.WriteLine(line);
        }

        return Ping.hasAnswered(_tallies) ? 0 : 1;
    }

    /// <summary>One round; why there can be no more, if so.</summary>
    private string? Round(int number, int patience)
    {
        const string lost = "Lost connection to tincd.";
        var round = Ping.start(number);
        var watch = Stopwatch.StartNew();
        if (!_daemon.Send(Control.request(Control.Request.Ping, ListModule.OfSeq([_node, number.ToString()]))))
            return lost;

        while (!Ping.isOver(round) && !_interrupted.IsSet)
        {
            if (!_daemon.HasInput(patience - (int)watch.ElapsedMilliseconds))
            {
                if (watch.ElapsedMilliseconds >= patience)
                    break;
                continue;
            }

            if (_daemon.ReadLine() is not { } line)
                return lost;
            if (Control.isRefused(line))
                return Ping.unsupported;

            var fields = Control.parseItem(Control.Request.Ping, line);
            var answer = fields.IsError ? default : Ping.parse(fields.ResultValue);
            if (answer.IsNone)
                return "Unable to parse what tincd measured: " + line;
            var (of, what) = answer.Value;
            if (of != number)
                continue;
            if (what is Ping.Answer.Refused refused)
                return Ping.refusalText(_node, refused.reason);
            round = Ping.receive(what, round);
        }

        _tallies = Ping.tally(round, _tallies);
        _session.Terminal.WriteLine(_json ? Json.print(Ping.json(_node, round)) : Ping.line(_node, round));
        _session.Terminal.Flush();
        return null;
    }
}
