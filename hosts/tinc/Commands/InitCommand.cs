using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using TincPure.Commands;

namespace TincPure.Tinc.Commands;

/// <summary>`init`: the files of a new node (spec 06 §6.1).</summary>
internal static class InitCommand
{
    private const int DefaultPort = 655, FirstPort = 4096, PortsToChooseFrom = 32768, Attempts = 100;

    private const string TincUp =
        """
        #!/bin/sh

        echo 'Unconfigured tinc-up script, please edit '$0'!'

        #ifconfig $INTERFACE <your vpn IP address> netmask <netmask of whole VPN>

        """;

    public static int Run(Session session, string[] arguments)
    {
        var places = session.Locations;
        if (Disk.Exists(places.TincConf))
            return session.Terminal.Fail("Configuration file " + places.TincConf + " already exists!");
        if (arguments.Length > 1)
            return session.TooManyArguments();
        if (NameFrom(session, arguments) is not { } name)
            return 1;
        if (!Session.IsNodeName(name))
            return session.Terminal.Fail("Invalid Name! Only a-z, A-Z, 0-9 and _ are allowed characters.");
        if (!MakeFolders(session))
            return 1;
        if (!Write(session, places.TincConf, "Name = " + name + "\n", Disk.Shared))
            return 1;
        if (!KeyCommands.Rsa(session, name, bits: 2048, ask: false) || !KeyCommands.Ed25519Keys(session, name, ask: false))
            return 1;

        ChoosePort(session, name);
        var script = Locations.Join(places.ConfBase, "tinc-up");
        var wantsScript = !OperatingSystem.IsWindows() && !Disk.Exists(script);
        return !wantsScript || Write(session, script, TincUp.ReplaceLineEndings("\n"), Disk.SharedProgram) ? 0 : 1;
    }

    private static string? NameFrom(Session session, string[] arguments)
    {
        if (arguments is [{ Length: > 0 } given])
            return given;

        if (arguments.Length > 0 || !session.Interactive)
        {
            session.Terminal.Fail("No Name given!");
            return null;
        }

        session.Terminal.WriteError("Enter the Name you want your tinc node to have: ");
        if (session.Terminal.ReadLine() is not { } line)
        {
            session.Terminal.Fail("Error while reading stdin: No more input");
            return null;
        }

        if (OwnNode.trimEnd(line) is { Length: > 0 } name)
            return name;

        session.Terminal.Fail("No name given!");
        return null;
    }

    private static bool MakeFolders(Session session)
    {
        var places = session.Locations;
        var folders = new List<string> { places.ConfBase, Locations.Join(places.ConfBase, "cache"), places.Hosts };
        if (session.Options.Config.IsNone)
            folders.Insert(0, places.ConfigurationRoot);

        foreach (var folder in folders)
        {
            try
            {
                Disk.MakeFolder(folder, Disk.SharedFolder);
            }
            catch (DiskException e)
            {
                session.Terminal.Fail("Could not create directory " + folder + ": " + e.Message);
                return false;
            }
        }

        return true;
    }

    private static bool Write(Session session, string file, string text, UnixFileMode mode)
    {
        try
        {
            Disk.Write(file, text, mode);
            return true;
        }
        catch (DiskException e)
        {
            session.Terminal.Fail("Could not create file " + file + ": " + e.Message);
            return false;
        }
    }

    /// <summary>Another port for the node if something has the usual one (spec 06 §6.3).</summary>
    public static void ChoosePort(Session session, string name)
    {
        if (IsFree(DefaultPort))
            return;

        session.Terminal.WriteError("Warning: could not bind to port " + DefaultPort + ". ");
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var port = FirstPort + RandomNumberGenerator.GetInt32(PortsToChooseFrom);
            if (!IsFree(port))
                continue;

            var file = session.Locations.Host(name);
            try
            {
                Disk.Append(file, "Port = " + port + "\n", Disk.Shared);
                session.Terminal.WriteError("Tinc will instead listen on port " + port + ".\n");
                return;
            }
            catch (DiskException e)
            {
                session.Terminal.Fail("Could not open " + file + ": " + e.Message);
                break;
            }
        }

        session.Terminal.Fail("Please change tinc's Port manually.");
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Any, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
