using TincPure.Config;

namespace TincPure.Tinc.Commands;

/// <summary>`network`: lists the networks, or turns to another (spec 06 §12).</summary>
internal static class NetworkCommand
{
    private const string NoNetwork = ".";

    public static int Run(Session session, string[] arguments) =>
        arguments switch
        {
            [] => List(session),
            [var name] => Switch(session, name),
            _ => session.TooManyArguments(),
        };

    private static int List(Session session)
    {
        var root = session.Locations.ConfigurationRoot;
        try
        {
            foreach (var entry in Disk.List(root).Where(entry => !entry.StartsWith('.')))
            {
                if (entry == "tinc.conf")
                    session.Terminal.WriteLine(NoNetwork);
                else if (Disk.IsReadable(Locations.Join(Locations.Join(root, entry), "tinc.conf")))
                    session.Terminal.WriteLine(entry);
            }

            return 0;
        }
        catch (DiskException e)
        {
            return session.Terminal.Fail("Could not read directory " + root + ": " + e.Message);
        }
    }

    private static int Switch(Session session, string name)
    {
        if (name == NoNetwork)
        {
            session.SwitchTo(null);
            return 0;
        }

        if (!NetName.isValid(name))
            return session.Terminal.Fail("Invalid character in netname!");
        if (!NetName.isSafe(name))
            session.Terminal.Fail("Warning: unsafe character in netname!");
        session.SwitchTo(name);
        return 0;
    }
}
