/// The data path to one peer: its key exchange, the search for its UDP address and for the path MTU. The decisions are
/// those of `Tunnel`; here they meet the rest of the node (spec 03 §9, §11, §14, §15).
module TincPure.Node.Tunnels

open System
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Crypto.Legacy
open TincPure.Config
open TincPure.Topology
open TincPure.Meta
open TincPure.Packet
open TincPure.Tunnel
open TincPure.Routing

/// We can encrypt to the peer.
let isReady (peer: PeerState) : bool = KeyExchange.hasKey peer.Keys || peer.LegacyKey.IsSome

let isWaiting (peer: PeerState) : bool =
    match peer.Keys.Phase with
    | KeyExchange.Pending _ -> true
    | _ -> false

let private logLine (turn: Turn) (line: LogLine) = turn.Log(line.Level, line.Priority, line.Text)

// ---- Where datagrams go

let private endpointsOf (addresses: Address seq) : Endpoint[] =
    addresses
    |> Seq.choose (fun address ->
        match address with
        | Inet endpoint -> Some endpoint
        | _ -> None)
    |> Array.ofSeq

/// Everything that we have heard about where a peer may be (spec 03 §8).
let private candidates (turn: Turn) (peer: PeerState) : UdpDiscovery.Candidates =
    let topology = turn.Node.Topology

    let known =
        match peer.Address with
        | Inet endpoint -> ValueSome endpoint
        | _ -> ValueNone

    if peer.Discovery.Confirmed then
        { Known = known; Reverse = [||]; Local = [||] }
    else
        { Known = known
          Reverse = Topology.edgesTo peer.Index topology |> Seq.map _.Address |> endpointsOf
          Local = Topology.edgesFrom peer.Index topology |> Seq.map _.LocalAddress |> endpointsOf }

/// The address and socket for the next datagram that is not data.
let private target (turn: Turn) (index: int) (local: bool) : struct (Endpoint * int) voption =
    let peer = turn.Peer index

    let struct (discovery, choice) =
        UdpDiscovery.choose (candidates turn peer) local (turn.RandomUInt32()) peer.Discovery

    turn.SetPeer { peer with Discovery = discovery }

    choice
    |> ValueOption.bind (fun endpoint ->
        match Peers.socketFor turn.Node peer.Socket endpoint with
        | ValueSome socket -> ValueSome(struct (endpoint, socket))
        | ValueNone -> ValueNone)

/// False if there is no session, or no address.
let private trySendProbe (turn: Turn) (index: int) (local: bool) (payload: byte[]) : bool =
    // Without a session a probe could only go by TCP, which would prove nothing (spec 03 §24.3).
    if isReady (turn.Peer index) then
        match target turn index local with
        | ValueSome(struct (endpoint, socket)) ->
            turn.Packet(PacketCommand.SendProbe(index, endpoint, socket, payload))
            true
        | ValueNone -> false
    else
        false

let private sendProbe (turn: Turn) (index: int) (local: bool) (payload: byte[]) =
    trySendProbe turn index local payload |> ignore

let private probeRequest (turn: Turn) (length: int) : byte[] =
    Probe.request (ReadOnlySpan(turn.RandomBytes(max Probe.minimumSize length)))

/// A request of this length, besides those of discovery and of the search for the path MTU. False if it cannot be sent.
let probe (turn: Turn) (index: int) (length: int) : bool = trySendProbe turn index false (probeRequest turn length)

// ---- Path MTU

let rec private pathMtu (turn: Turn) (index: int) (input: PathMtu.Input) : unit =
    let peer = turn.Peer index

    let struct (state, outputs) =
        PathMtu.step (Peers.pathMtuSettings turn.Node peer) turn.Now input peer.PathMtu

    turn.SetPeer { peer with PathMtu = state }

    for output in outputs do
        match output with
        | PathMtu.Log line -> logLine turn line
        | PathMtu.MtuChanged _ -> ()
        | PathMtu.SendProbe size -> sendProbe turn index false (probeRequest turn size)
        | PathMtu.AskInitialMaximum ->
            match target turn index false with
            | ValueSome(struct (endpoint, _)) -> turn.Emit(AskPathMtu(index, endpoint))
            | ValueNone -> ()

