namespace TincPure.Node

open System
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Routing

/// One input being worked on: the node as it is by now, and what it wants so far. A turn never outlives the call of
/// `Node.step` that made it; inside it the node is a local variable.
[<Sealed; AllowNullLiteral>]
type Turn(start: Node, now: Instant) =
    let effects = ResizeArray<Effect>()
    let events = ResizeArray<struct (string * (string * string) list)>()

    member val Node: Node = start with get, set

    member _.Now = now

    /// What was asked for, in order.
    member _.Effects: Effect list = List.ofSeq effects

    member _.Emit(effect: Effect) = effects.Add effect

    /// What changed, for clients that watch: the kind of change, and by name what it is about.
    member this.Tell(kind: string, details: (string * string) list) =
        if not this.Node.Watch.Clients.IsEmpty then
            events.Add(struct (kind, details))

    /// What there is to tell so far, which is forgotten here.
    member _.TakeEvents() : struct (string * (string * string) list) list =
        let taken = List.ofSeq events
        events.Clear()
        taken

    member this.Packet(command: PacketCommand) = this.Emit(Packet command)

    /// A line of this level would be shown to somebody; ask before building a costly text.
    member this.Shows(level: int) = this.Node.DebugLevel >= level || this.Node.StreamLevel >= level

    member this.Log(level: int, priority: Priority, text: string) =
        if this.Shows level then
            this.Emit(Log { Level = level; Priority = priority; Text = text })

    /// `count` bytes from the node's generator.
    member this.RandomBytes(count: int) : byte[] =
        let struct (bytes, random) = Drbg.next count this.Node.Random
        this.Node <- { this.Node with Random = random }
        bytes

    member this.RandomUInt32() : uint32 = BitConverter.ToUInt32(this.RandomBytes 4, 0)

    /// Uniform in 0 .. bound - 1; the bias of the remainder does not matter for jitter and choices.
    member this.RandomBelow(bound: int) : int = int (this.RandomUInt32() % uint32 (max 1 bound))

    /// Jitter of periodic tasks: 0 to 131071 microseconds (spec 02 §19).
    member this.Jitter() : int64 = int64 (this.RandomBelow 131072)

    member this.Peer(index: int) : PeerState = this.Node.Peers[index]

    /// Replaces a peer's state and marks its forwarding entry for renewal.
    member this.SetPeer(peer: PeerState) =
        this.Node <-
            { this.Node with
                Peers = Vector.set peer.Index peer this.Node.Peers
                DirtyPeers = this.Node.DirtyPeers.Add peer.Index }

    member this.TryConnection(id: ConnectionId) : Connection voption =
        match this.Node.Connections.TryGetValue id with
        | true, connection -> ValueSome connection
        | _ -> ValueNone

    member this.SetConnection(connection: Connection) =
        this.Node <-
            { this.Node with
                Connections = this.Node.Connections.Add(connection.Id, connection) }

/// The texts by which logs name nodes and connections.
module Label =

    let private ownHost (node: Node) =
        let port = if node.TcpSockets.Length = 0 then "655" else node.TcpSockets[0].Port.ToString()

        "MYSELF port " + port

    let private nameOf (node: Node) (ip: Ip) =
        match node.HostNames.TryGetValue ip with
        | true, name -> name
        | _ -> ValueNone

    /// The two fields of a dump: a name instead of the address where there is one.
    let addressFields (node: Node) (address: Address) : struct (string * string) =
        let struct (host, port) = Address.toWire address

        match address with
        | Inet endpoint -> struct (ValueOption.defaultValue host (nameOf node endpoint.Ip), port)
        | _ -> struct (host, port)

    let private named (name: string) (endpoint: Endpoint) = name + " port " + endpoint.Port.ToString()

    let peerHost (node: Node) (peer: PeerState) =
        match peer.Address with
        | _ when peer.Index = 0 -> ownHost node
        | Inet endpoint ->
            match nameOf node endpoint.Ip with
            | ValueSome name -> named name endpoint
            | ValueNone -> Endpoint.toText endpoint
        | address -> Address.toText address

    /// `NAME (HOST)`.
    let peer (node: Node) (peer: PeerState) = peer.Name.Text + " (" + peerHost node peer + ")"

    let remote (remote: Remote) =
        match remote with
        | Tcp endpoint -> Endpoint.toText endpoint
        | UnixSocket -> "localhost port unix"

    /// `ADDR port PORT`, or with a name instead of the address.
    let connectionHost (connection: Connection) =
        match struct (connection.Remote, connection.RemoteName) with
        | struct (Tcp endpoint, ValueSome name) -> named name endpoint
        | struct (other, _) -> remote other

    /// The same for an event, field by field.
    let connectionDetails (node: Node) (connection: Connection) : (string * string) list =
        match connection.Remote with
        | Tcp endpoint ->
            let struct (host, port) = addressFields node (Inet endpoint)
            [ "node", connection.Name; "host", host; "port", port ]
        | UnixSocket -> [ "node", connection.Name ]

    /// `NAME (ADDR port PORT)`.
    let connection (connection: Connection) = connection.Name + " (" + connectionHost connection + ")"
