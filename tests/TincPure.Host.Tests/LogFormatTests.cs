using System.Globalization;
using System.Text.RegularExpressions;
using TincPure.Host.Logs;
using TincPure.Primitives;

namespace TincPure.Host.Tests;

public partial class LogFormatTests
{
    private static readonly string[] Levels =
        ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];

    private static DateTime Time(string text) =>
        DateTime.ParseExact(text, "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static Priority Level(string name) => (Priority)Array.IndexOf(Levels, name.TrimEnd());

    [GeneratedRegex(@"^(?<time>\S+ \S+) (?<level>\S+) +(?<text>.*)$")]
    private static partial Regex PlainLine { get; }

    [GeneratedRegex("^\e\\[90m(?<time>\\S+ \\S+) \e\\[[0-9;]+m(?<level>.{7})\e\\[0m (?<text>.*)$")]
    private static partial Regex TerminalLine { get; }

    [GeneratedRegex(@"^(?<time>\S+ \S+) (?<identity>[^\[]+)\[(?<pid>\d+)\]: (?<text>.*)$")]
    private static partial Regex FileLine { get; }

    [GeneratedRegex(@"^<(?<code>\d+)>(?<time>\w+ +\d+ \S+) (?<identity>[^\[]+)\[(?<pid>\d+)\]: (?<text>.*)$")]
    private static partial Regex SyslogLine { get; }

    /// <summary>Every captured line, taken apart and put together again by the formatter of its destination.</summary>
    [Fact]
    public void Lines_look_as_stock_writes_them()
    {
        var vectors = Vectors.Load("05-log-formats.json");
        foreach (var line in vectors.GetProperty("stderr_plain_1_1_git").Strings())
        {
            var parts = PlainLine.Match(line).Groups;
            Assert.Equal(
                line, LogFormat.Plain(Time(parts["time"].Value), Level(parts["level"].Value), parts["text"].Value));
        }

        foreach (var line in vectors.GetProperty("stderr_terminal_1_1_git").Strings())
        {
            var parts = TerminalLine.Match(line).Groups;
            Assert.Equal(
                line, LogFormat.Terminal(Time(parts["time"].Value), Level(parts["level"].Value), parts["text"].Value));
        }

        foreach (var line in vectors.GetProperty("logfile_all_versions").Strings())
        {
            var parts = FileLine.Match(line).Groups;
            var pid = int.Parse(parts["pid"].Value, CultureInfo.InvariantCulture);
            Assert.Equal(
                line, LogFormat.File(Time(parts["time"].Value), parts["identity"].Value, pid, parts["text"].Value));
        }

        foreach (var line in vectors.GetProperty("syslog").Strings())
        {
            var parts = SyslogLine.Match(line).Groups;
            var pid = int.Parse(parts["pid"].Value, CultureInfo.InvariantCulture);
            var time = DateTime.ParseExact(parts["time"].Value, "MMM dd HH:mm:ss", CultureInfo.InvariantCulture);
            var code = int.Parse(parts["code"].Value, CultureInfo.InvariantCulture);
            Assert.Equal(
                line,
                LogFormat.Syslog(time, (Priority)(code & 7), parts["identity"].Value, pid, parts["text"].Value));
        }
    }

    [Fact]
    public void Levels_have_stock_names_and_colours()
    {
        var vectors = Vectors.Load("05-log-formats.json");
        var colours = vectors.GetProperty("level_colours_sgr");
        foreach (var level in vectors.GetProperty("level_names").EnumerateObject())
        {
            var priority = (Priority)(int.TryParse(level.Name, CultureInfo.InvariantCulture, out var number) ? number : 99);
            var name = level.Value.GetString()!;
            var line = LogFormat.Terminal(default, priority, "x");
            Assert.Contains("\e[" + colours.GetProperty(name).GetString() + "m" + name, line, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_message_loses_one_newline_and_what_is_beyond_1023_bytes()
    {
        Assert.Equal("a\n", LogFormat.Cut("a\n\n"));
        Assert.Equal(1023, LogFormat.Cut(new string('x', 5000)).Length);
    }
}
