namespace TincPure.Routing

open System
open TincPure.Packet
open TincPure.Primitives
open TincPure.Sptps
open TincPure.Legacy

/// The packet plane: reads the forwarding table, owns the sessions and counters, and writes what comes of packets and commands
/// into an outbox. Owned by one thread. In the steady state a packet allocates nothing (spec 03, spec 04 §7 to §14).
///
/// Two halves can share the work: each gets the commands that it `Takes`, and what one leaves in its outbox for the other
/// (`Commands`, then frames that are `Passed`) is handed to that.
[<Sealed>]
type Forwarder(duty: Duty) =
    let plane = Plane duty
    let sender = Sender plane
    let router = FrameRouter(plane, sender)
    let receiver = Receiver(plane, sender, router)

    let begin' (now: Instant) (outbox: Outbox) =
        plane.Now <- now

        // Told what it knows, it writes nothing: a reference costs more than other values.
        if not (obj.ReferenceEquals(plane.Outbox, outbox)) then
            plane.Outbox <- outbox

        plane.Priority <- 0uy
        plane.KeepOnTcp <- false

    /// State for a peer of a command, which may be newer than the forwarding table.
    let stateOf (peer: int) =
        plane.Grow(peer + 1)
        plane.State peer

    let traffic () =
        [| for peer in 0 .. plane.States.Length - 1 do
               let state = plane.State peer

               if state.InPackets <> 0L || state.OutPackets <> 0L then
                   { Peer = peer
                     InPackets = state.InPackets
                     InBytes = state.InBytes
                     OutPackets = state.OutPackets
                     OutBytes = state.OutBytes } |]

    /// Adds up what both halves have counted.
    let sum (one: TrafficCount[]) (other: TrafficCount[]) =
        Array.append one other
        |> Array.groupBy _.Peer
        |> Array.map (fun (peer, counts) ->
            { Peer = peer
              InPackets = counts |> Array.sumBy _.InPackets
              InBytes = counts |> Array.sumBy _.InBytes
              OutPackets = counts |> Array.sumBy _.OutPackets
              OutBytes = counts |> Array.sumBy _.OutBytes })
        |> Array.sortBy _.Peer

    let report (token: int) (outbox: Outbox) =
        let drops = plane.Drops.Counts outbox.Dropped

        match duty with
        | Duty.Receiving -> outbox.Tell(AddTraffic(token, traffic (), drops))
        | _ -> outbox.Answer(Traffic(token, traffic (), drops))

    let sealHandshake (peer: int) (body: byte[]) (outbox: Outbox) =
        match (stateOf peer).Session with
        | null -> ()
        | session ->
            let datagram = Array.zeroCreate (body.Length + Record.DatagramOverhead)

            if session.Seal(Record.Handshake, body.AsSpan(), datagram.AsSpan()) > 0 then
                outbox.Answer(HandshakeSealed(peer, datagram))

    let start (peer: int) (sendKey: byte[]) (receiveKey: byte[]) (replayWindow: int) =
        (stateOf peer).Start(Session(sendKey, receiveKey, replayWindow), plane.Now)
        sender.SendWaiting peer

    let withSession (peer: int) (change: Session -> unit) =
        match (stateOf peer).Session with
        | null -> ()
        | session -> change session

    let canRelay (source: int) (destination: int) (datagram: byte[]) =
        plane.Knows source
        && plane.Knows destination
        && destination <> plane.Own
        && (plane.Peer destination).Reachable
        && datagram.Length >= Record.DatagramOverhead

    /// The whole packet plane.
    new() = Forwarder Duty.Whole

    /// Is this command for this half? The other commands are not to be applied.
    member _.Takes(command: PacketCommand) : bool = Duty.takes duty command

    /// Carries out a command of the control plane. Those about peers that no forwarding table named yet do nothing.
    member _.Apply(command: PacketCommand, now: Instant, outbox: Outbox) : unit =
        begin' now outbox

        match command with
        | Publish fib -> plane.Publish fib
        | StartSession(peer, sendKey, receiveKey, replayWindow) -> start peer sendKey receiveKey replayWindow
        | RetireSession peer -> (stateOf peer).Retire now
        | DropSession peer -> (stateOf peer).Drop()
        | UseSendKey(peer, key) -> withSession peer (fun session -> session.UseSendKey key)
        | OfferReceiveKey(peer, key) -> withSession peer (fun session -> session.OfferReceiveKey key)
        | ActivateReceiveKey peer -> withSession peer (fun session -> session.ActivateReceiveKey now)
        | SealHandshake(peer, body) -> sealHandshake peer body outbox
        | SendProbe(peer, target, socket, payload) when plane.Knows peer ->
            sender.Probe(plane.Peer peer, plane.State peer, target, socket, payload.AsSpan())
        | OpenDatagram(source, carrier, datagram) when plane.Knows source ->
            receiver.FromTcp(source, carrier, datagram.AsSpan())
        | RelayDatagram(source, destination, datagram) when canRelay source destination datagram ->
            sender.Relay(plane.Peer source, plane.Peer destination, datagram.AsSpan(), -1)
        | UseLegacyKey(peer, key) -> (stateOf peer).Outbound <- OutboundKey key
        | GiveLegacyKey(peer, key, window) -> (stateOf peer).GiveLegacyKey(InboundKey(key, window), now)
        | DropLegacySendKey peer -> (stateOf peer).DropLegacySendKey()
        | DropLegacyReceiveKey peer -> (stateOf peer).DropLegacyReceiveKey()
        | RouteFrame(source, frame) when plane.Knows source ->
            plane.KeepOnTcp <- not (Options.has Options.tcpOnly (plane.Peer source).Options)
            receiver.Frame(source, frame.AsSpan())
        | SendTimeExceeded(source, frame, from) when plane.Knows source ->
            router.AnswerExpired(source, frame.AsSpan(), from)
        | UseHostAddress address -> sender.HostAddress <- address
        | CaptureFrames snapLength -> plane.Capture <- snapLength
        | ReportTraffic token -> report token outbox
        | AddTraffic(token, counts, drops) ->
            let drops = Array.map2 (+) drops (plane.Drops.Counts outbox.Dropped)
            outbox.Answer(Traffic(token, sum counts (traffic ()), drops))
        | NoteReceived(peer, length) ->
            let state = stateOf peer
            state.LargestReceived <- max state.LargestReceived length
        | SendProbe _
        | OpenDatagram _
        | RelayDatagram _
        | RouteFrame _
        | SendTimeExceeded _ -> ()

    /// A frame that the other half has passed to this one, for a node.
    member _.Bring(node: int, frame: Span<byte>, priority: byte, now: Instant, outbox: Outbox) : unit =
        begin' now outbox

        if plane.Knows node then
            plane.Priority <- priority
            sender.ToNode(node, frame)

    /// A frame from the device, Ethernet header included; it may be changed. Longer ones than 1518 bytes are dropped.
    member _.FromDevice(frame: Span<byte>, now: Instant, outbox: Outbox) : unit =
        begin' now outbox

        if frame.Length > Protocol.mtu then
            plane.Drops.Add DropCause.LongFrame
        elif plane.HasFib then
            let own = plane.Own
            plane.State(own).CountIn frame.Length
            plane.LogDevice("Read packet of ", frame.Length, " from ")
            router.Route(own, frame)

    /// A frame from a device with offloads: a super-packet is cut, an unfinished checksum is finished. What makes no sense is
    /// dropped and counted.
    member this.FromDevice(frame: Span<byte>, offload: Offload, now: Instant, outbox: Outbox) : unit =
        if Offload.isNone offload then
            this.FromDevice(frame, now, outbox)
        elif frame.Length < Ethernet.headerSize then
            plane.Drops.Add DropCause.BadOffload
        elif offload.Segments = Segments.none then
            if Segmentation.complete offload frame then
                this.FromDevice(frame, now, outbox)
            else
                plane.Drops.Add DropCause.BadOffload
        else
            begin' now outbox
            let plan = Segmentation.plan offload frame

            if plan.Count = 0 then
                plane.Drops.Add DropCause.BadOffload
            elif plane.HasFib then
                plane.LogDevice("Read packet of ", frame.Length, " from ")
                router.RouteSegments(frame, plan)

    /// The host let something go that came in.
    member _.Dropped(cause: DropCause) : unit = plane.Drops.Add cause

    /// Reads how often something was dropped, by `DropCause`, apart from what found no room in an outbox.
    member _.Drops: int64[] = plane.Drops.Counts 0L

    /// A datagram that came from `source` on a listening socket; it is opened in place.
    member _.FromSocket(socket: int, source: Endpoint, datagram: Span<byte>, now: Instant, outbox: Outbox) : unit =
        begin' now outbox

        if plane.HasFib then
            receiver.FromSocket(socket, source, datagram)
