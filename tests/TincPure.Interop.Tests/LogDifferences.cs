using System.Text.RegularExpressions;

namespace TincPure.Interop.Tests;

/// <summary>Kinds of lines (see <see cref="LogTests"/>) that only one of both writes, and why.</summary>
internal static class LogDifferences
{
    private static readonly (string Pattern, string Reason)[] OnlyStock =
    [
        ("^Sending N bytes of (raw )?metadata to ", "every request has its own line; its length says little"),
        ("^(Invalid packet seqno: |No key from NODE after N seconds|Got REQ_KEY from NODE while we already started|Received short packet" +
            "|Failed to dec|Handshake phase not finished|late or replayed)", "both ends start a session at once or keys change, and stock gets into its own way"),
        ("^Cannot route packet from NODE .*: unknown type N$", "probes that stock sends as PACKET without a session, and cannot understand"),
        ("^Connection closed by <unknown>", "`retry` lets go of attempts that have just been made: it depends on the moment"),
    ];

    private static readonly (string Pattern, string Reason)[] OnlyOurs =
    [
        ("^Caching recent address for NODE$", "newer stock says so, pre18 does not"),
        ("^Got REQ_KEY from NODE while we already started", "both ends start a session at once: it depends on the moment"),
        ("^The local network has changed, trying everything again$", "stock does not notice"),
        ("^Garbage was collected ", "about the runtime, at the end and from level 2 on"),
        ("^Metadata socket read error for NODE .*: Connection reset by peer$", "who is lost is called again at once, and may be just ending"),
        ("^(Connections|Statistics for .*|Nodes|Edges|Subnet list):$|^End of |^ ", "the dumps of tinc 1.0 at USR1 and USR2, which stock 1.1 ignores"),
    ];

    /// <summary>Null if there is none.</summary>
    public static string? Reason(string shape, bool inStock, bool inOurs) =>
        inStock && inOurs ? null : (inStock ? OnlyStock : OnlyOurs).FirstOrDefault(known => Regex.IsMatch(shape, known.Pattern)).Reason;
}
