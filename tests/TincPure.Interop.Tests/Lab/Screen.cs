using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>A program in a real terminal of a given size, which tmux draws.</summary>
public sealed class Screen : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private static int _made;

    private readonly string _socket = $"tp{Environment.ProcessId}-{Interlocked.Increment(ref _made)}";

    public Screen(int width, int height, IEnumerable<(string Name, string Value)> environment, params string[] line)
    {
        string[] variables = [.. environment.SelectMany(variable => (string[])["-e", $"{variable.Name}={variable.Value}"])];
        // The shell keeps the last picture, and tells the exit code.
        Tmux(["-f", "/dev/null", "new-session", "-d", "-x", Text(width), "-y", Text(height), .. variables,
            "sh", "-c", "unset NETNAME; \"$@\"; echo \"exit code $?\"; exec sleep 600", "screen", .. line]);
    }

    /// <summary>What is to be seen, without blanks at the ends of lines.</summary>
    public string[] Lines => [.. Tmux("capture-pane", "-p").Split('\n').Select(line => line.TrimEnd())];

    /// <summary>The same with the codes of colours and styles.</summary>
    public string Styled => Tmux("capture-pane", "-p", "-e");

    public (int Column, int Row) Cursor =>
        Tmux("display-message", "-p", "#{cursor_x} #{cursor_y}").Split(' ') is [var column, var row]
            ? (int.Parse(column), int.Parse(row))
            : throw new InvalidOperationException();

    /// <summary>Types text as it is.</summary>
    public void Type(string text) => Tmux("send-keys", "-l", text);

    /// <summary>Presses keys by their names: Enter, Tab, Up, C-d.</summary>
    public void Press(params string[] keys) => Tmux(["send-keys", .. keys]);

    public void Resize(int width, int height) => Tmux("resize-window", "-x", Text(width), "-y", Text(height));

    /// <summary>Waits until some line matches a pattern; that line.</summary>
    public async Task<string> Shows(string pattern)
    {
        string? found = null;
        await Waiting.True($"the screen shows {pattern}", Limit,
            () => (found = Lines.LastOrDefault(line => Regex.IsMatch(line, pattern))) is not null, () => string.Join('\n', Lines));
        return found!;
    }

    public void Dispose() => Command.Run("tmux", "-L", _socket, "kill-server");

    private static string Text(int number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private string Tmux(params string[] words) => Command.Run(["tmux", "-L", _socket, .. words]).OrThrow().Output;
}
