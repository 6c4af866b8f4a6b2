/// REQ_KEY, ANS_KEY and KEY_CHANGED: how data keys are asked for and answered across the mesh (spec 02 §9.6, §9.7).
module TincPure.Node.Keys

open System
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Crypto.Legacy
open TincPure.Config
open TincPure.Meta
open TincPure.Packet
open TincPure.Packet.Compression
open TincPure.Tunnel
open TincPure.Routing

let private error (turn: Turn) (text: string) = turn.Log(DebugLevel.always, Priority.Error, text)

let private warn (turn: Turn) (level: int) (text: string) = turn.Log(level, Priority.Warning, text)

/// The base64 of 32 bytes.
let private keyText (key: byte[]) = Base64.encode (ReadOnlySpan key)

/// The lines that are appended to a host file when a key was learned (spec 02 §5.5).
let learnedKeyText (key: byte[]) : string =
    "\n# The following line was automatically added by tinc\nEd25519PublicKey = " + keyText key + "\n"

let private unknownNode (turn: Turn) (name: string) (from: string) (what: string) (node: NodeName) =
    error
        turn
        ("Got "
         + name
         + " from "
         + from
         + " "
         + what
         + " "
         + node.Text
         + " which does not exist in our connection list")

/// Both ends, if both are known; logs what is missing. An end may have become reachable by an edge in the same batch of lines as this
/// one: what follows from that must come first, since it forgets all keys.
let private ends turn name sender (from: NodeName) (target: NodeName) : struct (PeerState * PeerState) voption =
    match struct (Peers.tryFind turn from, Peers.tryFind turn target) with
    | struct (ValueNone, _) ->
        unknownNode turn name sender "origin" from
        ValueNone
    | struct (_, ValueNone) ->
        unknownNode turn name sender "destination" target
        ValueNone
    | struct (ValueSome origin, ValueSome target) when origin.Reachable && target.Reachable ->
        ValueSome(struct (origin, target))
    | struct (ValueSome origin, ValueSome target) ->
        Reachability.settle turn
        ValueSome(struct (turn.Peer origin.Index, turn.Peer target.Index))

let private send (turn: Turn) (target: PeerState) (message: Message) = Wire.sendTowards turn target.Index message

let private askKey (turn: Turn) (peer: PeerState) =
    send turn peer (Message.ReqKey(turn.Node.Own, peer.Name, KeyRequest.ReqPubkey))

/// The origin asks for our public key. If we lack its own we ask back first.
let private publicKeyAsked (turn: Turn) (origin: PeerState) =
    match turn.Node.Settings.PublicKey with
    | ValueNone -> ()
    | ValueSome key ->
        Tunnels.keys turn origin.Index KeyExchange.PublicKeyAsked

        if (turn.Peer origin.Index).PublicKey.IsNone then
            turn.Log(
                DebugLevel.protocol,
                Priority.Debug,
                "Preemptively requesting Ed25519 key for " + Label.peer turn.Node origin
            )

            askKey turn origin

        send turn origin (Message.ReqKey(turn.Node.Own, origin.Name, KeyRequest.AnsPubkey(keyText key)))

/// The origin tells its public key.
let private publicKeyTold (turn: Turn) (origin: PeerState) (text: string) =
    let label = Label.peer turn.Node origin

    let isMeasured = Measure.answered turn (PublicKeyOf origin.Index)

    if origin.PublicKey.IsSome && isMeasured then
        ()
    elif origin.PublicKey.IsSome then
        warn turn DebugLevel.protocol ("Got ANS_PUBKEY from " + label + " even though we already have his pubkey")
    else
        match KeyFile.parsePublic text with
        | Error problem ->
            error turn problem
            error turn ("Got bad ANS_PUBKEY from " + label + ": invalid pubkey")
        | Ok key ->
            turn.Log(DebugLevel.protocol, Priority.Info, "Learned Ed25519 public key from " + label)
            turn.SetPeer { origin with PublicKey = ValueSome key }
            turn.Emit(AppendHostFile(origin.Name, learnedKeyText key))
            Tunnels.keys turn origin.Index KeyExchange.PeerKeyLearned

/// The destination of a key request may want to know under which address we see the origin.
let private offerUdpInfo (turn: Turn) (origin: PeerState) (target: PeerState) (request: KeyRequest) =
    match request with
    | KeyRequest.StartSptps _
    | KeyRequest.SptpsPacket _ when target.Index = 0 || Peers.via turn target.Index = 0 ->
        Info.sendUdpInfo turn 0 origin.Index
    | _ -> ()

