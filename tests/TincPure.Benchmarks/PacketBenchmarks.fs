/// What one packet costs the packet plane: `dotnet run -c Release -- packets`.
module TincPure.Benchmarks.PacketBenchmarks

open System
open System.Buffers.Binary
open TincPure.Benchmarks.Measure
open TincPure.Config
open TincPure.Packet
open TincPure.Primitives
open TincPure.Routing
open TincPure.Sptps
open TincPure.Topology

let private nameOf (index: int) : NodeName =
    match NodeName.tryParse ("node" + index.ToString()) with
    | ValueSome name -> name
    | ValueNone -> invalidArg (nameof index) "no name"

let private key (seed: int) = Array.init 64 (fun i -> byte (i * 5 + seed))
let private endpoint (index: int) = Endpoint.create (Ip.v4 (0xc0000000u + uint32 index)) 655us

/// Node N owns 10.(N / 256).(N % 256).0/24; all are reached directly by UDP.
let private table (own: int) (count: int) : Fib =
    let peers =
        Array.init count (fun index ->
            { Index = index
              Name = nameOf index
              Id = NodeId.ofName (nameOf index)
              Label = (nameOf index).Text
              Reachable = true
              Sptps = true
              Options = Options.withMinor 7 (Options.pmtuDiscovery ||| Options.clampMss)
              NextHop = index
              Via = index
              Neighbour = true
              ValidKey = true
              Address = ValueSome(endpoint index)
              Socket = 0
              UdpConfirmed = true
              Mtu = Protocol.mtu
              MinMtu = Protocol.mtu
              SendCompression = 0
              ReceiveCompression = 0
              MaintenanceDue = Instant.distant })

    let add table index =
        let subnet = (Subnet.v4 (0x0a000000u + (uint32 index <<< 8)) 24 10).Value
        SubnetTable.add (OwnedSubnet.by index (nameOf index) subnet) table

    { Own = own
      Peers = Vector.ofArray peers
      ById = Array.fold (fun trie (peer: Peer) -> HashTrie.add peer.Id peer.Index trie) HashTrie.empty peers
      ByAddress =
        Array.fold (fun trie (peer: Peer) -> HashTrie.add (endpoint peer.Index) peer.Index trie) HashTrie.empty peers
      Subnets = Seq.fold add SubnetTable.empty (seq { 0 .. count - 1 })
      TreeNeighbours = []
      Settings =
        { Mode = Mode.Router
          Forwarding = Forwarding.Internal
          Broadcast = Broadcast.SpanningTree
          DirectOnly = false
          DecrementTtl = false
          PriorityInheritance = false
          TunnelServer = false
          OverwriteMac = false
          OwnOptions = Options.withMinor 7 Options.pmtuDiscovery
          Device = "device"
          DebugLevel = DebugLevel.always } }

/// An IPv4 packet of this size from node 0 to node 1, behind an Ethernet header.
let private frame (size: int) =
    let bytes = Array.zeroCreate<byte>(14 + size)
    bytes[12] <- 8uy
    bytes[14] <- 0x45uy
    bytes[23] <- 17uy
    BinaryPrimitives.WriteUInt32BigEndian(Span(bytes, 26, 4), 0x0a000005u)
    BinaryPrimitives.WriteUInt32BigEndian(Span(bytes, 30, 4), 0x0a000107u)
    bytes

/// A round of them is shorter than what a scheduler gives at a time.
let private calls = 2_000

/// Node 0, which seals what comes from its device, and node 1, which opens it.
type Pair() =
    let now = Instant 1_000_000_000_000L
    let sender, outbox = Forwarder(), Outbox()
    let receiver, receiverBox = Forwarder(), Outbox()
    let mutable packet: byte[] = [||]
    let mutable datagram: byte[] = [||]
    let mutable work: byte[] = [||]

    member _.FromDevice() : unit =
        if not outbox.HasRoom then
            outbox.Reset()

        sender.FromDevice(packet.AsSpan(), now, outbox)

    member _.FromSocket() : unit =
        if not receiverBox.HasRoom then
            receiverBox.Reset()

        datagram.CopyTo(work, 0)
        receiver.FromSocket(0, endpoint 0, work.AsSpan(), now, receiverBox)

    member this.Begin(nodes: int, size: int) : unit =
        for own, forwarder, box in [ 0, sender, outbox; 1, receiver, receiverBox ] do
            forwarder.Apply(Publish(table own nodes), now, box)
            // Without a replay window one datagram can be opened again and again.
            forwarder.Apply(StartSession(1 - own, key own, key (1 - own), 0), now, box)
            box.Reset()

        packet <- frame size
        this.FromDevice()
        let entry = outbox.Entries[0]
        datagram <- Array.sub outbox.Arena entry.Offset entry.Length
        work <- Array.zeroCreate datagram.Length

