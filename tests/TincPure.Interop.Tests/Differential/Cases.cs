namespace TincPure.Interop.Tests.Differential;

/// <summary>Command lines to try: those that somebody thought of, and many that are put together at random, the same ones each time.</summary>
internal static class Cases
{
    private const int Generated = 360;

    private static readonly string[] Place = ["-c", "{D}/net", "--pidfile", "{D}/pid"];

    private static readonly Lazy<IReadOnlyList<Case>> Every =
        new(() => [.. Written().Concat(Random()).DistinctBy(run => run.ToString())]);

    public static IReadOnlyList<Case> All => Every.Value;

    private static Case In(string files, params string[] words) => new(files, [.. Place, .. words]);

    private static IEnumerable<Case> Written()
    {
        foreach (string[] words in Options) yield return new Case("plain", words);
        foreach (string line in Lines) yield return In("plain", line.Split(' '));
        foreach (string line in LinesWithoutFiles) yield return In("nothing", line.Split(' '));
        foreach (string files in (string[])["nameless", "badname", "variable", "messy"])
        {
            foreach (string line in NamedLines) yield return In(files, line.Split(' '));
        }

        foreach (string files in (string[])["stale", "garbled"])
        {
            foreach (string command in Control) yield return In(files, command.Split(' '));
        }

        yield return In("invited", "dump", "invitations");
        yield return In("invalid invitation", "dump", "invitations");
        foreach (string input in Imports) yield return In("plain", "import") with { Input = input };
        foreach (string input in Imports) yield return In("plain", "exchange") with { Input = input };
        yield return new Case("plain", [.. Place, "--force", "import"], "Name = beta\nPort = 1\n");
        foreach (string input in ShellInputs) yield return In("plain") with { Input = input };
        foreach (string net in (string[])["", ".", "a/b", ".x", "a\\b"]) yield return new Case("plain", ["-c", "{D}/net", "get", "Name"], NetName: net);
    }

    private static readonly string[][] Options =
    [
        ["--bogus"], ["-z"], ["-n"], ["--net"], ["-c"], ["--config"], ["--pidfile"], ["--force=x", "get"], ["--b", "get"], ["--batch=1"],
        ["-bz", "get"], ["-b-", "get"], ["-d"], ["-h"], ["--he=x"], ["--ver=1"], ["--v", "-z"], ["-n", "a/b", "get", "Name"], ["-n.x", "get"],
        ["--", "get", "Name"], ["-c", "{D}/net", "--", "get", "Name"], ["-c{D}/net", "get", "Name"], ["--conf={D}/net", "get", "Name"],
        ["--config", "{D}/net", "-b", "--fo", "get", "Name"], ["-bc", "{D}/net", "get", "Name"], ["-bc{D}/net", "get", "Name"],
        ["-n", ".", "-c", "{D}/net", "get", "Name"], ["-n", "", "-c", "{D}/net", "get", "Name"], ["-n", "vpn", "-c", "{D}/net", "get", "Name"],
        ["-c", "{D}/none", "-c", "{D}/net", "get", "Name"], ["-c", "{D}/net/", "get", "Name"], ["-c", "{D}/net", "GET", "name"],
        ["-c", "{D}/net", "get", "-n", "x"], ["-c", "{D}/net", "get", "--force", "Name"], ["-c", "{D}/net", "get", "--", "Name"],
        ["-c", "{D}/net", "@file"], ["-c", "{D}/net", "get", "@Name"], ["-c", "{D}/net", "[diagram]", "get"], ["-c", "{D}/net", ""],
        ["-c", "{D}/net", "frobnicate"], ["-c", "{D}/net", "get", ""], ["-c", "{D}/net", "get", " Name"], ["-c", "{D}/net", "get", "Name "],
        ["-", "get"], ["--pidfile=", "-c", "{D}/net", "pid"], ["--pidfile={D}/other", "-c", "{D}/net", "pid"],
    ];

