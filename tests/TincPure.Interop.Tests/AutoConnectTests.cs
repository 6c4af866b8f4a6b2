namespace TincPure.Interop.Tests;

/// <summary>Nodes that are not told whom to call.</summary>
public class AutoConnectTests
{
    [LabFact]
    public async Task Nodes_that_know_each_other_s_addresses_find_together_by_themselves()
    {
        await using Mesh mesh = new("autoconnect");
        Make[] makes = [Make.Ours, Make.Stock, Make.Ours, Make.Stock];
        for (int i = 0; i < makes.Length; i++) mesh.Add($"n{i + 1}", makes[i]);
        foreach (Node node in mesh.Nodes)
        {
            foreach (Node other in mesh.Nodes.Where(other => other != node)) node.Knows(other, callable: Underlay.IPv4);
        }

        await mesh.Start();
        // Four nodes with three connections each: everyone with everyone.
        await mesh.Until("everyone has three connections", TimeSpan.FromSeconds(40), () => mesh.Nodes.All(node => Connections(node) == 3));
        Assert.Contains(mesh.Nodes, node => node.Make == Make.Ours && node.Log.Count("^Autoconnecting to n") > 0);
        foreach (Node node in mesh.Nodes.Skip(1)) await mesh.Answers(mesh["n1"], node, TimeSpan.FromSeconds(12));
    }

    // Control connections are listed too.
    private static int Connections(Node node) => node.Dump(ControlClient.DumpConnections).Count(line => line.StartsWith("18 6 n"));
}
