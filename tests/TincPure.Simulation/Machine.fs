namespace TincPure.Simulation

open System
open System.Collections.Generic
open TincPure.Primitives
open TincPure.Config
open TincPure.Routing
open TincPure.Node

/// What a machine did since it was made, and the most that it ever held at once.
type Counters() =
    member val Inputs = 0L with get, set
    member val MetaBytes = 0L with get, set
    /// Lines and blocks on meta connections.
    member val MetaMessages = 0L with get, set
    member val Datagrams = 0L with get, set
    member val Frames = 0L with get, set
    /// Data sessions that began.
    member val Sessions = 0L with get, set
    /// Changes of the send key of a session.
    member val Rekeys = 0L with get, set
    member val Connects = 0L with get, set
    member val LogLines = 0L with get, set
    member val Scripts = 0L with get, set
    member val MostConnections = 0 with get, set
    /// Bytes that waited in queues of meta connections.
    member val MostQueued = 0 with get, set

/// Something that waits for a machine's attention.
type Item =
    | ForNode of Input
    | FromNetwork of source: Endpoint * datagram: byte array
    | FromDevice of frame: byte array

/// A computer with a TincPure node on it: settings on a disk, a device, a kernel that holds streams. Made and driven by `World`.
[<Sealed>]
type Machine(index: int, address: Ip, deviceAddress: Ip, quantum: int64, settings: Settings) =
    member _.Index: int = index
    member _.Name: NodeName = settings.Name

    /// On the underlay.
    member _.Address: Ip = address

    /// Inside the VPN.
    member _.DeviceAddress: Ip = deviceAddress

    /// The configuration as it is on the disk.
    member val Settings = settings with get, set
    member val Nat: Nat | null = null with get, set

    /// The largest IP packet that the machine's own interface takes.
    member val InterfaceMtu = 1500 with get, set
    member val Node: Node voption = ValueNone with get, set
    member val Forwarder = Forwarder() with get, set

    /// Counts the starts; what belongs to an earlier one is ignored.
    member val Incarnation = 0 with get, set
    member val Inbox = ResizeArray<Item>() with get, set
    member val RunPlanned = false with get, set

    /// It looks at its input so often at most.
    member val Quantum = quantum with get, set
    member val LastRun = Instant.never with get, set
    member val WakeAt = Instant.distant with get, set
    member val Streams = Dictionary<ConnectionId, StreamEnd>()
    member val NextAccepted = 0 with get, set

    /// Connections that are kept open and ignored, the oldest first.
    member val Tarpit = Queue<ConnectionId>()
    member val RecentAddresses = Dictionary<NodeName, Endpoint list>()
    member val Counters = Counters()

    /// How often each numbered packet came out of the device.
    member val Received = Dictionary<int64, int>()

    member this.HasReceived(number: int64) : bool = this.Received.ContainsKey number

    member this.Arrivals(number: int64) : int =
        match this.Received.TryGetValue number with
        | true, count -> count
        | _ -> 0

    /// Log lines, if the world keeps them.
    member val Log = ResizeArray<struct (Instant * LogLine)>()
    member val ScriptsRun = ResizeArray<string>()

    member this.IsRunning: bool = this.Node.IsSome

    /// What the forwarding table says of another machine's node.
    member this.View(other: Machine) : Peer voption =
        match this.Node with
        | ValueNone -> ValueNone
        | ValueSome node ->
            HashTrie.tryFind (NodeId.ofName other.Name) node.Fib.ById
            |> ValueOption.map (fun peer -> node.Fib.Peers[peer])

    /// Nodes that it has a meta connection with.
    member this.Neighbours: int =
        match this.Node with
        | ValueNone -> 0
        | ValueSome node -> node.Established.Count

    /// Nodes that it can reach, itself included.
    member this.Reachable: int =
        match this.Node with
        | ValueNone -> 0
        | ValueSome node ->
            let mutable count = 0

            for index in 0 .. node.Fib.Peers.Count - 1 do
                if node.Fib.Peers[index].Reachable then
                    count <- count + 1

            count

    override _.ToString() = settings.Name.Text

    member this.Forget() : unit =
        this.Node <- ValueNone
        this.Inbox.Clear()
        this.Streams.Clear()
        this.Tarpit.Clear()
        this.WakeAt <- Instant.distant
        this.Incarnation <- this.Incarnation + 1
