/// The frame that devices and peers exchange: 14 bytes of Ethernet header, perhaps a VLAN tag, then the packet. Layer 3
/// devices have both addresses zero (spec 03 §2, spec 04 §1).
module TincPure.Packet.Ethernet

open System
open System.Buffers.Binary

[<Literal>]
let headerSize = 14

[<Literal>]
let addressSize = 6

[<Literal>]
let private vlanTagSize = 4

[<Literal>]
let typeOffset = 12

[<Literal>]
let ipv4 = 0x0800

[<Literal>]
let arp = 0x0806

[<Literal>]
let vlan = 0x8100

[<Literal>]
let ipv6 = 0x86dd

/// The type field of a frame of at least 14 bytes.
let etherType (frame: Span<byte>) : int = int (BinaryPrimitives.ReadUInt16BigEndian(frame.Slice typeOffset))

/// A frame of at least 14 bytes whose type is zero: a probe on encrypted paths, and nothing that can be routed (spec 03 §2).
let isProbe (frame: Span<byte>) : bool = etherType frame = 0

/// Where the packet begins: 14, or 18 behind a VLAN tag (spec 04 §8).
let payloadOffset (frame: Span<byte>) : int =
    if etherType frame = vlan && frame.Length >= headerSize + vlanTagSize then
        headerSize + vlanTagSize
    else
        headerSize

/// The type of what begins at `payloadOffset`.
let payloadType (frame: Span<byte>) (payloadOffset: int) : int =
    int (BinaryPrimitives.ReadUInt16BigEndian(frame.Slice(payloadOffset - 2)))

/// The 48 bits at the start of `source`.
let readAddress (source: Span<byte>) : uint64 =
    (uint64 (BinaryPrimitives.ReadUInt16BigEndian source) <<< 32)
    ||| uint64 (BinaryPrimitives.ReadUInt32BigEndian(source.Slice 2))

let writeAddress (address: uint64) (target: Span<byte>) : unit =
    BinaryPrimitives.WriteUInt16BigEndian(target, uint16 (address >>> 32))
    BinaryPrimitives.WriteUInt32BigEndian(target.Slice 2, uint32 address)

/// The address that tinc gives to whoever is behind a host's device: the host's own with the last byte inverted (spec 04 §12).
let mangle (address: uint64) : uint64 = address ^^^ 0xffUL

/// Writes the header that a bare IP packet loses on the wire: zero addresses, and the type after the version in the
/// packet's first byte. False if that is neither IPv4 nor IPv6 (spec 03 §4).
let tryWriteHeader (header: Span<byte>) (firstByte: byte) : bool =
    let etherType =
        match firstByte >>> 4 with
        | 4uy -> ipv4
        | 6uy -> ipv6
        | _ -> 0

    header.Slice(0, typeOffset).Clear()
    BinaryPrimitives.WriteUInt16BigEndian(header.Slice typeOffset, uint16 etherType)
    etherType <> 0
