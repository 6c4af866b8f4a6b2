/// `tinc status`: one line a peer, from what any 1.1 daemon tells.
module TincPure.Commands.PeerStatus

open System
open System.Globalization
open TincPure.Primitives
open TincPure.Commands.Dump

/// What a daemon of ours tells of the way to a node beyond the dump of nodes.
type Path =
    {
        /// Of the last UDP pings, how many have ended and how many were answered.
        Pings: int
        Answered: int
        /// Seconds; -1 without a key.
        KeyAge: int64
        /// Over the meta connection, in microseconds; -1 without one.
        MetaRtt: int64
    }

/// The fields of an item of the dump of paths.
let parsePath (fields: string list) : struct (string * Path) voption =
    let number (text: string) =
        match Int64.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
        | true, number -> ValueSome number
        | _ -> ValueNone

    match fields with
    | name :: rest ->
        match rest |> List.map number with
        | ValueSome pings :: ValueSome answered :: ValueSome keyAge :: ValueSome metaRtt :: _ ->
            ValueSome(
                struct (name,
                        { Pings = int pings
                          Answered = int answered
                          KeyAge = keyAge
                          MetaRtt = metaRtt })
            )
        | _ -> ValueNone
    | [] -> ValueNone

/// What a daemon of ours tells of packets that it let go.
type Drop =
    {
        /// A word with underscores.
        Cause: string
        Count: int64
    }

/// The fields of an item of the dump of drops.
let parseDrop (fields: string list) : Drop voption =
    match fields with
    | cause :: count :: _ ->
        match Int64.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture) with
        | true, count -> ValueSome { Cause = cause; Count = count }
        | _ -> ValueNone
    | _ -> ValueNone

/// The line about what was dropped, the most frequent first; none if nothing was.
let dropped (drops: Drop list) : string voption =
    let text (count: int64) = count.ToString("N0", CultureInfo.InvariantCulture)

    match drops |> List.filter (fun drop -> drop.Count > 0L) |> List.sortByDescending _.Count with
    | [] -> ValueNone
    | seen ->
        let total = seen |> List.sumBy _.Count
        let causes = seen |> List.map (fun drop -> text drop.Count + " " + drop.Cause.Replace('_', ' '))

        ValueSome(
            "dropped: "
            + text total
            + (if total = 1L then " packet: " else " packets: ")
            + String.Join(", ", causes)
        )

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

let private columns =
    [ "NODE"; "STATE"; "HOW"; "RTT"; "LOSS"; "PMTU"; "KEY"; "RX"; "TX"; "VERSION"; "SINCE"; "ADDRESS" ]

/// Percent of the UDP pings that were lost; none if none has ended.
let private loss (path: Path option) : int voption =
    match path with
    | Some path when path.Pings > 0 -> ValueSome(100 * (path.Pings - path.Answered) / path.Pings)
    | _ -> ValueNone

let private keyAge (path: Path option) : int64 voption =
    match path with
    | Some path when path.KeyAge >= 0L -> ValueSome path.KeyAge
    | _ -> ValueNone

let private metaRtt (path: Path option) : int64 voption =
    match path with
    | Some path when path.MetaRtt >= 0L -> ValueSome path.MetaRtt
    | _ -> ValueNone

/// By UDP, else over the meta connection; microseconds.
let private rtt (node: Node) (path: Path option) : int voption =
    if node.Rtt >= 0 then
        ValueSome node.Rtt
    else
        metaRtt path |> ValueOption.map int

/// No tinc tells others which program it is, but the protocol's version tells the two families apart.
let private family (node: Node) = if Options.minor node.Options = 0 then "1.0" else "1.1"

let private protocol (node: Node) = "17." + (Options.minor node.Options).ToString()

let private orDash (text: 'a -> string) (value: 'a voption) =
    match value with
    | ValueSome value -> text value
    | ValueNone -> "-"

let private cells (now: int64) (paths: Map<string, Path>) (node: Node) : string list =
    let reachable = has Status.reachable node.Status
    let path = if reachable then paths.TryFind node.Name else None

    [ node.Name
      (if reachable then "up" else "down")
      howText (how node)
      (if reachable then orDash milliseconds (rtt node path) else "-")
      orDash (fun (percent: int) -> percent.ToString() + "%") (loss path)
      (if reachable && node.MinMtu > 0 then
           node.Mtu.ToString CultureInfo.InvariantCulture
       else
           "-")
      orDash span (keyAge path)
      amount node.InBytes
      amount node.OutBytes
      (if reachable then family node + " (" + protocol node + ")" else "-")
      (if node.LastChange = 0L then "never" else span (now - node.LastChange))
      node.Host + " port " + node.Port ]

let private isPeer (node: Node) = how node <> Ourselves

/// The lines of the table, each with whether its node is reachable; none for the heading. `now` in seconds since the epoch. `paths` is
/// empty if the daemon does not tell of them.
let table (now: int64) (paths: Map<string, Path>) (nodes: Node list) : struct (bool voption * string) list =
    let peers = List.filter isPeer nodes
    let rows = columns :: List.map (cells now paths) peers

    let widths =
        List.init columns.Length (fun column -> rows |> List.map (fun row -> row[column].Length) |> List.max)

    let line (row: string list) =
        String.Join("  ", List.map2 (fun (cell: string) (width: int) -> cell.PadRight width) row widths).TrimEnd()

    struct (ValueNone, line columns)
    :: List.map2
        (fun (node: Node) row -> struct (ValueSome(has Status.reachable node.Status), line row))
        peers
        rows.Tail

/// The peers and what was dropped, by cause, as JSON. `drops` is empty if the daemon does not tell of them.
let json (now: int64) (paths: Map<string, Path>) (drops: Drop list) (nodes: Node list) : Json.Json =
    let orNull (json: 'a -> Json.Json) (value: 'a voption) =
        match value with
        | ValueSome value -> json value
        | ValueNone -> Json.Null

    let peer (node: Node) =
        let reachable = has Status.reachable node.Status
        let path = if reachable then paths.TryFind node.Name else None
        Json.Object
            [ "name", Json.Text node.Name
              "reachable", Json.Bool(has Status.reachable node.Status)
              "how", Json.Text(howText (how node))
              "rtt_ms", (if node.Rtt < 0 then Json.Null else Json.Real(float node.Rtt / 1000.0))
              "meta_rtt_ms", orNull (fun time -> Json.Real(float time / 1000.0)) (metaRtt path)
              "loss_percent", orNull (int64 >> Json.Number) (loss path)
              "key_age_seconds", orNull Json.Number (keyAge path)
              "pmtu", (if node.MinMtu > 0 then Json.Number(int64 node.Mtu) else Json.Null)
              "rx_bytes", Json.Count node.InBytes
              "tx_bytes", Json.Count node.OutBytes
              // Unknown: the protocol has no word for it.
              "program", Json.Null
              "family", (if reachable then Json.Text(family node) else Json.Null)
              "protocol", (if reachable then Json.Text(protocol node) else Json.Null)
              "protocol_minor", Json.Number(int64 (Options.minor node.Options))
              "since_seconds", (if node.LastChange = 0L then Json.Null else Json.Number(now - node.LastChange))
              "host", Json.Text node.Host
              "port", Json.Text node.Port ]

    let dropped =
        match drops with
        | [] -> Json.Null
        | drops -> Json.Object [ for drop in drops -> drop.Cause, Json.Number drop.Count ]

    Json.Object [ "peers", Json.List(nodes |> List.filter isPeer |> List.map peer); "dropped", dropped ]