/// The host told what the kernel knows of the path.
let kernelMtuKnown (turn: Turn) (index: int) (isV6: bool) (mtu: Result<int, string>) : unit =
    let peer = turn.Peer index

    let overhead =
        match peer.LegacyKey with
        | ValueSome algorithms ->
            let block =
                match algorithms.Cipher with
                | ValueSome cipher -> cipher.BlockSize
                | ValueNone -> 1

            PathMtu.LegacyOverhead(PacketAlgorithms.announcedMacLength algorithms, block)
        | ValueNone -> PathMtu.SptpsOverhead(Options.minor peer.Options >= MinorVersion.udpRelay)

    pathMtu turn index (PathMtu.KernelMtu(mtu, isV6, overhead))

/// Our own socket refused a datagram that carried so much.
let tooBig (turn: Turn) (index: int) (size: int) : unit = pathMtu turn index (PathMtu.TooBig size)

// ---- UDP discovery

let private discoverySettings (turn: Turn) (peer: PeerState) : UdpDiscovery.Settings =
    let settings = turn.Node.Settings

    { Label = Label.peer turn.Node peer
      Enabled = settings.UdpDiscovery
      Interval = settings.UdpDiscoveryInterval
      KeepaliveInterval = settings.UdpDiscoveryKeepaliveInterval
      Timeout = settings.UdpDiscoveryTimeout
      LocalDiscovery = settings.LocalDiscovery
      PeerMinor = Options.minor peer.Options }

/// Puts the peer's UDP time-out where the clock looks for it.
let private plan (turn: Turn) (index: int) =
    let peer = turn.Peer index
    let deadline = UdpDiscovery.deadline peer.Discovery

    if deadline <> peer.Deadline then
        let entry (at: Instant) = struct (at.Microseconds, index)
        let cleared = turn.Node.PeerDeadlines.Remove(entry peer.Deadline)

        turn.Node <-
            { turn.Node with
                PeerDeadlines = if deadline = Instant.distant then cleared else cleared.Add(entry deadline) }

        turn.SetPeer { peer with Deadline = deadline }

/// The neighbour's address by which others reach it; worth remembering once UDP works there (spec 02 §12).
let private rememberEdgeAddress (turn: Turn) (index: int) =
    if (turn.Peer index).Connection.IsSome then
        match Topology.tryEdge 0 index turn.Node.Topology with
        | ValueSome { Address = Inet endpoint } -> Peers.remember turn index endpoint
        | _ -> ()

let private discover (turn: Turn) (index: int) (input: UdpDiscovery.Input) : unit =
    let peer = turn.Peer index

    let struct (state, outputs) =
        UdpDiscovery.step (discoverySettings turn peer) turn.Now input peer.Discovery

    turn.SetPeer { peer with Discovery = state }
    plan turn index

    for output in outputs do
        match output with
        | UdpDiscovery.Log line -> logLine turn line
        | UdpDiscovery.SendPing local -> sendProbe turn index local (probeRequest turn PathMtu.shortestProbe)
        | UdpDiscovery.SendGratuitous length ->
            sendProbe turn index false (Probe.gratuitous length (ReadOnlySpan(turn.RandomBytes 4)))
        | UdpDiscovery.Confirmed ->
            Peers.index turn (turn.Peer index)
            rememberEdgeAddress turn index
        | UdpDiscovery.TimedOut -> Peers.unconfirm turn (turn.Peer index)

