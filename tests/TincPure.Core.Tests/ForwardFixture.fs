/// A packet plane to try: forwarding tables made by hand, and what a forwarder does with one packet.
module TincPure.Core.Tests.ForwardFixture

open System
open TincPure.Config
open TincPure.Primitives
open TincPure.Routing
open TincPure.Topology

let name (text: string) : NodeName =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> failwith ("not a name: " + text)

let ownedBy (owner: int) (ownerName: string) (text: string) : OwnedSubnet =
    match Subnet.tryParse text with
    | Ok subnet when owner < 0 -> OwnedSubnet.broadcast subnet
    | Ok subnet -> { Subnet = subnet; Owner = owner; OwnerName = ValueSome(name ownerName) }
    | Error error -> failwith (text + ": " + string error)

/// A direct neighbour with the newest protocol.
let peer (index: int) (text: string) : Peer =
    { Index = index
      Name = name text
      Id = NodeId.ofName (name text)
      Label = text + " (192.0.2.1 port 655)"
      Reachable = true
      Sptps = true
      Options = Options.withMinor 7 (Options.pmtuDiscovery ||| Options.clampMss)
      NextHop = index
      Via = index
      Neighbour = true
      ValidKey = true
      Address = ValueNone
      Socket = 0
      UdpConfirmed = false
      Mtu = Protocol.mtu
      MinMtu = 0
      SendCompression = 0
      ReceiveCompression = 0
      MaintenanceDue = Instant.distant }

let settings: FibSettings =
    { Mode = Mode.Router
      Forwarding = Forwarding.Internal
      Broadcast = Broadcast.SpanningTree
      DirectOnly = false
      DecrementTtl = false
      PriorityInheritance = false
      TunnelServer = false
      OverwriteMac = false
      OwnOptions = Options.withMinor 7 (Options.pmtuDiscovery ||| Options.clampMss)
      Device = "device"
      DebugLevel = DebugLevel.always }

let fib (own: int) (peers: Peer list) (subnets: OwnedSubnet list) (settings: FibSettings) : Fib =
    let addresses =
        peers
        |> List.choose (fun peer ->
            match peer.Address with
            | ValueSome address when peer.UdpConfirmed -> Some(address, peer.Index)
            | _ -> None)

    { Own = own
      Peers = Vector.ofSeq peers
      ById = List.fold (fun trie peer -> HashTrie.add peer.Id peer.Index trie) HashTrie.empty peers
      ByAddress = List.fold (fun trie (address, index) -> HashTrie.add address index trie) HashTrie.empty addresses
      Subnets = List.fold (fun table subnet -> SubnetTable.add subnet table) SubnetTable.empty subnets
      TreeNeighbours =
        [ for peer in peers do
              if peer.Index <> own && peer.Neighbour then
                  peer.Index ]
      Settings = settings }

let endpoint (lastByte: int) : Endpoint = Endpoint.create (Ip.v4 (0xc0000200u + uint32 lastByte)) 655us

/// Some moment, in milliseconds.
let at (milliseconds: int) : Instant =
    Instant.add (int64 milliseconds * Instant.millisecond) (Instant 1_000_000_000_000L)

/// What came of a packet or command.
type Outcome =
    { Frames: byte array list
      Datagrams: (OutboxEntry * byte array) list
      Punts: Punt list }

/// Runs something with an empty outbox and reads it.
let collect (outbox: Outbox) (run: Outbox -> unit) : Outcome =
    outbox.Reset()
    run outbox
    let entries = outbox.Entries.ToArray() |> List.ofArray
    let bytes (entry: OutboxEntry) = Array.sub outbox.Arena entry.Offset entry.Length

    { Frames =
        [ for entry in entries do
              if entry.Kind = EntryKind.Device then
                  bytes entry ]
      Datagrams =
        [ for entry in entries do
              if entry.Kind = EntryKind.Datagram then
                  entry, bytes entry ]
      Punts = List.ofSeq outbox.Punts }

let apply (forwarder: Forwarder) (outbox: Outbox) (now: Instant) (command: PacketCommand) : Outcome =
    collect outbox (fun outbox -> forwarder.Apply(command, now, outbox))

let fromDevice (forwarder: Forwarder) (outbox: Outbox) (now: Instant) (frame: byte array) : Outcome =
    let copy = Array.copy frame
    collect outbox (fun outbox -> forwarder.FromDevice(copy.AsSpan(), now, outbox))

let fromSocket
    (forwarder: Forwarder)
    (outbox: Outbox)
    (now: Instant)
    (socket: int)
    (source: Endpoint)
    (datagram: byte array)
    : Outcome =
    let copy = Array.copy datagram
    collect outbox (fun outbox -> forwarder.FromSocket(socket, source, copy.AsSpan(), now, outbox))
