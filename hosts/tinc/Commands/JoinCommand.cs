using System.Net;
using System.Net.Sockets;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Host.Process;
using TincPure.Host.Sockets;
using AddressFamily = System.Net.Sockets.AddressFamily;

namespace TincPure.Tinc.Commands;

/// <summary>`join`: becomes the node that an invitation is for (spec 06 §20).</summary>
internal static class JoinCommand
{
    public static int Run(Session session, string[] arguments)
    {
        if (arguments.Length > 1)
            return session.TooManyArguments();

        var places = session.Locations;
        try
        {
            MakeFolders(session);
            Disk.CheckWritable(places.ConfBase, "No permission to write in directory ");
        }
        catch (DiskException e)
        {
            return session.Terminal.Fail(e.Message);
        }

        if (arguments is [var given] && InvitationUrl.tryParse(given) is { IsSome: true } known
            && JoinFiles.TryResume(session, known.Value) is { } code)
            return code;
        if ((places.NetName is not null || session.Options.Config.IsSome) && Disk.Exists(places.TincConf))
            return session.Terminal.Fail("Configuration file " + places.TincConf + " already exists!");
        if ((arguments.Length > 0 ? arguments[0] : Ask(session)) is not { } text)
            return session.Terminal.Fail("Error while reading stdin: Broken pipe");

        var url = InvitationUrl.tryParse(text);
        return url.IsNone ? session.Terminal.Fail("Invalid invitation URL.") : Join(session, url.Value);
    }

    /// <exception cref="DiskException">With the whole message.</exception>
    private static void MakeFolders(Session session)
    {
        var places = session.Locations;
        if (session.Options.Config.IsNone)
            Disk.MakeFolderOrSay(places.ConfigurationRoot);
        Disk.MakeFolderOrSay(places.ConfBase);
    }

    private static string? Ask(Session session)
    {
        if (session.Interactive)
            session.Terminal.WriteError("Enter invitation URL: ");
        return session.Terminal.ReadLine() is { } line ? OwnNode.trimEnd(line) : null;
    }

    private static int Join(Session session, InvitationUrl.Url url)
    {
        var found = Resolver.Lookup(ByteText.decode(url.Host), url.Port, AddressFamily.Unspecified);
        if (found.IsError)
            return session.Terminal.Fail(
                "Error looking up " + url.Host + " port " + url.Port + ": " + ByteText.encode(found.ErrorValue));

        foreach (var address in found.ResultValue)
        {
            using var socket = Connect(session, Endpoints.ToSocket(address), url.Port);
            if (socket is null)
                continue;

            session.Terminal.Fail("Connected to " + url.Host + " port " + url.Port + "...");
            if (new InviterTalk(session, socket, url).Run() is { } code)
                return code;
        }

        return session.Terminal.Fail("Could not connect to inviter. Please make sure the URL you entered is valid.");
    }

    private static Socket? Connect(Session session, IPEndPoint address, string port)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(address);
            return socket;
        }
        catch (SocketException e)
        {
            session.Terminal.Fail("Could not connect to " + address.Address + " port " + port + ": " + ErrorText.Of(e));
            socket.Dispose();
            return null;
        }
    }
}
