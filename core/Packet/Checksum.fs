/// The Internet checksum (RFC 1071), and its change when one word changes (RFC 1624).
module TincPure.Packet.Checksum

open System
open System.Buffers.Binary
open System.Numerics
open System.Runtime.InteropServices

let private fold (sum: uint64) : uint32 =
    let mutable folded = (sum &&& 0xffffffffUL) + (sum >>> 32)
    folded <- (folded &&& 0xffffUL) + (folded >>> 16)
    folded <- (folded &&& 0xffffUL) + (folded >>> 16)
    uint32 ((folded &&& 0xffffUL) + (folded >>> 16))

/// Adds the 32-bit halves of as many whole vectors as there are; the bytes used are counted in `used`. Halves in lanes of 64
/// bits cannot overflow before 16 GB.
let private sumVectors (bytes: ReadOnlySpan<byte>) (used: byref<int>) : uint64 =
    let vectors = MemoryMarshal.Cast<byte, Vector<uint64>> bytes
    let low = Vector<uint64>(0xffffffffUL)
    let mutable even = Vector<uint64>.Zero
    let mutable odd = Vector<uint64>.Zero

    for i in 0 .. vectors.Length - 1 do
        let words = vectors[i]
        even <- even + (words &&& low)
        odd <- odd + Vector.ShiftRightLogical(words, 32)

    used <- vectors.Length * Vector<byte>.Count
    Vector.Sum(even + odd)

/// The sum of the big endian words of `bytes` in one's complement, plus `seed`. An odd last byte counts as the upper half
/// of a word, so only the last part of a sum in parts may be odd.
let sum (seed: uint32) (bytes: Span<byte>) : uint32 =
    // The sum does not care for the byte order until the end, so whole machine words are added, halves apart for the carries.
    let mutable used = 0
    let mutable total = sumVectors (Span.op_Implicit bytes) &used
    let tail = bytes.Slice used
    let words = MemoryMarshal.Cast<byte, uint32> tail

    for i in 0 .. words.Length - 1 do
        total <- total + uint64 words[i]

    let tail = tail.Slice(words.Length * 4)

    if tail.Length >= 2 then
        total <- total + uint64 (MemoryMarshal.Read<uint16>(Span.op_Implicit tail: ReadOnlySpan<byte>))

    if tail.Length % 2 = 1 then
        let last = uint64 tail[tail.Length - 1]
        total <- total + if BitConverter.IsLittleEndian then last else last <<< 8

    let native = uint16 (fold total)

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