/// The peer's UDP time-outs that are over.
let checkDeadlines (turn: Turn) : unit =
    let isDue () =
        not turn.Node.PeerDeadlines.IsEmpty
        && (let struct (at, _) = turn.Node.PeerDeadlines.MinimumElement in at <= turn.Now.Microseconds)

    while isDue () do
        let struct (at, index) = turn.Node.PeerDeadlines.MinimumElement

        turn.Node <-
            { turn.Node with
                PeerDeadlines = turn.Node.PeerDeadlines.Remove(struct (at, index)) }

        turn.SetPeer { turn.Peer index with Deadline = Instant.distant }

        discover turn index UdpDiscovery.TimeoutCheck

/// Another address, which has to prove itself.
let moveTo (turn: Turn) (index: int) (address: Address) : unit =
    Peers.setAddress turn index address
    discover turn index UdpDiscovery.AddressSet

// ---- Keys

let private keySettings (turn: Turn) (peer: PeerState) (ownKey: Ed25519.KeyPair) : KeyExchange.Settings =
    { Own = turn.Node.Own
      Peer = peer.Name
      Label = Label.peer turn.Node peer
      OwnKey = ownKey
      PeerKey = peer.PublicKey }

let private answerKey (turn: Turn) (peer: PeerState) (datagram: byte[]) =
    let level = turn.Node.Settings.Compression

    turn.SetPeer { turn.Peer peer.Index with ReceiveCompression = level }

    Wire.sendTowards
        turn
        peer.Index
        (Message.AnsKey
            { From = turn.Node.Own
              To = peer.Name
              Key = Base64.encode (ReadOnlySpan datagram)
              Cipher = -1
              Digest = -1
              MacLength = -1
              Compression = level
              Reflexive = ValueNone })

let private carrier (way: KeyExchange.Way) : Carrier =
    match way with
    | KeyExchange.KeyRequest -> Carrier.KeyRequest
    | KeyExchange.KeyAnswer -> Carrier.KeyAnswer
    | KeyExchange.RawTcp
    | KeyExchange.Udp -> Carrier.RawTcp

let private exchange (turn: Turn) (index: int) (input: KeyExchange.Input) : unit =
    match turn.Node.OwnKey with
    | ValueNone -> ()
    | ValueSome ownKey ->
        let peer = turn.Peer index

        let struct (state, outputs) =
            KeyExchange.step
                (keySettings turn peer ownKey)
                turn.Now
                (turn.RandomBytes KeyExchange.entropySize)
                input
                peer.Keys

        turn.SetPeer { peer with Keys = state }

        for output in outputs do
            match output with
            | KeyExchange.Log line -> logLine turn line
            | KeyExchange.SendKeyRequest datagram ->
                turn.SetPeer { turn.Peer index with ReceiveCompression = turn.Node.Settings.Compression }

                let text = Base64.encode (ReadOnlySpan datagram)
                Wire.sendTowards turn index (Message.ReqKey(turn.Node.Own, peer.Name, KeyRequest.StartSptps text))
            | KeyExchange.SendKeyAnswer datagram -> answerKey turn peer datagram
            | KeyExchange.AskPublicKey ->
                // Somebody may have put its host file there meanwhile.
                turn.Emit(ReadHostFile peer.Name)
                Wire.sendTowards turn index (Message.ReqKey(turn.Node.Own, peer.Name, KeyRequest.ReqPubkey))
            | KeyExchange.StartSession(sendKey, receiveKey) ->
                turn.SetPeer { turn.Peer index with KeyedAt = turn.Now }
                turn.Packet(PacketCommand.StartSession(index, sendKey, receiveKey, Peers.replayWindow turn.Node))
            | KeyExchange.UseSendKey key ->
                turn.SetPeer { turn.Peer index with KeyedAt = turn.Now }
                turn.Packet(PacketCommand.UseSendKey(index, key))
            | KeyExchange.OfferReceiveKey key -> turn.Packet(PacketCommand.OfferReceiveKey(index, key))
            | KeyExchange.ActivateReceiveKey -> turn.Packet(PacketCommand.ActivateReceiveKey index)
            | KeyExchange.SealHandshake body -> turn.Packet(PacketCommand.SealHandshake(index, body))
            | KeyExchange.OpenDatagram(way, datagram) ->
                turn.Packet(PacketCommand.OpenDatagram(index, carrier way, datagram))
            | KeyExchange.RetireSession -> turn.Packet(PacketCommand.RetireSession index)
            | KeyExchange.DropSession -> turn.Packet(PacketCommand.DropSession index)

