namespace TincPure.Interop.Tests;

/// <summary>
/// Every cipher, digest, MAC length and compression that we speak, with stock tinc 1.0. The receiver of packets chooses how they are
/// protected, so a star tells: in its middle a node of one make with the defaults, around it nodes of the other make, each with a
/// choice of its own. All probes and packets towards an outer node take its choice.
/// </summary>
public class LegacyCipherTests(LegacyCipherTests.Stars stars) : IClassFixture<LegacyCipherTests.Stars>
{
    public static readonly TheoryData<Choice> WhatStockAsksOfUs = [.. Stars.StockChoices];

    public static readonly TheoryData<Choice> WhatWeAskOfStock = [.. Stars.OurChoices];

    /// <summary>What a node puts into its configuration, and the numbers that go over the wire for it.</summary>
    public sealed record Choice(string Cipher, int CipherNid, string Digest, int DigestNid, int MacLength, int Compression)
    {
        public override string ToString() => $"{Cipher}/{Digest}/{MacLength}/{Compression}";
    }

    [LabTheory, MemberData(nameof(WhatStockAsksOfUs))]
    public Task Stock_opens_what_we_seal_as_it_asked_for(Choice choice) => Holds(true, choice);

    [LabTheory, MemberData(nameof(WhatWeAskOfStock))]
    public Task We_open_what_stock_seals_as_we_asked_for(Choice choice) => Holds(false, choice);

    private async Task Holds(bool oursInTheMiddle, Choice choice)
    {
        Mesh mesh = await stars[oursInTheMiddle];
        Node middle = mesh["middle"], outer = Stars.Outer(mesh, oursInTheMiddle, choice);
        NodeState state = middle.View(outer)!;
        Assert.Equal(
            (choice.CipherNid, choice.DigestNid, choice.MacLength, choice.Compression),
            (state.Cipher, state.Digest, state.MacLength, state.Compression));

        // Probes have come back: each end could open what the other sealed.
        Assert.True(state.UdpConfirmed && outer.View(middle) is { UdpConfirmed: true }, mesh.Evidence());
        using PacketProbe there = new(middle, outer, ipv6: false), back = new(outer, middle, ipv6: false);
        foreach (int size in (int[])[20, 21, 64, 65, 300, 1000, 1280])
        {
            Assert.True(there.Arrives(size) && back.Arrives(size), $"a packet of {size} bytes was lost\n{mesh.Evidence()}");
        }

        Complaints.None(outer);
        Assert.Empty(middle.Log.Matching($"(unauthenticated|decrypt|uncompress|uses) .*{outer.Name} \\("));
        Assert.Empty(outer.Log.Matching("unauthenticated|Error (de|en)crypting|uncompressing"));
    }

    public sealed class Stars : MeshShelf<bool>
    {
        private static readonly (string Name, int Nid)[] Ciphers =
        [
            ("none", 0), ("aes-128-ecb", 418), ("aes-128-cbc", 419), ("aes-128-ofb", 420), ("aes-128-cfb", 421), ("aes-192-ecb", 422),
            ("aes-192-cbc", 423), ("aes-192-ofb", 424), ("aes-192-cfb", 425), ("aes-256-ecb", 426), ("aes-256-cbc", 427),
            ("aes-256-ofb", 428), ("aes-256-cfb", 429), ("des-ede3", 33), ("des-ede3-cbc", 44), ("des-ede3-cfb", 61),
            ("des-ede3-ofb", 63), ("bf-ecb", 92), ("bf-cbc", 91), ("bf-cfb", 93), ("bf-ofb", 94), ("camellia-128-ecb", 754),
            ("camellia-128-cbc", 751), ("camellia-128-cfb", 757), ("camellia-128-ofb", 766), ("camellia-192-cbc", 752),
            ("camellia-256-ecb", 756), ("camellia-256-cbc", 753), ("camellia-256-cfb", 759), ("camellia-256-ofb", 768),
        ];

        private static readonly (string Name, int Nid, int Size)[] Digests =
            [("md5", 4, 16), ("sha1", 64, 20), ("sha224", 675, 28), ("sha256", 672, 32), ("sha384", 673, 48), ("sha512", 674, 64)];

        // Without a soak every second one has its turn, so that each family and mode, digest and kind of compression is there.
        private static readonly int Step = SoakTheoryAttribute.IsWanted ? 1 : 2;

        /// <summary>Every cipher; the digests, MAC lengths and compression levels take turns.</summary>
        public static readonly Choice[] StockChoices =
        [
            .. Ciphers.Where((_, i) => i % Step == 0).Select((cipher, i) =>
            {
                (string name, int nid, int size) = Digests[i % Digests.Length];
                return new Choice(cipher.Name, cipher.Nid, name, nid, i % 3 == 0 ? size : 4 + i % 12, i % 12);
            }),
            // Stock tinc tells MAC length 4 for no digest, and it does not matter (spec 08 §13).
            new Choice("aes-256-cbc", 427, "none", 0, 0, 0),
            new Choice("none", 0, "none", 0, 0, 0),
        ];

        /// <summary>A daemon of ours for each is much to ask of the machine: the recorded packets have them all.</summary>
        public static readonly Choice[] OurChoices = [.. StockChoices.Where((_, i) => i % (7 - Step) == 0)];

        protected override IEnumerable<bool> Keys => [true, false];

        public static Node Outer(Mesh mesh, bool oursInTheMiddle, Choice choice) =>
            mesh[$"n{Array.IndexOf(oursInTheMiddle ? StockChoices : OurChoices, choice)}"];

        protected override Task<Mesh> Run(bool oursInTheMiddle)
        {
            Mesh mesh = new(oursInTheMiddle ? "ciphers-of-stock" : "ciphers-of-ours") { Keys = Interop.Tests.Keys.Both };
            Make outside = oursInTheMiddle ? Make.Stock10 : Make.Ours;
            Node middle = mesh.Add("middle", oursInTheMiddle ? Make.Ours : Make.Stock10);
            middle.Set("MaxConnectionBurst = 1000");
            foreach ((int index, Choice choice) in (oursInTheMiddle ? StockChoices : OurChoices).Index())
            {
                Node node = mesh.Add($"n{index}", outside);
                node.HostFile(
                    $"Cipher = {choice.Cipher}", $"Digest = {choice.Digest}", $"MACLength = {choice.MacLength}",
                    $"Compression = {choice.Compression}");
                Mesh.Connect(node, middle);
            }

            return mesh.Ready(async _ =>
            {
                TimeSpan limit = TimeSpan.FromSeconds(60);
                foreach (Node node in mesh.Nodes) node.Start();
                PingStream[] pings = [.. mesh.Nodes.Skip(1).Select(node => new PingStream(node, middle.IPv4, 1))];
                foreach (Node node in mesh.Nodes.Skip(1))
                {
                    await mesh.Until(
                        $"UDP works between {node.Name} and the middle",
                        limit,
                        () => middle.View(node) is { UdpConfirmed: true } && node.View(middle) is { UdpConfirmed: true });
                }

                foreach (PingStream stream in pings) await stream.DisposeAsync();
            });
        }
    }
}