let private requestForUs (turn: Turn) (sender: string) (line: string) (origin: PeerState) (request: KeyRequest) =
    let label = Label.peer turn.Node origin

    match request with
    | _ when origin.Index = 0 -> ()
    | _ when not origin.Reachable ->
        error turn ("Got REQ_KEY from " + sender + " origin " + origin.Name.Text + " which is not reachable")
    | _ when not origin.Sptps && (request.IsLegacy || turn.Node.OwnKey.IsNone) -> LegacyKeys.give turn origin.Index
    | KeyRequest.Legacy ->
        // A plain request from an SPTPS node makes stock daemons abort; there is no legacy key to answer with.
        warn turn DebugLevel.protocol ("Got REQ_KEY for a legacy key from " + label + ", ignoring")
    | KeyRequest.StartSptps text ->
        match Base64.decode text with
        | ValueNone when origin.PublicKey.IsSome ->
            error turn ("Got bad REQ_SPTPS_START from " + label + ": invalid SPTPS data")
        // Without the key of a node we ask for that, whatever else it says.
        | decoded ->
            let datagram = ValueOption.defaultValue [||] decoded
            Tunnels.keys turn origin.Index (KeyExchange.RequestReceived datagram)

            if (turn.Peer origin.Index).PublicKey.IsSome then
                Info.sendMtuInfo turn 0 origin.Index Protocol.mtu
    | KeyRequest.ReqPubkey -> publicKeyAsked turn origin
    | KeyRequest.AnsPubkey text -> publicKeyTold turn origin text
    | KeyRequest.SptpsPacket text ->
        match Base64.decode text with
        | ValueNone ->
            error
                turn
                ("Got bad SPTPS_PACKET from "
                 + label
                 + " to "
                 + Label.peer turn.Node (turn.Peer 0)
                 + ": invalid SPTPS data")
        | ValueSome datagram -> turn.Packet(OpenDatagram(origin.Index, Carrier.KeyRequest, datagram))
    | KeyRequest.Unknown _ -> error turn ("Unknown extended REQ_KEY request from " + label + ": " + line)

let private relayPacket (turn: Turn) (origin: PeerState) (target: PeerState) (text: string) =
    match Base64.decode text with
    | ValueNone ->
        error
            turn
            ("Got bad SPTPS_PACKET from "
             + Label.peer turn.Node origin
             + " to "
             + Label.peer turn.Node target
             + ": invalid SPTPS data")
    | ValueSome datagram ->
        if turn.Node.Settings.Forwarding = Internal then
            turn.Packet(RelayDatagram(origin.Index, target.Index, datagram))

/// REQ_KEY.
let requestReceived
    (turn: Turn)
    (sender: string)
    (line: string)
    (from: NodeName)
    (target: NodeName)
    (request: KeyRequest)
    : unit =
    match ends turn "REQ_KEY" sender from target with
    | ValueNone -> ()
    | ValueSome(struct (origin, target)) ->
        if target.Index = 0 || target.Reachable then
            offerUdpInfo turn origin target request

        if target.Index = 0 then
            requestForUs turn sender line origin request
        elif turn.Node.Settings.TunnelServer then
            ()
        elif not target.Reachable then
            warn
                turn
                DebugLevel.protocol
                ("Got REQ_KEY from " + sender + " destination " + target.Name.Text + " which is not reachable")
        else
            match request with
            // A node without SPTPS does not understand what it passes on.
            | KeyRequest.SptpsPacket text when turn.Node.OwnKey.IsSome -> relayPacket turn origin target text
            | _ ->
                match Peers.nextHopConnection turn target.Index with
                | ValueSome hop -> Wire.passOn turn hop "REQ_KEY" line
                | ValueNone -> ()

/// Our own UDP address, or that of others, as a node on the way saw it.
let private useReflexive (turn: Turn) (index: int) (reflexive: Address voption) =
    let peer = turn.Peer index

    match reflexive with
    | ValueSome(Inet endpoint as address) when
        Tunnels.isReady peer && not peer.Discovery.Confirmed && peer.Address <> address
        ->
        turn.Log(
            DebugLevel.protocol,
            Priority.Debug,
            "Using reflexive UDP address from " + peer.Name.Text + ": " + Endpoint.toText endpoint
        )

        Tunnels.moveTo turn peer.Index address
    | _ -> ()

/// A key for what we send to a node without SPTPS. A bad one is ignored, and only that: the connection that it came by may be an
/// innocent relay's (spec 08 §25). Without a word where the legacy protocol is switched off.
let private legacyAnswer (turn: Turn) (origin: PeerState) (answer: AnsKey) =
    if turn.Node.Settings.LegacyProtocol then
        LegacyKeys.drop turn origin.Index

        match PacketKey.ofWire answer.Key answer.Cipher answer.Digest answer.MacLength answer.Compression with
        | Error problem -> error turn ("Node " + Label.peer turn.Node origin + " " + PacketKey.errorText problem)
        | Ok key ->
            LegacyKeys.take turn origin.Index key
            useReflexive turn origin.Index answer.Reflexive

