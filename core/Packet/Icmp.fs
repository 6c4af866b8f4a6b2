/// ICMP and ICMPv6 errors about packets that cannot be delivered (spec 04 §8).
module TincPure.Packet.Icmp

open System
open System.Buffers.Binary
open TincPure.Primitives

/// Why a packet goes no further.
[<Struct>]
type Refusal =
    /// Nobody has a subnet for the destination.
    | NoSubnet
    /// The owner of the destination cannot be reached.
    | OwnerUnreachable
    /// Forwarding or indirect paths are switched off.
    | Prohibited
    | TooLarge
    | TtlExpired

/// How many errors leave in one second of the clock; IPv4 and IPv6 share the count (spec 04 §8).
[<Literal>]
let errorsPerSecond = 3

[<Sealed>]
type RateLimit() =
    let mutable second = 0L
    let mutable sent = 0

    /// One more error now: may it leave?
    member _.Allow(now: Instant) : bool =
        let current = Instant.seconds now

        if current <> second then
            second <- current
            sent <- 0

        sent <- sent + 1
        sent <= errorsPerSecond

[<Literal>]
let private icmpHeader = 8

[<Literal>]
let private quoteV4 = 548

[<Literal>]
let private quoteV6 = 528

/// The longest error frame: 576 bytes of IP behind Ethernet header and VLAN tag.
[<Literal>]
let maxErrorFrame = 594

let private typeV4 refusal =
    match refusal with
    | NoSubnet -> struct (3uy, 6uy)
    | OwnerUnreachable -> struct (3uy, 0uy)
    | Prohibited -> struct (3uy, 9uy)
    | TooLarge -> struct (3uy, 4uy)
    | TtlExpired -> struct (11uy, 0uy)

let private typeV6 refusal =
    match refusal with
    | NoSubnet -> struct (1uy, 3uy)
    | OwnerUnreachable -> struct (1uy, 0uy)
    | Prohibited -> struct (1uy, 1uy)
    | TooLarge -> struct (2uy, 0uy)
    | TtlExpired -> struct (3uy, 0uy)

let private isErrorTypeV4 (icmpType: byte) =
    match icmpType with
    | 3uy
    | 4uy
    | 5uy
    | 11uy
    | 12uy -> true
    | _ -> false

let private mayAnswerV4 (packet: Span<byte>) =
    let source = IpV4.source packet
    let headerLength = IpV4.headerLength packet

    // 0.0.0.0/8 is nobody; 224.0.0.0 and above are groups, reserved, or everybody.
    (source >>> 24) <> 0u
    && source < 0xe0000000u
    && not (IpV4.isLaterFragment packet)
    && not (
        packet[IpV4.protocolOffset] = IpProtocol.icmp
        && (packet.Length <= headerLength || isErrorTypeV4 packet[headerLength])
    )

let private isLaterFragmentV6 (packet: Span<byte>) =
    packet[IpV6.nextHeaderOffset] = IpProtocol.ipv6Fragment
    && packet.Length >= IpV6.headerSize + 4
    && BinaryPrimitives.ReadUInt16BigEndian(packet.Slice(IpV6.headerSize + 2)) >= 8us

let private mayAnswerV6 (packet: Span<byte>) =
    let source = IpV6.source packet
    let unspecified = source.High = 0UL && source.Low = 0UL

    not unspecified
    && packet[IpV6.sourceOffset] <> 0xffuy
    && not (isLaterFragmentV6 packet)
    && not (
        packet[IpV6.nextHeaderOffset] = IpProtocol.icmpV6
        && (packet.Length <= IpV6.headerSize || packet[IpV6.headerSize] < 128uy)
    )

/// Whether an error about this frame may be sent: there is an IP header, the packet is no ICMP error itself and no later
/// fragment, and its source is one host (spec 04 §8, RFC 1122 §3.2.2, RFC 4443 §2.4).
let mayAnswer (frame: Span<byte>) : bool =
    if frame.Length < Ethernet.headerSize then
        false
    else
        let offset = Ethernet.payloadOffset frame
        let packet = frame.Slice offset

        match Ethernet.payloadType frame offset with
        | Ethernet.ipv4 -> packet.Length >= IpV4.headerSize && mayAnswerV4 packet
        | Ethernet.ipv6 -> packet.Length >= IpV6.headerSize && mayAnswerV6 packet
        | _ -> false

