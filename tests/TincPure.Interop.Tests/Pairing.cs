namespace TincPure.Interop.Tests;

/// <summary>Who talks to whom, and who makes the connection.</summary>
public enum Pairing
{
    OursCallsOurs,
    OursCallsStock,
    StockCallsOurs,

    /// <summary>The yardstick: what stock tinc does among its own kind.</summary>
    StockCallsStock,
}

internal static class Pairings
{
    public static readonly Pairing[] WithOurs = [Pairing.OursCallsOurs, Pairing.OursCallsStock, Pairing.StockCallsOurs];

    /// <summary>Cases for a theory: the pairings with ours in them.</summary>
    public static readonly TheoryData<Pairing> Cases = [.. WithOurs];

    public static Make Caller(this Pairing pairing) =>
        pairing is Pairing.OursCallsOurs or Pairing.OursCallsStock ? Make.Ours : Make.Stock;

    public static Make Called(this Pairing pairing) =>
        pairing is Pairing.OursCallsOurs or Pairing.StockCallsOurs ? Make.Ours : Make.Stock;

    /// <summary>Cases for a theory.</summary>
    public static TheoryData<T1, T2> Theory<T1, T2>(this IEnumerable<(T1, T2)> cases)
    {
        TheoryData<T1, T2> data = [];
        foreach ((T1 one, T2 two) in cases) data.Add(one, two);
        return data;
    }

    /// <summary>A mesh of two nodes, a and b, of which a calls b. Nothing is started.</summary>
    public static Mesh Build(this Pairing pairing, string label, Underlay underlay = Underlay.IPv4, int mtu = 1500)
    {
        Mesh mesh = new($"{label}-{pairing}");
        Mesh.Connect(mesh.Add("a", pairing.Caller(), mtu), mesh.Add("b", pairing.Called(), mtu), underlay);
        return mesh;
    }
}
