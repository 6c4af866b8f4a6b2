namespace TincPure.Routing

open System
open System.Collections.Generic
open TincPure.Config
open TincPure.Packet
open TincPure.Primitives

/// Carries out what the routing mode decides about a frame (spec 04 §7, §8, §9, §11, §12, §13).
[<Sealed>]
type internal FrameRouter(plane: Plane, sender: Sender) =
    let errors = Icmp.RateLimit()

    /// Errors and fragments are put together here.
    let scratch = Array.zeroCreate<byte> Protocol.mtu

    /// One segment of a super-packet.
    let segment = Array.zeroCreate<byte> Protocol.mtu

    /// Addresses that the control plane was told of, and the second when it was.
    let learned = Dictionary<uint64, int64>()

    /// More are forgotten and told again.
    let maxLearned = 10_000

    let label node = plane.Peer(node).Label

    let name node = plane.Peer(node).Name.Text

    let log (priority: Priority) (text: string) = plane.Log(DebugLevel.traffic, priority, text)

    let discardText (source: int) (frame: Span<byte>) (reason: Reason) =
        let notRouted what = "Cannot route packet: " + what

        match reason with
        | Reason.TooShort -> "Got too short packet from " + label source
        | Reason.UnknownType ->
            let number = (Ethernet.etherType frame).ToString "x"
            "Cannot route packet from " + label source + ": unknown type " + number
        | Reason.LoopingBack -> "Packet looping back to " + label source + "!"
        | Reason.RoutingLoop -> "Routing loop for packet from " + label source + "!"
        | Reason.ArpFromPeer -> "Got ARP request from " + label source + " while in router mode!"
        | Reason.NotAnArpRequest -> notRouted "received unknown type ARP request"
        | Reason.UnknownArpTarget ->
            notRouted ("ARP request for unknown address " + Ip.toText (Ip.v4 (Arp.target frame)))
        | Reason.SolicitationFromPeer ->
            "Got neighbor solicitation request from " + label source + " while in router mode!"
        | Reason.UnknownSolicitation -> notRouted "received unknown type neighbor solicitation request"
        | Reason.SolicitationChecksum -> notRouted "checksum error for neighbor solicitation request"
        | Reason.UnknownSolicitationTarget ->
            notRouted ("neighbor solicitation request for unknown address " + IpV6.toFullText (Neighbour.target frame))
        | _ -> ""

    let logDiscard (source: int) (frame: Span<byte>) (reason: Reason) =
        if reason <> Reason.Silent && plane.Shows DebugLevel.traffic then
            let priority = if reason = Reason.RoutingLoop then Priority.Error else Priority.Warning

            log priority (discardText source frame reason)

    let logNoSubnet (source: int) (frame: Span<byte>) =
        if plane.Shows DebugLevel.traffic then
            let packet = frame.Slice Ethernet.headerSize

            let destination =
                if Ethernet.etherType frame = Ethernet.ipv4 then
                    "IPv4 destination address " + Ip.toText (Ip.v4 (IpV4.destination packet))
                else
                    "IPv6 destination address " + IpV6.toFullText (IpV6.destination packet)

            log Priority.Warning ("Cannot route packet from " + label source + ": unknown " + destination)

    let logLarge (owner: int) (hop: int) (frame: Span<byte>) =
        if plane.Shows DebugLevel.traffic then
            log
                Priority.Info
                ("Packet for "
                 + label owner
                 + " length "
                 + frame.Length.ToString()
                 + " larger than MTU "
                 + plane.Peer(hop).Mtu.ToString())

    /// Lowers the MSS of a TCP connection that is being opened (spec 04 §11).
    let clamp (source: int) (hop: int) (frame: Span<byte>) =
        let own = plane.Own

        let options = if hop = own then plane.Fib.Settings.OwnOptions else plane.Peer(hop).Options

        if Options.has Options.clampMss options then
            let sourceMtu = if source = own then Protocol.mtu else plane.Peer(source).Mtu
            let mtu = if hop = own then sourceMtu else min sourceMtu (plane.Peer hop).Mtu
            let mss = Mss.clamp frame mtu

            if mss > 0 && plane.Shows DebugLevel.traffic then
                log
                    Priority.Info
                    ("Clamping MSS of packet from " + name source + " to " + name hop + " to " + mss.ToString())

    /// Answers a frame with an ICMP error, sent to the node that it came from (spec 04 §7.5, §8).
    member private _.Answer(source: int, refusal: Icmp.Refusal, frame: Span<byte>, from: Ip voption) : unit =
        if Icmp.mayAnswer frame && errors.Allow plane.Now then
            let target = Span scratch
            let length = Icmp.writeError refusal frame from target
            sender.ToNode(source, target.Slice(0, length))

    /// The time to live ran out: the host is asked which address of ours would answer (spec 04 §8).
    member private _.Expire(source: int, frame: Span<byte>) : unit =
        if Icmp.mayAnswer frame && errors.Allow plane.Now then
            let offset = Ethernet.payloadOffset frame
            let packet = frame.Slice offset

            let asker =
                if Ethernet.payloadType frame offset = Ethernet.ipv4 then
                    Ip.v4 (IpV4.source packet)
                else
                    IpV6.source packet

            // No more of it is quoted.
            let quoted = frame.Slice(0, min frame.Length Icmp.maxErrorFrame)
            plane.Outbox.Punt(TimeExceeded(source, quoted.ToArray(), asker))

    member private _.Fragment(hop: int, frame: Span<byte>, offset: int, limit: int) : unit =
        match Fragment.check frame offset with
        | Fragment.Check.HasOptions -> ()
        | Fragment.Check.LengthMismatch ->
            if plane.Shows DebugLevel.traffic then
                let length = offset + IpV4.totalLength (frame.Slice offset)

                log
                    Priority.Warning
                    ("Length of packet ("
                     + frame.Length.ToString()
                     + ") doesn't match length in IPv4 header ("
                     + length.ToString()
                     + ")")
        | _ ->
            if plane.Shows DebugLevel.traffic then
                log Priority.Info ("Fragmenting packet of " + frame.Length.ToString() + " bytes to " + label hop)

            let size = Fragment.pieceSize (min limit scratch.Length) offset
            let payload = frame.Length - offset - IpV4.headerSize
            let target = Span scratch
            let mutable start = 0

            while start < payload do
                let length = Fragment.write frame offset start size target
                sender.ToNode(hop, target.Slice(0, length))
                start <- start + size

    member private this.Oversize(source: int, owner: int, hop: int, limit: int, frame: Span<byte>) : unit =
        logLarge owner hop frame
        let offset = Ethernet.payloadOffset frame

        if Ethernet.payloadType frame offset = Ethernet.ipv4 && not (IpV4.mayNotFragment (frame.Slice offset)) then
            this.Fragment(hop, frame, offset, max limit Decision.frameFloorV4)
        else
            this.Answer(source, Icmp.TooLarge, frame.Slice(0, limit), ValueNone)

    /// Sends a frame along the spanning tree, or straight to everybody, and to the device (spec 04 §13).
    member private this.Flood(source: int, frame: Span<byte>) : unit =
        let fib = plane.Fib
        let settings = fib.Settings
        let own = fib.Own

        let ttl =
            if source <> own && settings.DecrementTtl then
                Ttl.decrement frame
            else
                Ttl.Outcome.Alive

        if ttl = Ttl.Outcome.Expired then
            this.Expire(source, frame)
        elif ttl = Ttl.Outcome.TooShort then
            logDiscard source frame Reason.TooShort
        else
            if source <> own then
                sender.ToDevice frame

            if not settings.TunnelServer && not settings.Broadcast.IsNoBroadcast then
                if plane.Shows DebugLevel.traffic then
                    log
                        Priority.Info
                        ("Broadcasting packet of " + frame.Length.ToString() + " bytes from " + label source)

                match settings.Broadcast with
                | Broadcast.SpanningTree ->
                    let origin = if source = own then -1 else fib.Peers[source].NextHop

                    for neighbour in fib.TreeNeighbours do
                        if neighbour <> origin then
                            sender.ToNode(neighbour, frame)
                | Broadcast.Direct when source = own ->
                    for node in 0 .. fib.Peers.Count - 1 do
                        let peer = fib.Peers[node]

                        if
                            node <> own
                            && peer.Reachable
                            && (peer.Via = node || (peer.Via = own && peer.NextHop = node))
                        then
                            sender.ToNode(node, frame)
                | _ -> ()

    /// The device asks for the address of somebody whom it sees as a neighbour.
    member private _.LearnHost(frame: Span<byte>) : unit =
        if plane.Fib.Settings.OverwriteMac then
            let address = Ethernet.readAddress (frame.Slice Ethernet.addressSize)

            if address <> sender.HostAddress then
                sender.HostAddress <- address

                if plane.Duty.IsSending then
                    plane.Outbox.Tell(UseHostAddress address)

    /// Tells the control plane of an Ethernet address behind our device, once in a while (spec 04 §6.7).
    member private _.Learn(address: uint64) : unit =
        let second = Instant.seconds plane.Now
        let mutable told = 0L

        if not (learned.TryGetValue(address, &told)) || told <> second then
            if learned.Count >= maxLearned then
                learned.Clear()

            learned[address] <- second
            plane.Outbox.Punt(MacSeen address)

    member private this.CarryOut(source: int, frame: Span<byte>, decision: Decision) : unit =
        match decision with
        | Deliver(owner, hop) ->
            clamp source hop frame
            sender.ToNode(owner, frame)
        | DeliverLarge(owner, hop) ->
            logLarge owner hop frame
            clamp source hop frame
            sender.ToNode(owner, frame)
        | Flood -> this.Flood(source, frame)
        | Refuse refusal ->
            if refusal.IsNoSubnet then
                logNoSubnet source frame

            this.Answer(source, refusal, frame, ValueNone)
        | Oversize(owner, hop, limit) -> this.Oversize(source, owner, hop, limit, frame)
        | Expire -> this.Expire(source, frame)
        | AnswerArp ->
            this.LearnHost frame
            Arp.answer frame
            sender.ToNode(source, frame)
        | AnswerSolicitation ->
            this.LearnHost frame
            Neighbour.answer frame
            sender.ToNode(source, frame)
        | Discard reason -> logDiscard source frame reason

    /// Somebody looks at what is routed (spec 06 §15.6).
    member private _.Capture(frame: Span<byte>) : unit =
        let length = if plane.Capture = 0 then frame.Length else min plane.Capture frame.Length
        plane.Outbox.Punt(Captured(frame.Slice(0, length).ToArray()))

    member private this.Decide(source: int, frame: Span<byte>) : Decision =
        match plane.Fib.Settings.Mode with
        | Mode.Router -> Router.decide plane.FibCache source frame
        | Mode.Switch ->
            if source = plane.Own then
                this.Learn(Ethernet.readAddress (frame.Slice Ethernet.addressSize))

            Switch.decide plane.FibCache source frame
        | Mode.Hub -> Flood

    /// Routes a frame that was read from the device or came from a peer; it may be changed.
    member this.Route(source: int, frame: Span<byte>) : unit =
        let settings = plane.Fib.Settings
        plane.Priority <- 0uy

        if plane.Capture >= 0 then
            this.Capture frame

        if settings.Forwarding.IsKernel && source <> plane.Own then
            sender.ToDevice frame
        elif frame.Length < Ethernet.headerSize then
            logDiscard source frame Reason.TooShort
        else
            if settings.PriorityInheritance then
                plane.Priority <- Decision.priority frame

            this.CarryOut(source, frame, this.Decide(source, frame))

    /// Segment by segment, each as a frame of its own.
    member private this.RouteEach(frame: Span<byte>, plan: Segmentation.Plan) : unit =
        for index in 0 .. plan.Count - 1 do
            if Segmentation.length plan frame.Length index <= Protocol.mtu then
                let size = Segmentation.write plan frame index (segment.AsSpan())
                this.Route(plane.Own, segment.AsSpan(0, size))
            else
                plane.Drops.Add DropCause.LongFrame

    /// Routes a super-packet that was read from the device behind an Ethernet header: once, where all its segments go the
    /// same way.
    member this.RouteSegments(frame: Span<byte>, plan: Segmentation.Plan) : unit =
        let settings = plane.Fib.Settings
        let own = plane.Own
        let longest = Segmentation.length plan frame.Length 0

        for index in 0 .. plan.Count - 1 do
            let length = Segmentation.length plan frame.Length index

            if length <= Protocol.mtu then
                plane.State(own).CountIn length

        let decision =
            if longest > Protocol.mtu || plane.Capture >= 0 then
                Discard Reason.Silent
            else
                // Its headers say all that is asked, and the longest segment is as long as that.
                this.Decide(own, frame.Slice(0, longest))

        match decision with
        | Deliver(owner, hop) when owner <> own ->
            plane.Priority <- if settings.PriorityInheritance then Decision.priority frame else 0uy
            clamp own hop frame

            if not (sender.TrySegments(owner, frame, plan)) then
                this.RouteEach(frame, plan)
        | _ -> this.RouteEach(frame, plan)

    /// The time exceeded message about a frame that was punted, from the address that was found for it.
    member this.AnswerExpired(source: int, frame: Span<byte>, from: Ip) : unit =
        plane.Priority <- 0uy

        if Icmp.mayAnswer frame then
            let target = Span scratch
            let length = Icmp.writeError Icmp.TtlExpired frame (ValueSome from) target
            sender.ToNode(source, target.Slice(0, length))
