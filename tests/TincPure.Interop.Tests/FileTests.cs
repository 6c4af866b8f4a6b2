namespace TincPure.Interop.Tests;

/// <summary>Folders, keys and host files made by one implementation, used by the other.</summary>
public class FileTests
{
    /// <summary>Who made the files, and whose daemon uses them.</summary>
    public static readonly TheoryData<Make, Make> Exchanges =
        new (Make, Make)[] { (Make.Ours, Make.Ours), (Make.Ours, Make.Stock), (Make.Stock, Make.Ours) }.Theory();

    [LabTheory, MemberData(nameof(Exchanges))]
    public async Task A_folder_made_by_one_tinc_serves_the_other_s_daemon(Make maker, Make user)
    {
        await using Mesh mesh = new($"files-{maker}-{user}");
        Node a = mesh.Add("a", user), b = mesh.Add("b", user == Make.Ours ? Make.Stock : Make.Ours);
        foreach (Node node in mesh.Nodes)
        {
            Directory.Delete(node.Folder, recursive: true);
            string[] interfaceUp = [node.IPv4, node.IPv6];
            Tinc(maker, node, "init", node.Name).OrThrow();
            Tinc(maker, node, "set", "Interface", "vpn").OrThrow();
            Tinc(maker, node, "set", "AutoConnect", "no").OrThrow();
            Tinc(maker, node, "add", "Subnet", $"10.77.{node.Number}.0/24").OrThrow();
            Tinc(maker, node, "add", $"{node.Name}.Address", node.Host.IPv4).OrThrow();
            node.Script("tinc-up", $"ip addr add {interfaceUp[0]}/16 dev $INTERFACE; ip link set $INTERFACE up");
        }

        // What one exports the other imports, whichever tinc does it.
        Exchange(maker, user, a, b);
        Exchange(user, maker, b, a);
        Tinc(maker, a, "add", "ConnectTo", "b").OrThrow();

        await mesh.Start();
        await mesh.Answers(a, b, TimeSpan.FromSeconds(12));
    }

    [LabFact]
    public async Task Both_tinc_programs_make_the_same_folder()
    {
        await using Mesh mesh = new("init");
        Node a = mesh.Add("a", Make.Ours);
        Dictionary<Make, string> listings = [];
        foreach (Make make in Programs.Makes11)
        {
            Directory.Delete(a.Folder, recursive: true);
            Tinc(make, a, "init", "a").OrThrow();
            // Only newer tinc makes the cache folder, and the RSA key serves the legacy protocol alone.
            listings[make] = string.Join('\n',
                from path in Directory.EnumerateFileSystemEntries(a.Folder, "*", SearchOption.AllDirectories)
                let name = Path.GetRelativePath(a.Folder, path)
                where name is not ("cache" or "rsa_key.priv")
                orderby name
                select $"{name} {(int)File.GetUnixFileMode(path):x}");
            Assert.Equal("Name = a\n", File.ReadAllText(Path.Combine(a.Folder, "tinc.conf")));
        }

        Assert.Equal(listings[Make.Stock], listings[Make.Ours]);
    }

    private static CommandResult Tinc(Make make, Node node, params string[] words) => node.Tinc(make, ["-b", .. words]);

    private static void Exchange(Make exporter, Make importer, Node from, Node to)
    {
        string exported = from.Tinc(exporter, "export").OrThrow().Output;
        Command.RunWith(exported, Programs.Tinc(importer), "-c", to.Folder, "import").OrThrow();
        Assert.Equal(File.ReadAllText(from.HostFilePath(from.Name)), File.ReadAllText(to.HostFilePath(from.Name)));
    }
}