let private packets (nodes: int) (size: int) =
    let now = Instant 1_000_000_000_000L
    let label what = nodes.ToString "N0" + " nodes, " + size.ToString() + " bytes: " + what

    let node own =
        let forwarder, outbox = Forwarder(), Outbox()
        forwarder.Apply(Publish(table own nodes), now, outbox)
        // Without a replay window one datagram can be opened again and again.
        forwarder.Apply(StartSession(1 - own, key own, key (1 - own), 0), now, outbox)
        outbox.Reset()
        struct (forwarder, outbox)

    let struct (sender, outbox) = node 0
    let struct (receiver, receiverBox) = node 1
    let frame = frame size

    let session = Session(key 0, key 1, 16)
    let target = Array.zeroCreate<byte> 2000

    report
        (label "sealing alone")
        (measure calls (fun _ -> session.Seal(0uy, ReadOnlySpan(frame, 14, size), target.AsSpan()) |> ignore))

    report
        (label "device to socket")
        (measure calls (fun _ ->
            if not outbox.HasRoom then
                outbox.Reset()

            sender.FromDevice(frame.AsSpan(), now, outbox)))

    outbox.Reset()
    sender.FromDevice(frame.AsSpan(), now, outbox)
    let entry = outbox.Entries[0]
    let datagram = Array.sub outbox.Arena entry.Offset entry.Length
    let work = Array.zeroCreate<byte> datagram.Length

    report
        (label "socket to device")
        (measure calls (fun _ ->
            if not receiverBox.HasRoom then
                receiverBox.Reset()

            datagram.CopyTo(work, 0)
            receiver.FromSocket(0, endpoint 0, work.AsSpan(), now, receiverBox)))

    let bad (what: string) (source: Endpoint) (spoil: byte[] -> unit) =
        let spoiled = Array.copy datagram
        spoil spoiled

        report
            (label what)
            (measure calls (fun _ ->
                if not receiverBox.HasRoom then
                    receiverBox.Reset()

                spoiled.CopyTo(work, 0)
                receiver.FromSocket(0, source, work.AsSpan(), now, receiverBox)))

    // What must not cost more than a good one of its size.
    bad "wrong tag, from the peer" (endpoint 0) (fun bytes ->
        bytes[bytes.Length - 1] <- bytes[bytes.Length - 1] ^^^ 1uy)
    bad "wrong tag, from a stranger" (endpoint 999_999) (fun bytes ->
        bytes[bytes.Length - 1] <- bytes[bytes.Length - 1] ^^^ 1uy)
    bad "noise, from a stranger" (endpoint 999_999) (fun bytes -> (Random 3).NextBytes bytes)
    bad "noise, from the peer's address" (endpoint 0) (fun bytes -> (Random 3).NextBytes bytes)
    let many what source (bytes: byte[]) =
        let work = Array.copy bytes

        report (label what) (measure calls (fun _ -> receiver.FromSocket(0, source, work.AsSpan(), now, receiverBox)))

    many "no bytes at all" (endpoint 999_999) [||]
    many "20 bytes, from the peer's address" (endpoint 0) (Array.zeroCreate 20)
    many "65,507 bytes, from the peer's address" (endpoint 0) (Array.zeroCreate 65_507)

    if nodes > 2 then
        let struct (relay, relayBox) = node 0
        let relayed = Array.copy datagram
        NodeId.write (NodeId.ofName (nameOf 2)) (relayed.AsSpan())
        NodeId.write (NodeId.ofName (nameOf 1)) (relayed.AsSpan 6)

        report
            (label "relayed")
            (measure calls (fun _ ->
                if not relayBox.HasRoom then
                    relayBox.Reset()

                relay.FromSocket(0, endpoint 1, relayed.AsSpan(), now, relayBox)))

/// Super-packets of the device: good ones, and ones whose offload lies.
let private supers () =
    let now = Instant 1_000_000_000_000L
    let forwarder, outbox = Forwarder(), Outbox()
    forwarder.Apply(Publish(table 0 2), now, outbox)
    forwarder.Apply(StartSession(1, key 0, key 1, 0), now, outbox)
    let bytes = frame 60_052
    let packet = Span(bytes, 14, 60_052)
    BinaryPrimitives.WriteUInt16BigEndian(packet.Slice 2, 60_052us)
    bytes[23] <- 6uy
    bytes[14 + 20 + 12] <- 0x80uy
    let work = Array.copy bytes

    let good =
        { Segments = Segments.tcpV4
          NeedsChecksum = true
          HeaderLength = 66
          SegmentSize = 1400
          ChecksumStart = 34
          ChecksumOffset = 16 }

    for what, offload in
        [ "good", good
          "segments of no bytes", { good with SegmentSize = 0 }
          "the other IP version", { good with Segments = Segments.tcpV6 }
          "headers that end behind it", { good with ChecksumStart = 65_000 }
          "unknown kind", { good with Segments = 3uy } ] do
        report
            ("super-packet of 60,000 bytes: " + what)
            (measure 20 (fun _ ->
                outbox.Reset()
                bytes.AsSpan(0, 100).CopyTo(work.AsSpan())
                forwarder.FromDevice(work.AsSpan(), offload, now, outbox)))

let run () : unit =
    supers ()

    for nodes in [ 2; 1000 ] do
        for size in [ 64; 1400 ] do
            packets nodes size
