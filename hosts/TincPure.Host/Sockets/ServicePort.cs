using System.Globalization;

namespace TincPure.Host.Sockets;

/// <summary>Ports written as numbers or as names of services.</summary>
internal static class ServicePort
{
    private const string Protocol = "/tcp";

    private static string ServicesFile =>
        OperatingSystem.IsWindows()
            ? Path.Combine(Environment.SystemDirectory, "drivers", "etc", "services")
            : "/etc/services";

    /// <summary>Numbers wrap modulo 65536, and blanks before them do not matter, as in the C library's resolver (spec 05 §6.4).</summary>
    public static bool TryParse(string text, out int port)
    {
        text = text.TrimStart(' ', '\t');
        if (uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            port = (int)(number & 0xffff);
            return true;
        }

        return TryFind(text, out port);
    }

    private static bool TryFind(string service, out int port)
    {
        port = 0;
        try
        {
            foreach (var line in File.ReadLines(ServicesFile))
            {
                var words = line.Split('#')[0].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
                if (words.Length < 2 || !words[1].EndsWith(Protocol, StringComparison.Ordinal))
                    continue;
                if (words[0] != service && !words.Skip(2).Contains(service))
                    continue;
                return int.TryParse(words[1][..^Protocol.Length], NumberStyles.None, CultureInfo.InvariantCulture, out port);
            }
        }
        catch (IOException)
        {
            // No list of services: only numbers can be used.
        }

        return false;
    }
}
