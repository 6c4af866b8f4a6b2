using Microsoft.FSharp.Core;
using TincPure.Commands;
using TincPure.Host.Control;
using TincPure.Primitives;

namespace TincPure.Tinc.Commands;

/// <summary>`dump`, also called `list` (spec 06 §9).</summary>
internal static class DumpCommand
{
    /// <summary>Characters of an invitation's file name that are its cookie's hash.</summary>
    private const int InvitationNameLength = 24;

    public static int Run(Session session, string[] arguments)
    {
        var onlyReachable = arguments.Length > 1 && Same(arguments[0], "reachable");
        if (onlyReachable)
        {
            if (!Same(arguments[1], "nodes"))
                return FailWithHint(session, "`reachable' only supported for nodes.");
            arguments = arguments[1..];
        }

        if (arguments.Length != 1)
            return FailWithHint(session, "Invalid number of arguments.");
        if (Same(arguments[0], "invitations"))
            return Invitations(session);
        if (session.Connect(verbose: true) is not { } daemon)
            return 1;

        try
        {
            return Print(session, daemon, arguments[0], onlyReachable);
        }
        catch (DumpException e)
        {
            return session.Terminal.Fail(e.Message);
        }
    }

    private static int Print(Session session, ControlConnection daemon, string kind, bool onlyReachable)
    {
        var dumps = new Dumps(daemon);
        switch (kind.ToLowerInvariant())
        {
            case "nodes":
                var nodes = dumps.Nodes().Where(
                    node => !onlyReachable || Dump.has(Dump.Status.reachable, node.Status));
                return Print(session, nodes.Select(Dump.printNode));
            case "edges":
                return Print(session, dumps.Edges().Select(Dump.printEdge));
            case "subnets":
                return Print(session, dumps.Subnets().Select(Dump.printSubnet));
            case "connections":
                return Print(session, dumps.Connections().Select(Dump.printConnection));
            case "graph":
                return Graph(session, dumps, directed: false);
            case "digraph":
                return Graph(session, dumps, directed: true);
            default:
                return FailWithHint(session, "Unknown dump type '" + kind + "'.");
        }
    }

    private static int Graph(Session session, Dumps dumps, bool directed)
    {
        var nodes = dumps.Nodes().Select(Dump.graphNode);
        var edges = dumps.Edges().Select(edge => Dump.graphEdge(directed, edge)).Where(edge => edge.IsSome);
        return Print(
            session, [directed ? "digraph {" : "graph {", .. nodes, .. edges.Select(edge => edge.Value), "}"]);
    }

    private static int Print(Session session, IEnumerable<string> lines)
    {
        foreach (var line in lines)
            session.Terminal.WriteLine(line);
        return 0;
    }

    private static int Invitations(Session session)
    {
        var folder = Locations.Join(session.Locations.ConfBase, "invitations");
        IReadOnlyList<string> names;
        try
        {
            names = Disk.Exists(folder) ? Disk.List(folder) : [];
        }
        catch (DiskException e)
        {
            return session.Terminal.Fail("Cannot not read directory " + folder + ": " + e.Message);
        }

        var lines = names.Where(IsInvitation)
            .Select(name => InvitedBy(session, folder, name))
            .OfType<string>()
            .ToList();
        if (lines.Count == 0)
            session.Terminal.Fail("No outstanding invitations.");
        return Print(session, lines);
    }

    private static bool IsInvitation(string name) =>
        name.Length >= InvitationNameLength && Base64.decode(name[..InvitationNameLength]).IsSome;

    private static string? InvitedBy(Session session, string folder, string file)
    {
        const string start = "Name = ";
        var path = Locations.Join(folder, file);
        try
        {
            var text = Disk.Read(path);
            var line = OwnNode.trimEnd(text.Split('\n')[0]);
            if (line.StartsWith(start, StringComparison.Ordinal) && Session.IsNodeName(line[start.Length..]))
                return file + " " + line[start.Length..];
            session.Terminal.Fail("Invalid invitation file " + path);
        }
        catch (DiskException e)
        {
            session.Terminal.Fail("Cannot open " + path + ": " + e.Message);
        }

        return null;
    }

    private static int FailWithHint(Session session, string message)
    {
        session.Terminal.WriteError(message + "\n" + session.Hint);
        return 1;
    }

    private static bool Same(string word, string name) => word.Equals(name, StringComparison.OrdinalIgnoreCase);
}
