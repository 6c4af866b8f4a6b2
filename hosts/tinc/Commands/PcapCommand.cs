using Microsoft.FSharp.Collections;
using TincPure.Commands;

namespace TincPure.Tinc.Commands;

/// <summary>`pcap`: the VPN's packets as a stream that tcpdump and the like read (spec 06 §8.1).</summary>
internal static class PcapCommand
{
    /// <summary>Longer header lines are not the daemon's.</summary>
    private const int LongestHeader = 31;

    public static int Run(Session session, string[] arguments)
    {
        if (arguments.Length > 1)
            return session.TooManyArguments();
        if (session.Connect(verbose: true) is not { } daemon)
            return 1;

        var snapLength = arguments.Length == 0 ? 0 : Control.atoi(arguments[0]);
        if (!daemon.Send(Control.request(Control.Request.Capture, ListModule.OfSeq([snapLength.ToString()]))))
            return 1;

        session.Terminal.WriteBytes(Pcap.fileHeader(snapLength));
        session.Terminal.Flush();
        while (!session.Terminal.OutputIsLost && daemon.ReadLine(patiently: true) is { Length: <= LongestHeader } line)
        {
            var length = Control.parseResult(Control.Request.Capture, line);
            if (length.IsNone || length.Value < 0 || length.Value > Pcap.longest
                || daemon.ReadBytes(length.Value) is not { } packet)
                break;

            session.Terminal.WriteBytes(Pcap.packetHeader(Now(), packet.Length));
            session.Terminal.WriteBytes(packet);
            session.Terminal.Flush();
        }

        // Packets may be on their way: nothing else can be asked on this connection.
        session.Disconnect();
        return 0;
    }

    /// <summary>Microseconds since the epoch.</summary>
    private static long Now() => (DateTime.UtcNow - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
}
