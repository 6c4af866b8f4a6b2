/// Compressed packets at every level: made from any packet, read from any bytes.
module TincPure.Fuzz.Compression

open System
open TincPure.Core.Tests
open TincPure.Packet.Compression
open TincPure.Primitives

let private compressor = Compressor()

let private roundTrip (behaviour: Behaviour) (level: int) (packet: byte[]) =
    let packed = Array.zeroCreate<byte>(Compressor.Bound packet.Length)
    let size = compressor.Compress(level, ReadOnlySpan packet, Span packed)
    behaviour.Saw("packed", size)
    Target.check (size > 0 && size <= packed.Length) "a packet is not compressed"
    let target = Array.zeroCreate<byte> packet.Length
    let length = compressor.Decompress(level, ReadOnlySpan(packed, 0, size), Span target)
    Target.check (length = packet.Length && target = packet) "another packet comes back"

let private read (behaviour: Behaviour) (level: int) (bytes: byte[]) =
    let guard = 0xa5uy
    let target = Array.create (Protocol.maxSize + 64) guard
    let length = compressor.Decompress(level, ReadOnlySpan bytes, Span(target, 0, Protocol.maxSize))
    behaviour.Saw("read", length)
    Target.check (length >= -1 && length <= Protocol.maxSize) "a length out of bounds"

    for i in Protocol.maxSize .. target.Length - 1 do
        Target.check (target[i] = guard) "a byte behind the target"

    if length >= 0 then
        let again = Array.zeroCreate<byte> length
        let same = compressor.Decompress(level, ReadOnlySpan bytes, Span again)
        Target.check (same = length && Span(target, 0, length).SequenceEqual(ReadOnlySpan again)) "read otherwise twice"

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    let level = 1 + tape.Below 12
    let bytes = tape.Rest()
    behaviour.Anew()
    read behaviour level bytes
    behaviour.Anew()
    roundTrip behaviour level (Array.truncate Compressor.MaxInput bytes)

let private seeds () =
    let vectors = Vectors.items "vectors" (Vectors.load "03-compression.json")

    [ for vector in vectors do
          Array.append [| byte (Vectors.number "level" vector - 1) |] (Vectors.bytes "compressed" vector) ]

let target =
    Target.create
        "compression"
        "what is compressed comes back; any bytes are read as something that fits, or not"
        seeds
        run
