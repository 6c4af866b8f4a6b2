/// What `dump`, `info`, `fsck`, `invite` and `version` print with `--json`.
module TincPure.Commands.DumpJson

open System
open TincPure.Primitives
open TincPure.Commands.Dump
open TincPure.Commands.Json

let private number (value: int) = Number(int64 value)

let private flags (names: (string * uint32) list) (bits: uint32) : Json =
    names |> List.filter (fun (_, bit) -> has bit bits) |> List.map (fun (name, _) -> Text name) |> List

/// Names of the status bits of a node, as `info` shows them.
let private statusNames =
    [ "validkey", Status.validKey
      "visited", Status.visited
      "reachable", Status.reachable
      "indirect", Status.indirect
      "sptps", Status.sptps
      "udp_confirmed", Status.udpConfirmed ]

let private optionNames =
    [ "indirect", Options.indirect
      "tcponly", Options.tcpOnly
      "pmtu_discovery", Options.pmtuDiscovery
      "clamp_mss", Options.clampMss ]

/// The members of a node. The round trip time is in milliseconds, `last_change` in seconds since the epoch.
let private nodeMembers (node: Node) : (string * Json) list =
    [ "name", Text node.Name
      "id", Text node.Id
      "host", Text node.Host
      "port", Text node.Port
      "cipher", number node.Cipher
      "digest", number node.Digest
      "maclength", number node.MacLength
      "compression", number node.Compression
      "options", flags optionNames node.Options
      "protocol_minor", number (Options.minor node.Options)
      "status", flags statusNames node.Status
      "reachable", Bool(has Status.reachable node.Status)
      "nexthop", Text node.NextHop
      "via", Text node.Via
      "distance", number node.Distance
      "pmtu", number node.Mtu
      "min_mtu", number node.MinMtu
      "max_mtu", number node.MaxMtu
      "last_change", Number node.LastChange
      "rtt_ms", (if node.Rtt < 0 then Null else Real(float node.Rtt / 1000.0))
      "rx_packets", Count node.InPackets
      "rx_bytes", Count node.InBytes
      "tx_packets", Count node.OutPackets
      "tx_bytes", Count node.OutBytes ]

let node (node: Node) : Json = Object(nodeMembers node)

let edge (edge: Edge) : Json =
    Object
        [ "from", Text edge.From
          "to", Text edge.To
          "host", Text edge.Host
          "port", Text edge.Port
          "local_host", Text edge.LocalHost
          "local_port", Text edge.LocalPort
          "options", flags optionNames edge.Options
          "weight", number edge.Weight ]

let subnet (subnet: OwnedSubnet) : Json = Object [ "subnet", Text subnet.Subnet; "owner", Text subnet.Owner ]

let connection (connection: Connection) : Json =
    Object
        [ "name", Text connection.Name
          "host", Text connection.Host
          "port", Text connection.Port
          "options", flags optionNames connection.Options
          "socket", number connection.Socket
          "status", Number(int64 connection.Status) ]

let graph (nodes: Node list) (edges: Edge list) : Json =
    Object
        [ "nodes", List(nodes |> List.map (fun node -> Text node.Name))
          "edges",
          List(
              edges
              |> List.map (fun edge ->
                  Object [ "from", Text edge.From; "to", Text edge.To; "weight", number edge.Weight ])
          ) ]

/// A file in `invitations` and the node that it is for.
let invitation (file: string) (name: string) : Json = Object [ "file", Text file; "name", Text name ]

/// A node with its neighbours and networks.
let nodeInfo (node: Node) (edges: Edge list) (subnets: OwnedSubnet list) : Json =
    let own = edges |> List.filter (fun edge -> edge.From = node.Name)
    let owned = subnets |> List.filter (fun subnet -> subnet.Owner = node.Name)

    Object(
        nodeMembers node
        @ [ "edges", List(own |> List.map (fun edge -> Text edge.To))
            "subnets", List(owned |> List.map (fun owned -> Text owned.Subnet)) ]
    )

let private gravity (line: string) =
    if line.StartsWith("ERROR", StringComparison.Ordinal) then
        "error"
    elif line.StartsWith("WARNING", StringComparison.OrdinalIgnoreCase) then
        "warning"
    else
        "note"

/// What `fsck` said, line by line.
let fsck (ok: bool) (lines: string list) : Json =
    let line (text: string) = Object [ "gravity", Text(gravity text); "text", Text text ]

    Object [ "ok", Bool ok; "messages", List(lines |> List.map (fun text -> line (text.TrimEnd '\n'))) ]

let invite (name: string) (url: string) : Json = Object [ "name", Text name; "url", Text url ]

let version (version: string) (protocol: string) : Json = Object [ "version", Text version; "protocol", Text protocol ]
