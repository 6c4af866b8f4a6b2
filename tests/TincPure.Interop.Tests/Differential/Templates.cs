namespace TincPure.Interop.Tests.Differential;

/// <summary>The files that a run finds.</summary>
internal static class Templates
{
    private const string Conf =
        """
        # the first node
        Name = alpha
        Mode = switch
        ConnectTo = beta
        ConnectTo = gamma
        PingTimeout=7
        Broadcast	mst
        Unknown = value

        """;

    private const string Host =
        """
        Address = alpha.example.org 655
        Address = 192.0.2.1
        Port = 4655
        Subnet = 10.0.0.0/8
        subnet = fd00::/64
        # comment
        -----BEGIN RSA PUBLIC KEY-----
        MIIBCgKCAQEA
        -----END RSA PUBLIC KEY-----
        Compression = 9

        """;

    /// <summary>Files by the names of templates; a name that ends in a slash is a folder.</summary>
    private static readonly Dictionary<string, Dictionary<string, string>> All = new()
    {
        ["nothing"] = [],
        ["plain"] = new()
        {
            ["net/tinc.conf"] = Conf,
            ["net/hosts/alpha"] = Host,
            ["net/hosts/beta"] = "Address = beta.example.org\nSubnet = 10.1.0.0/16#5",
        },
        ["nameless"] = new() { ["net/tinc.conf"] = "Mode = router\n", ["net/hosts/alpha"] = Host },
        ["badname"] = new() { ["net/tinc.conf"] = "Name = al-pha\n", ["net/hosts/alpha"] = Host },
        ["variable"] = new() { ["net/tinc.conf"] = "Name = $WHO\n", ["net/hosts/who_me_"] = Host },
        ["messy"] = new()
        {
            ["net/tinc.conf"] = "  Name = indented\r\nName = alpha\r\nmode = hub\nMODE=router\n\n\tX = 1\nPort 1\nNoNewline = here",
            ["net/hosts/alpha"] = "Port=1\r\nport = 2\nSubnet = 1.2.3.4\nSubnet = 1.2.3.4",
        },
        ["stale"] = new()
        {
            ["net/tinc.conf"] = Conf,
            ["net/hosts/alpha"] = Host,
            ["pid"] = "999999999 " + new string('A', 64) + " 127.0.0.1 port 655\n",
        },
        ["garbled"] = new() { ["net/tinc.conf"] = Conf, ["net/hosts/alpha"] = Host, ["pid"] = "no pid file\n" },
        ["invited"] = new()
        {
            ["net/tinc.conf"] = Conf,
            ["net/hosts/alpha"] = Host,
            ["net/invitations/0123456789abcdefghijklmn"] = "Name = delta\n",
        },
        ["invalid invitation"] = new()
        {
            ["net/tinc.conf"] = Conf,
            ["net/invitations/0123456789abcdefghijklmn"] = "Mode = x\n",
        },
    };

    public static void Make(string template, string folder)
    {
        foreach ((string name, string text) in All[template])
        {
            string path = Path.Combine(folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }
    }
}
