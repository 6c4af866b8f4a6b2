namespace TincPure.Node

open TincPure.Primitives
open TincPure.Crypto
open TincPure.Crypto.Legacy
open TincPure.Config
open TincPure.Topology
open TincPure.Meta
open TincPure.Sptps
open TincPure.Tunnel
open TincPure.Routing

/// What a node is told when it is made, besides its settings.
type Launch =
    {
        /// Device file and interface name, as scripts see them.
        Device: string voption
        Interface: string voption
        /// What kind of device it is, for people.
        DeviceInfo: string voption
        ProcessId: int
        /// 64 upper-case hexadecimal digits (spec 01 §14.3).
        Cookie: string
        DebugLevel: int
        /// The address of a device that carries Ethernet frames, 48 bits; none if it carries IP packets.
        DeviceAddress: uint64 voption
        /// At least 32 bytes of entropy.
        Seed: byte[]
    }

/// What we know of one node; the number is its number in the topology.
type PeerState =
    {
        Index: int
        Name: NodeName
        Id: NodeId
        /// Our host file of it, as last read.
        Host: HostSettings voption
        PublicKey: byte[] voption
        /// Its host file was read at least once.
        HostRead: bool
        Address: Address
        Socket: int
        Reachable: bool
        Sptps: bool
        /// From the edge that reaches it; 0 while unreachable.
        Options: uint32
        ChangedAt: Instant
        Connection: ConnectionId voption
        Keys: KeyExchange.State
        /// When the key by which we encrypt to it came into use.
        KeyedAt: Instant
        /// A node without SPTPS: how it wants what we send it to be protected, once it has given us a key.
        LegacyKey: PacketAlgorithms voption
        /// It has a key of ours.
        LegacyKeyGiven: bool
        /// When we last asked for its key.
        LegacyKeyAsked: Instant
        PathMtu: PathMtu.State
        Discovery: UdpDiscovery.State
        /// The level it wants to receive, and the one that we announced to it.
        SendCompression: int
        ReceiveCompression: int
        UdpInfoSent: Instant
        MtuInfoSent: Instant
        MaintenanceDue: Instant
        /// The moment of its entry in `Node.PeerDeadlines`.
        Deadline: Instant
        /// Where it was connected to before, from its address cache.
        RecentAddresses: Endpoint list
        /// How others saw it when we last lost the whole mesh.
        LastSeenAt: Endpoint list
    }

/// A look-up that has no answer yet.
type Lookup =
    {
        Target: NodeName
        Address: HostPort
        /// No connection waits for it.
        InBackground: bool
    }

/// What came of looking a name up.
type KnownName = { Endpoints: Endpoint list; LookedUp: Instant }

/// Where an invitation stands (spec 06 §19).
type Invitation =
    /// The session is being set up, or is: the invited node has to show its cookie.
    | AwaitingCookie
    /// The host fetches this invitation file.
    | AwaitingFile of file: string
    /// The file was sent: the node, which has its name now, has to tell its public key.
    | AwaitingKey of NodeName
    /// The host writes the host file of the new node.
    | AwaitingHostFile of NodeName

/// Where a meta connection stands (spec 02 §5.1).
type Stage =
    /// We are connecting; nothing was sent yet.
    | Connecting
    /// Only ID is allowed.
    | Greeting
    /// The peer said who it is; its host file is being read again.
    | Identified of Authentication.Identity
    /// SPTPS runs or has run; only ACK is allowed.
    | Authenticating of peer: int * identity: Authentication.Identity
    /// The legacy login runs.
    | Proving of peer: int * identity: Authentication.Identity * LegacyLogin.State
    /// The legacy login is over, and the peer is to tell its Ed25519 key; only ACK in that form is allowed.
    | Upgrading of peer: int
    /// Keys were exchanged, the peer is to hang up: only TERMREQ is allowed.
    | Leaving
    | Established of peer: int
    /// Somebody with an invitation.
    | Inviting of Invitation
    /// A control client; `Log` and `Capture` hold the level and snap length it asked for.
    | Control of log: int voption * capture: int voption

/// A measurement that a control client has asked for: the number that it gave it, and the words that name the leg.
type Asked = { Client: ConnectionId; Number: int; Leg: string }

/// An answer by which a measurement ends.
type Expected =
    /// ANS_PUBKEY of this node, by way of meta connections.
    | PublicKeyOf of peer: int
    /// The reply of this node to a probe of this length.
    | ProbeReplyOf of peer: int * length: int

type Measurement = { Asked: Asked; SentAt: Instant; Expected: Expected }

/// A PING that waits for its PONG, and who besides ourselves wants to know when it comes.
type AwaitedPong = { PingedAt: Instant; ToTell: Asked voption }

