namespace TincPure.Routing

open System
open TincPure.Config
open TincPure.Packet
open TincPure.Packet.Compression
open TincPure.Primitives
open TincPure.Sptps

/// Hands frames to the device and to nodes, and datagrams to whoever brings them further (spec 03 §7, spec 04 §14).
[<Sealed>]
type internal Sender(plane: Plane) =
    let waiting = Waiting()
    let legacy = LegacySender plane

    /// The packet as its receiver wants it compressed.
    let packed = Array.zeroCreate<byte>(Compressor.Bound Protocol.mtu)

    let writeIds (ids: PathChoice.Ids) (target: Peer) (datagram: Span<byte>) =
        match ids with
        | PathChoice.NoIds -> ()
        | PathChoice.Direct -> Datagram.writeIds NodeId.none (plane.Peer plane.Own).Id datagram
        | PathChoice.Relayed -> Datagram.writeIds target.Id (plane.Peer plane.Own).Id datagram

    let hopOf (peer: Peer) : PathChoice.Hop = { Node = peer.Index; Options = peer.Options; MinMtu = peer.MinMtu }

    /// Who is behind the device: learned from its own ARP and neighbour requests, overwritten into what it receives.
    member val HostAddress = 0xfefd00000000UL with get, set

    /// The way of a datagram towards a reachable node (spec 03 §7.3).
    member private _.Path(content: PathChoice.Content, fromUs: bool, payload: int, target: Peer) : PathChoice.Path =
        let via =
            if target.Via = plane.Own then
                ValueNone
            else
                ValueSome(hopOf (plane.Peer target.Via))

        let nextHop = hopOf (plane.Peer target.NextHop)
        PathChoice.choose content fromUs payload target.Index plane.Fib.Settings.OwnOptions via nextHop

    member private _.LogSending(from: int, target: int, via: int, carrier: string) : unit =
        if plane.Shows DebugLevel.traffic then
            let label node = plane.Peer(node).Label

            plane.Log(
                DebugLevel.traffic,
                Priority.Info,
                "Sending packet from " + label from + " to " + label target + " via " + label via + carrier
            )

    /// The control plane's turn to look after a peer that something was sent to, once per due time (spec 03 §9).
    member private _.Maintain(peer: Peer, state: PeerSession) : unit =
        let due = peer.MaintenanceDue.Microseconds

        if plane.Now.Microseconds >= due && state.MaintainedAt <> due && plane.Outbox.HasRoomForPunt then
            state.MaintainedAt <- due
            plane.Outbox.Punt(Transmitted(peer.Index, state.TakeLargestReceived()))

    /// Writes a frame to the device.
    member this.ToDevice(frame: Span<byte>) : unit =
        plane.LogDevice("Writing packet of ", frame.Length, " to ")
        plane.State(plane.Own).CountOut frame.Length
        let space = plane.Outbox.Reserve frame.Length

        if space.Length > 0 then
            frame.CopyTo space

            if plane.Fib.Settings.OverwriteMac && frame.Length >= Ethernet.headerSize then
                Ethernet.writeAddress this.HostAddress space
                Ethernet.writeAddress (Ethernet.mangle this.HostAddress) (space.Slice Ethernet.addressSize)

            plane.Outbox.AddFrame(frame.Length, plane.Priority)

    /// Hands a whole frame to a neighbour over its meta connection (PACKET).
    member private _.FrameOverTcp(neighbour: int, frame: Span<byte>) : unit =
        plane.Outbox.Punt(FrameOverTcp(neighbour, frame.ToArray()))

    member private this.SealOverTcp(target: Peer, session: Session, recordType: byte, payload: Span<byte>) : unit =
        let datagram = Array.zeroCreate (payload.Length + Record.DatagramOverhead)

        if session.Seal(recordType, payload, datagram.AsSpan()) > 0 then
            this.LogSending(plane.Own, target.Index, target.NextHop, " (TCP)")
            plane.Outbox.Punt(DatagramOverTcp(plane.Own, target.Index, datagram))

    /// Seals a record straight into the outbox, as a datagram to `address`.
    member private _.SealOverUdp
        (
            session: Session,
            recordType: byte,
            payload: Span<byte>,
            ids: PathChoice.Ids,
            target: Peer,
            relay: Peer,
            address: Endpoint,
            socket: int
        ) : unit =
        let idsSize = if ids.IsNoIds then 0 else Datagram.idsSize
        let space = plane.Outbox.Reserve(idsSize + payload.Length + Record.DatagramOverhead)

        if space.Length > 0 then
            writeIds ids target space
            let sealedSize = session.Seal(recordType, payload, space.Slice idsSize)

            plane.Outbox.AddDatagram(idsSize + sealedSize, plane.Priority, socket, address, relay.Index, payload.Length)

    /// What a node gets of a packet that it wants compressed; empty if that makes it no shorter.
    member private _.Compressed(target: Peer, payload: Span<byte>) : Span<byte> =
        let size = plane.Compressor.Compress(target.SendCompression, Span.op_Implicit payload, packed.AsSpan())

        if size < 0 && plane.Shows DebugLevel.traffic then
            plane.Log(DebugLevel.traffic, Priority.Error, "Error while compressing packet to " + target.Label)

        if size < 0 || size >= payload.Length then
            Span.Empty
        else
            packed.AsSpan(0, size)

    /// A packet for a node that speaks SPTPS and is reachable (spec 03 §7.2). What goes to a neighbour as PACKET is never
    /// compressed: nothing would tell so (spec 03 §24.2).
    member private this.ToSptpsNode(target: Peer, state: PeerSession, frame: Span<byte>) : unit =
        match state.Session with
        | null ->
            if target.Neighbour then
                this.FrameOverTcp(target.Index, frame)
            else
                waiting.Add(target.Index, frame, plane.Now)
        | _ when target.Neighbour && frame.Length > target.MinMtu -> this.FrameOverTcp(target.Index, frame)
        | session ->
            let routed = plane.Fib.Settings.Mode.IsRouter
            let plain = if routed then frame.Slice Ethernet.headerSize else frame
            let plainType = if routed then Datagram.RecordType.packet else Datagram.RecordType.frame

            let compressed =
                if target.SendCompression = Level.none then
                    Span.Empty
                else
                    this.Compressed(target, plain)

            let payload = if compressed.IsEmpty then plain else compressed

            let recordType =
                if compressed.IsEmpty then
                    plainType
                else
                    plainType ||| Datagram.RecordType.compressed

            match this.Path(PathChoice.Data, true, payload.Length, target) with
            | PathChoice.Udp(relay, ids) ->
                let relay = plane.Peer relay

                match relay.Address with
                | ValueSome address ->
                    this.LogSending(plane.Own, target.Index, relay.Index, " (UDP)")
                    this.SealOverUdp(session, recordType, payload, ids, target, relay, address, relay.Socket)
                | ValueNone -> this.SealOverTcp(target, session, recordType, payload)
            | PathChoice.Tcp _ -> this.SealOverTcp(target, session, recordType, payload)

        this.Maintain(target, state)

    /// Seals segment `index` of a super-packet, which is written to where it is sealed.
    member private _.SealSegment
        (
            session: Session,
            recordType: byte,
            whole: Span<byte>,
            plan: Segmentation.Plan,
            index: int,
            ids: PathChoice.Ids,
            target: Peer
        ) : struct (int * int) =
        let idsSize = if ids.IsNoIds then 0 else Datagram.idsSize
        let size = Segmentation.length plan whole.Length index
        let space = plane.Outbox.Reserve(idsSize + size + Record.DatagramOverhead)

        if space.Length = 0 then
            struct (0, size)
        else
            writeIds ids target space
            let payload = space.Slice(idsSize + Record.DataOffset, size)
            Segmentation.write plan whole index payload |> ignore
            let sealedSize = session.Seal(recordType, payload, space.Slice idsSize)
            struct ((if sealedSize = 0 then 0 else idsSize + sealedSize), size)

    /// Sends the segments of a super-packet if they all go the usual way: by UDP, uncompressed, unlogged. False, and nothing
    /// done, if they do not. `frame` is what routing saw; it is cut by `plan`.
    member this.TrySegments(target: int, frame: Span<byte>, plan: Segmentation.Plan) : bool =
        let routed = plane.Fib.Settings.Mode.IsRouter
        let recordType = if routed then Datagram.RecordType.packet else Datagram.RecordType.frame
        // Bytes of a frame that do not travel.
        let skipped = if routed then Ethernet.headerSize else 0
        let whole = frame.Slice skipped
        let plan = Segmentation.behind skipped plan
        let longest = Segmentation.length plan whole.Length 0
        let peer = plane.Peer target
        let state = plane.State target

        match state.Session with
        | null -> false
        | session when
            peer.Sptps
            && peer.Reachable
            && peer.SendCompression = 0
            && skipped + longest <= (if peer.Neighbour then peer.MinMtu else Protocol.mtu)
            && not (plane.Shows DebugLevel.traffic)
            ->
            match this.Path(PathChoice.Data, true, longest, peer) with
            | PathChoice.Udp(relay, ids) ->
                let relay = plane.Peer relay

                match relay.Address with
                | ValueSome address ->
                    for index in 0 .. plan.Count - 1 do
                        let struct (length, payload) =
                            this.SealSegment(session, recordType, whole, plan, index, ids, peer)
                        state.CountOut(skipped + payload)

                        if length > 0 then
                            plane.Outbox.AddDatagram(
                                length,
                                plane.Priority,
                                relay.Socket,
                                address,
                                relay.Index,
                                payload
                            )

                    this.Maintain(peer, state)
                    true
                | ValueNone -> false
            | PathChoice.Tcp _ -> false
        | _ -> false

    /// A session was established: what waited for it can go.
    member this.SendWaiting(peer: int) : unit =
        for frame in waiting.Take(peer, plane.Now) do
            if plane.Knows peer && (plane.Peer peer).Reachable then
                this.ToSptpsNode(plane.Peer peer, plane.State peer, frame.AsSpan())

    /// A packet for a node without SPTPS is encrypted hop by hop, by whatever the next node on the path speaks (spec 03 §7.4).
    member private this.ToLegacyNode(target: Peer, frame: Span<byte>) : unit =
        let relay = plane.Peer(if plane.KeepOnTcp then target.NextHop else Decision.hop plane.Fib target.Index)

        let state = plane.State relay.Index

        if relay.Index <> target.Index && plane.Shows DebugLevel.traffic then
            let way = "Sending packet to " + target.Name.Text + " via " + relay.Label
            plane.Log(DebugLevel.traffic, Priority.Info, way)

        if relay.Sptps then
            this.ToSptpsNode(relay, state, frame)
        else
            let ownOptions = plane.Fib.Settings.OwnOptions
            let outbound = state.Outbound

            match
                struct (LegacyPath.choose plane.KeepOnTcp ownOptions relay (not (isNull outbound)) frame.Length,
                        outbound,
                        relay.Address)
            with
            | struct (LegacyPath.Udp, NonNull key, ValueSome address) ->
                legacy.Send(relay, key, frame, address, relay.Socket)
            | struct (LegacyPath.ByNextHop, _, _) ->
                this.LogTooLong(relay, (plane.Peer relay.NextHop).Name.Text)
                this.ToNode(relay.NextHop, frame)
            | _ ->
                if not plane.KeepOnTcp && plane.Shows DebugLevel.traffic then
                    if isNull outbound then
                        plane.Log(
                            DebugLevel.traffic,
                            Priority.Info,
                            "No valid key known yet for " + relay.Label + ", forwarding via TCP"
                        )
                    elif not (Options.has Options.tcpOnly (ownOptions ||| relay.Options)) then
                        this.LogTooLong(relay, "TCP")

                this.FrameOverTcp(relay.NextHop, frame)

            this.Maintain(relay, state)

    member private _.LogTooLong(relay: Peer, way: string) : unit =
        if plane.Shows DebugLevel.traffic then
            plane.Log(
                DebugLevel.traffic,
                Priority.Info,
                "Packet for " + relay.Label + " larger than minimum MTU, forwarding via " + way
            )

    /// Leaves a frame to the half that seals.
    member private _.Pass(target: int, frame: Span<byte>) : unit =
        let space = plane.Outbox.Reserve frame.Length

        if space.Length > 0 then
            frame.CopyTo space
            plane.Outbox.AddPassed(frame.Length, plane.Priority, target)

    /// Sends a frame of at least 14 bytes to a node; our own is the device.
    member this.ToNode(target: int, frame: Span<byte>) : unit =
        if target = plane.Own then
            this.ToDevice frame
        elif plane.Duty.IsReceiving then
            this.Pass(target, frame)
        else
            let peer = plane.Peer target

            if plane.Shows DebugLevel.traffic then
                plane.Log(
                    DebugLevel.traffic,
                    Priority.Error,
                    "Sending packet of " + frame.Length.ToString() + " bytes to " + peer.Label
                )

            if peer.Reachable then
                let state = plane.State target
                state.CountOut frame.Length

                if peer.Sptps then
                    this.ToSptpsNode(peer, state, frame)
                else
                    this.ToLegacyNode(peer, frame)
            elif plane.Shows DebugLevel.traffic then
                plane.Log(DebugLevel.traffic, Priority.Info, "Node " + peer.Label + " is not reachable")

    member private _.RelayOverUdp
        (source: Peer, target: Peer, datagram: Span<byte>, relay: Peer, address: Endpoint)
        : unit =
        let space = plane.Outbox.Reserve(Datagram.idsSize + datagram.Length)

        if space.Length > 0 then
            Datagram.writeIds target.Id source.Id space
            datagram.CopyTo(space.Slice Datagram.idsSize)
            let payload = datagram.Length - Record.DatagramOverhead
            plane.Outbox.AddDatagram(space.Length, 0uy, relay.Socket, address, relay.Index, payload)

    /// Moves a datagram between two other nodes on: sequence number, ciphertext and tag as they came (spec 03 §7.3, §10.2).
    /// What would go back to `hop`, which handed it to us, is dropped.
    member this.Relay(source: Peer, target: Peer, datagram: Span<byte>, hop: int) : unit =
        let relay =
            match this.Path(PathChoice.Data, false, datagram.Length - Record.DatagramOverhead, target) with
            | PathChoice.Udp(relay, _) -> relay
            | PathChoice.Tcp _ -> -1

        let address = if relay < 0 then ValueNone else (plane.Peer relay).Address

        match address with
        | ValueSome address when relay <> hop ->
            this.LogSending(source.Index, target.Index, relay, " (UDP)")
            this.RelayOverUdp(source, target, datagram, plane.Peer relay, address)
        | ValueNone when target.NextHop <> hop ->
            this.LogSending(source.Index, target.Index, target.NextHop, " (TCP)")
            plane.Outbox.Punt(DatagramOverTcp(source.Index, target.Index, datagram.ToArray()))
        | _ ->
            if plane.Shows DebugLevel.traffic then
                plane.Log(DebugLevel.traffic, Priority.Error, "Routing loop for packet from " + source.Label + "!")

        this.Maintain(target, plane.State target.Index)

    /// Seals a probe and sends it to this address, whatever the table says (spec 03 §6, §8).
    member this.Probe(target: Peer, state: PeerSession, address: Endpoint, socket: int, payload: Span<byte>) : unit =
        match state.Session with
        | null ->
            match state.Outbound with
            | null -> ()
            | key -> legacy.Send(target, key, payload, address, socket)
        | session ->
            let ids = if Datagram.hasIds target.Options then PathChoice.Direct else PathChoice.NoIds

            this.SealOverUdp(session, Datagram.RecordType.probe, payload, ids, target, target, address, socket)