let private answerForUs (turn: Turn) (origin: PeerState) (answer: AnsKey) =
    let label = Label.peer turn.Node origin

    if origin.Index = 0 then
        ()
    elif not (Level.isKnown answer.Compression) then
        error turn ("Node " + label + " uses bogus compression level!")

        error turn ("Compression level " + answer.Compression.ToString() + " is unrecognized by this node.")
    elif not origin.Sptps then
        legacyAnswer turn origin answer
    else
        turn.SetPeer { origin with SendCompression = answer.Compression }

        // A text that is no base64 is as undecodable as a datagram that is no record.
        let datagram = ValueOption.defaultValue [||] (Base64.decode answer.Key)
        Tunnels.keys turn origin.Index (KeyExchange.AnswerReceived datagram)
        useReflexive turn origin.Index answer.Reflexive
        Info.sendMtuInfo turn 0 origin.Index Protocol.mtu

/// ANS_KEY. On its way the first node that talks UDP with the origin adds the address under which it sees it.
let answerReceived (turn: Turn) (sender: string) (line: string) (answer: AnsKey) : unit =
    match ends turn "ANS_KEY" sender answer.From answer.To with
    | ValueNone -> ()
    | ValueSome(struct (origin, target)) ->
        if target.Index = 0 then
            answerForUs turn origin answer
        elif turn.Node.Settings.TunnelServer then
            ()
        elif not target.Reachable then
            warn
                turn
                DebugLevel.always
                ("Got ANS_KEY from " + sender + " destination " + target.Name.Text + " which is not reachable")
        else
            match Peers.nextHopConnection turn target.Index with
            | ValueNone -> ()
            | ValueSome hop ->
                match struct (answer.Reflexive, origin.Address) with
                | struct (ValueNone, (Inet _ as address)) when origin.Index <> 0 && target.PathMtu.MinMtu > 0 ->
                    turn.Log(
                        DebugLevel.protocol,
                        Priority.Debug,
                        "Appending reflexive UDP address to ANS_KEY from "
                        + origin.Name.Text
                        + " to "
                        + target.Name.Text
                    )

                    let struct (host, port) = Address.toWire address
                    Wire.passOn turn hop "ANS_KEY" (line + " " + host + " " + port)
                | _ -> Wire.passOn turn hop "ANS_KEY" line

/// KEY_CHANGED: only legacy keys are affected; SPTPS sessions change theirs by themselves.
let keyChanged (turn: Turn) (from: ConnectionId) (sender: string) (line: string) (name: string) : unit =
    match NodeName.tryParse name |> ValueOption.bind (Peers.tryFind turn) with
    | ValueSome peer ->
        if not peer.Sptps && peer.Index <> 0 then
            LegacyKeys.drop turn peer.Index

        Wire.forward turn from "KEY_CHANGED" line
    | ValueNone -> error turn ("Got KEY_CHANGED from " + sender + " origin " + name + " which does not exist")

/// SPTPS_PACKET: destination and source ID, then the datagram (spec 02 §9.8). False if the connection must be closed.
let packetReceived (turn: Turn) (sender: string) (block: byte[]) : bool =
    if block.Length < 2 * NodeId.size then
        turn.Log(DebugLevel.protocol, Priority.Error, "Got too short TCP SPTPS packet from " + sender)
        false
    else
        let find offset = HashTrie.tryFind (NodeId.read (ReadOnlySpan(block, offset, NodeId.size))) turn.Node.ById

        let unknown what =
            turn.Log(
                DebugLevel.protocol,
                Priority.Error,
                "Got TCP SPTPS packet from " + sender + " with unknown " + what + " ID"
            )

        match struct (find 0, find NodeId.size) with
        | struct (ValueNone, _) -> unknown "destination"
        | struct (_, ValueNone) -> unknown "source"
        | struct (ValueSome target, ValueSome source) ->
            let destination = turn.Peer target
            let datagram = block[2 * NodeId.size ..]

            if target <> 0 && not destination.Reachable then
                turn.Log(
                    DebugLevel.traffic,
                    Priority.Warning,
                    "Cannot relay TCP packet from "
                    + Label.peer turn.Node (turn.Peer source)
                    + " because the destination, "
                    + Label.peer turn.Node destination
                    + ", is unreachable"
                )
            else
                if source <> 0 && (target = 0 || Peers.via turn target = 0) then
                    Info.sendUdpInfo turn 0 source

                if target = 0 then
                    turn.Packet(OpenDatagram(source, Carrier.RawTcp, datagram))
                else
                    turn.Packet(RelayDatagram(source, target, datagram))

        true
