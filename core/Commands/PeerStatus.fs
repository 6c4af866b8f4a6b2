/// `tinc status`: one line a peer, from what any 1.1 daemon tells.
module TincPure.Commands.PeerStatus

open System
open System.Globalization
open TincPure.Primitives
open TincPure.Commands.Dump

/// How packets to a node travel.
type How =
    | Ourselves
    | Unreachable
    /// Straight to it by UDP.
    | DirectUdp
    /// Over the meta connection with it.
    | DirectTcp
    /// By way of another node, which is told where they are to go.
    | Relayed of relay: string
    /// Handed to the next node on the way, over its meta connection.
    | Forwarded of nextHop: string
    /// No keys have been exchanged yet.
    | NoKey

let how (node: Node) : How =
    if node.Host = "MYSELF" then Ourselves
    elif not (has Status.reachable node.Status) then Unreachable
    elif node.Via <> node.Name then Relayed node.Via
    elif not (has Status.validKey node.Status) then NoKey
    elif node.MinMtu > 0 then DirectUdp
    elif node.NextHop = node.Name then DirectTcp
    else Forwarded node.NextHop

let howText (how: How) : string =
    match how with
    | Ourselves -> "myself"
    | Unreachable -> "-"
    | DirectUdp -> "direct UDP"
    | DirectTcp -> "TCP"
    | Relayed relay -> "via " + relay
    | Forwarded hop -> "TCP via " + hop
    | NoKey -> "no traffic yet"

let private units = [ "", 1.0; "k", 1e3; "M", 1e6; "G", 1e9; "T", 1e12 ]

/// Three digits or so, with a unit.
let amount (value: uint64) : string =
    let number = float value

    let suffix, scale =
        units
        |> List.filter (fun (_, scale) -> number >= scale)
        |> List.tryLast
        |> Option.defaultValue ("", 1.0)

    if scale = 1.0 then
        value.ToString CultureInfo.InvariantCulture
    else
        (number / scale).ToString("0.0", CultureInfo.InvariantCulture) + suffix

/// A span of seconds in its largest unit.
let span (seconds: int64) : string =
    let text (value: int64) unit = value.ToString CultureInfo.InvariantCulture + unit

    if seconds < 0L then "-"
    elif seconds < 120L then text seconds "s"
    elif seconds < 7200L then text (seconds / 60L) "m"
    elif seconds < 172800L then text (seconds / 3600L) "h"
    else text (seconds / 86400L) "d"

let private columns = [ "NODE"; "STATE"; "HOW"; "RTT"; "PMTU"; "RX"; "TX"; "PROTO"; "SINCE"; "ADDRESS" ]

let private cells (now: int64) (node: Node) : string list =
    let reachable = has Status.reachable node.Status

    [ node.Name
      (if reachable then "up" else "down")
      howText (how node)
      (if reachable && node.Rtt >= 0 then milliseconds node.Rtt else "-")
      (if reachable && node.MinMtu > 0 then
           node.Mtu.ToString CultureInfo.InvariantCulture
       else
           "-")
      amount node.InBytes
      amount node.OutBytes
      (if reachable then "17." + (Options.minor node.Options).ToString() else "-")
      (if node.LastChange = 0L then "never" else span (now - node.LastChange))
      node.Host + " port " + node.Port ]

let private isPeer (node: Node) = how node <> Ourselves

/// The lines of the table, each with whether its node is reachable; none for the heading. `now` in seconds since the epoch.
let table (now: int64) (nodes: Node list) : struct (bool voption * string) list =
    let peers = List.filter isPeer nodes
    let rows = columns :: List.map (cells now) peers

    let widths =
        List.init columns.Length (fun column -> rows |> List.map (fun row -> row[column].Length) |> List.max)

    let line (row: string list) =
        String.Join("  ", List.map2 (fun (cell: string) (width: int) -> cell.PadRight width) row widths).TrimEnd()

    struct (ValueNone, line columns)
    :: List.map2
        (fun (node: Node) row -> struct (ValueSome(has Status.reachable node.Status), line row))
        peers
        rows.Tail

/// The peers as JSON.
let json (now: int64) (nodes: Node list) : Json.Json list =
    let peer (node: Node) =
        Json.Object
            [ "name", Json.Text node.Name
              "reachable", Json.Bool(has Status.reachable node.Status)
              "how", Json.Text(howText (how node))
              "rtt_ms", (if node.Rtt < 0 then Json.Null else Json.Real(float node.Rtt / 1000.0))
              "pmtu", (if node.MinMtu > 0 then Json.Number(int64 node.Mtu) else Json.Null)
              "rx_bytes", Json.Count node.InBytes
              "tx_bytes", Json.Count node.OutBytes
              "protocol_minor", Json.Number(int64 (Options.minor node.Options))
              "since_seconds", (if node.LastChange = 0L then Json.Null else Json.Number(now - node.LastChange))
              "host", Json.Text node.Host
              "port", Json.Text node.Port ]

    nodes |> List.filter isPeer |> List.map peer
