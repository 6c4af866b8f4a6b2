/// Switch mode: what becomes of a frame, by the Ethernet address that it is for (spec 04 §7.6).
module internal TincPure.Routing.Switch

open System
open TincPure.Packet
open TincPure.Topology

/// A frame that is longer than the path to its hop carries. IP packets that every path should carry are sent all the same,
/// and so is everything else.
let private large (fib: Fib) (frame: Span<byte>) (owner: int) (hop: int) : Decision =
    let offset = Ethernet.payloadOffset frame
    let size = frame.Length - offset

    match Ethernet.payloadType frame offset with
    | Ethernet.ipv4 when size > IpV4.minimumMtu -> Oversize(owner, hop, fib.Peers[hop].Mtu)
    | Ethernet.ipv6 when size > IpV6.minimumMtu -> Oversize(owner, hop, fib.Peers[hop].Mtu)
    | _ -> DeliverLarge(owner, hop)

let private unicast (fib: Fib) (source: int) (frame: Span<byte>) (owner: int) : Decision =
    let settings = fib.Settings
    let between = source <> fib.Own && owner <> fib.Own

    let ttl =
        if between && settings.DecrementTtl && not settings.Forwarding.IsOff then
            Ttl.decrement frame
        else
            Ttl.Outcome.Alive

    if between && settings.Forwarding.IsOff then
        Discard Reason.Silent
    elif ttl = Ttl.Outcome.Expired then
        Expire
    elif ttl = Ttl.Outcome.TooShort then
        Discard Reason.TooShort
    elif not (Decision.isReachable fib owner) then
        Deliver(owner, owner)
    else
        let hop = Decision.hop fib owner

        if hop = source then
            Discard Reason.RoutingLoop
        elif settings.DirectOnly && hop <> owner then
            Discard Reason.Silent
        elif hop <> fib.Own && frame.Length > fib.Peers[hop].Mtu then
            large fib frame owner hop
        else
            Deliver(owner, hop)

/// What becomes of a frame of at least 14 bytes from `source`. Takes one off its time to live where that is asked for.
let decide (cache: FibCache) (source: int) (frame: Span<byte>) : Decision =
    match cache.OwnerMac(Ethernet.readAddress frame) with
    | Decision.NoOwner
    | OwnedSubnet.nobody -> Flood
    | owner when owner = source -> Discard Reason.LoopingBack
    | owner -> unicast cache.Fib source frame owner
