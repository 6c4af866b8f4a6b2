/// Spans of bytes: the form in which everything enters and leaves the core.
module TincPure.Primitives.Bytes

open System
open System.Buffers.Binary
open System.Numerics
open System.Runtime.InteropServices
open System.Runtime.Intrinsics

/// Are these two tags of 16 bytes the same? Takes the same time for all.
let sameTag (left: ReadOnlySpan<byte>) (right: ReadOnlySpan<byte>) : bool =
    let low = BinaryPrimitives.ReadUInt64LittleEndian left ^^^ BinaryPrimitives.ReadUInt64LittleEndian right

    let high =
        BinaryPrimitives.ReadUInt64LittleEndian(left.Slice 8)
        ^^^ BinaryPrimitives.ReadUInt64LittleEndian(right.Slice 8)

    (low ||| high) = 0UL

/// `target[i] <- source[i] xor mask[i]` for every byte of `source`. `mask` and `target` are at least as long;
/// `target` may be `source`.
let xor (source: ReadOnlySpan<byte>) (mask: ReadOnlySpan<byte>) (target: Span<byte>) : unit =
    let mask = mask.Slice(0, source.Length)
    let target = target.Slice(0, source.Length)
    let mutable i = 0

    if Vector512.IsHardwareAccelerated then
        while i <= source.Length - 64 do
            let block =
                MemoryMarshal.Read<Vector512<byte>>(source.Slice i)
                ^^^ MemoryMarshal.Read<Vector512<byte>>(mask.Slice i)

            MemoryMarshal.Write(target.Slice i, &block)
            i <- i + 64

    let width = Vector<byte>.Count

    while i <= source.Length - width do
        let block =
            MemoryMarshal.Read<Vector<byte>>(source.Slice i) ^^^ MemoryMarshal.Read<Vector<byte>>(mask.Slice i)

        MemoryMarshal.Write(target.Slice i, &block)
        i <- i + width

    while i <= source.Length - 8 do
        let word = MemoryMarshal.Read<uint64>(source.Slice i) ^^^ MemoryMarshal.Read<uint64>(mask.Slice i)

        MemoryMarshal.Write(target.Slice i, &word)
        i <- i + 8

    while i < source.Length do
        target[i] <- source[i] ^^^ mask[i]
        i <- i + 1
