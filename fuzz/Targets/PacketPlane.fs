/// The packet plane with a populated forwarding table, between a device, sockets and a control plane that send it
/// anything: frames, genuine datagrams, damaged ones, replays, commands.
module TincPure.Fuzz.PacketPlane

open System
open System.Collections.Generic
open TincPure.Config
open TincPure.Core.Tests
open TincPure.Packet
open TincPure.Primitives
open TincPure.Routing
open TincPure.Sptps

let private me = 0

let private legacy = 6

let private unreachable = 7

/// Neighbours by UDP and by TCP, nodes behind relays, old ones, one without SPTPS and one that is not reachable.
let private peers: Peer list =
    let at (byte: int) (peer: Peer) =
        { peer with
            Address = ValueSome(ForwardFixture.endpoint byte)
            UdpConfirmed = true
            MinMtu = 1400
            Mtu = 1400 }

    let distant via (peer: Peer) = { peer with Neighbour = false; NextHop = 1; Via = via }
    let peer = ForwardFixture.peer

    [ { peer 0 "me" with NextHop = 0; Neighbour = false }
      at 1 (peer 1 "alpha")
      peer 2 "beta"
      distant 1 (peer 3 "gamma")
      at 4 (distant 4 (peer 4 "delta"))
      { at 5 (peer 5 "old") with Options = Options.withMinor 2 0u }
      { peer legacy "legacy" with Sptps = false; Options = 0u }
      { peer unreachable "gone" with
          Reachable = false
          NextHop = -1
          Via = -1
          Neighbour = false } ]

let private subnets =
    [ "10.0.0.0/16", 0
      "10.1.0.0/16", 1
      "10.2.0.0/16", 2
      "10.3.0.0/16", 3
      "10.4.0.0/16", 4
      "10.5.0.0/16", 5
      "10.6.0.0/16", 6
      "10.7.0.0/16", 7
      "2001:db8::/64", 0
      "2001:db8:1::/64", 1
      "2001:db8:3::/64", 3
      "fe:fd:0:0:0:1", 1
      "fe:fd:0:0:0:0", 0
      "255.255.255.255", -1
      "224.0.0.0/4", -1
      "ff00::/8", -1
      "ff:ff:ff:ff:ff:ff", -1 ]
    |> List.map (fun (text, owner) ->
        ForwardFixture.ownedBy owner (if owner < 0 then "" else peers[owner].Name.Text) text)

let private settings (tape: Tape) : FibSettings =
    let flags = tape.Byte()
    let has bit = flags &&& (1uy <<< bit) <> 0uy

    { ForwardFixture.settings with
        Mode = [| Mode.Router; Mode.Router; Mode.Switch; Mode.Hub |][tape.Below 4]
        Forwarding = [| Forwarding.Internal; Forwarding.Off; Forwarding.Kernel |][tape.Below 3]
        Broadcast = [| Broadcast.SpanningTree; Broadcast.NoBroadcast; Broadcast.Direct |][tape.Below 3]
        DirectOnly = has 0
        DecrementTtl = has 1
        PriorityInheritance = has 2
        TunnelServer = has 3
        OverwriteMac = has 4
        DebugLevel = (if has 5 then DebugLevel.scaryThings else DebugLevel.always) }

let private key (peer: int) (fromUs: bool) = Fixed.bytes (200 + 2 * peer + (if fromUs then 1 else 0)) 64

let private keys = [| for peer in peers -> struct (key peer.Index true, key peer.Index false) |]

let private hasSession peer = peer <> me && peer <> legacy

