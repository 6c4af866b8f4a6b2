/// `tinc ping`: one measurement of every leg of the way to a node, at a control client's wish. Each leg is told apart, as a mesh is only
/// as quick as the part that a packet takes: meta connections to the node and to those on the way, and UDP to whoever gets our
/// datagrams for it.
module TincPure.Node.Ping

open TincPure.Primitives
open TincPure.Topology
open TincPure.Meta

/// Nodes on the way that are measured.
let private longestPath = 8

/// The nodes between us and this one on the path that our graph gives, ours not included, nearest first.
let private between (turn: Turn) (index: int) : int list =
    let rec back node found =
        match (Graph.route node turn.Node.Paths).Previous with
        | previous when previous <= 0 || List.length found >= longestPath -> found
        | previous -> back previous (previous :: found)

    back index []

let private name (turn: Turn) (index: int) = (turn.Peer index).Name.Text

/// What became of the attempt to measure one leg: it was sent, or why not.
let private outcome (turn: Turn) (asked: Asked) (result: Result<unit, string>) =
    let words =
        match result with
        | Ok() -> " sent"
        | Error reason -> " no " + reason

    Measure.tell turn asked.Client asked.Number (asked.Leg + words)

/// The meta connection to a neighbour: PING.
let private pingNeighbour (turn: Turn) (asked: Asked) (index: int) : Result<unit, string> =
    match (turn.Peer index).Connection |> ValueOption.bind turn.TryConnection with
    | ValueSome connection when Measure.ping turn connection (ValueSome asked) -> Ok()
    | ValueSome _ -> Error "busy"
    | ValueNone -> Error "no-connection"

/// All meta connections to a node further away: it is asked for its public key, which every node of SPTPS answers, and which
/// changes nothing if we know the key.
let private pingByKey (turn: Turn) (asked: Asked) (index: int) : Result<unit, string> =
    let peer = turn.Peer index

    if turn.Node.OwnKey.IsNone || not peer.Sptps then
        Error "legacy"
    elif Tunnels.isWaiting peer then
        // In the middle of a key exchange the question would be taken for a complaint.
        Error "no-key"
    elif Measure.expect turn asked (PublicKeyOf index) then
        Wire.sendTowards turn index (Message.ReqKey(turn.Node.Own, peer.Name, KeyRequest.ReqPubkey))
        Ok()
    else
        Error "busy"

let private overMeta (turn: Turn) (asked: Asked) (index: int) =
    if (turn.Peer index).Connection.IsSome then
        pingNeighbour turn asked index
    else
        pingByKey turn asked index

/// Replies tell no more of a probe than its length: consecutive ones differ, and get shorter, since a peer that tells by itself what
/// arrived names the longest.
let private probeLength (number: int) = 319 - number % 256

let private overUdp (turn: Turn) (asked: Asked) (index: int) =
    let peer = turn.Peer index
    let length = probeLength asked.Number

    if Tunnels.tcpOnly turn peer then Error "tcp-only"
    elif not (Tunnels.isReady peer) then Error "no-key"
    elif not (Tunnels.probe turn index length) then Error "no-address"
    elif Measure.expect turn asked (ProbeReplyOf(index, length)) then Ok()
    else Error "busy"

let private legs (turn: Turn) (client: ConnectionId) (number: int) (index: int) =
    let asked kind index = { Client = client; Number = number; Leg = kind + " " + name turn index }

    let run kind index measure =
        let asked = asked kind index
        outcome turn asked (measure turn asked index)

    run "meta" index overMeta

    for hop in between turn index do
        run "hop" hop overMeta

    // As with a packet: keys are exchanged and UDP is tried where that has not been done.
    Tunnels.transmitted turn index 0
    let relay = Info.relayOf turn index

    if relay > 0 && relay <> index then
        outcome turn (asked "udp" index) (Error "relayed")
        run "relay" relay overUdp
    else
        run "udp" index overUdp
        let hop = Peers.nextHop turn index

        // Until UDP straight to it works, the neighbour on the way relays.
        if hop > 0 && hop <> index && not (turn.Peer index).Discovery.Confirmed then
            run "relay" hop overUdp

/// One request: `NODE NUMBER`. The legs are told at once, what they took as it becomes known. False if it cannot be read.
let run (turn: Turn) (client: ConnectionId) (arguments: string) : bool =
    match arguments.Trim().Split ' ' with
    | [| node; number |] ->
        match System.Int32.TryParse number with
        | true, number when number >= 0 ->
            let tell = Measure.tell turn client number

            match NodeName.tryParse node |> ValueOption.bind (Peers.tryFind turn) with
            | ValueNone -> tell "unknown"
            | ValueSome peer when peer.Index = Topology.self -> tell "myself"
            | ValueSome peer when not peer.Reachable -> tell "unreachable"
            | ValueSome peer ->
                legs turn client number peer.Index
                tell "started"

            true
        | _ -> false
    | _ -> false
