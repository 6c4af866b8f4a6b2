using Microsoft.FSharp.Collections;
using TincPure.Commands;
using TincPure.Host.Control;
using TincPure.Primitives;

namespace TincPure.Tinc.Commands;

/// <summary>`dump`, also called `list` (spec 06 §9).</summary>
internal static class DumpCommand
{
    /// <summary>Characters of an invitation's file name that are its cookie's hash.</summary>
    private const int InvitationNameLength = 24;

    private sealed record Invitation(string File, string Name);

    public static int Run(Session session, string[] arguments, Switches switches)
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
            return Invitations(session, switches.Json);
        if (session.Connect(verbose: true) is not { } daemon)
            return 1;

        try
        {
            return Print(session, daemon, arguments[0], onlyReachable, switches.Json);
        }
        catch (DumpException e)
        {
            return session.Terminal.Fail(e.Message);
        }
    }

    private static int Print(Session session, ControlConnection daemon, string kind, bool onlyReachable, bool json)
    {
        var dumps = new Dumps(daemon);
        switch (kind.ToLowerInvariant())
        {
            case "nodes":
                var nodes = dumps.Nodes().Where(
                    node => !onlyReachable || Dump.has(Dump.Status.reachable, node.Status));
                return Print(session, nodes, Dump.printNode, json, DumpJson.node);
            case "edges":
                return Print(session, dumps.Edges(), Dump.printEdge, json, DumpJson.edge);
            case "subnets":
                return Print(session, dumps.Subnets(), Dump.printSubnet, json, DumpJson.subnet);
            case "connections":
                return Print(session, dumps.Connections(), Dump.printConnection, json, DumpJson.connection);
            case "graph" or "digraph" when json:
                return session.Print(
                    DumpJson.graph(ListModule.OfSeq(dumps.Nodes()), ListModule.OfSeq(dumps.Edges())));
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

    private static int Print<T>(
        Session session, IEnumerable<T> items, Func<T, string> print, bool json, Func<T, Json.Json> toJson) =>
        json ? session.Print(items.Select(toJson)) : Print(session, items.Select(print));

    private static int Print(Session session, IEnumerable<string> lines)
    {
        foreach (var line in lines)
            session.Terminal.WriteLine(line);
        return 0;
    }

    private static int Invitations(Session session, bool json)
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

        var found = names.Where(IsInvitation)
            .Select(name => InvitedBy(session, folder, name))
            .OfType<Invitation>()
            .ToList();
        if (found.Count == 0)
            session.Terminal.Fail("No outstanding invitations.");
        return Print(
            session, found, invitation => invitation.File + " " + invitation.Name,
            json, invitation => DumpJson.invitation(invitation.File, invitation.Name));
    }

    private static bool IsInvitation(string name) =>
        name.Length >= InvitationNameLength && Base64.decode(name[..InvitationNameLength]).IsSome;

    private static Invitation? InvitedBy(Session session, string folder, string file)
    {
        const string start = "Name = ";
        var path = Locations.Join(folder, file);
        try
        {
            var text = Disk.Read(path);
            var line = OwnNode.trimEnd(text.Split('\n')[0]);
            if (line.StartsWith(start, StringComparison.Ordinal) && Session.IsNodeName(line[start.Length..]))
                return new Invitation(file, line[start.Length..]);
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
