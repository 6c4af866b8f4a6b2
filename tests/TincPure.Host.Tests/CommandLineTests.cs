using System.Text.Json;
using Microsoft.FSharp.Collections;
using TincPure.Commands;
using Xunit.Abstractions;

namespace TincPure.Host.Tests;

public class CommandLineTests(ITestOutputHelper output)
{
    private const string Argv0 = "tincd";

    private static TincdOptions.Options Parse(params string[] words)
    {
        var parsed = TincdOptions.parse(Argv0, ListModule.OfSeq(words));
        Assert.True(parsed.IsOk);
        return parsed.ResultValue;
    }

    /// <summary>
    /// Command lines that stock tincd refuses for their options alone give the same lines here; all others are taken.
    /// What comes after that (configuration, files, a running daemon) is tested with the daemon itself.
    /// </summary>
    [Fact]
    public void Every_command_line_of_the_vectors_is_taken_or_refused_as_by_stock()
    {
        var refused = 0;
        var taken = 0;
        foreach (var testCase in Vectors.Load("05-tincd-commandline.json").GetProperty("cases").EnumerateArray())
        {
            var parsed = TincdOptions.parse(Argv0, ListModule.OfSeq(testCase.GetProperty("args").Strings()));
            var name = testCase.GetProperty("name").GetString();
            if (name is "-K option gone in 1.1" or "-k option gone in 1.1")
                Assert.True(parsed.IsOk, "here it is not gone"); // spec 08 §19.1
            else if (ExpectedRefusal(testCase.GetProperty("1.1-git")) is { } lines)
            {
                Assert.True(parsed.IsError, name);
                Assert.Equal(lines, parsed.ErrorValue);
                refused++;
            }
            else
            {
                Assert.True(parsed.IsOk, name);
                taken++;
            }
        }

        output.WriteLine($"{refused} command lines refused, {taken} taken");
        Assert.True(refused > 10 && taken > 30);
    }

    private static string[]? ExpectedRefusal(JsonElement result)
    {
        var lines = result.GetProperty("stderr").Strings();
        return lines is [_, var hint] && hint.StartsWith("Try `{argv0} --help'", StringComparison.Ordinal)
            ? [.. lines.Select(line => line.Replace("{argv0}", Argv0, StringComparison.Ordinal))]
            : null;
    }

    [Theory]
    [InlineData(new[] { "-d" }, 1)]
    [InlineData(new[] { "-d", "-d" }, 2)]
    [InlineData(new[] { "-dd" }, 0)]
    [InlineData(new[] { "-d3" }, 3)]
    [InlineData(new[] { "-d", "3" }, 3)]
    [InlineData(new[] { "--debug=3" }, 3)]
    [InlineData(new[] { "--debug", "3" }, 3)]
    [InlineData(new[] { "-d", "foo" }, 0)]
    [InlineData(new[] { "-d5", "-d" }, 6)]
    [InlineData(new[] { "-d-1" }, -1)]
    [InlineData(new[] { "-Dd4" }, 4)]
    public void The_debug_level_is_set_or_raised(string[] words, int level) =>
        Assert.Equal(level, Parse(words).DebugLevel);

    [Fact]
    public void The_last_of_several_values_wins()
    {
        var options = Parse("-c", "a", "--conf=b", "-n", "x", "-n", ".");
        Assert.Equal("b", options.Config.Value);
        Assert.Equal(".", options.Net.Value);
    }

    [Fact]
    public void Log_file_and_syslog_cancel_each_other()
    {
        Assert.True(Parse("--logfile=f", "-s").Log.IsSyslog);
        Assert.True(Parse("-s", "--logfile", "f").Log is TincdOptions.LogTarget.LogFile { path.Value: "f" });
        Assert.True(Parse("--logfile", "-D").Log is TincdOptions.LogTarget.LogFile { path.IsNone: true });
    }

    [Fact]
    public void Configuration_entries_keep_their_order() =>
        Assert.Equal(["Port=1", "X ="], Parse("-o", "Port=1", "--option=X =").Entries);

    [Fact]
    public void Version_wins_over_help()
    {
        Assert.True(Parse("--help", "--version").Show.IsVersion);
        Assert.True(Parse("--version", "--help").Show.IsVersion);
    }

    [Fact]
    public void The_help_text_explains_every_option_in_one_column()
    {
        var lines = TincdOptions.help(Argv0).Split('\n');
        Assert.Equal("Usage: tincd [option]...", lines[0]);
        Assert.Equal(16, lines.Length - 2);
        Assert.All(lines.Skip(2), line => Assert.True(line[32] == ' ' && line[33] != ' ', line));
    }
}