/// One run: the packet plane, the other ends of its sessions, and what they sent so far.
type private Bench(tape: Tape, behaviour: Behaviour) =
    let forwarder = Forwarder()
    let outbox = if tape.Flag() then Outbox() else Outbox(6000, 12, 12)
    let maxPunts = if outbox.Arena.Length > 6000 then 1024 else 12
    let fibSettings = settings tape

    let remotes =
        peers
        |> List.map (fun peer ->
            let struct (toThem, toUs) = keys[peer.Index]
            Session(toUs, toThem, 16))
        |> Array.ofList

    let sent = List<struct (int * byte[])>()
    let mutable now = ForwardFixture.at 0
    let mutable fib = ForwardFixture.fib me peers subnets fibSettings

    /// Everything in the outbox lies inside it, one thing behind the other, and makes sense.
    let inspect () =
        let mutable stop = 0

        for entry in outbox.Entries do
            behaviour.Saw((if entry.Kind = EntryKind.Device then "frame" else "datagram"), entry.Length)
            Target.check (entry.Offset = stop && entry.Length > 0) "entries overlap, leave gaps or are empty"
            stop <- entry.Offset + entry.Length
            Target.check (stop <= outbox.Arena.Length) "an entry outside of the outbox"

            if entry.Kind = EntryKind.Datagram then
                Target.check (entry.Peer > me && entry.Peer < peers.Length) "a datagram to nobody"
                Target.check (entry.Payload >= 0 && entry.Payload <= entry.Length) "more payload than datagram"

        // One command may be answered beyond what packets may cause.
        Target.check (outbox.Punts.Count <= maxPunts + 1) "punts without limit"

        for punt in outbox.Punts do
            match punt with
            | PacketLog line -> behaviour.SawText line.Text
            | Transmitted(peer, _) ->
                behaviour.Saw "transmitted"
                Target.check (peer > me && peer < peers.Length) "transmitted to nobody"
            | FrameOverTcp(peer, frame) ->
                behaviour.Saw("frame over TCP", frame.Length)
                Target.check peers[peer].Neighbour "a frame over TCP to a node that is no neighbour"
            | DatagramOverTcp(_, destination, datagram) ->
                behaviour.Saw("datagram over TCP", datagram.Length)
                Target.check (destination <> me) "a datagram over TCP to ourselves"
            | ProbeReceived _ -> behaviour.Saw "probe"
            | HandshakeSealed _ -> behaviour.Saw "sealed"
            | HandshakeOpened _ -> behaviour.Saw "opened"
            | DataOpened _ -> behaviour.Saw "data opened"
            | OpenFailed(_, _, failure) -> behaviour.Saw(if failure.IsBadTag then "bad tag" else "not opened")
            | SourceMoved _ -> behaviour.Saw "moved"
            | RelayedDataReceived _ -> behaviour.Saw "relayed"
            | DetourSeen _ -> behaviour.Saw "detour"
            | LegacyKeyWornOut _ -> behaviour.Saw "worn out"
            | PathTooSmall _ -> behaviour.Saw "too small"
            | TimeExceeded _ -> behaviour.Saw "expired"
            | MacSeen _ -> behaviour.Saw "mac"
            | UnknownSource _ -> behaviour.Saw "stranger"
            | Captured frame ->
                behaviour.Saw("captured", frame.Length)
                // The largest are those that were unpacked, with an Ethernet header in front.
                Target.check
                    (frame.Length <= Ethernet.headerSize + Protocol.maxSize)
                    "more captured than a frame can hold"
            | Traffic(_, counts, _) -> behaviour.Saw("traffic", counts.Length)

    let carryOut (act: Outbox -> unit) =
        outbox.Reset()
        act outbox
        inspect ()

    /// Something was believed that only a genuine datagram may bring.
    let believes () =
        let fromPeer (punt: Punt) =
            match punt with
            | ProbeReceived _
            | HandshakeOpened _
            | DataOpened _
            | SourceMoved _
            | RelayedDataReceived _
            | Transmitted _
            | FrameOverTcp _ -> true
            | _ -> false

        outbox.Entries.Length > 0 || outbox.Punts.Exists fromPeer

    let apply command = carryOut (fun outbox -> forwarder.Apply(command, now, outbox))

    let endpoint () =
        match tape.Below 10 with
        | 9 -> Endpoint.create (Ip.v6 0x20010db800000000UL 9UL) 655us
        | byte -> ForwardFixture.endpoint byte

    let fromSocket source (datagram: byte[]) =
        carryOut (fun outbox -> forwarder.FromSocket(tape.Below 2, source, Span(Array.copy datagram), now, outbox))

    /// IDs of peers as in a datagram to us, or any others.
    let ids (origin: int) =
        let target = if tape.Flag() then NodeId.none else peers[tape.Below peers.Length].Id
        let bytes = Array.zeroCreate<byte> Datagram.idsSize
        Datagram.writeIds target peers[origin].Id (Span bytes)
        bytes

    let frame () = tape.Bytes(tape.Word() % 1700)

    /// A record that a peer sealed; its IDs in front if it sends any.
    let genuine (peer: int) =
        let kind = tape.Byte()
        let payload = frame ()
        let datagram = Array.zeroCreate<byte>(payload.Length + Record.DatagramOverhead)
        remotes[peer].Seal(kind, ReadOnlySpan payload, Span datagram) |> ignore
        datagram

    let carrier () = [| RawTcp; KeyRequest; KeyAnswer |][tape.Below 3]

    let start (peer: int) =
        let struct (toThem, toUs) = keys[peer]
        apply (StartSession(peer, toThem, toUs, 16))

    let somePeer () = 1 + tape.Below(peers.Length - 1)

    let forged source datagram =
        fromSocket source datagram
        Target.check (not (believes ())) "a forged datagram is believed"

    let changePeer () =
        let index = somePeer ()
        let peer = fib.Peers[index]

        let changed =
            match tape.Below 6 with
            | 0 when index <> unreachable -> { peer with MinMtu = tape.Word() % 1519; Mtu = tape.Word() % 1519 }
            | 1 -> { peer with MaintenanceDue = now }
            | 2 -> { peer with Options = uint32 (tape.Int32()) }
            | 3 ->
                { peer with
                    SendCompression = tape.Below 13
                    ReceiveCompression = tape.Below 13 }
            | 4 -> { peer with Address = ValueSome(endpoint ()); UdpConfirmed = tape.Flag() }
            | _ -> { peer with Address = ValueNone; UdpConfirmed = false }

        let newer =
            [ for other in 0 .. peers.Length - 1 do
                  if other = index then changed else fib.Peers[other] ]
        fib <- ForwardFixture.fib me newer subnets fibSettings
        apply (Publish fib)

    member _.Begin() : unit =
        apply (Publish fib)

        for peer in peers do
            if hasSession peer.Index then
                start peer.Index

    member _.Move() : unit =
        match tape.Below 16 with
        | 0
        | 1
        | 2 ->
            let bytes = frame ()
            carryOut (fun outbox -> forwarder.FromDevice(Span bytes, now, outbox))
        | 3
        | 4 ->
            let peer = somePeer ()
            let datagram = genuine peer
            let whole = if tape.Below 4 = 0 then datagram else Array.append (ids peer) datagram
            sent.Add(struct (peer, whole))
            fromSocket (endpoint ()) whole
        | 5 ->
            let peer = somePeer ()
            let datagram = genuine peer
            let at = tape.Below datagram.Length
            datagram[at] <- datagram[at] ^^^ max 1uy (tape.Byte())
            let claim = Array.zeroCreate<byte> Datagram.idsSize
            Datagram.writeIds NodeId.none peers[peer].Id (Span claim)
            forged (endpoint ()) (Array.append claim datagram)
        | 6 when sent.Count > 0 ->
            let struct (peer, datagram) = sent[tape.Below sent.Count]
            let source = endpoint ()
            // The second time at the latest it is known.
            fromSocket source datagram
            fromSocket source datagram

            if peer <> me && hasSession peer && Datagram.destination (Span datagram) = NodeId.none then
                Target.check (not (believes ())) "a datagram is believed twice"
        | 7 ->
            let source = endpoint ()
            let datagram = frame ()
            // What is addressed to others is moved on unread.
            if datagram.Length >= NodeId.size then
                Span(datagram, 0, NodeId.size).Clear()

            forged source datagram
        | 8 -> fromSocket (endpoint ()) (Array.append (ids (tape.Below peers.Length)) (frame ()))
        // The control plane takes no longer frames from meta connections.
        | 9 -> apply (RouteFrame(tape.Below 9, Array.truncate (Protocol.maxSize - 12) (frame ())))
        | 10 ->
            let peer = somePeer ()
            let datagram = if tape.Flag() then genuine peer else frame ()
            apply (OpenDatagram((if tape.Below 8 = 0 then tape.Below 256 else peer), carrier (), datagram))
        | 11 -> apply (RelayDatagram(tape.Below 9, tape.Below 9, frame ()))
        | 12 ->
            match tape.Below 4 with
            | 0 -> apply (SendProbe(tape.Below 9, endpoint (), tape.Below 2, frame ()))
            | 1 -> apply (SendTimeExceeded(tape.Below 9, frame (), (endpoint ()).Ip))
            | 2 -> apply (SealHandshake(tape.Below 9, tape.Block()))
            | _ when tape.Flag() -> apply (ReportTraffic(tape.Below 256))
            | _ -> apply (CaptureFrames(tape.Below 100 - 1))
        | 13 ->
            let peer = somePeer ()
            let struct (_, other) = keys[tape.Below keys.Length]

            match tape.Below 6 with
            | 0 -> apply (RetireSession peer)
            | 1 -> apply (DropSession peer)
            | 2 -> apply (OfferReceiveKey(peer, other))
            | 3 -> apply (ActivateReceiveKey peer)
            | 4 -> apply (UseSendKey(peer, other))
            | _ -> apply (Publish fib)
        | 14 -> changePeer ()
        | _ -> now <- Instant.add (int64 (tape.Word()) * Instant.millisecond) now

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    let bench = Bench(tape, behaviour)
    bench.Begin()
    let mutable moves = 0

    while not tape.AtEnd && moves < 64 do
        moves <- moves + 1
        behaviour.Anew()
        bench.Move()

