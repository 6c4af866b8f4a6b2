using System.Security.Cryptography;
using Microsoft.FSharp.Core;
using TincPure.Commands;
using TincPure.Config;
using TincPure.Node;
using TincPure.Primitives;
using KeyPair = TincPure.Config.KeyPair;
using InvitationText = TincPure.Commands.Invite;

namespace TincPure.Tinc.Commands;

/// <summary>`invite`: an invitation for a new node, and the URL that opens it (spec 06 §18).</summary>
internal static class InviteCommand
{
    private static readonly UnixFileMode PrivateFolder = Disk.Private | UnixFileMode.UserExecute;

    public static int Run(Session session, string[] arguments, Switches switches)
    {
        if (arguments.Length == 0)
            return session.Terminal.Fail("Not enough arguments!");
        if (arguments is not [var invited])
            return session.TooManyArguments();
        if (!Session.IsNodeName(invited))
            return session.Terminal.Fail("Invalid name for node.");
        if (session.OwnName(verbose: true) is not { } inviter)
            return 1;
        if (Disk.Exists(session.Locations.Host(invited)))
            return session.Terminal.Fail("A host config file for " + invited + " already exists!");
        if (IsKnown(session, invited))
            return session.Terminal.Fail("A node with name " + invited + " is already known!");

        try
        {
            var url = Invite(session, inviter, invited);
            if (url is null)
                return 1;
            if (switches.Json)
                return session.Print(DumpJson.invite(invited, url));
            session.Terminal.WriteLine(url);
            return 0;
        }
        catch (DiskException e)
        {
            return session.Terminal.Fail(e.Message);
        }
    }

    /// <summary>A running daemon may know nodes that have no host file here.</summary>
    private static bool IsKnown(Session session, string name)
    {
        if (session.Connect(verbose: false) is not { } daemon)
            return false;

        try
        {
            return new Dumps(daemon).Nodes().Any(node => node.Name == name);
        }
        catch (DumpException)
        {
            // The daemon refuses the name when it is used, if it has to.
            session.Disconnect();
            return false;
        }
    }

    /// <summary>The URL, or null, which is explained.</summary>
    /// <exception cref="DiskException">With the whole message: a file cannot be used.</exception>
    private static string? Invite(Session session, string inviter, string invited)
    {
        var folder = Locations.Join(session.Locations.ConfBase, "invitations");
        MakeFolder(folder);
        if (Key(session, folder) is not { } key || InviterPlace.Find(session, inviter) is not { } place)
            return null;

        var cookie = RandomNumberGenerator.GetBytes(Invitations.cookieSize);
        var file = Locations.Join(folder, Invitations.fileId(cookie, key.Public));
        var text = InvitationText.file(
            NodeNameModule.tryParse(invited).Value,
            session.Locations.NetName is { } net ? FSharpValueOption<string>.Some(net) : FSharpValueOption<string>.None,
            NodeNameModule.tryParse(inviter).Value,
            place.Port,
            Try("Could not open ", session.Locations.TincConf, Disk.Read),
            Try("Could not open ", session.Locations.Host(inviter), Disk.Read));
        Try("Could not create invitation file ", file, path => Disk.Replace(path, text, Disk.Private));

        var url = InvitationUrl.print(place.Host, place.Port, key.Public, cookie);
        InvitationScript.Run(session, inviter, invited, file, url);
        return url;
    }

    private static void MakeFolder(string folder)
    {
        Try("Could not create directory ", folder, path => Disk.MakeFolder(path, PrivateFolder));
        try
        {
            Disk.SetMode(folder, PrivateFolder);
        }
        catch (DiskException)
        {
            // Somebody else's folder: what matters is whether files can be made in it.
        }
    }

    /// <summary>
    /// The key of all outstanding invitations. It is replaced when there are none left, so that it does not become old.
    /// </summary>
    private static KeyPair? Key(Session session, string folder)
    {
        var file = Locations.Join(folder, "ed25519_key.priv");
        if (RemoveExpired(folder) == 0)
            Try("Could not remove ", file, Disk.Delete);

        if (Disk.Exists(file))
        {
            var (existing, _) = KeyFile.parsePrivate(Try("Could not read ", file, Disk.Read));
            if (existing.IsSome)
                return existing.Value;
            session.Terminal.Fail("Could not read private key from " + file);
            return null;
        }

        var key = KeyCommands.NewPair();
        Try("Could not write ", file, path => Disk.Replace(path, KeyFile.printPrivate(key), Disk.Private));
        if (session.Connect(verbose: true) is null)
            session.Terminal.Fail("Could not signal the tinc daemon. Please restart or reload it manually.");
        else
            session.AskForReload();
        return key;
    }

    /// <summary>How many invitations are outstanding.</summary>
    private static int RemoveExpired(string folder)
    {
        var oldest = DateTime.UtcNow - TimeSpan.FromSeconds(InvitationText.lifetime);
        var count = 0;
        foreach (var name in Try("Could not read directory ", folder, Disk.List).Where(InvitationText.isOutstanding))
        {
            var file = Locations.Join(folder, name);
            if (File.GetLastWriteTimeUtc(ByteText.decode(file)) < oldest)
                Try("Could not remove ", file, Disk.Delete);
            else
                count++;
        }

        return count;
    }

    private static void Try(string complaint, string file, Action<string> action) =>
        Try(complaint, file, path =>
        {
            action(path);
            return true;
        });

    private static T Try<T>(string complaint, string file, Func<string, T> action)
    {
        try
        {
            return action(file);
        }
        catch (DiskException e)
        {
            throw new DiskException(complaint + file + ": " + e.Message);
        }
    }
}
