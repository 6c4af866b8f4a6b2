/// Which way an SPTPS datagram leaves: by UDP to the destination or a relay, or over a meta connection (spec 03 §7.3).
module TincPure.Routing.PathChoice

open TincPure.Packet
open TincPure.Primitives

/// What is in the datagram, as far as its way depends on it. What we relay is always `Data` to us.
[<Struct>]
type Content =
    | Data
    | Probe
    | Handshake

/// The node IDs in front of the datagram.
[<Struct>]
type Ids =
    /// The receiver is too old to read them.
    | NoIds
    /// We are the origin and the receiver is the destination: the destination ID is zero.
    | Direct
    /// Both IDs are given; the receiver may be the destination itself.
    | Relayed

[<Struct>]
type Path =
    | Udp of relay: int * ids: Ids
    /// Over the meta connection with the next hop.
    | Tcp of Carrier

/// A node that a datagram might be handed to: its number, options word and the largest payload that its path is known to carry.
[<Struct>]
type Hop = { Node: int; Options: uint32; MinMtu: int }

/// The way of a datagram with `payload` bytes in its record towards `destination`. `fromUs`: we sealed it. `via` is the static
/// relay, or the destination itself; absent if it is ourselves.
let choose
    (content: Content)
    (fromUs: bool)
    (payload: int)
    (destination: int)
    (ownOptions: uint32)
    (via: Hop voption)
    (nextHop: Hop)
    : Path =
    let relay =
        match via with
        | ValueSome via when content.IsProbe || payload <= via.MinMtu -> via
        | _ -> nextHop

    let direct = fromUs && relay.Node = destination
    let canRelay = Datagram.hasIds relay.Options

    let viaTcp =
        content.IsHandshake
        || Options.has Options.tcpOnly (ownOptions ||| relay.Options)
        || (not direct && not canRelay)
        || (not content.IsProbe && payload > relay.MinMtu)

    if not viaTcp then
        Udp(
            relay.Node,
            if not canRelay then NoIds
            elif direct then Direct
            else Relayed
        )
    elif content.IsHandshake then
        Tcp KeyAnswer
    elif Options.minor nextHop.Options >= MinorVersion.sptpsPacket then
        Tcp RawTcp
    else
        Tcp KeyRequest
