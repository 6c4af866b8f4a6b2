/// The Internet checksum (RFC 1071), and its change when one word changes (RFC 1624).
module TincPure.Packet.Checksum

open System
open System.Buffers.Binary
open System.Runtime.InteropServices

let private fold (sum: uint64) : uint32 =
    let mutable folded = (sum &&& 0xffffffffUL) + (sum >>> 32)
    folded <- (folded &&& 0xffffUL) + (folded >>> 16)
    folded <- (folded &&& 0xffffUL) + (folded >>> 16)
    uint32 ((folded &&& 0xffffUL) + (folded >>> 16))

/// The sum of the big endian words of `bytes` in one's complement, plus `seed`. An odd last byte counts as the upper half
/// of a word, so only the last part of a sum in parts may be odd.
let sum (seed: uint32) (bytes: Span<byte>) : uint32 =
    // The sum does not care for the byte order until the end, so whole machine words are added with their carries.
    let words = MemoryMarshal.Cast<byte, uint64> bytes
    let mutable total = 0UL

    for i in 0 .. words.Length - 1 do
        let word = words[i]
        total <- total + word

        if total < word then
            total <- total + 1UL

    let mutable rest = uint64 (fold total)
    let tail = bytes.Slice(words.Length * 8)
    let mutable i = 0

    while i + 1 < tail.Length do
        rest <- rest + uint64 (MemoryMarshal.Read<uint16>(tail.Slice i))
        i <- i + 2

    if i < tail.Length then
        rest <- rest + if BitConverter.IsLittleEndian then uint64 tail[i] else uint64 tail[i] <<< 8

    let native = uint16 (fold rest)

    let bigEndian =
        if BitConverter.IsLittleEndian then
            BinaryPrimitives.ReverseEndianness native
        else
            native

    fold (uint64 seed + uint64 bigEndian)

/// The checksum for a sum.
let finish (sum: uint32) : uint16 = ~~~(uint16 (fold (uint64 sum)))

/// The checksum of `bytes`, whose own checksum field is zero.
let compute (bytes: Span<byte>) : uint16 = finish (sum 0u bytes)

/// The checksum after one word of what it covers changed (spec 04 §10).
let adjust (checksum: uint16) (before: uint16) (after: uint16) : uint16 =
    uint16 (fold (uint64 checksum + uint64 before + uint64 (~~~after)))

/// The sum of the IPv6 pseudo header for the addresses at the start of `addresses` (32 bytes: source, destination).
let pseudoHeaderV6 (addresses: Span<byte>) (length: int) (protocol: byte) : uint32 =
    sum (uint32 length + uint32 protocol) (addresses.Slice(0, 32))
