/// IPv6 neighbour solicitation, answered for the addresses of other nodes (spec 04 §12).
module TincPure.Packet.Neighbour

open System
open System.Buffers.Binary
open TincPure.Primitives

/// Ethernet, IPv6 and neighbour solicitation without options.
[<Literal>]
let minimumSize = 78

[<Literal>]
let private withOption = 86

[<Literal>]
let private messageOffset = 54

[<Literal>]
let private targetOffset = 62

[<Literal>]
let private optionOffset = 78

[<Literal>]
let private solicitation = 135uy

[<Literal>]
let private advertisement = 136uy

/// Shortest frame in which ICMPv6 is looked at.
[<Literal>]
let private icmpSize = 62

/// A frame with an IPv6 header that carries an ICMPv6 neighbour solicitation, extension headers not looked behind.
let isSolicitation (frame: Span<byte>) : bool =
    frame.Length >= icmpSize
    && frame[Ethernet.headerSize + IpV6.nextHeaderOffset] = IpProtocol.icmpV6
    && frame[messageOffset] = solicitation

type Check =
    | Good = 0
    | UnknownOption = 1
    | BadChecksum = 2
    /// The asker has no address yet and wants to know whether it may take this one: it may.
    | DuplicateDetection = 3

let private messageLength (frame: Span<byte>) = if frame.Length >= withOption then 32 else 24

let private messageSum (frame: Span<byte>) =
    let length = messageLength frame
    let ip = frame.Slice Ethernet.headerSize
    let seed = Checksum.pseudoHeaderV6 (ip.Slice IpV6.sourceOffset) length IpProtocol.icmpV6
    Checksum.finish (Checksum.sum seed (frame.Slice(messageOffset, length)))

/// Whether the solicitation can be answered. Messages with more than the one option fail, as in stock tinc.
let check (frame: Span<byte>) : Check =
    let source = IpV6.source (frame.Slice Ethernet.headerSize)

    if frame.Length >= withOption && frame[optionOffset] <> 1uy then
        Check.UnknownOption
    elif messageSum frame <> 0us then
        Check.BadChecksum
    elif source.High = 0UL && source.Low = 0UL then
        Check.DuplicateDetection
    else
        Check.Good

/// The address asked for.
let target (frame: Span<byte>) : Ip = Ip.readV6 (Span.op_Implicit (frame.Slice targetOffset))

/// Turns a solicitation into its advertisement: whoever is asked for has the asker's own Ethernet address, mangled.
let answer (frame: Span<byte>) : unit =
    let ip = frame.Slice Ethernet.headerSize
    let asker = Ethernet.readAddress (frame.Slice 6)
    Ethernet.writeAddress asker frame
    Ethernet.writeAddress (Ethernet.mangle asker) (frame.Slice 6)
    ip.Slice(IpV6.sourceOffset, 16).CopyTo(ip.Slice IpV6.destinationOffset)
    frame.Slice(targetOffset, 16).CopyTo(ip.Slice IpV6.sourceOffset)
    frame[messageOffset] <- advertisement
    frame.Slice(messageOffset + 2, 6).Clear()
    frame[messageOffset + 4] <- 0x40uy

    if frame.Length >= withOption then
        frame[optionOffset] <- 2uy
        Ethernet.writeAddress (Ethernet.mangle asker) (frame.Slice(optionOffset + 2))

    BinaryPrimitives.WriteUInt16BigEndian(frame.Slice(messageOffset + 2), messageSum frame)
