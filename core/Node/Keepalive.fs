/// Looks at every meta connection once a second: time-outs, PING, and the data path to neighbours (spec 02 §15).
module TincPure.Node.Keepalive

open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Meta

/// Longer than this between two checks, and the machine was asleep: nobody believes in our connections any more.
let private sleepLimit (node: Node) = 2L * int64 node.Settings.UdpDiscoveryTimeout * Instant.second

let private awake (turn: Turn) (asleep: int64) =
    turn.Log(
        DebugLevel.always,
        Priority.Error,
        "Awaking from dead after " + (asleep / Instant.second).ToString() + " seconds of sleep"
    )

    for KeyValue(id, connection) in turn.Node.Connections do
        match connection.Stage with
        | Stage.Control _ -> ()
        | _ ->
            turn.Log(
                DebugLevel.always,
                Priority.Error,
                "Forcing connection close after sleep time " + Label.connection connection
            )

            Termination.close turn id Termination.Reported Termination.Closed

let private ping (turn: Turn) (connection: Connection) =
    if connection.PingSent then
        turn.Log(
            DebugLevel.connections,
            Priority.Info,
            Label.connection connection
            + " didn't respond to PING in "
            + (Instant.between connection.Clock turn.Now / Instant.second).ToString()
            + " seconds"
        )

        Termination.close turn connection.Id Termination.Reported Termination.Closed
    elif turn.Now >= Instant.addSeconds turn.Node.Settings.PingInterval connection.Clock then
        Measure.ping turn { connection with PingSent = true; Clock = turn.Now } ValueNone |> ignore

let private checkEstablished (turn: Turn) (id: ConnectionId) (peer: int) =
    Tunnels.maintainNeighbour turn peer

    // Only now: what maintenance sent has used up sequence numbers of the connection's session.
    match turn.TryConnection id with
    | ValueSome connection -> ping turn connection
    | ValueNone -> ()

let private check (turn: Turn) (connection: Connection) =
    if turn.Now >= Instant.addSeconds turn.Node.Settings.PingTimeout connection.Clock then
        match connection.Stage with
        | Stage.Control _ -> ()
        | Established peer -> checkEstablished turn connection.Id peer
        | Connecting ->
            turn.Log(
                DebugLevel.connections,
                Priority.Warning,
                "Timeout while connecting to " + Label.connection connection
            )

            Termination.close turn connection.Id Termination.Reported Termination.Closed
        | Greeting
        | Identified _
        | Inviting _
        | Authenticating _
        | Proving _
        | Upgrading _
        | Leaving ->
            turn.Log(
                DebugLevel.connections,
                Priority.Warning,
                "Timeout from " + Label.connection connection + " during authentication"
            )

            Termination.drop turn connection.Id

/// A peer that cannot keep up with what the mesh says is let go rather than buffered without end.
let private checkQueue (turn: Turn) (connection: Connection) =
    if connection.Queued > Wire.maxQueued then
        turn.Log(
            DebugLevel.always,
            Priority.Error,
            "Output queue of "
            + Label.connection connection
            + " grew beyond "
            + Wire.maxQueued.ToString()
            + " bytes"
        )

        Termination.close turn connection.Id Termination.Reported Termination.Closed

/// Everything is tried again now (ALRM, `retry`): pauses end, and connections that are still being set up are given up for
/// the next address (spec 02 §11.3).
let retry (turn: Turn) : unit =
    Outgoing.retryAll turn

    for KeyValue(_, connection) in turn.Node.Connections do
        match connection.Stage with
        | Connecting
        | Greeting
        | Identified _
        | Proving _
        | Upgrading _
        | Leaving
        | Authenticating _ when connection.Outgoing.IsSome && connection.Clock < turn.Now ->
            check turn { connection with Clock = Instant.never }
        | _ -> ()

/// A legacy cipher may encrypt so much and no more: the connection is made anew in time (spec 08 §6).
let private checkBudget (turn: Turn) (connection: Connection) =
    let runsOut (cipher: StreamCipher voption) =
        match cipher with
        | ValueSome cipher -> StreamCipher.left cipher < StreamCipher.reserve
        | ValueNone -> false

    if runsOut connection.Encryption || runsOut connection.Decryption then
        turn.Log(
            DebugLevel.connections,
            Priority.Notice,
            "The key of the connection with "
            + Label.connection connection
            + " has encrypted enough, renewing it"
        )

        Termination.close turn connection.Id Termination.Reported Termination.Closed

/// The periodic check.
let run (turn: Turn) : unit =
    let asleep = Instant.between turn.Node.Timers.LastCheck turn.Now

    if asleep > sleepLimit turn.Node then
        awake turn asleep
        Outgoing.retryAll turn

    for KeyValue(id, _) in turn.Node.Connections do
        match turn.TryConnection id with
        | ValueSome connection -> check turn connection
        | ValueNone -> ()

        match turn.TryConnection id with
        | ValueSome connection -> checkQueue turn connection
        | ValueNone -> ()

        match turn.TryConnection id with
        | ValueSome connection -> checkBudget turn connection
        | ValueNone -> ()

    Gossip.sayDueCorrections turn
    EdgeGossip.resolveDoubts turn

    turn.Node <-
        { turn.Node with
            Timers =
                { turn.Node.Timers with
                    LastCheck = turn.Now
                    Check = Instant.add (turn.Jitter()) (Instant.addSeconds 1 turn.Now) } }
