/// What the packet plane needs to know, made from what the control plane knows. Only entries that changed are made anew.
module TincPure.Node.Forwarding

open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Routing

let private entry (node: Node) (peer: PeerState) : Peer =
    let route = Graph.route peer.Index node.Paths

    { Index = peer.Index
      Name = peer.Name
      Id = peer.Id
      Label = Label.peer node peer
      Reachable = peer.Reachable
      Sptps = peer.Sptps
      Options = if peer.Index = 0 then node.OwnOptions else peer.Options
      NextHop = route.NextHop
      Via = route.Via
      Neighbour = peer.Connection.IsSome
      ValidKey = Tunnels.isReady peer
      Address =
        (match peer.Address with
         | Inet endpoint -> ValueSome endpoint
         | _ -> ValueNone)
      Socket = peer.Socket
      UdpConfirmed = peer.Discovery.Confirmed
      Mtu = peer.PathMtu.Mtu
      MinMtu = peer.PathMtu.MinMtu
      SendCompression = peer.SendCompression
      ReceiveCompression = peer.ReceiveCompression
      MaintenanceDue = peer.MaintenanceDue }

let private settingsOf (node: Node) : FibSettings =
    { Mode = node.Settings.Mode
      Forwarding = node.Settings.Forwarding
      Broadcast = node.Settings.Broadcast
      DirectOnly = node.Settings.DirectOnly
      DecrementTtl = node.Settings.DecrementTtl
      PriorityInheritance = node.Settings.PriorityInheritance
      TunnelServer = node.Settings.TunnelServer
      OverwriteMac = node.Launch.DeviceAddress.IsSome && node.Settings.Mode = Router
      OwnOptions = node.OwnOptions
      Device = ValueOption.defaultValue "" node.Launch.DeviceInfo
      DebugLevel = max node.DebugLevel node.StreamLevel }

/// The table before the first `publish`: it knows nobody.
let none: Fib =
    { Own = Topology.self
      Peers = Vector.empty
      ById = HashTrie.empty
      ByAddress = HashTrie.empty
      Subnets = SubnetTable.empty
      TreeNeighbours = []
      Settings =
        { Mode = Router
          Forwarding = Off
          Broadcast = NoBroadcast
          DirectOnly = false
          DecrementTtl = false
          PriorityInheritance = false
          TunnelServer = false
          OverwriteMac = false
          OwnOptions = 0u
          Device = ""
          DebugLevel = 0 } }

let private patch (node: Node) (peers: Vector<Peer>) (index: int) : Vector<Peer> =
    let entry = entry node node.Peers[index]

    if index < Vector.length peers then
        Vector.set index entry peers
    else
        Vector.add entry peers

/// Publishes a new snapshot if anything in it has changed. Numbers of new nodes come in ascending order.
let publish (turn: Turn) : unit =
    let node = turn.Node

    if node.FibDirty || not node.DirtyPeers.IsEmpty then
        let fib =
            { node.Fib with
                Peers = Set.fold (patch node) node.Fib.Peers node.DirtyPeers
                ById = node.ById
                ByAddress = node.ByAddress
                Subnets = Topology.subnets node.Topology
                TreeNeighbours = node.Paths.TreeNeighbours
                Settings = (if node.FibDirty then settingsOf node else node.Fib.Settings) }

        turn.Node <- { node with Fib = fib; FibDirty = false; DirtyPeers = Set.empty }

        turn.Packet(Publish fib)
