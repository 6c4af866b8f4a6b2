/// Router mode: what becomes of a frame, by the addresses of the IP packet in it (spec 04 §7.3, §7.4).
module internal TincPure.Routing.Router

open System
open TincPure.Config
open TincPure.Packet
open TincPure.Primitives
open TincPure.Topology

/// The steps of spec 04 §7.4 that IPv4 and IPv6 have in common.
let private unicast (fib: Fib) (source: int) (frame: Span<byte>) (owner: int) (floor: int) : Decision =
    let settings = fib.Settings
    let between = source <> fib.Own && owner <> fib.Own

    if owner = Decision.NoOwner then
        Refuse Icmp.NoSubnet
    elif owner = OwnedSubnet.nobody then
        Flood
    elif owner = source then
        Discard Reason.LoopingBack
    elif not (Decision.isReachable fib owner) then
        Refuse Icmp.OwnerUnreachable
    elif between && settings.Forwarding.IsOff then
        Refuse Icmp.Prohibited
    elif between && settings.DecrementTtl && Ttl.decrement frame <> Ttl.Outcome.Alive then
        Expire
    else
        let hop = Decision.hop fib owner

        if hop = source then
            Discard Reason.RoutingLoop
        elif settings.DirectOnly && hop <> owner then
            Refuse Icmp.Prohibited
        elif hop <> fib.Own && frame.Length > max fib.Peers[hop].Mtu floor then
            Oversize(owner, hop, max fib.Peers[hop].Mtu floor)
        else
            Deliver(owner, hop)

let private arp (cache: FibCache) (source: int) (frame: Span<byte>) : Decision =
    if frame.Length < Arp.frameSize then
        Discard Reason.TooShort
    elif source <> cache.Fib.Own then
        Discard Reason.ArpFromPeer
    elif not (Arp.isRequest frame) then
        Discard Reason.NotAnArpRequest
    else
        match cache.OwnerV4(Arp.target frame) with
        | Decision.NoOwner -> Discard Reason.UnknownArpTarget
        | owner when owner = cache.Fib.Own -> Discard Reason.Silent
        | _ -> AnswerArp

let private solicitation (cache: FibCache) (source: int) (frame: Span<byte>) : Decision =
    let fib = cache.Fib

    if frame.Length < Neighbour.minimumSize then
        Discard Reason.TooShort
    elif source <> fib.Own then
        Discard Reason.SolicitationFromPeer
    else
        match Neighbour.check frame with
        | Neighbour.Check.UnknownOption -> Discard Reason.UnknownSolicitation
        | Neighbour.Check.BadChecksum -> Discard Reason.SolicitationChecksum
        | Neighbour.Check.DuplicateDetection -> Discard Reason.Silent
        | _ ->
            match cache.OwnerV6(Neighbour.target frame) with
            | Decision.NoOwner -> Discard Reason.UnknownSolicitationTarget
            | owner when owner = fib.Own -> Discard Reason.Silent
            | _ when fib.Settings.DecrementTtl && frame[Ethernet.headerSize + IpV6.hopLimitOffset] <= 1uy -> Expire
            | _ -> AnswerSolicitation

let private v4 (cache: FibCache) (source: int) (frame: Span<byte>) : Decision =
    if frame.Length < Ethernet.headerSize + IpV4.headerSize then
        Discard Reason.TooShort
    else
        let destination = IpV4.destination (frame.Slice Ethernet.headerSize)
        unicast cache.Fib source frame (cache.OwnerV4 destination) Decision.frameFloorV4

let private v6 (cache: FibCache) (source: int) (frame: Span<byte>) : Decision =
    if frame.Length < Ethernet.headerSize + IpV6.headerSize then
        Discard Reason.TooShort
    elif Neighbour.isSolicitation frame then
        solicitation cache source frame
    else
        let destination = IpV6.destination (frame.Slice Ethernet.headerSize)
        unicast cache.Fib source frame (cache.OwnerV6 destination) Decision.frameFloorV6

/// What becomes of a frame of at least 14 bytes from `source`. Takes one off its time to live where that is asked for.
let decide (cache: FibCache) (source: int) (frame: Span<byte>) : Decision =
    match Ethernet.etherType frame with
    | Ethernet.ipv4 -> v4 cache source frame
    | Ethernet.ipv6 -> v6 cache source frame
    | Ethernet.arp -> arp cache source frame
    | _ -> Discard Reason.UnknownType