/// Feeds the peer's key exchange.
let keys (turn: Turn) (index: int) (input: KeyExchange.Input) : unit = exchange turn index input

/// Key exchange, UDP state and path MTU begin anew, as after each change of reachability (spec 04 §4.3).
let reset (turn: Turn) (index: int) : unit =
    exchange turn index KeyExchange.Reset
    LegacyKeys.drop turn index
    LegacyKeys.withdraw turn index
    Peers.unconfirm turn (turn.Peer index)
    discover turn index UdpDiscovery.Reset

/// All sessions change their keys (KeyExpire).
let rekeyAll (turn: Turn) : unit =
    for peer in Vector.toArray turn.Node.Peers do
        if peer.Reachable && KeyExchange.hasKey peer.Keys then
            exchange turn peer.Index KeyExchange.Rekey

// ---- Maintenance

/// No peer that is sent to waits longer than this for a look at its tunnel.
let private longestWait = Instant.second

let private udpUsable (turn: Turn) (peer: PeerState) = peer.Discovery.Confirmed || not turn.Node.Settings.UdpDiscovery

/// Nothing goes to it but by meta connections.
let tcpOnly (turn: Turn) (peer: PeerState) : bool = Options.has Options.tcpOnly (turn.Node.OwnOptions ||| peer.Options)

/// One look at the tunnel of a node without SPTPS (spec 03 §9); when the next one is due.
let private lookAtLegacy (turn: Turn) (index: int) (withMtu: bool) : Instant =
    if not (LegacyKeys.isSpoken turn) then
        Instant.distant
    else
        if not (turn.Peer index).LegacyKeyGiven then
            LegacyKeys.give turn index

        if (turn.Peer index).LegacyKey.IsNone then
            LegacyKeys.ask turn index
            Instant.addSeconds LegacyKeys.patience (turn.Peer index).LegacyKeyAsked
        else
            discover
                turn
                index
                (UdpDiscovery.Maintain(0, Topology.edgesTo index turn.Node.Topology |> Seq.isEmpty |> not))

            if withMtu then
                pathMtu turn index (PathMtu.Maintain(udpUsable turn (turn.Peer index)))

            let peer = turn.Peer index

            UdpDiscovery.nextDue (discoverySettings turn peer) peer.Discovery
            |> min (PathMtu.nextDue (Peers.pathMtuSettings turn.Node peer) (udpUsable turn peer) peer.PathMtu)

/// One look at the tunnel of a peer and of the relays in front of it; when the next one is due.
let rec private look (turn: Turn) (index: int) (largestReceived: int) (withMtu: bool) (depth: int) : Instant =
    let peer = turn.Peer index

    if not peer.Reachable || index = 0 || (peer.Connection.IsSome && tcpOnly turn peer) then
        Instant.distant
    elif not peer.Sptps then
        lookAtLegacy turn index withMtu
    else
        exchange turn index KeyExchange.Want
        let relay = Info.relayOf turn index

        if relay <> index && relay > 0 then
            if depth > 0 && Options.minor (turn.Peer relay).Options >= MinorVersion.udpRelay then
                min (KeyExchange.nextDue (turn.Peer index).Keys) (look turn relay 0 withMtu (depth - 1))
            else
                KeyExchange.nextDue (turn.Peer index).Keys
        elif not (isReady (turn.Peer index)) then
            let own = KeyExchange.nextDue (turn.Peer index).Keys
            min own (lookAtDynamicRelay turn index withMtu depth)
        else
            discover
                turn
                index
                (UdpDiscovery.Maintain(
                    largestReceived,
                    (Topology.edgesTo index turn.Node.Topology |> Seq.isEmpty |> not)
                ))

            if withMtu then
                pathMtu turn index (PathMtu.Maintain(udpUsable turn (turn.Peer index)))

            let peer = turn.Peer index

            UdpDiscovery.nextDue (discoverySettings turn peer) peer.Discovery
            |> min (PathMtu.nextDue (Peers.pathMtuSettings turn.Node peer) (udpUsable turn peer) peer.PathMtu)
            |> min (KeyExchange.nextDue peer.Keys)
            |> min (lookAtDynamicRelay turn index withMtu depth)

