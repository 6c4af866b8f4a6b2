namespace TincPure.Routing

open System
open TincPure.Config
open TincPure.Packet
open TincPure.Packet.Compression
open TincPure.Primitives
open TincPure.Topology

/// What the parts of the packet plane share: the forwarding table, the time, where results go, and what is kept per peer.
[<Sealed>]
type internal Plane(duty: Duty) =
    /// In force until the first `Publish`: nothing is routed by it.
    static let nothing: Fib =
        { Own = -1
          Peers = Vector.empty
          ById = HashTrie.empty
          ByAddress = HashTrie.empty
          Subnets = SubnetTable.empty
          TreeNeighbours = []
          Settings =
            { Mode = Mode.Router
              Forwarding = Forwarding.Internal
              Broadcast = Broadcast.NoBroadcast
              DirectOnly = false
              DecrementTtl = false
              PriorityInheritance = false
              TunnelServer = false
              OverwriteMac = false
              OwnOptions = 0u
              Device = ""
              DebugLevel = DebugLevel.always } }

    /// Most nodes never compress anything.
    let compressor = lazy (Compressor())

    let mutable fib = nothing
    let cache = FibCache nothing
    let mutable states = Array.Empty<PeerSession>()

    member val Drops = Drops()

    /// The current outbox and the time at which the current packet or command came.
    member val Outbox = Outbox(0, 0, 0) with get, set

    member val Now = Instant.never with get, set

    /// TOS or traffic class for what is sent of the current packet.
    member val Priority = 0uy with get, set

    /// The current frame came by PACKET over a connection that could have used UDP: legacy nodes get it by PACKET, too.
    member val KeepOnTcp = false with get, set

    /// How much of the frames that are routed is reported: all if 0, nothing if negative.
    member val Capture = -1 with get, set

    member _.Duty = duty

    member _.Compressor: Compressor = compressor.Value

    member _.Fib = fib

    /// What the forwarding table says of addresses and IDs.
    member _.FibCache = cache

    member _.Own = fib.Own

    member _.States = states

    /// A forwarding table was published.
    member _.HasFib = fib.Own >= 0

    member this.Publish(newer: Fib) : unit =
        fib <- newer
        cache.Use newer
        this.Grow newer.Peers.Count

    /// There is state for at least so many peers.
    member _.Grow(count: int) : unit =
        let known = states.Length

        if count > known then
            Array.Resize(&states, max count (2 * known))

            for i in known .. states.Length - 1 do
                states[i] <- PeerSession()

    member _.State(peer: int) : PeerSession = states[peer]

    member _.Peer(peer: int) : Peer = fib.Peers[peer]

    /// Is this the number of a peer in the forwarding table?
    member _.Knows(peer: int) : bool = uint32 peer < uint32 fib.Peers.Count

    /// Are lines of this debug level shown? Texts are only put together if they are.
    member _.Shows(level: int) : bool = fib.Settings.DebugLevel >= level

    member this.Log(level: int, priority: Priority, text: string) : unit =
        if this.Shows level then
            this.Outbox.Punt(PacketLog { Level = level; Priority = priority; Text = text })

    /// Says that a packet of this length came from the device (`Read packet of `, ` from `) or goes to it.
    member this.LogDevice(what: string, length: int, way: string) : unit =
        if this.Shows DebugLevel.traffic then
            let text = what + length.ToString() + " bytes" + way + fib.Settings.Device
            this.Log(DebugLevel.traffic, Priority.Debug, text)
