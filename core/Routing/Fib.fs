namespace TincPure.Routing

open TincPure.Primitives
open TincPure.Topology
open TincPure.Config

/// What the packet plane needs to know of one node. Nodes are numbered densely from 0 in order of first mention and
/// never renumbered; the number is the index into `Fib.Peers`.
type Peer =
    {
        Index: int
        Name: NodeName
        Id: NodeId
        /// `NAME (HOST)`, as logs show it.
        Label: string
        Reachable: bool
        /// Data keys are SPTPS, not legacy.
        Sptps: bool
        /// Options of the edge that reaches it; bits as in spec 02 §1, protocol minor version in the top byte.
        Options: uint32
        /// Neighbour on the shortest path; -1 if unreachable.
        NextHop: int
        /// Last node on the path that can be contacted directly, possibly ourselves; -1 if unreachable.
        Via: int
        /// We hold an active meta connection with it.
        Neighbour: bool
        /// A data session is established, so that we can encrypt to it.
        ValidKey: bool
        /// Where datagrams for it go. Data uses it only once a probe reply has raised `MinMtu`.
        Address: Endpoint voption
        /// Listening socket to send from.
        Socket: int
        UdpConfirmed: bool
        /// Frame lengths, Ethernet header included (spec 03 §15.1).
        Mtu: int
        MinMtu: int
        /// Compression level that the node wants to receive.
        SendCompression: int
        /// Compression level that we announced to it.
        ReceiveCompression: int
        /// The first transmission to it at or after this moment is punted as `Transmitted`, once until it changes.
        MaintenanceDue: Instant
    }

/// Options that hold for every packet.
type FibSettings =
    {
        Mode: Mode
        Forwarding: Forwarding
        Broadcast: Broadcast
        DirectOnly: bool
        DecrementTtl: bool
        PriorityInheritance: bool
        TunnelServer: bool
        /// The device carries Ethernet frames while we route: their addresses are overwritten (spec 04 §14).
        OverwriteMac: bool
        /// Our own options word.
        OwnOptions: uint32
        /// What logs call the device.
        Device: string
        DebugLevel: int
    }

/// The forwarding table: an immutable snapshot, made by the control plane and only read by the packet plane.
type Fib =
    {
        Own: int
        Peers: Vector<Peer>
        ById: HashTrie<NodeId, int>
        /// UDP addresses from which peers have shown to send.
        ByAddress: HashTrie<Endpoint, int>
        /// Owners are node numbers; -1 is a broadcast subnet.
        Subnets: SubnetTable
        /// Neighbours on the spanning tree.
        TreeNeighbours: int list
        Settings: FibSettings
    }
