/// Keeps about three meta connections up, and drops some when there are more (spec 02 §13). One change per run.
module TincPure.Node.AutoConnect

open TincPure.Primitives
open TincPure.Config
open TincPure.Topology

/// The number of connections that it aims for.
let target = 3

let private hasAddress (peer: PeerState) =
    match peer.Host with
    | ValueSome host -> not host.Addresses.IsEmpty
    | ValueNone -> false

let private connect (turn: Turn) (peer: PeerState) =
    turn.Log(DebugLevel.connections, Priority.Info, "Autoconnecting to " + peer.Name.Text)
    Outgoing.want turn peer.Name false

let private pick (turn: Turn) (candidates: 'a[]) : 'a voption =
    if candidates.Length = 0 then
        ValueNone
    else
        ValueSome candidates[turn.RandomBelow candidates.Length]

/// Too few: some node that could be reached.
let private grow (turn: Turn) =
    let candidates =
        Vector.toArray turn.Node.Peers
        |> Array.filter (fun peer -> peer.Index <> 0 && peer.Connection.IsNone && (peer.Reachable || hasAddress peer))

    match pick turn candidates with
    | ValueSome peer when (Outgoing.tryFind turn peer.Name).IsNone -> connect turn peer
    | _ -> ()

/// Too many: an outgoing one whose node has another way to the mesh. Never one that ConnectTo asks for.
let private shrink (turn: Turn) =
    let candidates =
        Wire.established turn
        |> List.filter (fun (connection, peer) ->
            (match connection.Outgoing with
             | ValueSome name ->
                 match Outgoing.tryFind turn name with
                 | ValueSome record -> not record.Configured
                 | ValueNone -> false
             | ValueNone -> false)
            && (Topology.edgesFrom peer turn.Node.Topology |> Seq.truncate 2 |> Seq.length) = 2)
        |> List.toArray

    match pick turn candidates with
    | ValueSome(connection, _) ->
        turn.Log(DebugLevel.connections, Priority.Info, "Autodisconnecting from " + connection.Name)

        match connection.Outgoing with
        | ValueSome name -> Outgoing.remove turn name
        | ValueNone -> ()

        turn.SetConnection { connection with Outgoing = ValueNone }

        Termination.close turn connection.Id Termination.Reported Termination.Closed
    | ValueNone -> ()

/// Enough connections: wishes of our own that wait for nothing are given up; those of ConnectTo stay (spec 02 §22.7).
let private cancelIdle (turn: Turn) =
    for KeyValue(name, record) in turn.Node.Outgoing do
        if record.Connection.IsNone && not record.Configured then
            turn.Log(DebugLevel.connections, Priority.Info, "Cancelled outgoing connection to " + name.Text)
            Outgoing.remove turn name

/// A split network heals when somebody now and then tries a node that nobody reaches.
let private heal (turn: Turn) =
    match pick turn (Vector.toArray turn.Node.Peers) with
    | ValueSome peer when
        peer.Index <> 0
        && peer.Connection.IsNone
        && not peer.Reachable
        && hasAddress peer
        && (Outgoing.tryFind turn peer.Name).IsNone
        ->
        connect turn peer
    | _ -> ()

/// One run, every 5 s.
let run (turn: Turn) : unit =
    if turn.Node.Settings.AutoConnect && Vector.length turn.Node.Peers > 1 then
        let count = turn.Node.Established.Count

        if count < target then
            grow turn
        else
            if count > target then
                shrink turn

            cancelIdle turn
            heal turn
