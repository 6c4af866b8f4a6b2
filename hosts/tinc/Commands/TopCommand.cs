using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.FSharp.Collections;
using TincPure.Commands;

namespace TincPure.Tinc.Commands;

/// <summary>`top`: the traffic of all nodes, again and again (spec 06 §8.3).</summary>
internal sealed class TopCommand
{
    private const string EnterScreen = "\x1b[?1049h", LeaveScreen = "\x1b[0m\x1b[?1049l";
    private const string Home = "\x1b[H", ClearLine = "\x1b[K", ClearRest = "\x1b[J";

    /// <summary>Stands for a new size of the terminal.</summary>
    private const char Resized = '\0';

    private readonly Session _session;
    private readonly Dumps _dumps;
    private readonly BlockingCollection<char> _keys = [];
    private readonly Stopwatch _sincePoll = Stopwatch.StartNew();
    private Top.State _state = Top.start;

    private TopCommand(Session session, Dumps dumps)
    {
        _session = session;
        _dumps = dumps;
    }

    public static int Run(Session session, string[] words, Switches switches)
    {
        if (words.Length > 0)
            return session.TooManyArguments();
        if (session.Connect(verbose: true) is not { } daemon)
            return 1;

        var top = new TopCommand(session, new Dumps(daemon));
        try
        {
            if (switches.Has("--once"))
                return top.Once();
            if (!session.Interactive)
                return session.Terminal.Fail("top needs a terminal; `top --once' prints one picture.");
            return top.Live();
        }
        catch (DumpException e)
        {
            // The daemon has gone: that is the end of the picture, not a failure.
            session.Terminal.Fail(e.Message);
            return 0;
        }
    }

    /// <summary>Rates need two looks.</summary>
    private int Once()
    {
        Poll();
        Thread.Sleep(TimeSpan.FromSeconds(_state.Delay));
        Poll();
        foreach (var (_, text) in Picture(int.MaxValue, int.MaxValue))
            _session.Terminal.WriteLine(text);
        return 0;
    }

    private int Live()
    {
        using var resized = OperatingSystem.IsWindows()
            ? null
            : PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => _keys.Add(Resized));
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            context.Cancel = true;
            _keys.Add('q');
        });

        // It ends with the process, at the latest.
        new Thread(ReadKeys) { IsBackground = true }.Start();
        _session.Terminal.Write(EnterScreen);
        try
        {
            Poll();
            while (!_session.Terminal.OutputIsLost)
            {
                Draw();
                if (!Wait())
                    break;
            }
        }
        finally
        {
            _session.Terminal.Write(LeaveScreen);
            _session.Terminal.Flush();
        }

        return 0;
    }

    private void ReadKeys()
    {
        try
        {
            while (true)
                _keys.Add(Console.ReadKey(intercept: true).KeyChar);
        }
        catch (InvalidOperationException)
        {
            // The terminal has gone.
            _keys.Add('q');
        }
    }

    /// <summary>Waits for a key or the next poll; false if it is time to leave.</summary>
    private bool Wait()
    {
        var left = TimeSpan.FromSeconds(_state.Delay) - _sincePoll.Elapsed;
        if (left <= TimeSpan.Zero || !_keys.TryTake(out var key, left))
        {
            Poll();
            return true;
        }

        if (key == Resized)
            return true;

        var next = Top.press(key, _state);
        if (next.IsSome)
            _state = next.Value;
        return next.IsSome;
    }

    private void Poll()
    {
        var samples = ListModule.OfSeq(_dumps.Traffic());
        _state = Top.poll(_sincePoll.Elapsed.TotalSeconds, samples, _state);
        _sincePoll.Restart();
    }

    private FSharpList<(Top.Style Style, string Text)> Picture(int height, int width) =>
        Top.picture(_session.Locations.NetName ?? "", height, width, _state);

    private void Draw()
    {
        var screen = new StringBuilder(Home);
        var first = true;
        foreach (var (style, text) in Picture(Console.WindowHeight, Console.WindowWidth))
        {
            screen.Append(first ? "" : "\r\n").Append(Code(style)).Append(text).Append("\x1b[0m").Append(ClearLine);
            first = false;
        }

        // The cursor stands where an answer is typed.
        screen.Append(ClearRest).Append("\x1b[2;").Append(Top.promptLength(_state) + 1).Append('H');
        _session.Terminal.Write(screen.ToString());
        _session.Terminal.Flush();
    }

    private static string Code(Top.Style style) =>
        style switch
        {
            { IsReverse: true } => "\x1b[7m",
            { IsBold: true } => "\x1b[1m",
            { IsDim: true } => "\x1b[2m",
            _ => "",
        };
}
