/// ACK, by which a meta connection becomes an edge of the mesh, and what happens if there is one already (spec 02 §7).
module TincPure.Node.Activation

open System
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Meta

let private hostSettings (peer: PeerState) : HostSettings =
    ValueOption.defaultValue (HostSettings.empty peer.Name) peer.Host

/// The session is established: each side sends its ACK, whatever the other has sent.
let sendAck (turn: Turn) (connection: Connection) (peer: int) : unit =
    let settings = turn.Node.Settings
    let host = hostSettings (turn.Peer peer)
    let options = Authentication.connectionOptions settings host

    let weight = Authentication.ackWeight settings host (Instant.between connection.IdSent turn.Now)

    let port =
        match turn.Node.UdpSockets with
        | [||] -> 0us
        | sockets -> sockets[0].Port

    turn.SetConnection { connection with Options = options; Weight = weight }

    Wire.send turn connection.Id (Authentication.ownAck settings port weight options)

/// What the connection that goes was wanted for goes over to the one that stays (spec 02 §7 step 1).
let private handOver (turn: Turn) (stays: ConnectionId) (goes: Connection) =
    match struct (goes.Outgoing, turn.TryConnection stays) with
    | struct (ValueSome _, ValueSome { Outgoing = ValueSome _ }) ->
        turn.Log(DebugLevel.always, Priority.Warning, "Two outgoing connections to the same node!")
    | struct (ValueSome target, ValueSome _) ->
        Links.attach turn stays target

        match Outgoing.tryFind turn target with
        | ValueSome record -> Outgoing.set turn { record with Connection = ValueSome stays }
        | ValueNone -> ()
    | _ -> ()

    turn.SetConnection { goes with Outgoing = ValueNone }
    Termination.close turn goes.Id Termination.Silent Termination.Closed

/// Two nodes that call each other at the same moment would each keep the connection that they saw last, and so close
/// both. Of such a pair the one that the node with the lesser name opened is kept; else the newer.
let private keepsOlder (turn: Turn) (newer: ConnectionId) (older: Connection) (peer: PeerState) =
    let isOurs id =
        match id with
        | ConnectionId.Outgoing _ -> true
        | ConnectionId.Incoming _ -> false

    isOurs newer <> isOurs older.Id
    && turn.Now < Instant.addSeconds turn.Node.Settings.PingTimeout older.IdSent
    && isOurs older.Id = (turn.Node.Own < peer.Name)

/// True if the newer connection is to go on.
let private replace (turn: Turn) (newer: Connection) (older: Connection) (peer: PeerState) : bool =
    if keepsOlder turn newer.Id older peer then
        handOver turn older.Id newer
        false
    else
        turn.Log(
            DebugLevel.connections,
            Priority.Debug,
            "Established a second connection with " + Label.connection older + ", closing old connection"
        )

        handOver turn newer.Id older
        true

let private ownEdge
    (turn: Turn)
    (connection: Connection)
    (peer: int)
    (port: string)
    (weight: int)
    (options: uint32)
    : Edge =
    let local =
        match struct (connection.Local, turn.Node.UdpSockets) with
        | struct (ValueSome local, sockets) when sockets.Length > 0 ->
            Inet { local with Port = sockets[0].Port; Scope = 0u }
        | _ -> Unspecified

    let address =
        match connection.Remote with
        | Tcp remote -> Inet(Authentication.edgeAddress remote port)
        | UnixSocket -> Unspecified

    { From = Topology.self
      To = peer
      Address = address
      LocalAddress = local
      Options = options
      Weight = Authentication.edgeWeight weight connection.Weight }

/// A packet longer than any frame (DisableBuggyPeers; spec 02 §7).
let private overlongFrame = 2176

let private activate (turn: Turn) (connection: Connection) (peer: int) (port: string) (weight: int) (theirs: uint32) =
    let host = hostSettings (turn.Peer peer)
    let options = Authentication.combineOptions host connection.Options theirs

    let connection = { connection with Stage = Established peer; Options = options }

    turn.SetConnection connection

    turn.Node <-
        { turn.Node with
            Established = turn.Node.Established.Add(connection.Serial, connection.Id) }

    turn.SetPeer { turn.Peer peer with Connection = ValueSome connection.Id }

    turn.Log(DebugLevel.connections, Priority.Notice, "Connection with " + Label.connection connection + " activated")

    turn.Tell("connection-opened", Label.connectionDetails turn.Node connection)

    if turn.Node.Settings.DisableBuggyPeers then
        Wire.sendFrame turn connection.Id (Array.zeroCreate overlongFrame)

    MeshGossip.tellEverything turn connection.Id
    let edge = ownEdge turn connection peer port weight options
    EdgeGossip.setEdge turn edge
    EdgeGossip.announceOwnEdge turn connection.Id edge

/// The peer's ACK: the connection is active from here on (spec 02 §7).
let ackReceived (turn: Turn) (connection: Connection) (peer: int) (port: string) (weight: int) (theirs: uint32) : unit =
    let goesOn =
        match (turn.Peer peer).Connection |> ValueOption.bind turn.TryConnection with
        | ValueSome older when older.Id <> connection.Id -> replace turn connection older (turn.Peer peer)
        | _ -> true

    if goesOn then
        match turn.TryConnection connection.Id with
        | ValueSome connection -> activate turn connection peer port weight theirs
        | ValueNone -> ()
