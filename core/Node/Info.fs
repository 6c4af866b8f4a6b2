/// UDP_INFO and MTU_INFO: what the far end and the relays on the way should know about us (spec 03 §17).
module TincPure.Node.Info

open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Meta
open TincPure.Tunnel

let private secondsSince (at: Instant) (now: Instant) =
    if at = Instant.never then
        System.Int64.MaxValue
    else
        Instant.seconds now - Instant.seconds at

/// The node that UDP for `index` is handed to: itself, its static relay, or the next neighbour when the first edge on
/// the way is indirect.
let relayOf (turn: Turn) (index: int) : int =
    match Peers.via turn index with
    | 0 -> Peers.nextHop turn index
    | via -> via

let private nextHopMinor (turn: Turn) (index: int) =
    let hop = Peers.nextHop turn index
    if hop < 0 then 0 else Options.minor (turn.Peer hop).Options

let private tcpOnly (turn: Turn) (index: int) =
    let options = if index = 0 then turn.Node.OwnOptions else (turn.Peer index).Options

    Options.has Options.tcpOnly options

/// Where `from` is seen: by us, or, for ourselves, from the neighbour that the message goes to.
let private addressOf (turn: Turn) (from: int) (hop: ConnectionId) : Address =
    if from <> 0 then
        (turn.Peer from).Address
    else
        match turn.TryConnection hop with
        | ValueSome { Stage = Established peer } ->
            match Topology.tryEdge 0 peer turn.Node.Topology with
            | ValueSome edge -> edge.LocalAddress
            | ValueNone -> Unspecified
        | _ -> Unspecified

/// Tells `target` (or the relay in front of it) the UDP address of `from`.
let sendUdpInfo (turn: Turn) (from: int) (target: int) : unit =
    let peer = turn.Peer target

    if target <> 0 && peer.Reachable then
        let relay = relayOf turn target
        let final = if relay < 0 then target else relay
        let peer = turn.Peer final

        let unwanted =
            final = 0
            || not peer.Reachable
            || (from = 0
                && (peer.Connection.IsSome
                    || secondsSince peer.UdpInfoSent turn.Now < int64 turn.Node.Settings.UdpInfoInterval))
            || tcpOnly turn 0
            || tcpOnly turn from
            || tcpOnly turn final
            || nextHopMinor turn final < MinorVersion.udpInfo

        if not unwanted then
            match Peers.nextHopConnection turn final with
            | ValueNone -> ()
            | ValueSome hop ->
                match addressOf turn from hop with
                | Unspecified -> ()
                | address ->
                    if from = 0 then
                        turn.SetPeer { peer with UdpInfoSent = turn.Now }

                    Wire.send turn hop (Message.UdpInfo((turn.Peer from).Name, peer.Name, address))

let private isFixed (peer: PeerState) = peer.PathMtu.MinMtu = peer.PathMtu.MaxMtu

/// Tells `target` which MTU it may use towards `from`; `mtu` is what was known so far.
let sendMtuInfo (turn: Turn) (from: int) (target: int) (mtu: int) : unit =
    let peer = turn.Peer target

    let unwanted =
        target = 0
        || not peer.Reachable
        || (from = 0
            && (peer.Connection.IsSome
                || secondsSince peer.MtuInfoSent turn.Now < int64 turn.Node.Settings.MtuInfoInterval))
        || nextHopMinor turn target < MinorVersion.mtuInfo

    if not unwanted then
        match Peers.nextHopConnection turn target with
        | ValueNone -> ()
        | ValueSome hop ->
            let value =
                if from = 0 then
                    mtu
                else
                    let origin = turn.Peer from
                    let relay = relayOf turn from

                    if isFixed origin && Peers.via turn from = 0 then
                        origin.PathMtu.MinMtu
                    elif relay > 0 && isFixed (turn.Peer relay) then
                        min mtu (turn.Peer relay).PathMtu.MinMtu
                    else
                        let beyond = if relay > 0 then Peers.nextHop turn relay else -1

                        if beyond > 0 && isFixed (turn.Peer beyond) then
                            min mtu (turn.Peer beyond).PathMtu.MinMtu
                        else
                            mtu

            if from = 0 then
                turn.SetPeer { peer with MtuInfoSent = turn.Now }

            if value >= Protocol.minMtu then
                Wire.send turn hop (Message.MtuInfo((turn.Peer from).Name, peer.Name, value))

let private unknown (turn: Turn) (name: string) (from: string) (what: string) (node: NodeName) =
    turn.Log(
        DebugLevel.always,
        Priority.Error,
        "Got "
        + name
        + " from "
        + from
        + " "
        + what
        + " "
        + node.Text
        + " which does not exist in our connection list"
    )

/// What a message is about, and where it has to go; each is looked up when its turn comes, and logged if it is missing.
let private find (turn: Turn) (name: string) (sender: string) (what: string) (node: NodeName) : PeerState voption =
    let found = Peers.tryFind turn node

    if found.IsNone then
        unknown turn name sender what node

    found

let udpInfoReceived (turn: Turn) (sender: string) (from: NodeName) (target: NodeName) (address: Address) : unit =
    match find turn "UDP_INFO" sender "origin" from with
    | ValueSome origin when origin.Index = 0 || Peers.via turn origin.Index <> origin.Index ->
        turn.Log(
            DebugLevel.protocol,
            Priority.Warning,
            "Got UDP info message from " + Label.peer turn.Node origin + " which we can't reach directly"
        )
    | ValueSome origin ->
        match address with
        | Inet _ when origin.Connection.IsNone && not origin.Discovery.Confirmed && origin.Address <> address ->
            Peers.setAddress turn origin.Index address
        | _ -> ()

        match find turn "UDP_INFO" sender "destination" target with
        | ValueSome destination -> sendUdpInfo turn origin.Index destination.Index
        | ValueNone -> ()
    | ValueNone -> ()

/// Lines that name an unreachable origin crash stock daemons; here they are ignored (spec 02 §22.3).
let mtuInfoReceived (turn: Turn) (sender: string) (from: NodeName) (target: NodeName) (mtu: int) : unit =
    let mtu = min mtu Protocol.mtu

    match find turn "MTU_INFO" sender "origin" from with
    | ValueSome origin when origin.Index <> 0 && origin.Reachable ->
        let settings = Peers.pathMtuSettings turn.Node origin

        let struct (state, outputs) = PathMtu.step settings turn.Now (PathMtu.Provisional mtu) origin.PathMtu

        turn.SetPeer { origin with PathMtu = state }

        for output in outputs do
            match output with
            | PathMtu.Log line -> turn.Log(line.Level, line.Priority, line.Text)
            | PathMtu.SendProbe _
            | PathMtu.AskInitialMaximum
            | PathMtu.MtuChanged _ -> ()

        match find turn "MTU_INFO" sender "destination" target with
        | ValueSome destination -> sendMtuInfo turn origin.Index destination.Index mtu
        | ValueNone -> ()
    | _ -> ()