let private writeV4 refusal (packet: Span<byte>) (from: Ip voption) (target: Span<byte>) : int =
    let quote = min packet.Length quoteV4
    let total = IpV4.headerSize + icmpHeader + quote
    let struct (icmpType, code) = typeV4 refusal
    let icmp = target.Slice(IpV4.headerSize, icmpHeader + quote)

    target.Slice(0, IpV4.headerSize + icmpHeader).Clear()
    target[0] <- 0x45uy
    BinaryPrimitives.WriteUInt16BigEndian(target.Slice IpV4.lengthOffset, uint16 total)
    target[IpV4.ttlOffset] <- 255uy
    target[IpV4.protocolOffset] <- IpProtocol.icmp

    match from with
    | ValueSome ip when not ip.IsV6 -> Ip.write ip (target.Slice IpV4.sourceOffset)
    | _ -> packet.Slice(IpV4.destinationOffset, 4).CopyTo(target.Slice IpV4.sourceOffset)

    packet.Slice(IpV4.sourceOffset, 4).CopyTo(target.Slice IpV4.destinationOffset)
    IpV4.writeChecksum target

    icmp[0] <- icmpType
    icmp[1] <- code

    if refusal = TooLarge then
        BinaryPrimitives.WriteUInt16BigEndian(icmp.Slice 6, uint16 packet.Length)

    packet.Slice(0, quote).CopyTo(icmp.Slice icmpHeader)
    BinaryPrimitives.WriteUInt16BigEndian(icmp.Slice 2, Checksum.compute icmp)
    total

let private writeV6 refusal (packet: Span<byte>) (from: Ip voption) (target: Span<byte>) : int =
    let quote = min packet.Length quoteV6
    let length = icmpHeader + quote
    let struct (icmpType, code) = typeV6 refusal
    let icmp = target.Slice(IpV6.headerSize, length)

    target.Slice(0, IpV6.headerSize + icmpHeader).Clear()
    target[0] <- 0x60uy
    BinaryPrimitives.WriteUInt16BigEndian(target.Slice IpV6.lengthOffset, uint16 length)
    target[IpV6.nextHeaderOffset] <- IpProtocol.icmpV6
    target[IpV6.hopLimitOffset] <- 255uy

    match from with
    | ValueSome ip when ip.IsV6 -> Ip.write ip (target.Slice IpV6.sourceOffset)
    | _ -> packet.Slice(IpV6.destinationOffset, 16).CopyTo(target.Slice IpV6.sourceOffset)

    packet.Slice(IpV6.sourceOffset, 16).CopyTo(target.Slice IpV6.destinationOffset)

    icmp[0] <- icmpType
    icmp[1] <- code

    if refusal = TooLarge then
        BinaryPrimitives.WriteUInt32BigEndian(icmp.Slice 4, uint32 packet.Length)

    packet.Slice(0, quote).CopyTo(icmp.Slice icmpHeader)

    let seed = Checksum.pseudoHeaderV6 (target.Slice IpV6.sourceOffset) length IpProtocol.icmpV6

    BinaryPrimitives.WriteUInt16BigEndian(icmp.Slice 2, Checksum.finish (Checksum.sum seed icmp))
    IpV6.headerSize + length

/// Writes the error about `frame` to `target` (`maxErrorFrame` bytes) and gives its length, 0 if the frame is not one to be
/// answered. For `TooLarge` the frame was cut to what fits, so that its length tells the MTU. The error comes `from` the
/// given address, or from the original destination.
let writeError (refusal: Refusal) (frame: Span<byte>) (from: Ip voption) (target: Span<byte>) : int =
    if not (mayAnswer frame) then
        0
    else
        let offset = Ethernet.payloadOffset frame
        let packet = frame.Slice offset
        frame.Slice(6, 6).CopyTo(target)
        frame.Slice(0, 6).CopyTo(target.Slice 6)
        frame.Slice(12, offset - 12).CopyTo(target.Slice 12)

        offset
        + if Ethernet.payloadType frame offset = Ethernet.ipv4 then
              writeV4 refusal packet from (target.Slice offset)
          else
              writeV6 refusal packet from (target.Slice offset)
