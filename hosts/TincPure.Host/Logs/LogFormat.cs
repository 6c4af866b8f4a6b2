using System.Globalization;
using System.Text;
using TincPure.Primitives;

namespace TincPure.Host.Logs;

/// <summary>How log lines look at each destination (spec 05 §2.3). Times are local.</summary>
public static class LogFormat
{
    /// <summary>Longest message in bytes; what is longer is cut.</summary>
    public const int MaxMessageLength = 1023;

    private const string TimeFormat = "yyyy-MM-dd HH:mm:ss";

    public static string Plain(DateTime time, Priority priority, string message) =>
        $"{Time(time)} {Name(priority),-7} {message}";

    public static string Terminal(DateTime time, Priority priority, string message) =>
        $"\e[90m{Time(time)} \e[{Colour(priority)}m{Name(priority),-7}\e[0m {message}";

    public static string File(DateTime time, string identity, int pid, string message) =>
        string.Create(CultureInfo.InvariantCulture, $"{Time(time)} {identity}[{pid}]: {message}");

    /// <summary>A datagram for the local syslog socket; facility daemon (3).</summary>
    public static string Syslog(DateTime time, Priority priority, string identity, int pid, string message) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"<{3 * 8 + (int)priority}>{time:MMM} {time.Day,2} {time:HH:mm:ss} {identity}[{pid}]: {message}");

    /// <summary>Without one newline at the end, and within the longest length.</summary>
    public static string Cut(string message)
    {
        if (message.EndsWith('\n'))
            message = message[..^1];
        if (message.Length * 3 <= MaxMessageLength || Encoding.UTF8.GetByteCount(message) <= MaxMessageLength)
            return message;

        var bytes = Encoding.UTF8.GetBytes(message);
        return Encoding.UTF8.GetString(bytes, 0, MaxMessageLength);
    }

    private static string Time(DateTime time) => time.ToString(TimeFormat, CultureInfo.InvariantCulture);

    private static string Name(Priority priority) =>
        (int)priority switch
        {
            0 => "EMERGENCY",
            1 => "ALERT",
            2 => "CRITICAL",
            3 => "ERROR",
            4 => "WARNING",
            5 => "NOTICE",
            6 => "INFO",
            7 => "DEBUG",
            _ => "UNKNOWN",
        };

    private static string Colour(Priority priority) =>
        (int)priority switch
        {
            >= 0 and <= 2 => "35;1",
            3 => "31;1",
            4 => "33;1",
            5 => "36;1",
            6 => "32;1",
            7 => "34;1",
            _ => "37;1",
        };
}
