/// From edges to what follows from them: who is reachable, by which path, and what a change of that sets off
/// (spec 04 §4).
module TincPure.Node.Reachability

open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Tunnel

let private hasAddress (node: Node) (index: int) =
    match node.Peers[index].Address with
    | Unspecified -> false
    | _ -> true

/// The address of the meta connection that we opened to a node, worth remembering as it works (spec 04 §4.3 step 3).
let private rememberConnection (turn: Turn) (peer: PeerState) =
    match peer.Connection |> ValueOption.bind turn.TryConnection with
    | ValueSome { Id = ConnectionId.Outgoing _; Remote = Tcp endpoint } -> Peers.remember turn peer.Index endpoint
    | _ -> ()

let private cameUp (turn: Turn) (index: int) =
    let route = Graph.route index turn.Node.Paths

    turn.SetPeer
        { turn.Peer index with
            Reachable = true
            ChangedAt = turn.Now
            Options = route.Options
            Sptps = turn.Node.Settings.ExperimentalProtocol && Options.minor route.Options >= MinorVersion.sptps }

    let peer = turn.Peer index
    turn.Log(DebugLevel.traffic, Priority.Debug, "Node " + Label.peer turn.Node peer + " became reachable")
    rememberConnection turn peer
    Tunnels.reset turn index

    // It need not ask first (spec 08 §8).
    if not peer.Sptps && peer.Connection.IsSome then
        LegacyKeys.give turn index

    Scripts.host turn peer true

    for subnet in Topology.subnetsOf index turn.Node.Topology do
        Scripts.subnet turn peer subnet true

let private wentDown (turn: Turn) (index: int) =
    let peer = turn.Peer index
    turn.Log(DebugLevel.traffic, Priority.Debug, "Node " + Label.peer turn.Node peer + " became unreachable")
    Tunnels.reset turn index
    Scripts.host turn peer false

    for subnet in Topology.subnetsOf index turn.Node.Topology do
        Scripts.subnet turn peer subnet false

    turn.SetPeer
        { turn.Peer index with
            Reachable = false
            Sptps = false
            Options = 0u
            ChangedAt = turn.Now }

/// Routes that changed without a transition change options and forwarding entries.
let private reroute (turn: Turn) (before: Paths) =
    let after = turn.Node.Paths

    for index in 1 .. after.Routes.Length - 1 do
        let route = after.Routes[index]

        // Typed equality: the operator would box both.
        if route.Reachable && not (route.Equals(Graph.route index before)) then
            turn.SetPeer { turn.Peer index with Options = route.Options }

let private markTree (turn: Turn) =
    let tree = Set.ofList turn.Node.Paths.TreeNeighbours

    for KeyValue(_, id) in turn.Node.Established do
        match turn.TryConnection id with
        | ValueSome({ Stage = Established peer } as connection) when connection.OnTree <> tree.Contains peer ->
            turn.SetConnection { connection with OnTree = tree.Contains peer }
        | _ -> ()

/// With DeviceStandby the device is up only while some node is reachable (spec 04 §4.3).
let private standby (turn: Turn) (transitions: Transition list) =
    if turn.Node.Settings.DeviceStandby && not transitions.IsEmpty then
        let ups = transitions |> List.filter _.Up |> List.length

        let reachable = turn.Node.Paths.Routes |> Array.sumBy (fun route -> if route.Reachable then 1 else 0)

        // We ourselves are always among them.
        match reachable - 1 with
        | 0 -> Scripts.device turn false
        | others when others > 0 && others = ups -> Scripts.device turn true
        | _ -> ()

/// Computes paths and tree if edges have changed since, and lets happen what follows. Addresses come first, then the
/// transitions in name order, as stock logs show them.
let settle (turn: Turn) : unit =
    if turn.Node.GraphState <> Current then
        let before = turn.Node.Paths
        let after = Graph.compute before (hasAddress turn.Node) turn.Node.Topology

        turn.Node <-
            { turn.Node with
                Paths = after
                GraphState = Current
                GraphChanged = true
                FibDirty = true }

        for struct (index, address) in after.Addresses do
            if index <> Topology.self then
                Tunnels.moveTo turn index address

        let transitions = Graph.transitions before after turn.Node.Topology

        for transition in transitions do
            if transition.Up then
                cameUp turn transition.Node
            else
                wentDown turn transition.Node

        standby turn transitions
        reroute turn before
        markTree turn
