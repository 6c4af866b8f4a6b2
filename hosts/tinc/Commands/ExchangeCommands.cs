using Microsoft.FSharp.Collections;
using TincPure.Primitives;
using ExchangeText = TincPure.Commands.Exchange;

namespace TincPure.Tinc.Commands;

/// <summary>`export`, `import` and their combinations (spec 06 §11).</summary>
internal static class ExchangeCommands
{
    public static int Export(Session session, string[] arguments)
    {
        if (arguments.Length > 0)
            return session.TooManyArguments();
        if (session.OwnName(verbose: true) is not { } name)
            return 1;
        if (Block(session, name) is not { } block)
            return 1;

        session.Terminal.Write(block);
        return Done(session, 0);
    }

    public static int ExportAll(Session session, string[] arguments)
    {
        if (arguments.Length > 0)
            return session.TooManyArguments();

        IReadOnlyList<string> names;
        try
        {
            names = Disk.List(session.Locations.Hosts);
        }
        catch (DiskException e)
        {
            return session.Terminal.Fail(
                "Could not open host configuration directory " + session.Locations.Hosts + ": " + e.Message);
        }

        var blocks = names.Where(Session.IsNodeName).Select(name => Block(session, name)).ToList();
        session.Terminal.Write(ExchangeText.exportAll(ListModule.OfSeq(blocks.OfType<string>())));
        return Done(session, blocks.Contains(null) ? 1 : 0);
    }

    public static int Import(Session session, string[] arguments) =>
        arguments.Length > 0 ? session.TooManyArguments() : Import(session);

    public static int Exchange(Session session, string[] arguments)
    {
        var code = Export(session, arguments);
        return code == 0 ? Import(session) : code;
    }

    public static int ExchangeAll(Session session, string[] arguments)
    {
        var code = ExportAll(session, arguments);
        return code == 0 ? Import(session) : code;
    }

    private static int Done(Session session, int code)
    {
        // The other side of an exchange waits for the end of our output before it sends its own.
        if (!session.Terminal.Interactive)
            session.Terminal.CloseOutput();
        return code;
    }

    private static string? Block(Session session, string name)
    {
        var file = session.Locations.Host(name);
        try
        {
            return ExchangeText.export(NodeNameModule.tryParse(name).Value, Disk.Read(file));
        }
        catch (DiskException e)
        {
            session.Terminal.Fail("Could not open configuration file " + file + ": " + e.Message);
            return null;
        }
    }

    private static int Import(Session session)
    {
        var count = 0;
        foreach (var block in ExchangeText.import(session.Terminal.ReadToEnd()))
        {
            switch (block)
            {
                case ExchangeText.Block.Host host:
                    if (ImportHost(session, host) is not { } imported)
                        return 1;
                    count += imported;
                    break;
                case { IsJunk: true }:
                    session.Terminal.Fail("Junk at the beginning of the input, ignoring.");
                    break;
                default:
                    return session.Terminal.Fail("Invalid Name in input!");
            }
        }

        if (count == 0)
            return session.Terminal.Fail("No host configuration files imported.");

        session.Terminal.WriteError("Imported " + count + " host configuration files.\n");
        return 0;
    }

    /// <summary>1 if the file was written, 0 if it was there already, null if it cannot be written.</summary>
    private static int? ImportHost(Session session, ExchangeText.Block.Host host)
    {
        var file = session.Locations.Host(host.Item1.Text);
        if (Disk.Exists(file) && !session.Options.Force)
        {
            session.Terminal.Fail("Host configuration file " + file + " already exists, skipping.");
            return 0;
        }

        try
        {
            Disk.Write(file, host.text, Disk.Shared);
            return 1;
        }
        catch (DiskException e)
        {
            session.Terminal.Fail("Error creating configuration file " + file + ": " + e.Message);
            return null;
        }
    }
}
