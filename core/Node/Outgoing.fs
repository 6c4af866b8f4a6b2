/// Keeps us connected to the nodes that we want to be connected to: which addresses are tried in which order, and when
/// again after all have failed (spec 02 §2.1, §11.3, §12).
module TincPure.Node.Outgoing

open System
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology

/// Each failed round adds this many seconds to the pause.
let backOffStep = 5

let tryFind (turn: Turn) (target: NodeName) : OutgoingRecord voption =
    match turn.Node.Outgoing.TryGetValue target with
    | true, record -> ValueSome record
    | _ -> ValueNone

let set (turn: Turn) (record: OutgoingRecord) : unit =
    turn.Node <- { turn.Node with Outgoing = turn.Node.Outgoing.Add(record.Target, record) }

let remove (turn: Turn) (target: NodeName) : unit =
    turn.Node <- { turn.Node with Outgoing = turn.Node.Outgoing.Remove target }

/// How the node's neighbours see it, in descending order of their names; edges without a reverse say nothing.
let private edgeAddresses (turn: Turn) (index: int) : Endpoint list =
    Topology.edgesFrom index turn.Node.Topology
    |> Seq.rev
    |> Seq.choose (fun edge ->
        match Topology.tryEdge edge.To index turn.Node.Topology with
        | ValueSome { Address = Inet endpoint } -> Some endpoint
        | _ -> None)
    |> Seq.distinct
    |> List.ofSeq

/// Before the edges of the mesh are forgotten: where the nodes were that we may want to connect to.
let keepAddresses (turn: Turn) : unit =
    for index in Topology.self + 1 .. turn.Node.Peers.Count - 1 do
        match edgeAddresses turn index with
        | [] -> ()
        | addresses ->
            turn.SetPeer
                { turn.Peer index with
                    LastSeenAt = List.truncate Bounds.recentAddresses addresses }

/// Cached addresses, then what edges tell or told last, then the Address lines; each only once.
let private candidates (turn: Turn) (peer: PeerState) : Candidate list =
    let recent = peer.RecentAddresses

    let known =
        edgeAddresses turn peer.Index @ peer.LastSeenAt
        |> List.distinct
        |> List.filter (fun endpoint -> not (List.contains endpoint recent))

    let configured =
        match peer.Host with
        | ValueSome host -> List.map Named host.Addresses
        | ValueNone -> []

    List.map At (recent @ known) @ configured

/// Plans the next round (spec 02 §11.3). The pause is jittered more than stock does, so that a mesh that lost power
/// does not come back in step.
let private retryLater (turn: Turn) (record: OutgoingRecord) =
    let settings = turn.Node.Settings
    let pause = record.BackOff + backOffStep |> max settings.MinTimeout |> min settings.MaxTimeout

    turn.Log(
        DebugLevel.connections,
        Priority.Notice,
        "Trying to re-establish outgoing connection in " + pause.ToString() + " seconds"
    )

    let jitter = turn.Jitter() + int64 (turn.RandomBelow(pause * 100)) * Instant.millisecond

    set
        turn
        { record with
            BackOff = pause
            Candidates = []
            Connection = ValueNone
            Waiting = false
            RetryAt = ValueSome(Instant.add jitter (Instant.addSeconds pause turn.Now)) }

let private connect (turn: Turn) (record: OutgoingRecord) (endpoint: Endpoint) =
    turn.Log(
        DebugLevel.connections,
        Priority.Info,
        "Trying to connect to " + record.Target.Text + " (" + Endpoint.toText endpoint + ")"
    )

    let id = ConnectionId.Outgoing turn.Node.NextConnection

    turn.Node <- { turn.Node with NextConnection = turn.Node.NextConnection + 1 }

    Links.add turn id (Tcp endpoint) ValueNone record.Target.Text Connecting (ValueSome record.Target)

    set turn { record with Connection = ValueSome id; Waiting = false; RetryAt = ValueNone }

    match turn.Node.Settings.Proxy with
    | NoProxy -> turn.Emit(Connect(id, endpoint))
    | ServerProxy(_, server, _, _) ->
        turn.Log(DebugLevel.connections, Priority.Info, "Using proxy at " + server.Host + " port " + server.Port)

        turn.Emit(ConnectToProxy(id, server))
    | ExecProxy command ->
        turn.Log(DebugLevel.connections, Priority.Debug, "Using proxy " + command)
        turn.Emit(RunProxy(id, command, Scripts.proxyEnvironment turn.Node endpoint))

/// Tries the next address of the round, or ends the round.
let rec next (turn: Turn) (target: NodeName) : unit =
    match tryFind turn target with
    | ValueNone -> ()
    | ValueSome _ when turn.Node.Stopping -> ()
    | ValueSome record when turn.Now < turn.Node.SilentUntil ->
        set
            turn
            { record with
                Candidates = []
                Waiting = false
                RetryAt = ValueSome turn.Node.SilentUntil }
    | ValueSome record ->
        match record.Candidates with
        | [] ->
            turn.Log(DebugLevel.connections, Priority.Error, "Could not set up a meta connection to " + target.Text)

            retryLater turn record
        | At endpoint :: rest -> connect turn { record with Candidates = rest } endpoint
        | Named address :: rest ->
            let record = { record with Candidates = rest }

            match Lookups.literal address with
            | ValueSome endpoint -> connect turn record endpoint
            | ValueNone ->
                set turn { record with Waiting = true }
                Lookups.ask turn target address false

