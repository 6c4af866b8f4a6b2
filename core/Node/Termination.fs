/// The end of a meta connection, whoever wanted it (spec 02 §11.1).
module TincPure.Node.Termination

open TincPure.Primitives

/// Whether the others are told that the edge is gone. They are not when a second connection takes over, nor at exit.
type Report =
    | Reported
    | Silent

/// Stock daemons keep the socket of a peer that misbehaved open and ignore it, so that it learns nothing soon.
type Socket =
    | Closed
    | Tarpitted

let close (turn: Turn) (id: ConnectionId) (report: Report) (socket: Socket) : unit =
    match turn.TryConnection id with
    | ValueNone -> ()
    | ValueSome connection ->
        turn.Log(DebugLevel.connections, Priority.Notice, "Closing connection with " + Label.connection connection)

        let served =
            match connection.Stage with
            | Established index when (turn.Peer index).Connection = ValueSome id -> ValueSome index
            | _ -> ValueNone

        Links.forget turn connection

        match socket with
        | Closed -> turn.Emit(Close id)
        | Tarpitted -> turn.Emit(Tarpit id)

        match served with
        | ValueSome index ->
            turn.Tell("connection-closed", Label.connectionDetails turn.Node connection)
            EdgeGossip.retractOwnEdge turn index (report = Reported)

            if report = Reported && turn.Node.Established.IsEmpty then
                Outgoing.keepAddresses turn
                MeshGossip.forgetMesh turn
        | ValueNone -> ()

        match connection.Outgoing with
        | ValueSome target -> Outgoing.lost turn connection target
        | ValueNone -> ()

/// The peer broke the rules, or ended the stream.
let drop (turn: Turn) (id: ConnectionId) : unit = close turn id Reported Tarpitted
