using TincPure.Commands;

namespace TincPure.Tinc;

/// <summary>What completion offers in the place of a word (spec 06 §3). What cannot be found out is not offered.</summary>
internal sealed class Offers(Session session)
{
    public IEnumerable<string> For(Catalogue.Words words, string unfinished) =>
        words switch
        {
            Catalogue.Words.OneOf choices => choices.Item,
            { IsVariableName: true } => Completion.variables(unfinished),
            { IsNodeOrSubnet: true } => Nodes().Concat(Subnets()),
            { IsNode: true } => Nodes(),
            { IsNetwork: true } => Networks(),
            _ => [],
        };

    /// <summary>The nodes that the daemon knows; those with a host file if there is no daemon.</summary>
    private IEnumerable<string> Nodes()
    {
        if (session.Connect(verbose: false) is { } daemon)
            return Quietly(() => new Commands.Dumps(daemon).Nodes().Select(node => node.Name));
        return Quietly(() => Disk.List(session.Locations.Hosts).Where(Session.IsNodeName));
    }

    private IEnumerable<string> Subnets() =>
        session.Connect(verbose: false) is { } daemon
            ? Quietly(() => new Commands.Dumps(daemon).Subnets().Select(owned => owned.Subnet))
            : [];

    private IEnumerable<string> Networks() =>
        Quietly(() => Disk.List(session.Locations.ConfigurationRoot)
            .Where(name => Disk.IsReadable(Locations.Join(
                Locations.Join(session.Locations.ConfigurationRoot, name), "tinc.conf"))));

    private static List<string> Quietly(Func<IEnumerable<string>> find)
    {
        try
        {
            return [.. find()];
        }
        catch (Exception e) when (e is DiskException or Commands.DumpException)
        {
            return [];
        }
    }
}