type Connection =
    {
        Id: ConnectionId
        /// Order of arrival; older connections have smaller numbers.
        Serial: int
        Remote: Remote
        /// What its address is called, with Hostnames.
        RemoteName: string voption
        Local: Endpoint voption
        /// `<unknown>` until ID, `<control>` on the control socket.
        Name: string
        Stage: Stage
        Reader: Framing
        Session: Stream.Session voption
        /// The ciphers of a legacy connection, behind METAKEY.
        Encryption: StreamCipher voption
        Decryption: StreamCipher voption
        /// How it was opened.
        Through: Proxy
        /// What the proxy in between has still to say.
        Proxy: ProxyDialogue.Expected voption
        /// The outgoing record that this connection serves.
        Outgoing: NodeName voption
        /// Spec 02 §15: set at accept, connect, connection and PING.
        Clock: Instant
        PingSent: bool
        /// Every PING that is out, oldest first: the order in which PONGs come.
        AwaitedPongs: AwaitedPong list
        /// Of the last PING that was answered, in microseconds.
        RoundTrip: int64 voption
        /// When our ID was sent, for the weight.
        IdSent: Instant
        /// Bytes that the host has not written yet.
        Queued: int
        /// Our own options on this connection, then the combined ones; our own weight, in milliseconds.
        Options: uint32
        Weight: int
        /// On the minimum spanning tree.
        OnTree: bool
    }

/// A node that we want to be connected to (spec 02 §2.1, §11.3).
type OutgoingRecord =
    {
        Target: NodeName
        /// Named by ConnectTo, not chosen by AutoConnect.
        Configured: bool
        BackOff: int
        RetryAt: Instant voption
        /// Addresses that this round has still to try.
        Candidates: Candidate list
        Connection: ConnectionId voption
        /// The round waits for the host file or the resolver.
        Waiting: bool
    }

/// Where a node may be reached: an address, or a name that has to be looked up first.
and Candidate =
    | At of Endpoint
    | Named of HostPort

/// How far the path computation lags behind the edges.
type GraphState =
    | Current
    /// Edges were added or changed since.
    | Grown
    /// An edge of the spanning tree was removed: no edge may be added before the transitions that follow from it have
    /// happened (spec 04 §18).
    | Shrunk

/// When the periodic tasks are due (spec 02 §19).
type Timers =
    {
        Check: Instant
        LastCheck: Instant
        Guard: Instant
        KeyExpiry: Instant
        /// Learned addresses are looked at.
        Ageing: Instant
        /// The local network has changed: everything is tried again.
        Network: Instant
        /// When that was last done.
        LastNetwork: Instant
        /// The graph is written, if it has changed.
        GraphDump: Instant
    }

/// Control clients that are told of every change (`tinc events`).
type Watching =
    {
        /// Each with the events that it has missed since it was last told.
        Clients: Map<ConnectionId, int>
        /// Nodes and paths as the clients know them; nothing while there is no client.
        Peers: Vector<PeerState>
        Paths: Paths
    }

/// The whole control plane of one node, as a value.
type Node =
    {
        Settings: Settings
        Launch: Launch
        DebugLevel: int
        Random: Drbg
        Own: NodeName
        OwnOptions: uint32
        /// None: SPTPS is off.
        OwnKey: Ed25519.KeyPair voption
        UdpSockets: Endpoint[]
        TcpSockets: Endpoint[]
        Topology: Topology
        /// Directed edges in the topology.
        EdgeCount: int
        Paths: Paths
        GraphState: GraphState
        /// The graph was recomputed since it was last written.
        GraphChanged: bool
        Peers: Vector<PeerState>
        Connections: Map<ConnectionId, Connection>
        /// Connections past ACK, by serial.
        Established: Map<int, ConnectionId>
        NextSerial: int
        NextConnection: int
        Outgoing: Map<NodeName, OutgoingRecord>
        /// What addresses are called, with Hostnames; none while that is being looked up or if there is no name.
        HostNames: Map<Ip, string voption>
        /// Look-ups in progress: for which node, and `HOST port PORT`.
        Resolving: Map<int, Lookup>
        /// What names of nodes that we want to be connected to stood for last.
        Names: Map<HostPort, KnownName>
        NextRequest: int
        Seen: Seen
        Corrections: Corrections.State
        /// Ethernet addresses that were learned from our device, each with the moment at which it expires. They are among
        /// our subnets, with the default weight.
        Learned: Map<uint64, Instant>
        Doubts: Doubts.State
        PeerDeadlines: Set<struct (int64 * int)>
        Timers: Timers
        AcceptLimit: AcceptLimit.State
        ContradictingAdds: int
        ContradictingDeletes: int
        /// Seconds that a same-name conflict silences us; silent until then.
        GuardSeconds: int
        SilentUntil: Instant
        /// Control connections that wait for a traffic report.
        PendingDumps: (int * ConnectionId * int) list
        Watch: Watching
        /// Measurements under way, newest first.
        Measurements: Measurement list
        /// The traffic report that the dump into the log waits for.
        PendingLogDump: int voption
        ById: HashTrie<NodeId, int>
        ByAddress: HashTrie<Endpoint, int>
        /// Peers whose entry in the Fib is out of date.
        DirtyPeers: Set<int>
        FibDirty: bool
        Fib: Fib
        /// The highest level that some control connection streams the log at; -1 if none does.
        StreamLevel: int
        /// Control connections that wait for a reload.
        PendingReloads: ConnectionId list
        Stopping: bool
        /// The process can start no others any more: no scripts run.
        Confined: bool
        /// What the host was last asked to wake us at.
        WakeAt: Instant
    }
