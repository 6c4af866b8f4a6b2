/// The table of meta connections: adding, finding, attaching to outgoing records, forgetting.
module TincPure.Node.Links

open TincPure.Primitives
open TincPure.Meta

let add
    (turn: Turn)
    (id: ConnectionId)
    (remote: Remote)
    (local: Endpoint voption)
    (name: string)
    (stage: Stage)
    (outgoing: NodeName voption)
    : unit =
    let remoteName = HostNames.ofRemote turn remote

    turn.Node <-
        { turn.Node with
            NextSerial = turn.Node.NextSerial + 1
            Connections =
                turn.Node.Connections.Add(
                    id,
                    { Id = id
                      Serial = turn.Node.NextSerial
                      Remote = remote
                      RemoteName = remoteName
                      Local = local
                      Name = name
                      Stage = stage
                      Reader = Framing.start
                      Session = ValueNone
                      Encryption = ValueNone
                      Decryption = ValueNone
                      Through = turn.Node.Settings.Proxy
                      Proxy = ValueNone
                      Outgoing = outgoing
                      Clock = turn.Now
                      PingSent = false
                      AwaitedPongs = []
                      RoundTrip = ValueNone
                      IdSent = turn.Now
                      Queued = 0
                      Options = 0u
                      Weight = 0
                      OnTree = false }
                ) }

/// The connection now serves this outgoing record, whoever opened it.
let attach (turn: Turn) (id: ConnectionId) (target: NodeName) : unit =
    match turn.TryConnection id with
    | ValueSome connection -> turn.SetConnection { connection with Outgoing = ValueSome target }
    | ValueNone -> ()

/// Takes the connection out of all tables, but says nothing to anybody.
let forget (turn: Turn) (connection: Connection) : unit =
    turn.Node <-
        { turn.Node with
            Connections = turn.Node.Connections.Remove connection.Id
            Established = turn.Node.Established.Remove connection.Serial
            Corrections = Corrections.forget connection.Id turn.Node.Corrections
            Doubts = Doubts.forget connection.Id turn.Node.Doubts
            Watch = { turn.Node.Watch with Clients = turn.Node.Watch.Clients.Remove connection.Id } }

    match connection.Stage with
    | Established index ->
        let peer = turn.Peer index

        if peer.Connection = ValueSome connection.Id then
            turn.SetPeer { peer with Connection = ValueNone }
    | _ -> ()

/// Connections that are not past ACK.
let unauthenticated (node: Node) : int =
    node.Connections.Count
    - node.Established.Count
    - (node.Connections
       |> Map.fold
           (fun count _ connection ->
               match connection.Stage with
               | Stage.Control _ -> count + 1
               | _ -> count)
           0)
