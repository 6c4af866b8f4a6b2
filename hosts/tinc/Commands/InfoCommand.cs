using System.Globalization;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Commands;

namespace TincPure.Tinc.Commands;

/// <summary>`info`: what the daemon knows of a node, a network or an address (spec 06 §10).</summary>
internal static class InfoCommand
{
    public static int Run(Session session, string[] arguments, Switches switches)
    {
        if (arguments is not [var item])
            return session.WrongNumberOfArguments();
        if (session.Connect(verbose: true) is not { } daemon)
            return 1;

        var subject = Info.parse(item);
        if (subject.IsError)
            return session.Terminal.Fail(subject.ErrorValue);

        try
        {
            var dumps = new Dumps(daemon);
            return subject.ResultValue is Info.Subject.NodeCalled
                ? AboutNode(session, dumps, item, switches.Json)
                : AboutNetworks(session, dumps, item, subject.ResultValue, switches.Json);
        }
        catch (DumpException e)
        {
            return session.Terminal.Fail(e.Message);
        }
    }

    private static int AboutNode(Session session, Dumps dumps, string name, bool json)
    {
        if (dumps.Nodes(name).FirstOrDefault(node => node.Name == name) is not { } node)
            return session.Terminal.Fail("Unknown node " + name + ".");

        var edges = ListModule.OfSeq(dumps.Edges(name));
        var subnets = ListModule.OfSeq(dumps.Subnets(name));
        return json
            ? session.Print(DumpJson.nodeInfo(node, edges, subnets))
            : Print(session, Info.describeNode(FuncConvert.FromFunc<long, string>(LocalTime), node, edges, subnets));
    }

    private static int AboutNetworks(Session session, Dumps dumps, string item, Info.Subject subject, bool json)
    {
        var found = Info.findSubnets(item, subject, ListModule.OfSeq(dumps.Subnets(item)));
        if (found.IsError)
            return session.Terminal.Fail(found.ErrorValue);
        return json
            ? session.Print(found.ResultValue.Select(DumpJson.subnet))
            : Print(session, Info.describeSubnets(found.ResultValue));
    }

    private static string LocalTime(long seconds) =>
        DateTimeOffset.FromUnixTimeSeconds(seconds).ToLocalTime()
            .ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static int Print(Session session, IEnumerable<string> lines)
    {
        foreach (var line in lines)
            session.Terminal.WriteLine(line);
        return 0;
    }
}