    private static readonly string[] Lines =
    [
        "init", "init beta", "init a b", "get", "set", "add", "del", "config", "config get Name", "config set Mode hub", "config replace Mode hub",
        "config change Mode hub", "config add Subnet 1.0.0.0/8", "config del Mode", "config Name", "config Mode hub", "config frob x", "get get Name",
        "start x y", "stop", "stop x", "restart x", "reload", "reload x", "pid", "pid x", "purge", "purge x", "debug", "debug 1", "debug 1 2", "retry",
        "retry x", "connect", "connect b", "connect a-b", "connect a b", "disconnect", "disconnect b", "disconnect a-b", "disconnect a b", "top",
        "top x", "pcap", "pcap 1 2", "log", "log 1 2", "dump", "dump nodes", "dump nodes x", "dump bogus", "dump reachable", "dump reachable nodes",
        "dump reachable edges", "DUMP Invitations", "list invitations", "dump invitations x", "info", "info alpha", "info 1.2.3.4", "info x-y",
        "info a b", "export", "export x", "export-all", "export-all x", "import x", "exchange x", "exchange-all x", "network a b", "network ../x",
        "edit", "edit a b", "edit x-y", "edit a-up-down", "version x", "generate-keys x y", "generate-rsa-keys 512", "generate-rsa-keys 9000",
        "generate-rsa-keys -1", "generate-rsa-keys x", "generate-rsa-keys 1 2", "generate-ed25519-keys x", "generate-ed25519-keys",
        "generate-rsa-keys 1024", "invite", "invite a-b", "invite beta", "invite alpha", "join a b", "join x", "join x/y", "join {U}", "join [::1/{U}",
        "sign", "sign a b", "sign {D}/none", "verify", "verify a b c", "verify x-y", "verify . {D}/none", "verify . {D}/net/tinc.conf",
        "verify beta {D}/net/tinc.conf", "fsck x",
    ];

    private static readonly string[] LinesWithoutFiles =
    [
        "get Name", "set Name x", "add Subnet 1.0.0.0/8", "del Port", "get alpha.Port", "export", "export-all", "invite b", "sign", "verify . {D}/none",
        "dump invitations", "init alpha", "init", "init a-b", "generate-ed25519-keys",
    ];

    private static readonly string[] NamedLines =
        ["get Name", "get Port", "add Subnet 10.9.0.0/16", "set Port 1", "del Subnet", "export", "invite new", "sign {D}/none", "generate-ed25519-keys"];

    private static readonly string[] Control = ["pid", "stop", "reload", "dump nodes", "dump bogus", "info alpha", "log", "get Port", "debug 1"];

    private static readonly string[] Imports =
    [
        "", "junk\n", "Name = delta\nPort = 1\n", "Name=delta\n", "Name delta\n", "name = delta\n", " Name = delta\n", "Name = de-lta\n",
        "Name = beta\nPort = 1\n", "junk\nName = delta\nx\n#---------------------------------------------------------------#\nName = eps\ny\n",
        "Name = delta\nno newline", "Name = delta x\n1\n", "Name = \n", "Name = a\nName = b\nName = a\n",
    ];

    private static readonly string[] ShellInputs =
    [
        "", "\n", "# x\n", "get Name\n", "get Name", "frob\nget Name\n", "exit\nget Name\n", "QUIT\n", "get Nope\nget Name\n", "  get\tName  \n",
        "set Mode hub\nget Mode\n", "dump\n", "get Name extra\nget Name\n", "version x\n", "init\nget Name\n",
    ];

    private static IEnumerable<Case> Random()
    {
        Random random = new(1);
        T Pick<T>(T[] from) => from[random.Next(from.Length)];
        for (int i = 0; i < Generated; i++)
        {
            string variable = (random.Next(3) == 0 ? Pick(Nodes) + "." : "") + Pick(Variables);
            string[] value = Pick(Values);
            string[] force = random.Next(5) == 0 ? ["--force"] : [];
            string files = random.Next(4) == 0 ? "messy" : "plain";
            string joined = Pick(["", "", "", "="]);
            yield return new Case(files, [.. Place, .. force, Pick(Verbs), variable + joined, .. value]);
        }
    }

    private static readonly string[] Verbs = ["get", "set", "add", "del", "Set", "ADD"];

    private static readonly string[] Nodes = ["alpha", "beta", "gamma", "a-b", "", "alpha.x"];

    private static readonly string[] Variables =
    [
        "Name", "Mode", "mode", "ConnectTo", "CONNECTTO", "Subnet", "subnet", "Address", "Compression", "Weight", "PingTimeout", "Broadcast",
        "Unknown", "Nonsense", "PrivateKey", "GraphDumpFile", "PublicKey", "Ed25519PublicKey", "ListenAddress", "Cipher", "#", "-----BEGIN", "X", "",
    ];

    private static readonly string[][] Values =
    [
        [], [], ["hub"], ["beta"], ["a", "b"], [""], ["="], ["=", "x"], ["=x"], ["10.0.0.0/8"], ["10.0.0.1/8"], ["10.1.0.0/16#5"], ["fd00::/64"],
        ["1:2:3:4:5:6"], ["7"], ["9"], ["mst"], ["192.0.2.1"], ["gamma "], ["\t tab"], ["x=y"], ["BETA"], ["é"],
    ];
}
