namespace TincPure.Routing

open System
open TincPure.Packet

/// Why a frame is dropped.
type Reason =
    | Silent = 0
    | TooShort = 1
    | UnknownType = 2
    /// The destination belongs to the node that sent it.
    | LoopingBack = 3
    /// The path to the destination leads back to the node that sent it.
    | RoutingLoop = 4
    | ArpFromPeer = 5
    | NotAnArpRequest = 6
    | UnknownArpTarget = 7
    | SolicitationFromPeer = 8
    | UnknownSolicitation = 9
    | SolicitationChecksum = 10
    | UnknownSolicitationTarget = 11

[<Struct>]
type Decision =
    /// Send it to the owner; `hop` is the node that gets the datagram, as far as we decide.
    | Deliver of owner: int * hop: int
    /// As before, though it is longer than the path to the hop carries: there is nothing better to do with it.
    | DeliverLarge of largeOwner: int * largeHop: int
    | Flood
    /// Answer with an ICMP error.
    | Refuse of refusal: Icmp.Refusal
    /// Longer than `limit`, which is what the path to the hop is taken to carry: fragment, or answer that it is too large.
    | Oversize of toOwner: int * overHop: int * limit: int
    /// The time to live ran out.
    | Expire
    | AnswerArp
    | AnswerSolicitation
    | Discard of Reason

/// What the routing modes have in common.
module Decision =

    /// No path is believed to carry less than a frame with the smallest IPv4 packet that hosts must take (spec 04 §7.4).
    let frameFloorV4 = Ethernet.headerSize + IpV4.minimumMtu

    /// The same for IPv6.
    let frameFloorV6 = Ethernet.headerSize + IpV6.minimumMtu

    /// The owner of a destination that nobody has.
    [<Literal>]
    let NoOwner = Int32.MinValue

    let isReachable (fib: Fib) (node: int) = node = fib.Own || fib.Peers[node].Reachable

    /// The node through which a reachable node is reached, as far as we decide: the static relay, else the neighbour.
    let hop (fib: Fib) (node: int) : int =
        if node = fib.Own then
            node
        else
            let peer = fib.Peers[node]
            if peer.Via = fib.Own then peer.NextHop else peer.Via

    /// TOS or traffic class of a frame, 0 for what is no IP packet (option PriorityInheritance).
    let priority (frame: Span<byte>) : byte =
        let packet = frame.Slice Ethernet.headerSize

        match Ethernet.etherType frame with
        | Ethernet.ipv4 when packet.Length >= IpV4.headerSize -> packet[IpV4.tosOffset]
        | Ethernet.ipv6 when packet.Length >= IpV6.headerSize -> IpV6.trafficClass packet
        | _ -> 0uy
