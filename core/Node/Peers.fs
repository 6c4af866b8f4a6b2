/// The nodes that we know: made when first mentioned, never forgotten while we run.
module TincPure.Node.Peers

open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Meta
open TincPure.Tunnel

/// The settings by which a peer's path MTU is searched.
let pathMtuSettings (node: Node) (peer: PeerState) : PathMtu.Settings =
    let limit =
        match peer.Host with
        | ValueSome host -> ValueOption.defaultValue PathMtu.maximum host.Pmtu
        | ValueNone -> PathMtu.maximum
        |> min (ValueOption.defaultValue PathMtu.maximum node.Settings.Pmtu)
        |> min PathMtu.maximum

    { Label = Label.peer node peer
      Enabled = peer.Options &&& Options.pmtuDiscovery <> 0u
      PingInterval = node.Settings.PingInterval
      Limit = limit }

/// Bytes of replay bitmap of a new session or legacy key (spec 01 §11.4, spec 03 §13).
let replayWindow (node: Node) : int = ValueOption.defaultValue 32 node.Settings.ReplayWindow

let private create (node: Node) (index: int) (name: NodeName) (now: Instant) : PeerState =
    let settings: PathMtu.Settings =
        { Label = name.Text
          Enabled = true
          PingInterval = node.Settings.PingInterval
          Limit = ValueOption.defaultValue PathMtu.maximum node.Settings.Pmtu }

    { Index = index
      Name = name
      Id = NodeId.ofName name
      Host = ValueNone
      PublicKey = ValueNone
      HostRead = false
      Address = Unspecified
      Socket = 0
      Reachable = (index = 0)
      Sptps = false
      Options = 0u
      ChangedAt = if index = Topology.self then now else Instant.never
      Connection = ValueNone
      Keys = KeyExchange.initial
      KeyedAt = Instant.never
      LegacyKey = ValueNone
      LegacyKeyGiven = false
      LegacyKeyAsked = Instant.never
      PathMtu = PathMtu.initial settings
      Discovery = UdpDiscovery.initial
      SendCompression = 0
      ReceiveCompression = 0
      UdpInfoSent = Instant.never
      MtuInfoSent = Instant.never
      MaintenanceDue = Instant.never
      Deadline = Instant.distant
      RecentAddresses = []
      LastSeenAt = [] }

let tryFind (turn: Turn) (name: NodeName) : PeerState voption =
    match Topology.tryFind name turn.Node.Topology with
    // The topology knows its own node from the start.
    | ValueSome index when index < Vector.length turn.Node.Peers -> ValueSome(turn.Peer index)
    | _ -> ValueNone

/// The node of this name, made if it is new; none when there are too many.
let intern (turn: Turn) (name: NodeName) : PeerState voption =
    match tryFind turn name with
    | ValueSome peer -> ValueSome peer
    | ValueNone when Vector.length turn.Node.Peers >= Bounds.nodes ->
        turn.Log(DebugLevel.always, Priority.Warning, "Too many nodes, ignoring " + name.Text)
        ValueNone
    | ValueNone ->
        let struct (index, topology) = Topology.intern name turn.Node.Topology
        turn.Node <- { turn.Node with Topology = topology }

        // A node that was forgotten by a purge has its number still, but nothing else.
        if index < Vector.length turn.Node.Peers then
            turn.SetPeer(create turn.Node index name turn.Now)
            ValueSome(turn.Peer index)
        else
            let peer = create turn.Node index name turn.Now

            turn.Node <-
                { turn.Node with
                    Peers = Vector.add peer turn.Node.Peers
                    ById = HashTrie.add peer.Id index turn.Node.ById
                    DirtyPeers = turn.Node.DirtyPeers.Add index }

            ValueSome peer

/// The listening socket of the address's family that serves a peer: the wished one, or the first (spec 03 §8).
let socketFor (node: Node) (wished: int) (target: Endpoint) : int voption =
    UdpDiscovery.socketFor node.UdpSockets wished target