let private seeds () =
    let head flags mode forwarding broadcast = [| 1uy; flags; mode; forwarding; broadcast |]
    let framed (frame: byte[]) = Array.concat [ [| byte (frame.Length >>> 8); byte frame.Length |]; frame ]

    let frames =
        [ "04-route-arp-ndp.json"
          "04-route-ipv4.json"
          "04-route-ipv6.json"
          "04-route-mss.json"
          "04-route-mtu.json"
          "04-route-switch-hub.json"
          "04-route-ttl.json" ]
        |> List.collect (fun file -> Corpus.hex file [ "frame" ])

    let packets = frames |> List.filter (fun frame -> frame.Length > 34) |> List.map (Array.skip 14)

    [ for i, frame in List.indexed frames do
          let flags = byte (i % 64)
          Array.concat [ head flags (byte (i % 4)) 0uy 0uy; [| 0uy |]; framed frame ]
          Array.concat [ head 32uy 0uy 0uy 0uy; [| 9uy; byte (i % 7) |]; framed frame ]
      for i, packet in List.indexed packets do
          Array.concat
              [ head 32uy 0uy 0uy 0uy
                [| 3uy; byte (i % 7); 0uy |]
                framed packet
                [| 1uy; 1uy; 1uy; 0uy |]
                [| 6uy; 0uy; 1uy; 0uy |] ]
      Array.concat
          [ head 32uy 0uy 0uy 0uy
            [| 3uy; 0uy; 4uy; 0uy; 18uy |]
            Array.zeroCreate 18
            [| 1uy; 1uy; 1uy; 0uy |] ] ]

let target =
    { Target.create "packet-plane" "only genuine datagrams count, once; what goes out lies inside the outbox" seeds run with
        MaxSize = 8192 }
