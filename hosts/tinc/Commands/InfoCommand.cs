using System.Globalization;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Commands;

namespace TincPure.Tinc.Commands;

/// <summary>`info`: what the daemon knows of a node, a network or an address (spec 06 §10).</summary>
internal static class InfoCommand
{
    public static int Run(Session session, string[] arguments)
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
                ? AboutNode(session, dumps, item)
                : AboutNetworks(session, dumps, item, subject.ResultValue);
        }
        catch (DumpException e)
        {
            return session.Terminal.Fail(e.Message);
        }
    }

    private static int AboutNode(Session session, Dumps dumps, string name)
    {
        if (dumps.Nodes(name).FirstOrDefault(node => node.Name == name) is not { } node)
            return session.Terminal.Fail("Unknown node " + name + ".");

        var lines = Info.describeNode(
            FuncConvert.FromFunc<long, string>(LocalTime), node,
            ListModule.OfSeq(dumps.Edges(name)), ListModule.OfSeq(dumps.Subnets(name)));
        return Print(session, lines);
    }

    private static int AboutNetworks(Session session, Dumps dumps, string item, Info.Subject subject)
    {
        var lines = Info.describeSubnets(item, subject, ListModule.OfSeq(dumps.Subnets(item)));
        return lines.IsOk ? Print(session, lines.ResultValue) : session.Terminal.Fail(lines.ErrorValue);
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
