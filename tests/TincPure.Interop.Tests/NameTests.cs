namespace TincPure.Interop.Tests;

/// <summary>Address lines with host names, in front of a real resolver that changes its mind or does not answer.</summary>
public class NameTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private const int ElsewhereNumber = 42;

    [LabFact]
    public async Task Names_are_followed_and_failing_look_ups_change_nothing()
    {
        await using Mesh mesh = new("names");
        Node a = mesh.Add("a", Make.Ours), b = mesh.Add("b", Make.Stock);
        NameService names = mesh.Keep(new NameService(a.Host));
        names.Know(("b.test", b.Host.IPv4));
        a.Knows(b);
        b.Knows(a);
        File.AppendAllText(a.HostFilePath("b"), "Address = b.test\n");
        // Nobody ever knows this one, and each look-up takes seconds.
        File.WriteAllText(a.HostFilePath("c"), "Address = c.test\n");
        a.Change("PingTimeout", "3");
        a.Set("AutoConnect = no", "PingInterval = 3", "ConnectTo = c", "ConnectTo = b", "MaxTimeout = 2");
        b.Set("AutoConnect = no");
        await mesh.Start();
        await mesh.Settle(a, b, Limit);

        await using (PingStream pings = new(a, b.IPv4, 0.05))
        {
            // The name moves; b is still where it was.
            string elsewhere = $"192.0.2.{ElsewhereNumber}";
            names.Know(("b.test", elsewhere));
            await mesh.Until("a has looked again", Limit, () => a.Log.Count($"^b.test port 655 is now {elsewhere} port 655$") > 0);

            // Nothing is known any more, and the name server is silent.
            names.Know();
            await mesh.Until("a cannot look names up", Limit, () => a.Log.Count("^Error looking up b.test port 655: .*, which changes nothing") > 0);
            Assert.True(a.Log.Count("^Error looking up c.test port 655: ") > 0, mesh.Evidence());
            PingReport report = await pings.Stop();
            Assert.True(report.Lost == 0, $"{report}\n{mesh.Evidence()}");
            Assert.Equal(1, a.Log.Count("^Connection with b .* activated$"));
        }

        // b moves to where its name pointed when it was last known.
        Directory.Delete(Path.Combine(a.Folder, "cache"), recursive: true);
        b.Host.Move(ElsewhereNumber);
        await mesh.Until("a has called b at its new address", Limit, () => a.Log.Count("^Connection with b .* activated$") == 2 && a.Reaches(b));
        Assert.True(a.Log.Count("^Trying what b.test port 655 stood for before$") > 0, mesh.Evidence());
    }
}
