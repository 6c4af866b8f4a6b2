using System.Net;
using System.Net.Sockets;
using System.Text;
using TincPure.Commands;
using TincPure.Host.Process;
using InvitationText = TincPure.Commands.Invite;

namespace TincPure.Tinc.Commands;

/// <summary>Where the daemon of an inviter can be reached (spec 06 §18.1).</summary>
internal sealed record InviterPlace(string Host, string Port)
{
    private const string Mirror = "tinc-vpn.org";
    private const int MirrorPort = 80, LongestAnswer = 4095;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Null if it is not known, which is explained.</summary>
    public static InviterPlace? Find(Session session, string inviter)
    {
        var place = InvitationText.place(Text(session.Locations.Host(inviter)), Text(session.Locations.TincConf));
        var port = place.Port.IsSome ? place.Port.Value : "";
        if (InvitationText.isDynamic(place.Port))
        {
            if (DaemonsPort(session) is not { } actual)
            {
                session.Terminal.Fail(
                    "tincd is using a dynamic port and is not running. "
                    + "Please start tincd or set the Port option to a non-zero value.");
                return null;
            }

            port = actual;
        }

        if (place.Host.IsSome)
            return new InviterPlace(place.Host.Value, port);
        if (Discover(session) is not { } host)
            return null;

        Remember(session, session.Locations.Host(inviter), host);
        return new InviterPlace(host, port);
    }

    private static string Text(string file)
    {
        try
        {
            return Disk.Read(file);
        }
        catch (DiskException)
        {
            // It says nothing about our address, then.
            return "";
        }
    }

    private static string? DaemonsPort(Session session)
    {
        var parsed = Control.parsePidFile(Text(session.Locations.PidFile));
        return parsed.IsSome ? parsed.Value.Port : null;
    }

    private static string? Discover(Session session)
    {
        session.Terminal.WriteError("Trying to discover externally visible hostname...\n");
        var found = Mirrored(session);
        if (session.Interactive)
            return Ask(session, found);

        if (found is null)
            session.Terminal.Fail("Could not determine the external address or hostname. Please set Address manually.");
        return found;
    }

    /// <summary>Our address as a server sees it.</summary>
    private static string? Mirrored(Session session)
    {
        IPAddress[] addresses;
        try
        {
            addresses = Dns.GetHostAddresses(Mirror);
        }
        catch (SocketException e)
        {
            session.Terminal.Fail("Error looking up " + Mirror + " port " + MirrorPort + ": " + ErrorText.Of(e));
            return null;
        }

        foreach (var address in addresses)
        {
            try
            {
                return Question(new IPEndPoint(address, MirrorPort));
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // The next one may answer.
            }
        }

        return null;
    }

    private static string? Question(IPEndPoint server)
    {
        using var limit = new CancellationTokenSource(Patience);
        using var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.ConnectAsync(server, limit.Token).AsTask().GetAwaiter().GetResult();
        socket.Send(Encoding.ASCII.GetBytes("GET http://" + Mirror + "/host.cgi HTTP/1.0\r\n\r\n"));

        var answer = new byte[LongestAnswer];
        var length = 0;
        while (length < answer.Length)
        {
            var more = socket.ReceiveAsync(answer.AsMemory(length), limit.Token).AsTask().GetAwaiter().GetResult();
            if (more == 0)
                break;
            length += more;
        }

        var host = InvitationText.discovered(Encoding.Latin1.GetString(answer, 0, length));
        return host.IsSome ? host.Value : null;
    }

    private static string? Ask(Session session, string? found)
    {
        while (true)
        {
            session.Terminal.WriteError(
                "Please enter your host's external address or hostname" + (found is null ? "" : " [" + found + "]") + ": ");
            if (session.Terminal.ReadLine() is not { } line)
            {
                session.Terminal.Fail("Error while reading stdin: No more input");
                return null;
            }

            var host = OwnNode.trimEnd(line);
            if (host.Length == 0 && found is not null)
                return found;
            if (!InvitationText.isHost(host))
                session.Terminal.Fail("Invalid address or hostname.");
            else if (host.Length > 0)
                return host;
        }
    }

    private static void Remember(Session session, string file, string host)
    {
        try
        {
            Disk.Append(file, "\nAddress = " + host + "\n", Disk.Shared);
        }
        catch (DiskException e)
        {
            session.Terminal.Fail("Could not append Address to " + file + ": " + e.Message);
        }
    }
}
