/// Tells control clients what changes, as it changes (`tinc events`): one line `18 102 SECONDS KIND NAME=VALUE...` each.
module TincPure.Node.Watch

open System
open System.Text
open TincPure.Primitives
open TincPure.Topology
open TincPure.Meta
open TincPure.Routing

/// What may wait for a client that does not read. Beyond, it misses events, and is told how many once half of it is gone.
let private maxQueued = 256 * 1024

let private send (turn: Turn) (client: ConnectionId) (kind: string) (details: (string * string) list) =
    let words =
        "18"
        :: ControlRequest.events.ToString()
        :: (Instant.seconds turn.Now).ToString()
        :: kind
        :: (details |> List.map (fun (name, value) -> name + "=" + value))

    Wire.sendRaw turn client (Encoding.UTF8.GetBytes(String.Join(' ', words) + "\n"))

let private setClients (turn: Turn) (clients: Map<ConnectionId, int>) =
    turn.Node <- { turn.Node with Watch = { turn.Node.Watch with Clients = clients } }

/// From now on the client is told.
let subscribe (turn: Turn) (client: ConnectionId) : unit =
    let watch = turn.Node.Watch

    if watch.Clients.IsEmpty then
        turn.Node <-
            { turn.Node with
                Watch = { watch with Peers = turn.Node.Peers; Paths = turn.Node.Paths } }

    setClients turn (turn.Node.Watch.Clients.Add(client, 0))
    send turn client "subscribed" []

/// Says what the client has missed as soon as it reads again.
let private catchUp (turn: Turn) (client: ConnectionId) (missed: int) : int =
    match turn.TryConnection client with
    | ValueSome connection when missed > 0 && connection.Queued < maxQueued / 2 ->
        send turn client "events-missed" [ "count", missed.ToString() ]
        0
    | _ -> missed

/// What a client has missed when it was told, or not, of one more event.
let private tell (turn: Turn) (client: ConnectionId) (missed: int) (struct (kind, details)) : int =
    match turn.TryConnection client with
    | ValueSome connection when missed = 0 && connection.Queued < maxQueued ->
        send turn client kind details
        0
    | _ -> missed + 1

/// Hands out what there is to tell.
let publish (turn: Turn) : unit =
    let clients = turn.Node.Watch.Clients

    if not clients.IsEmpty then
        let events = turn.TakeEvents()

        if not events.IsEmpty || clients |> Map.exists (fun _ missed -> missed > 0) then
            let updated =
                clients
                |> Map.filter (fun client _ -> (turn.TryConnection client).IsSome)
                |> Map.map (fun client missed -> events |> List.fold (tell turn client) (catchUp turn client missed))

            setClients turn updated

let private nameOf (turn: Turn) (index: int) = if index < 0 then "-" else (turn.Peer index).Name.Text

let private addressDetails (turn: Turn) (peer: PeerState) : (string * string) list =
    match peer.Address with
    | Unspecified -> []
    | address ->
        let struct (host, port) = Label.addressFields turn.Node address
        [ "host", host; "port", port ]

/// The MTU as far as it is found: not every probe is worth an event.
let private foundMtu (peer: PeerState) : int voption =
    if peer.PathMtu.MinMtu = peer.PathMtu.MaxMtu then
        ValueSome peer.PathMtu.Mtu
    else
        ValueNone

let private compareReachable (turn: Turn) (before: PeerState) (oldRoute: Route) (after: PeerState) (route: Route) =
    let name = "node", after.Name.Text
    let tell kind details = turn.Tell(kind, name :: details)

    if oldRoute.NextHop <> route.NextHop || oldRoute.Via <> route.Via then
        tell "route-changed" [ "nexthop", nameOf turn route.NextHop; "via", nameOf turn route.Via ]

    if before.Address <> after.Address then
        tell "address-changed" (addressDetails turn after)

    if Tunnels.isReady before <> Tunnels.isReady after then
        tell (if Tunnels.isReady after then "key-valid" else "key-lost") []
    elif Tunnels.isReady after && before.KeyedAt <> after.KeyedAt then
        tell "key-changed" []

    if before.Discovery.Confirmed <> after.Discovery.Confirmed then
        tell (if after.Discovery.Confirmed then "udp-confirmed" else "udp-lost") []

    match foundMtu after with
    | ValueSome mtu when foundMtu before <> ValueSome mtu -> tell "mtu-changed" [ "pmtu", mtu.ToString() ]
    | _ -> ()

let private compareNode (turn: Turn) (known: Watching) (index: int) =
    let after = turn.Peer index
    let route = Graph.route index turn.Node.Paths
    let isNew = index >= Vector.length known.Peers

    let cameUp () =
        turn.Tell(
            "node-up",
            ("node", after.Name.Text) :: addressDetails turn after @ [ "nexthop", nameOf turn route.NextHop ]
        )

    if isNew then
        turn.Tell("node-new", [ "node", after.Name.Text ])

        if after.Reachable then
            cameUp ()
    else
        let before = known.Peers[index]

        if before.Reachable <> after.Reachable then
            if after.Reachable then
                cameUp ()
            else
                turn.Tell("node-down", [ "node", after.Name.Text ])
        elif after.Reachable then
            compareReachable turn before (Graph.route index known.Paths) after route

/// What has become of the nodes in this batch of inputs. To be called before the forwarding table is published, which is when it is
/// forgotten which of them were touched.
let compare (turn: Turn) : unit =
    let known = turn.Node.Watch

    if not known.Clients.IsEmpty then
        for index in turn.Node.DirtyPeers do
            if index <> Topology.self then
                compareNode turn known index

        turn.Node <-
            { turn.Node with
                Watch = { turn.Node.Watch with Peers = turn.Node.Peers; Paths = turn.Node.Paths } }
    elif Vector.length known.Peers > 0 then
        // The last client has gone: nothing is kept for nobody.
        turn.Node <-
            { turn.Node with
                Watch = { known with Peers = Vector.empty; Paths = Graph.initial } }
