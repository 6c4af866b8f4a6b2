namespace TincPure.Interop.Tests;

/// <summary>The machine's own network and its resolver fail, and come back.</summary>
public sealed class LocalNetworkTests(LocalNetworkTests.Outcomes outcomes) : IClassFixture<LocalNetworkTests.Outcomes>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [LabFact]
    public Task A_link_that_comes_back_is_used_at_once() => outcomes["link"];

    [LabFact]
    public Task Names_that_cannot_be_looked_up_disturb_nobody() => outcomes["names"];

    public sealed class Outcomes : Trials<string, Done>
    {
        protected override IEnumerable<string> Keys => ["link", "names"];

        protected override async Task<Done> Run(string key)
        {
            await using Mesh mesh = new(key);
            await (key == "link" ? Link(mesh) : Names(mesh));
            return default;
        }

        /// <summary>The pauses between attempts have grown to 15 seconds by then.</summary>
        private static async Task Link(Mesh mesh)
        {
            Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Stock);
            Mesh.Connect(a, b);
            b.Start();
            a.Host.Namespace.Ip("link set eth0 down");
            a.Start();
            await mesh.Until("a has tried three times", Limit, () => a.Log.Count("^Trying to re-establish outgoing connection in 15 seconds$") == 1);
            a.Host.Namespace.Ip("link set eth0 up");
            await mesh.Until("a has connected at once", TimeSpan.FromSeconds(8), () => a.Log.Count("^Connection with b .* activated$") == 1);
            Assert.NotEmpty(a.Log.Matching("^The local network has changed, trying everything again$"));
        }

        /// <summary>No name server answers, which takes the resolver ten seconds each time; then the name is known.</summary>
        private static async Task Names(Mesh mesh)
        {
            Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Stock), c = mesh.Add("c", Make.Stock);
            string folder = Directory.CreateDirectory($"/etc/netns/{a.Host.Namespace.Name}").FullName;
            string hosts = Path.Combine(folder, "hosts");
            File.WriteAllText(hosts, "127.0.0.1 localhost\n");
            File.WriteAllText(Path.Combine(folder, "resolv.conf"), "nameserver 192.0.2.250\n");
            try
            {
                Mesh.Connect(a, c);
                b.Knows(a);
                b.Set("AutoConnect = no");
                a.Knows(b);
                File.AppendAllText(a.HostFilePath("b"), "Address = b.lab\n");
                a.Set("ConnectTo = b");
                foreach (Node node in (ReadOnlySpan<Node>)[b, c, a]) node.Start();
                await mesh.Until("a reaches c", Limit, () => a.Reaches(c));
                await mesh.Settle(a, c, Limit);
                await using (PingStream pings = new(a, c.IPv4, 0.1))
                {
                    await mesh.Until("the look-up has failed", Limit, () => a.Log.Count(@"^Error looking up b\.lab port 655: ") > 0);
                    Assert.True(pings.Answered > 0, mesh.Evidence());
                }

                Assert.Empty(a.Log.Matching("^Closing connection with c"));
                File.AppendAllText(hosts, b.Host.IPv4 + " b.lab\n");
                await mesh.Until("the name is looked up again", TimeSpan.FromSeconds(60), () => a.Reaches(b));
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }
}
