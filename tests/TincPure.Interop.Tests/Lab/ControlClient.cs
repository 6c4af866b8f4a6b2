using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace TincPure.Interop.Tests;

/// <summary>Asks a daemon over its control socket (spec 06 §15), without either tinc program.</summary>
public static class ControlClient
{
    public const int DumpNodes = 3, DumpEdges = 4, DumpSubnets = 5, DumpConnections = 6;

    private const int PurgeUnreachable = 8, SetDebugLevel = 9;

    /// <summary>Of ours alone.</summary>
    private const int DumpDrops = 103;

    /// <summary>The lines of a dump.</summary>
    public static string[] Dump(string pidFile, int kind) => Ask(pidFile, kind.ToString(CultureInfo.InvariantCulture), $"18 {kind}");

    /// <summary>How often a daemon of ours has dropped something, by cause.</summary>
    public static Dictionary<string, long> Drops(Node node) =>
        Dump(node.PidFile, DumpDrops).Select(line => line.Split(' '))
            .ToDictionary(fields => fields[2], fields => long.Parse(fields[3], CultureInfo.InvariantCulture));

    /// <summary>Lets a daemon forget what it knows of nodes that cannot be reached.</summary>
    public static void Purge(string pidFile) => Ask(pidFile, $"{PurgeUnreachable}", null);

    public static void SetDebug(string pidFile, int level) => Ask(pidFile, $"{SetDebugLevel} {level}", null);

    // The reply up to its last line, which is not counted; with no last line named, one line is all.
    private static string[] Ask(string pidFile, string request, string? last)
    {
        string cookie = File.ReadAllText(pidFile).Split(' ')[1];
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 5000 };
        socket.Connect(new UnixDomainSocketEndPoint(pidFile + ".socket"));
        using NetworkStream stream = new(socket);
        using StreamReader reader = new(stream, Encoding.ASCII);
        stream.Write(Encoding.ASCII.GetBytes($"0 ^{cookie} 0\n18 {request}\n"));
        List<string> lines = [];
        while (reader.ReadLine() is { } line)
        {
            if (!line.StartsWith("18", StringComparison.Ordinal)) continue; // the greeting
            if (line == last) return [.. lines];
            lines.Add(line);
            if (last is null) return [.. lines];
        }

        throw new IOException("the daemon closed the control connection in the middle of its answer");
    }
}
