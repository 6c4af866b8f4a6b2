/// `tinc events`: what changed between two looks at a daemon.
module TincPure.Commands.Events

open System
open System.Globalization
open TincPure.Commands.Dump

/// What a daemon says of itself at one moment.
type Picture =
    { Nodes: Node list
      Edges: Edge list
      Subnets: OwnedSubnet list
      Connections: Connection list }

/// One change: its kind, and what it is about, by name.
type Event = { Kind: string; Details: (string * string) list }

/// An event that the daemon tells of, with seconds since the epoch: `SECONDS KIND NAME=VALUE...`.
let parse (fields: string list) : struct (int64 * Event) voption =
    match fields with
    | seconds :: kind :: details ->
        match Int64.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture) with
        | true, seconds ->
            let detail (text: string) =
                match text.IndexOf '=' with
                | -1 -> text, ""
                | at -> text.Substring(0, at), text.Substring(at + 1)

            ValueSome(struct (seconds, { Kind = kind; Details = List.map detail details }))
        | _ -> ValueNone
    | _ -> ValueNone

/// The daemon has put us on its list; this is for no one to see.
let isWelcome (event: Event) : bool = event.Kind = "subscribed"

let private event kind details = { Kind = kind; Details = details }

/// Items that only one of two lists has, by key: added and removed.
let private compareBy (key: 'a -> 'k) (before: 'a list) (after: 'a list) : struct ('a list * 'a list) =
    let keys items = items |> List.map key |> Set.ofList
    let old, current = keys before, keys after

    struct (after |> List.filter (fun item -> not (old.Contains(key item))),
            before |> List.filter (fun item -> not (current.Contains(key item))))

let private number (value: int) = value.ToString CultureInfo.InvariantCulture

let private nodeChanges (before: Node) (after: Node) : Event list =
    let name = "node", after.Name
    let turned bit = has bit before.Status <> has bit after.Status
    let reachable = has Status.reachable after.Status

    [ if turned Status.reachable then
          if reachable then
              event "node-up" [ name; "host", after.Host; "port", after.Port; "nexthop", after.NextHop ]
          else
              event "node-down" [ name ]
      elif reachable then
          if before.NextHop <> after.NextHop || before.Via <> after.Via then
              event "route-changed" [ name; "nexthop", after.NextHop; "via", after.Via ]

          if before.Host <> after.Host || before.Port <> after.Port then
              event "address-changed" [ name; "host", after.Host; "port", after.Port ]

          if turned Status.validKey then
              event (if has Status.validKey after.Status then "key-valid" else "key-lost") [ name ]

          if turned Status.udpConfirmed then
              event (if has Status.udpConfirmed after.Status then "udp-confirmed" else "udp-lost") [ name ]

          if before.Mtu <> after.Mtu || (before.MinMtu = before.MaxMtu) <> (after.MinMtu = after.MaxMtu) then
              event
                  "mtu-changed"
                  [ name; "pmtu", number after.Mtu; "min", number after.MinMtu; "max", number after.MaxMtu ] ]

let private isClient (connection: Connection) = connection.Name = "<control>"

/// What has changed, in the order: nodes, edges, subnets, connections.
let between (before: Picture) (after: Picture) : Event list =
    let old = before.Nodes |> List.map (fun node -> node.Name, node) |> Map.ofList
    let struct (newNodes, goneNodes) = compareBy (fun (node: Node) -> node.Name) before.Nodes after.Nodes

    let struct (newEdges, goneEdges) =
        compareBy (fun (edge: Edge) -> edge.From, edge.To) before.Edges after.Edges

    let struct (newSubnets, goneSubnets) = compareBy id before.Subnets after.Subnets

    let peers (picture: Picture) = picture.Connections |> List.filter (isClient >> not)

    let struct (newConnections, goneConnections) =
        compareBy (fun (connection: Connection) -> connection.Name, connection.Socket) (peers before) (peers after)

    let edge kind (edge: Edge) = event kind [ "from", edge.From; "to", edge.To; "weight", number edge.Weight ]
    let subnet kind (owned: OwnedSubnet) = event kind [ "subnet", owned.Subnet; "owner", owned.Owner ]

    let connection kind (connection: Connection) =
        event kind [ "node", connection.Name; "host", connection.Host; "port", connection.Port ]

    List.concat
        [ newNodes |> List.map (fun node -> event "node-new" [ "node", node.Name ])
          goneNodes |> List.map (fun node -> event "node-gone" [ "node", node.Name ])
          after.Nodes
          |> List.collect (fun node ->
              match old.TryFind node.Name with
              | Some before -> nodeChanges before node
              | None when has Status.reachable node.Status ->
                  [ event
                        "node-up"
                        [ "node", node.Name; "host", node.Host; "port", node.Port; "nexthop", node.NextHop ] ]
              | None -> [])
          List.map (edge "edge-removed") goneEdges
          List.map (edge "edge-added") newEdges
          List.map (subnet "subnet-removed") goneSubnets
          List.map (subnet "subnet-added") newSubnets
          List.map (connection "connection-closed") goneConnections
          List.map (connection "connection-opened") newConnections ]

/// `time` as it shall be shown.
let line (time: string) (event: Event) : string =
    String.Join(' ', time :: event.Kind :: (event.Details |> List.map (fun (name, value) -> name + "=" + value)))

let json (seconds: int64) (event: Event) : Json.Json =
    Json.Object(
        ("time", Json.Number seconds)
        :: ("event", Json.Text event.Kind)
        :: (event.Details |> List.map (fun (name, value) -> name, Json.Text value))
    )
