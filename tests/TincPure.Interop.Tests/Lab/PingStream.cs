using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>What became of a stream of pings: how many were sent, which got no answer, and the longest silence between answers.</summary>
public sealed record PingReport(int Sent, int[] LostNumbers, TimeSpan LongestGap)
{
    public int Lost => LostNumbers.Length;

    public override string ToString() =>
        $"{Lost} of {Sent} pings lost (numbers {string.Join(' ', LostNumbers.Take(20))}), the longest gap was {LongestGap.TotalMilliseconds:F0} ms";
}

/// <summary>A steady stream of pings from a node; stopped, it tells what was lost.</summary>
public sealed partial class PingStream : IAsyncDisposable
{
    private readonly Process _ping;
    private readonly StringBuilder _output = new();
    private int _answered;

    public PingStream(Node from, string target, double seconds, int size = 56)
    {
        // -D prints the time of each answer.
        ProcessStartInfo start = new("ip", [
            "netns", "exec", from.Host.Namespace.Name, "ping", "-n", "-D",
            "-i", seconds.ToString(CultureInfo.InvariantCulture), "-s", size.ToString(CultureInfo.InvariantCulture), target])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        _ping = Process.Start(start)!;
        _ping.ErrorDataReceived += (_, _) => { };
        _ping.BeginErrorReadLine();
        _ping.OutputDataReceived += (_, line) => Read(line.Data);
        _ping.BeginOutputReadLine();
    }

    /// <summary>How many answers have come so far.</summary>
    public int Answered => Volatile.Read(ref _answered);

    /// <summary>Ends the stream. A ping without answer counts as lost if a later one was answered or the last was not.</summary>
    public async Task<PingReport> Stop()
    {
        Command.Run("kill", "-INT", _ping.Id.ToString(CultureInfo.InvariantCulture));
        await _ping.WaitForExitAsync(); // and for the end of its output
        string text = _output.ToString();
        int sent = int.Parse(Transmitted().Match(text).Groups[1].Value, CultureInfo.InvariantCulture);
        int newest = 0;
        List<(double Time, int Number)> answers =
        [
            .. from Match match in Answer().Matches(text)
               where !match.Groups["duplicate"].Success
               select (double.Parse(match.Groups["time"].Value, CultureInfo.InvariantCulture),
                   newest = Whole(int.Parse(match.Groups["number"].Value, CultureInfo.InvariantCulture), newest)),
        ];
        // The very last ones may still have been on their way when ping was interrupted.
        int last = answers.Count == 0 ? sent : answers.Max(answer => answer.Number);
        int unanswered = sent - last <= 2 ? last : sent;
        double gap = answers.Zip(answers.Skip(1), (one, next) => next.Time - one.Time).DefaultIfEmpty(double.PositiveInfinity).Max();
        int[] lost = [.. Enumerable.Range(1, unanswered).Except(answers.Select(answer => answer.Number))];
        return new PingReport(sent, lost, double.IsInfinity(gap) ? TimeSpan.MaxValue : TimeSpan.FromSeconds(gap));
    }

    public async ValueTask DisposeAsync()
    {
        if (!_ping.HasExited) _ping.Kill();
        await _ping.WaitForExitAsync();
        _ping.Dispose();
    }

    /// <summary>The number that ping counts to: packets have 16 bits for it. It is not far from that of the answer before.</summary>
    private static int Whole(int number, int newest) => newest + (short)(number - newest);

    private void Read(string? line)
    {
        if (line is null) return;
        _output.Append(line).Append('\n');
        if (Answer().IsMatch(line)) Interlocked.Increment(ref _answered);
    }

    [GeneratedRegex(@"(\d+) packets transmitted")]
    private static partial Regex Transmitted();

    [GeneratedRegex(@"^\[(?<time>[\d.]+)\] \d+ bytes from .*icmp_seq=(?<number>\d+) .*?(?<duplicate>DUP!)?\r?$", RegexOptions.Multiline)]
    private static partial Regex Answer();
}