/// Until UDP straight to the peer works, the next neighbour relays (spec 03 §9 step 5).
and private lookAtDynamicRelay (turn: Turn) (index: int) (withMtu: bool) (depth: int) : Instant =
    let hop = Peers.nextHop turn index

    if
        not (turn.Peer index).Discovery.Confirmed
        && hop > 0
        && hop <> index
        && depth > 0
        && Options.minor (turn.Peer hop).Options >= MinorVersion.udpRelay
    then
        look turn hop 0 withMtu (depth - 1)
    else
        Instant.distant

/// Relays in front of relays that one look goes through: as many as a path has hops is more than enough.
let private longestChain = 8

/// Something was sent to the peer.
let transmitted (turn: Turn) (index: int) (largestReceived: int) : unit =
    let due = look turn index largestReceived true longestChain
    let latest = Instant.add longestWait turn.Now

    // A moment that has passed would have the packet plane ask again with the next packet.
    let due = max (Instant.add Instant.millisecond turn.Now) (min due latest)

    turn.SetPeer { turn.Peer index with MaintenanceDue = due }

/// Once a second for neighbours, traffic or not.
let maintainNeighbour (turn: Turn) (index: int) : unit = look turn index 0 false longestChain |> ignore

// ---- Probes

let private trafficLog (turn: Turn) (text: string) = turn.Log(DebugLevel.traffic, Priority.Info, text)

/// A probe came by UDP (spec 03 §6). The sender's address is taken over before the answer goes out, so that it goes
/// where the probe came from.
let probeReceived (turn: Turn) (index: int) (payload: byte[]) (source: Endpoint) (socket: int) : unit =
    let kind = Probe.kind (ReadOnlySpan payload)

    if kind <> Probe.Kind.Malformed && index <> 0 then
        if (turn.Peer index).Address <> Inet source then
            moveTo turn index (Inet source)

        turn.SetPeer { turn.Peer index with Socket = socket }
        let peer = turn.Peer index
        let label = Label.peer turn.Node peer

        // The peer may be sure of the way to us before we are of the way back: what it relays by us is to be known as its own.
        Peers.index turn peer

        if kind = Probe.Kind.Request then
            let version = Options.minor peer.Options
            let reply = Probe.reply version (ReadOnlySpan payload)
            let length = payload.Length.ToString()
            trafficLog turn ("Got UDP probe request " + length + " from " + label)
            let replyType = if reply[0] = 2uy then "2" else "1"
            trafficLog turn ("Sending type " + replyType + " probe reply length " + length + " to " + label)
            turn.Packet(PacketCommand.SendProbe(index, source, socket, reply))
        else
            let length = Probe.confirmed (ReadOnlySpan payload)

            let reply =
                if kind = Probe.Kind.ShortReply then
                    UdpDiscovery.Statement
                else
                    UdpDiscovery.Echo

            Measure.answered turn (ProbeReplyOf(index, length)) |> ignore
            discover turn index (UdpDiscovery.ReplyReceived(reply, length))
            pathMtu turn index (PathMtu.Reply length)