/// Begins a round: the host file is read again first, so that an edited Address counts.
let start (turn: Turn) (target: NodeName) : unit =
    match tryFind turn target with
    | ValueSome record when record.Connection.IsNone && not record.Waiting ->
        set turn { record with Waiting = true; RetryAt = ValueNone; Candidates = [] }

        turn.Emit(ReadHostFile target)
    | _ -> ()

/// The host file has been read: if a round waits for it, its addresses are known now.
let hostFileRead (turn: Turn) (target: NodeName) : unit =
    match struct (tryFind turn target, Peers.tryFind turn target) with
    | struct (ValueSome record, ValueSome peer) when
        record.Waiting && record.Connection.IsNone && not (Lookups.isAwaited turn target)
        ->
        set turn { record with Waiting = false; Candidates = candidates turn peer }

        next turn target
    | _ -> ()

/// A look-up has ended. Of one host the results are used last first (spec 02 §12). Without an answer what the name stood for
/// before is tried.
let resolved (turn: Turn) (request: int) (result: Result<Endpoint list, string>) : unit =
    match turn.Node.Resolving.TryGetValue request with
    | true, lookup ->
        turn.Node <- { turn.Node with Resolving = turn.Node.Resolving.Remove request }
        let moved = Lookups.answered turn lookup result

        match tryFind turn lookup.Target with
        | ValueSome record when record.Waiting && not lookup.InBackground ->
            let endpoints = Lookups.known turn lookup.Address

            if Result.isError result && not endpoints.IsEmpty then
                turn.Log(
                    DebugLevel.connections,
                    Priority.Info,
                    "Trying what " + Lookups.toText lookup.Address + " stood for before"
                )

            set
                turn
                { record with
                    Waiting = false
                    Candidates = (endpoints |> List.rev |> List.map At) @ record.Candidates }

            next turn lookup.Target
        // The pause is over for a node that has moved.
        | ValueSome record when moved && record.RetryAt.IsSome -> start turn lookup.Target
        | _ -> ()
    | _ -> ()

/// Rounds whose pause is over. A node that connected to us meanwhile needs none until it is gone again.
let retryDue (turn: Turn) : unit =
    for KeyValue(target, record) in turn.Node.Outgoing do
        match record.RetryAt with
        | ValueSome at when at <= turn.Now ->
            match Peers.tryFind turn target with
            | ValueSome { Connection = ValueSome existing } ->
                turn.Log(DebugLevel.connections, Priority.Info, "Already connected to " + target.Text)

                Links.attach turn existing target

                set turn { record with RetryAt = ValueNone; Connection = ValueSome existing }
            | _ -> start turn target
        | _ -> ()

/// All pauses are over now, and the next ones begin short.
let retryAll (turn: Turn) : unit =
    for KeyValue(target, record) in turn.Node.Outgoing do
        set turn { record with BackOff = 0 }

        if record.RetryAt.IsSome then
            start turn target

/// The connection works: the next failure begins with a short pause again.
let succeeded (turn: Turn) (target: NodeName) : unit =
    match tryFind turn target with
    | ValueSome record -> set turn { record with BackOff = 0 }
    | ValueNone -> ()

/// An active connection that lasted so long was a good one.
let private goodFor = 5L * Instant.second

/// The connection that served a record is gone: on to the next address at once. After a good one all of them are worth a try again,
/// first the one that was good, with short pauses after that: the peer may only have been restarted.
let lost (turn: Turn) (connection: Connection) (target: NodeName) : unit =
    let wasGood =
        match connection.Stage with
        | Established _ -> Instant.between connection.IdSent turn.Now >= goodFor
        | _ -> false

    match tryFind turn target with
    | ValueSome record when wasGood && not turn.Node.Stopping ->
        set turn { record with Connection = ValueNone; BackOff = 0; Waiting = false }
        start turn target
    | ValueSome record ->
        set turn { record with Connection = ValueNone }
        next turn target
    | ValueNone -> ()

/// A new wish, if there is none yet for the node.
let want (turn: Turn) (target: NodeName) (configured: bool) : unit =
    match tryFind turn target with
    | ValueSome record -> set turn { record with Configured = record.Configured || configured }
    | ValueNone ->
        match Peers.intern turn target with
        | ValueNone -> ()
        | ValueSome _ ->
            set
                turn
                { Target = target
                  Configured = configured
                  BackOff = 0
                  RetryAt = ValueNone
                  Candidates = []
                  Connection = ValueNone
                  Waiting = false }

            start turn target
