using TincPure.Commands;
using TincPure.Config;
using TincPure.Primitives;

namespace TincPure.Tinc.Commands;

/// <summary>`sign` and `verify` (spec 06 §14).</summary>
internal static class SignCommands
{
    public static int Sign(Session session, string[] arguments)
    {
        if (arguments.Length > 1)
            return session.TooManyArguments();
        if (session.OwnName(verbose: true) is not { } name)
            return 1;

        var file = Locations.Join(session.Locations.ConfBase, "ed25519_key.priv");
        if (Read(session, file) is not { } keyText)
            return 1;
        var (key, _) = KeyFile.parsePrivate(keyText);
        if (key.IsNone)
            return session.Terminal.Fail("Could not read private key from " + file);
        if (Input(session, arguments) is not { } text)
            return 1;

        var time = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        session.Terminal.Write(Signature.sign(key.Value, NodeNameModule.tryParse(name).Value, time, text));
        return 0;
    }

    public static int Verify(Session session, string[] arguments)
    {
        if (arguments.Length == 0)
            return session.Terminal.Fail("Not enough arguments!");
        if (arguments.Length > 2)
            return session.TooManyArguments();

        var anybody = arguments[0] == "*";
        var node = arguments[0] == "." ? session.OwnName(verbose: true) : arguments[0];
        if (node is null)
            return 1;
        if (!anybody && !Session.IsNodeName(node))
            return session.Terminal.Fail("Invalid node name");
        if (Input(session, arguments[1..]) is not { } input)
            return 1;

        var parsed = Signature.parse(input);
        if (parsed.IsNone)
            return session.Terminal.Fail("Invalid input");
        var (header, text) = parsed.Value;
        if (!anybody && header.Signer.Text != node)
            return session.Terminal.Fail("Signature is not made by " + node);

        var file = session.Locations.Host(header.Signer.Text);
        if (Read(session, file) is not { } hostFile)
            return 1;
        var key = Signature.hostKey(hostFile);
        if (key.IsNone)
            return session.Terminal.Fail("Could not read public key from " + file);
        if (!Signature.verifies(key.Value, header, text))
            return session.Terminal.Fail("Invalid signature");

        session.Terminal.Write(text);
        return 0;
    }

    /// <summary>The file that was named, else standard input; null, which is explained, if it cannot be read.</summary>
    private static string? Input(Session session, string[] words) =>
        words.Length == 0 ? session.Terminal.ReadToEnd() : Read(session, words[0]);

    private static string? Read(Session session, string file)
    {
        try
        {
            return Disk.Read(file);
        }
        catch (DiskException e)
        {
            session.Terminal.Fail("Could not open " + file + ": " + e.Message);
            return null;
        }
    }
}
