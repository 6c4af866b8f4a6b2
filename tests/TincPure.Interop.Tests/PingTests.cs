using System.Text.Json;

namespace TincPure.Interop.Tests;

/// <summary>
/// `tinc ping`, and what `status` and `events` have of a daemon of ours: measured and told by ours, whoever the others are. Three nodes in a row,
/// of which the ends know only the one between them.
/// </summary>
public class PingTests(PingTests.Meshes meshes) : IClassFixture<PingTests.Meshes>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static readonly TheoryData<RelayTests.Row> Rows = new() { RelayTests.Row.OursOursOurs, RelayTests.Row.OursStockStock };

    [LabTheory, MemberData(nameof(Rows))]
    public async Task A_neighbour_is_measured_over_its_connection_and_by_UDP(RelayTests.Row row)
    {
        Node a = (await meshes[row])["a"];
        JsonElement summary = Ping(a, "relay");
        Assert.Equal(["meta relay", "udp relay"], Legs(summary).Select(Name));
        foreach (JsonElement leg in Legs(summary))
        {
            Assert.Equal((3, 3), Counts(leg));
            Assert.InRange(leg.GetProperty("min_ms").GetDouble(), 0.001, 999);
        }
    }

    [LabTheory, MemberData(nameof(Rows))]
    public async Task A_node_behind_another_is_measured_leg_by_leg(RelayTests.Row row)
    {
        Mesh mesh = await meshes[row];
        Node a = mesh["a"];
        // The first round has keys exchanged where that was not done yet.
        await mesh.Until("there is a key", Patience, () =>
            a.Tinc(Make.Ours, "ping", "-c", "1", "c").Output.Length > 0 && a.View(mesh["c"]) is { ValidKey: true });
        int[] marks = [.. mesh.Nodes.Select(node => node.Log.Mark())];
        JsonElement[] legs = Legs(Ping(a, "c"));
        Assert.Equal(["meta c", "hop relay", "udp c", "relay relay"], legs.Select(Name));
        // No datagram gets through between the ends; all else does.
        Assert.Equal(["meta c", "hop relay", "relay relay"], legs.Where(leg => Counts(leg) == (3, 3)).Select(Name));
        Assert.Equal((3, 0), Counts(legs[2]));
        foreach ((Node node, int mark) in mesh.Nodes.Zip(marks)) Assert.Empty(node.Log.Matching("(?i)already have|unknown|bogus|error", mark));

        string text = a.Tinc(Make.Ours, "ping", "-c", "1", "c").OrThrow().Output;
        Assert.Matches(@"^seq=1  meta \d+\.\d{3} ms  hop relay \d+\.\d{3} ms  udp no answer  relay relay \d+\.\d{3} ms\n--- c ---\n", text);
    }

    [LabTheory, MemberData(nameof(Rows))]
    public async Task What_cannot_be_is_said_in_a_line(RelayTests.Row row)
    {
        Mesh mesh = await meshes[row];
        foreach ((string words, string error) in (ReadOnlySpan<(string, string)>)
            [("ping", "Invalid number of arguments."), ("ping nobody", "Unknown node nobody."), ("ping a", "a is this node itself."),
             ("ping -c x c", "Invalid number of rounds `x'."), ("ping -i 0 c", "Invalid interval `0': 0.01 to 3600 seconds.")])
        {
            CommandResult result = mesh["a"].Tinc(Make.Ours, words.Split(' '));
            Assert.Equal((1, error + "\n", ""), (result.ExitCode, result.Error, result.Output));
        }

        if (mesh["relay"].Make == Make.Ours) return;
        CommandResult stock = mesh["relay"].Tinc(Make.Ours, "ping", "a");
        Assert.Equal(1, stock.ExitCode);
        Assert.StartsWith("The running tincd cannot measure: it is not TincPure's.", stock.Error);
    }

    [LabTheory, MemberData(nameof(Rows))]
    public async Task Status_tells_loss_and_the_age_of_keys(RelayTests.Row row)
    {
        Mesh mesh = await meshes[row];
        string output = "";
        await mesh.Until("a ping has ended", Patience, () =>
        {
            output = mesh["a"].Tinc(Make.Ours, "status").OrThrow().Output;
            return System.Text.RegularExpressions.Regex.IsMatch(output, @"(?m)^relay +up +direct UDP +\d+\.\d{3} +\d+% +\d+ +\d+s +\S+ +\S+ +1\.1 \(17\.7\) ");
        });

        using JsonDocument json = JsonDocument.Parse(mesh["a"].Tinc(Make.Ours, "status", "--json").OrThrow().Output);
        JsonElement relay = json.RootElement.GetProperty("peers").EnumerateArray().Single(peer => peer.GetProperty("name").GetString() == "relay");
        Assert.InRange(relay.GetProperty("key_age_seconds").GetInt32(), 0, 3600);
        Assert.Equal(JsonValueKind.Object, json.RootElement.GetProperty("dropped").ValueKind);

        // Asked of a stock daemon, the same table has dashes there, and nothing is known of what it dropped.
        if (mesh["relay"].Make != Make.Stock) return;
        string table = mesh["relay"].Tinc(Make.Ours, "status").OrThrow().Output;
        Assert.Matches(@"(?m)^a +up +direct UDP +\S+ +- +\d+ +- +", table);
        Assert.DoesNotContain("dropped", table);
        Assert.Contains("\"dropped\": null", mesh["relay"].Tinc(Make.Ours, "status", "--json").OrThrow().Output);
    }

    [LabTheory, MemberData(nameof(Rows))]
    public async Task Events_are_told_as_they_happen(RelayTests.Row row)
    {
        Mesh mesh = await meshes[row];
        Node a = mesh["a"];
        using (EventStream events = new(a))
        {
            // A connection that is made anew takes less than the second between two looks.
            await mesh.Until("it listens", Patience, () => events.Listens);
            a.Tinc(Make.Ours, "disconnect", "relay").OrThrow();
            a.Tinc(Make.Ours, "retry").OrThrow();
            await mesh.Until("both are told", Patience, () =>
                events.Kinds is var kinds && kinds.Contains("connection-closed") && kinds.Contains("connection-opened") && kinds.Contains("node-up"));
            Assert.Contains("node-down", events.Kinds);
        }

        await mesh.Until("all is as before", Patience, () => a.View(mesh["relay"]) is { UdpConfirmed: true, ValidKey: true });
    }

    private static JsonElement Ping(Node node, string target)
    {
        string[] lines = node.Tinc(Make.Ours, "ping", "-c", "3", "-i", "0.2", "--json", target).OrThrow().Output.TrimEnd('\n').Split('\n');
        Assert.Equal(4, lines.Length);
        return JsonDocument.Parse(lines[^1]).RootElement.GetProperty("summary");
    }

    private static JsonElement[] Legs(JsonElement summary) => [.. summary.EnumerateArray()];

    private static string Name(JsonElement leg) => leg.GetProperty("leg").GetString() + " " + leg.GetProperty("node").GetString();

    private static (int Sent, int Answered) Counts(JsonElement leg) =>
        (leg.GetProperty("sent").GetInt32(), leg.GetProperty("answered").GetInt32());

    public sealed class Meshes : MeshShelf<RelayTests.Row>
    {
        public static IEnumerable<RelayTests.Row> All => [RelayTests.Row.OursOursOurs, RelayTests.Row.OursStockStock];

        protected override IEnumerable<RelayTests.Row> Keys => All;

        protected override Task<Mesh> Run(RelayTests.Row key)
        {
            Mesh mesh = RelayTests.Meshes.InARow("ping", key);
            (Node a, Node relay, Node c) = (mesh["a"], mesh["relay"], mesh["c"]);
            a.Host.DropUdpFrom(c.Host);
            c.Host.DropUdpFrom(a.Host);
            return mesh.Ready(async _ =>
            {
                await mesh.Start();
                await mesh.Settle(a, c, Patience, end => end.View(relay) is { MtuFixed: true });
            });
        }
    }
}