let private unindex (turn: Turn) (peer: PeerState) =
    match peer.Address with
    | Inet endpoint ->
        match HashTrie.tryFind endpoint turn.Node.ByAddress with
        | ValueSome owner when owner = peer.Index ->
            turn.Node <- { turn.Node with ByAddress = HashTrie.remove endpoint turn.Node.ByAddress }
        | _ -> ()
    | _ -> ()

/// Makes an address from which the peer has shown to send known to the packet plane, so that datagrams from it are attributed.
let index (turn: Turn) (peer: PeerState) : unit =
    match peer.Address with
    | Inet endpoint when HashTrie.tryFind endpoint turn.Node.ByAddress <> ValueSome peer.Index ->
        turn.Node <-
            { turn.Node with
                ByAddress = HashTrie.add endpoint peer.Index turn.Node.ByAddress
                FibDirty = true }
    | _ -> ()

/// UDP is no longer trusted to work with the peer.
let unconfirm (turn: Turn) (peer: PeerState) : unit =
    unindex turn peer

    let settings = pathMtuSettings turn.Node peer
    let struct (mtu, _) = PathMtu.step settings turn.Now PathMtu.Reset peer.PathMtu

    turn.SetPeer { peer with PathMtu = mtu }

/// Sets a node's UDP address, which then has to prove itself (spec 04 §4.4).
let setAddress (turn: Turn) (index: int) (address: Address) : unit =
    if index = 0 then
        turn.Log(DebugLevel.always, Priority.Warning, "Trying to update UDP address of myself!")
    else
        let peer = turn.Peer index
        unconfirm turn peer

        let socket =
            match address with
            | Inet endpoint -> ValueOption.defaultValue 0 (socketFor turn.Node -1 endpoint)
            | _ -> 0

        let peer = { turn.Peer index with Address = address; Socket = socket }

        turn.SetPeer peer

        match address with
        | Inet endpoint -> HostNames.wanted turn endpoint.Ip
        | _ -> ()

        turn.Log(
            DebugLevel.protocol,
            Priority.Debug,
            "UDP address of " + peer.Name.Text + " set to " + Label.peerHost turn.Node peer
        )

/// The neighbour on the path to a node; -1 if there is none.
let nextHop (turn: Turn) (index: int) : int = (Graph.route index turn.Node.Paths).NextHop

/// The last node on the path that can be contacted directly, ourselves included; -1 if there is none.
let via (turn: Turn) (index: int) : int = (Graph.route index turn.Node.Paths).Via

/// The active connection through which traffic for a node goes hop by hop.
let nextHopConnection (turn: Turn) (index: int) : ConnectionId voption =
    let hop = nextHop turn index
    if hop < 0 then ValueNone else (turn.Peer hop).Connection

/// Our host file of a node was read again, or found missing.
let setHost (turn: Turn) (index: int) (file: HostFile) : unit =
    let peer = turn.Peer index

    match file with
    | Missing -> turn.SetPeer { peer with Host = ValueNone; HostRead = true }
    | Present(host, recent) ->
        turn.SetPeer
            { peer with
                Host = ValueSome host
                HostRead = true
                PublicKey =
                    match host.PublicKey with
                    | ValueSome key -> ValueSome key
                    | ValueNone -> peer.PublicKey
                RecentAddresses = if recent.IsEmpty then peer.RecentAddresses else recent }

/// Puts an address first among those that worked (spec 02 §12).
let remember (turn: Turn) (index: int) (endpoint: Endpoint) : unit =
    let peer = turn.Peer index

    match peer.RecentAddresses with
    | first :: _ when first = endpoint -> ()
    | others ->
        let recent =
            endpoint :: List.filter (fun other -> other <> endpoint) others
            |> List.truncate Bounds.recentAddresses

        turn.SetPeer { peer with RecentAddresses = recent }
        turn.Log(DebugLevel.connections, Priority.Debug, "Caching recent address for " + peer.Name.Text)
        turn.Emit(SaveRecentAddresses(peer.Name, recent))
