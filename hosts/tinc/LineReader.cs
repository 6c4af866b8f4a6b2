using Microsoft.FSharp.Collections;
using TincPure.Commands;
using TincPure.Config;

namespace TincPure.Tinc;

/// <summary>Reads lines from a terminal, key by key; what keys do is core's (<see cref="LineEditor"/>).</summary>
internal sealed class LineReader(Terminal terminal, Func<IReadOnlyList<string>, IReadOnlyList<string>> completions)
{
    private const string ClearLine = "\x1b[K";

    private FSharpList<string> _history = FSharpList<string>.Empty;

    /// <summary>From now on this line can be called back.</summary>
    public void Remember(string line) => _history = LineEditor.remember(ByteText.decode(line), _history);

    /// <summary>The next line, or null at the end of the input.</summary>
    public string? Read(string prompt)
    {
        var state = LineEditor.start(_history);
        Console.TreatControlCAsInput = true;
        try
        {
            while (true)
            {
                Draw(prompt, state);
                var pressed = Console.ReadKey(intercept: true);
                if (pressed.Key == ConsoleKey.Tab)
                {
                    state = Complete(state);
                    continue;
                }

                switch (LineEditor.press(KeyOf(pressed), state))
                {
                    case LineEditor.Outcome.Editing editing:
                        state = editing.Item;
                        break;
                    case LineEditor.Outcome.Entered entered:
                        terminal.Write("\r\n");
                        return ByteText.encode(entered.Item);
                    case { IsGivenUp: true }:
                        terminal.Write("^C\r\n");
                        state = LineEditor.start(_history);
                        break;
                    default:
                        return null;
                }
            }
        }
        finally
        {
            Console.TreatControlCAsInput = false;
            terminal.Flush();
        }
    }

    private LineEditor.State Complete(LineEditor.State state)
    {
        var words = LineEditor.unfinished(state).Select(ByteText.encode).ToList();
        var found = ListModule.OfSeq(completions(words).Select(ByteText.decode));
        var (completed, several) = LineEditor.complete(found, state);
        if (!several.IsEmpty)
            terminal.Write("\r\n" + ByteText.encode(string.Join("  ", several)) + "\r\n");
        return completed;
    }

    /// <summary>The part around the cursor, if the line is wider than the terminal.</summary>
    private void Draw(string prompt, LineEditor.State state)
    {
        var room = Math.Max(1, Console.WindowWidth - prompt.Length - 1);
        var first = Math.Max(0, state.Before.Length - room);
        var shown = LineEditor.text(state)[first..];
        if (shown.Length > room)
            shown = shown[..room];
        var back = shown.Length - (state.Before.Length - first);
        terminal.Write("\r" + prompt + ByteText.encode(shown) + ClearLine + (back > 0 ? "\x1b[" + back + "D" : ""));
        terminal.Flush();
    }

    private static LineEditor.Key KeyOf(ConsoleKeyInfo pressed)
    {
        if (pressed.Modifiers.HasFlag(ConsoleModifiers.Control))
        {
            return pressed.Key switch
            {
                ConsoleKey.A => LineEditor.Key.Home,
                ConsoleKey.B => LineEditor.Key.Left,
                ConsoleKey.C => LineEditor.Key.GiveUp,
                ConsoleKey.D => LineEditor.Key.EndOfInput,
                ConsoleKey.E => LineEditor.Key.End,
                ConsoleKey.F => LineEditor.Key.Right,
                ConsoleKey.K => LineEditor.Key.KillToEnd,
                ConsoleKey.N => LineEditor.Key.Down,
                ConsoleKey.P => LineEditor.Key.Up,
                ConsoleKey.U => LineEditor.Key.KillToStart,
                ConsoleKey.W => LineEditor.Key.KillWord,
                ConsoleKey.J or ConsoleKey.M => LineEditor.Key.Enter,
                ConsoleKey.H => LineEditor.Key.Backspace,
                _ => LineEditor.Key.NewLetter('\0'),
            };
        }

        return pressed.Key switch
        {
            ConsoleKey.Enter => LineEditor.Key.Enter,
            ConsoleKey.Backspace => LineEditor.Key.Backspace,
            ConsoleKey.Delete => LineEditor.Key.Delete,
            ConsoleKey.LeftArrow => LineEditor.Key.Left,
            ConsoleKey.RightArrow => LineEditor.Key.Right,
            ConsoleKey.UpArrow => LineEditor.Key.Up,
            ConsoleKey.DownArrow => LineEditor.Key.Down,
            ConsoleKey.Home => LineEditor.Key.Home,
            ConsoleKey.End => LineEditor.Key.End,
            _ => LineEditor.Key.NewLetter(pressed.KeyChar),
        };
    }
}
