namespace TincPure.Routing

open System
open TincPure.Config
open TincPure.Packet
open TincPure.Packet.Compression
open TincPure.Primitives
open TincPure.Sptps
open TincPure.Legacy

/// Finds out whom a datagram is from and for, opens what is for us and moves the rest on (spec 03 §10).
[<Sealed>]
type internal Receiver(plane: Plane, sender: Sender, router: FrameRouter) =
    let failures = Failures plane

    /// Sessions that are tried for a datagram that could be anybody's, once per second.
    let maxTries = 256

    /// A packet that came without Ethernet header and without room for one.
    let scratch = Array.zeroCreate<byte>(Ethernet.headerSize + Protocol.mtu)

    /// A packet that came compressed, behind room for an Ethernet header.
    let unpacked = Array.zeroCreate<byte>(Ethernet.headerSize + Protocol.maxSize)

    /// Nobody seals more than a whole packet with all its overheads; a tag over more is not worth computing.
    let maxDatagram = Datagram.idsSize + Protocol.maxSize + Record.DatagramOverhead

    let mutable searches = Ration()
    let mutable legacySearches = Ration()
    let mutable looks = Ration()

    /// Datagrams of strangers for whom all peers are looked through, per second: a flood of more is not worth it.
    let maxLooks = 1000

    /// Ever longer payloads of one peer that the sending half is told of, per second.
    let maxNotes = 8

    let label node = plane.Peer(node).Label

    let readsIds (peer: Peer) = Datagram.hasIds peer.Options

    let logTraffic (priority: Priority) (text: string) = plane.Log(DebugLevel.traffic, priority, text)

    let bad (peer: int) (carrier: Carrier voption) (level: int) (priority: Priority) (text: string) =
        failures.Senseless(peer, carrier, level, priority, text)
        false

    /// Routes a packet or frame out of a record.
    member private _.Routed(peer: int, frame: Span<byte>) : unit =
        if plane.Shows DebugLevel.traffic then
            logTraffic Priority.Debug ("Received packet of " + frame.Length.ToString() + " bytes from " + label peer)

        plane.State(peer).CountIn frame.Length
        router.Route(peer, frame)

    /// Puts the Ethernet header in front of an IP packet that stands at `start` in `datagram`; empty if it is no IP packet.
    member private _.WithHeader(datagram: Span<byte>, start: int, length: int) : Span<byte> =
        let frame =
            if start >= Ethernet.headerSize then
                datagram.Slice(start - Ethernet.headerSize, Ethernet.headerSize + length)
            else
                let target = scratch.AsSpan(0, Ethernet.headerSize + length)
                datagram.Slice(start, length).CopyTo(target.Slice Ethernet.headerSize)
                target

        if length > 0 && Ethernet.tryWriteHeader frame frame[Ethernet.headerSize] then
            frame
        else
            Span.Empty

    /// Puts what was compressed at a level behind the room for a header in `unpacked`; its length, negative if that was nothing
    /// of the kind.
    member private _.UnpackAt(level: int, packed: Span<byte>) : int =
        plane.Compressor.Decompress(level, Span.op_Implicit packed, unpacked.AsSpan Ethernet.headerSize)

    /// The same for the level that we announced to a peer.
    member private this.Unpack(peer: int, packed: Span<byte>) : int =
        this.UnpackAt(plane.Peer(peer).ReceiveCompression, packed)

    /// What an opened record of `peer` holds, below type 128 (spec 03 §4). `start` is where its payload begins. False, and told
    /// to the control plane, if it made no sense.
    member private this.Record
        (peer: int, carrier: Carrier voption, recordType: byte, datagram: Span<byte>, start: int, length: int)
        : bool =
        let routed = plane.Fib.Settings.Mode.IsRouter
        let hasFrame = recordType &&& Datagram.RecordType.frame <> 0uy

        if length > Protocol.mtu then
            bad
                peer
                carrier
                DebugLevel.always
                Priority.Error
                ("Packet from "
                 + label peer
                 + " larger than maximum supported size ("
                 + length.ToString()
                 + " > "
                 + Protocol.mtu.ToString()
                 + ")")
        elif recordType > 3uy then
            bad
                peer
                carrier
                DebugLevel.always
                Priority.Error
                ("Unexpected SPTPS record type "
                 + recordType.ToString()
                 + " len "
                 + length.ToString()
                 + " from "
                 + label peer)
        elif not routed && not hasFrame then
            bad
                peer
                carrier
                DebugLevel.traffic
                Priority.Error
                ("Received packet from " + label peer + " without MAC header (maybe Mode is not set correctly)")
        elif recordType &&& Datagram.RecordType.compressed <> 0uy then
            let size = this.Unpack(peer, datagram.Slice(start, length))

            if size < 0 then
                bad
                    peer
                    carrier
                    DebugLevel.traffic
                    Priority.Error
                    ("Error while uncompressing packet from " + label peer)
            else
                let plainType = recordType &&& ~~~Datagram.RecordType.compressed
                this.Record(peer, carrier, plainType, unpacked.AsSpan(), Ethernet.headerSize, size)
        elif hasFrame then
            if routed && plane.Shows DebugLevel.traffic then
                logTraffic
                    Priority.Warning
                    ("Received packet from " + label peer + " with MAC header (maybe Mode is not set correctly)")

            this.Routed(peer, datagram.Slice(start, length))
            true
        else
            let frame = this.WithHeader(datagram, start, length)

            if frame.IsEmpty then
                let version = if length > 0 then int (datagram[start] >>> 4) else 0

                bad
                    peer
                    carrier
                    DebugLevel.traffic
                    Priority.Error
                    ("Unknown IP version " + version.ToString() + " while reading packet from " + label peer)
            else
                this.Routed(peer, frame)
                true

    /// The longest payload is told when something is sent to the peer; who sends is another, if there are two halves.
    member private _.Note(peer: int, state: PeerSession, length: int) : unit =
        match plane.Duty with
        | Duty.Receiving ->
            if state.NoteReceived(length, Instant.seconds plane.Now) && state.Notes.Take(plane.Now, maxNotes) then
                plane.Outbox.Tell(NoteReceived(peer, length))
        | _ -> state.LargestReceived <- max state.LargestReceived length

    /// An authentic datagram of `peer`, sealed record at `start`, that came by UDP: straight from it, or through `hop`.
    member private this.FromUdp
        (
            peer: int,
            hop: int,
            socket: int,
            source: Endpoint,
            datagram: Span<byte>,
            start: int,
            recordType: byte,
            length: int
        ) : unit =
        let state = plane.State peer
        let payloadStart = start + Record.DataOffset
        let payload = datagram.Slice(payloadStart, length)
        let direct = hop < 0
        state.BadTags <- 0

        if direct then
            let known =
                match plane.Peer(peer).Address with
                | ValueSome address -> Endpoint.same address source
                | ValueNone -> false

            if not known && state.Moves.Take(plane.Now, 1) then
                plane.Outbox.Punt(SourceMoved(peer, source, socket))

            this.Note(peer, state, payload.Length)

        if recordType = Datagram.RecordType.probe then
            plane.Outbox.Punt(ProbeReceived(peer, payload.ToArray(), source, socket))
        elif recordType <> Record.Handshake then
            let sensible = this.Record(peer, ValueNone, recordType, datagram, payloadStart, length)

            if sensible && not direct && state.Relays.Take(plane.Now, 1) then
                plane.Outbox.Punt(RelayedDataReceived(peer, hop))

    /// Opens a datagram of `peer` by UDP; what cannot be opened is only told if `trusted`, that is, if the address that it
    /// came from is known to be the peer's or a relay's. Forged datagrams must not be able to end a session.
    member private this.OpenUdp
        (peer: int, hop: int, trusted: bool, socket: int, source: Endpoint, datagram: Span<byte>, start: int)
        : unit =
        let mutable recordType = 0uy
        let mutable length = 0

        match plane.State(peer).Open(datagram.Slice start, plane.Now, &recordType, &length) with
        | OpenResult.Opened -> this.FromUdp(peer, hop, socket, source, datagram, start, recordType, length)
        | result when trusted -> failures.Unopened(peer, ValueNone, result)
        | OpenResult.BadTag -> failures.Stranger(source, datagram.Length)
        | result -> failures.Count result

    /// A datagram with IDs, from the confirmed address of `hop`: for us or for somebody else (spec 03 §10.2).
    member private this.Relayed
        (hop: int, origin: int, target: int, socket: int, address: Endpoint, datagram: Span<byte>)
        : unit =
        let source = plane.Peer origin
        let destination = plane.Peer target
        let own = plane.Own

        if target <> own && not destination.Reachable then
            if plane.Shows DebugLevel.traffic then
                logTraffic
                    Priority.Warning
                    ("Cannot relay packet from "
                     + source.Label
                     + " because the destination, "
                     + destination.Label
                     + ", is unreachable")
        else
            if
                source.Via <> hop
                && (target = own || destination.Via = own)
                && plane.State(origin).Detours.Take(plane.Now, 1)
            then
                plane.Outbox.Punt(DetourSeen(origin, hop))

            if target = own then
                this.OpenUdp(origin, hop, true, socket, address, datagram, Datagram.idsSize)
            else
                sender.Relay(source, destination, datagram.Slice Datagram.idsSize, hop)

    /// Tries the sessions of those who send no IDs, for a datagram from an address that nobody is known by.
    member private this.Search(socket: int, source: Endpoint, datagram: Span<byte>) : bool =
        let mutable found = false

        if searches.Take(plane.Now, 1) then
            let mutable tries = 0
            let mutable peer = 0
            let count = plane.Fib.Peers.Count

            while not found && peer < count && tries < maxTries do
                let candidate = plane.Peer peer

                if
                    candidate.Sptps && candidate.Reachable && not (readsIds candidate) && plane.State(peer).CanReceive
                then
                    tries <- tries + 1

                    let mutable recordType = 0uy
                    let mutable length = 0

                    if plane.State(peer).Open(datagram, plane.Now, &recordType, &length) = OpenResult.Opened then
                        found <- true
                        this.FromUdp(peer, -1, socket, source, datagram, 0, recordType, length)

                peer <- peer + 1

        found

    /// A frame that a legacy node sent as a datagram, compressed if we asked for that.
    member private this.LegacyFrame(peer: int, level: int, socket: int, source: Endpoint, content: Span<byte>) : unit =
        let size = if level = Level.none then content.Length else this.UnpackAt(level, content)

        let frame =
            if size < 0 then Span.Empty
            elif level = Level.none then content
            else unpacked.AsSpan(Ethernet.headerSize, size)

        if size < 0 then
            plane.Drops.Add DropCause.Senseless
            logTraffic Priority.Error ("Error while uncompressing packet from " + label peer)
        elif frame.Length < Ethernet.headerSize || frame.Length > Protocol.mtu then
            plane.Drops.Add DropCause.Senseless
        elif Ethernet.isProbe frame then
            plane.Outbox.Punt(ProbeReceived(peer, frame.ToArray(), source, socket))
        else
            this.Routed(peer, frame)

    /// Opens a datagram of a legacy node; false, and untouched, if its MAC is wrong.
    member private this.OpenLegacy(peer: int, socket: int, source: Endpoint, datagram: Span<byte>) : bool =
        let state = plane.State peer
        let mutable length = 0

        match state.OpenLegacy(datagram, plane.Now, &length) with
        | LegacyResult.Opened ->
            let known =
                match plane.Peer(peer).Address with
                | ValueSome address -> Endpoint.same address source
                | ValueNone -> false

            if not known && state.Moves.Take(plane.Now, 1) then
                plane.Outbox.Punt(SourceMoved(peer, source, socket))

            match state.Inbound with
            | null -> ()
            | inbound ->
                if inbound.IsWornOut && state.WornOut.Take(plane.Now, 1) then
                    plane.Outbox.Punt(LegacyKeyWornOut peer)

                let content = datagram.Slice(LegacyDatagram.SeqnoSize, length)
                this.LegacyFrame(peer, inbound.Compression, socket, source, content)

            true
        | LegacyResult.BadMac
        | LegacyResult.TooShort -> false
        | result ->
            failures.Legacy(peer, result)
            true

    /// Tries the keys that legacy nodes have of us: first of those that are known to be at this address, and once a second of all
    /// (spec 08 §14). A node that wants no MAC is believed at its exact address only.
    member private this.SearchLegacy(socket: int, source: Endpoint, datagram: Span<byte>) : bool =
        let everywhere = legacySearches.Take(plane.Now, 1)
        let count = if looks.Take(plane.Now, maxLooks) then plane.Fib.Peers.Count else 0
        let mutable found = -1
        let mutable tries = 0
        let mutable peer = 0

        while found < 0 && peer < count && tries < maxTries do
            let candidate = plane.Peer peer

            if not candidate.Sptps && candidate.Reachable then
                let state = plane.State peer

                let near =
                    match candidate.Address with
                    | ValueSome address -> address.Ip = source.Ip
                    | ValueNone -> false

                match state.Inbound with
                | NonNull inbound when near && not inbound.IsAuthenticated ->
                    if candidate.Address = ValueSome source then
                        found <- peer
                | NonNull _ when near || everywhere ->
                    tries <- tries + 1

                    if state.VerifiesLegacy(datagram, plane.Now) then
                        found <- peer
                | _ -> ()

            peer <- peer + 1

        found >= 0 && this.OpenLegacy(found, socket, source, datagram)

    /// The node that sealed a datagram sent straight to us, as its IDs say; -1 if they do not.
    member private _.ClaimedOrigin(datagram: Span<byte>) : int =
        if
            datagram.Length >= Datagram.idsSize + Record.DatagramOverhead
            && (Datagram.destination datagram).Value = NodeId.none.Value
        then
            let node = plane.FibCache.Node(Datagram.source datagram)

            if node >= 0 && node <> plane.Own && plane.Peer(node).Sptps && readsIds (plane.Peer node) then
                node
            else
                -1
        else
            -1

    /// A datagram from the confirmed address of `hop` that reads IDs, and that is not straight from whom it says.
    member private this.WithIds(hop: int, socket: int, source: Endpoint, datagram: Span<byte>) : unit =
        if datagram.Length < Datagram.idsSize + Record.DatagramOverhead then
            plane.Drops.Add DropCause.Short
        else
            let origin = plane.FibCache.Node(Datagram.source datagram)
            let target = plane.FibCache.Node(Datagram.destination datagram)

            if origin >= 0 && origin <> plane.Own && target >= 0 then
                this.Relayed(hop, origin, target, socket, source, datagram)
            else
                plane.Drops.Add DropCause.Stranger

                if plane.Shows DebugLevel.protocol then
                    plane.Log(
                        DebugLevel.protocol,
                        Priority.Warning,
                        "Received UDP packet from " + label hop + " with unknown source and/or destination ID"
                    )

    /// A datagram from a socket. It is opened in place.
    member this.FromSocket(socket: int, source: Endpoint, datagram: Span<byte>) : unit =
        if datagram.IsEmpty then plane.Drops.Add DropCause.Empty
        elif datagram.Length > maxDatagram then plane.Drops.Add DropCause.Long
        else this.Judge(socket, source, datagram)

    /// Whose is it?
    member private this.Judge(socket: int, source: Endpoint, datagram: Span<byte>) : unit =
        let source = { source with Ip = Ip.unmap source.Ip }

        let known = plane.FibCache.Sender source
        let claimed = this.ClaimedOrigin datagram

        if claimed >= 0 then
            this.OpenUdp(claimed, -1, (claimed = known), socket, source, datagram, Datagram.idsSize)
        elif known < 0 then
            if not (this.SearchLegacy(socket, source, datagram)) && not (this.Search(socket, source, datagram)) then
                failures.Stranger(source, datagram.Length)
        elif not (plane.Peer known).Sptps then
            if
                not (this.OpenLegacy(known, socket, source, datagram))
                && not (this.SearchLegacy(socket, source, datagram))
            then
                failures.Legacy(known, LegacyResult.BadMac)
        elif readsIds (plane.Peer known) then
            this.WithIds(known, socket, source, datagram)
        elif datagram.Length >= Record.DatagramOverhead then
            this.OpenUdp(known, -1, true, socket, source, datagram, 0)
        else
            plane.Drops.Add DropCause.Short

    /// A datagram of `peer`'s session with us that came over a meta connection.
    member this.FromTcp(peer: int, carrier: Carrier, datagram: Span<byte>) : unit =
        let state = plane.State peer
        let mutable recordType = 0uy
        let mutable length = 0

        match state.Open(datagram, plane.Now, &recordType, &length) with
        | OpenResult.Opened ->
            state.BadTags <- 0

            match recordType with
            | Record.Handshake ->
                let body = datagram.Slice(Record.DataOffset, length)
                plane.Outbox.Answer(HandshakeOpened(peer, body.ToArray()))
            | Datagram.RecordType.probe ->
                bad
                    peer
                    (ValueSome carrier)
                    DebugLevel.always
                    Priority.Error
                    ("Got SPTPS PROBE packet from " + label peer + " via TCP")
                |> ignore
            | recordType ->
                if this.Record(peer, ValueSome carrier, recordType, datagram, Record.DataOffset, length) then
                    plane.Outbox.Punt(DataOpened(peer, carrier))
        | result -> failures.Unopened(peer, ValueSome carrier, result)

    /// Stock tinc 1.1 sends compressed packets as PACKET, behind 14 bytes that mean nothing, to who wants them compressed
    /// (spec 03 §24.2). The frame that was meant; empty if this is nothing of the kind.
    member private this.Salvaged(peer: int, frame: Span<byte>) : Span<byte> =
        let means =
            frame.Length >= Ethernet.headerSize
            && (match Ethernet.etherType frame with
                | Ethernet.ipv4
                | Ethernet.ipv6
                | Ethernet.arp -> true
                | _ -> false)

        if means || plane.Peer(peer).ReceiveCompression = Level.none || not plane.Fib.Settings.Mode.IsRouter then
            Span.Empty
        else
            let size =
                if frame.Length > Ethernet.headerSize then
                    this.Unpack(peer, frame.Slice Ethernet.headerSize)
                else
                    -1

            if size > 0 && IpPacket.isWhole (unpacked.AsSpan(Ethernet.headerSize, size)) then
                this.WithHeader(unpacked.AsSpan(), Ethernet.headerSize, size)
            else
                Span.Empty

    /// A whole frame that a neighbour sent over its meta connection. Stock tinc sends probes this way; nobody wants them.
    member this.Frame(peer: int, frame: Span<byte>) : unit =
        let salvaged = this.Salvaged(peer, frame)

        if not salvaged.IsEmpty then
            this.Routed(peer, salvaged)
        elif frame.Length < Ethernet.headerSize || not (Ethernet.isProbe frame) then
            this.Routed(peer, frame)
