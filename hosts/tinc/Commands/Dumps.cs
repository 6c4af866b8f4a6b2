using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using TincPure.Commands;
using TincPure.Host.Control;

namespace TincPure.Tinc.Commands;

/// <summary>A dump could not be received; the message says why.</summary>
internal class DumpException(string message) : Exception(message);

/// <summary>The daemon does not know the request.</summary>
internal sealed class RefusedException() : DumpException("Unable to parse dump from tincd.");

/// <summary>Lists that the daemon gives of its nodes, edges, subnets and connections (spec 06 §15.5).</summary>
internal sealed class Dumps(ControlConnection daemon)
{
    public IReadOnlyList<Dump.Node> Nodes(string argument = "") =>
        Read(Control.Request.DumpNodes, argument, Dump.parseNode, line => "Unable to parse node dump from tincd: " + line);

    public IReadOnlyList<Dump.Edge> Edges(string argument = "") =>
        Read(Control.Request.DumpEdges, argument, Dump.parseEdge, _ => "Unable to parse edge dump from tincd.");

    public IReadOnlyList<Dump.OwnedSubnet> Subnets(string argument = "") =>
        Read(Control.Request.DumpSubnets, argument, Dump.parseSubnet, _ => "Unable to parse subnet dump from tincd.");

    public IReadOnlyList<Dump.Connection> Connections() =>
        Read(
            Control.Request.DumpConnections, "", Dump.parseConnection,
            _ => "Unable to parse connection dump from tincd.");

    public IReadOnlyList<Top.Sample> Traffic() =>
        Read(Control.Request.DumpTraffic, "", Top.parseSample, _ => "Unable to parse dump from tincd.");

    /// <summary>What daemons of ours tell of the ways to the nodes, by name; empty for others.</summary>
    public FSharpMap<string, PeerStatus.Path> Paths() =>
        MapModule.OfSeq(
            ReadIfTold(Control.Request.DumpPaths, PeerStatus.parsePath, _ => "Unable to parse path dump from tincd.")
                .Select(item => Tuple.Create(item.Item1, item.Item2)));

    /// <summary>How often daemons of ours let something go, by cause; empty for others.</summary>
    public IReadOnlyList<PeerStatus.Drop> Drops() =>
        ReadIfTold(Control.Request.DumpDrops, PeerStatus.parseDrop, _ => "Unable to parse drop dump from tincd.");

    /// <summary>Everything at once.</summary>
    public Events.Picture Picture() =>
        new(
            ListModule.OfSeq(Nodes()), ListModule.OfSeq(Edges()), ListModule.OfSeq(Subnets()),
            ListModule.OfSeq(Connections()));

    /// <summary>A dump that only daemons of ours give; nothing from others.</summary>
    private List<T> ReadIfTold<T>(
        Control.Request request, Func<FSharpList<string>, FSharpValueOption<T>> parse, Func<string, string> failure)
    {
        try
        {
            return Read(request, "", parse, failure);
        }
        catch (RefusedException)
        {
            return [];
        }
    }

    /// <exception cref="DumpException">The daemon went away or said something else.</exception>
    private List<T> Read<T>(
        Control.Request request, string argument, Func<FSharpList<string>, FSharpValueOption<T>> parse,
        Func<string, string> failure)
    {
        var items = new List<T>();
        daemon.Send(Control.request(request, ListModule.OfSeq(argument.Length == 0 ? [] : new[] { argument })));
        while (daemon.ReadLine() is { } line)
        {
            if (Control.isRefused(line))
                throw new RefusedException();
            var fields = Control.parseItem(request, line);
            if (fields.IsError)
                throw new DumpException("Unable to parse dump from tincd.");
            if (fields.ResultValue.IsEmpty)
                return items;

            var item = parse(fields.ResultValue);
            items.Add(item.IsSome ? item.Value : throw new DumpException(failure(line)));
        }

        throw new DumpException("Error receiving dump.");
    }
}
