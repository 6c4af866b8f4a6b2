/// The Poly1305 one-time authenticator (RFC 8439 §2.5), with or without the encryption of what it is computed over.
///
/// To the accumulator every 16 bytes are added, and it is multiplied by r modulo 2^130 - 5. Long messages go through vectors, short
/// ones and what is left of long ones through words.
module TincPure.Crypto.Poly1305

#nowarn "3391" // a span where a read-only one is wanted

open System
open System.Buffers.Binary
open System.Runtime.CompilerServices
open TincPure.Crypto.Poly1305Words
open TincPure.Crypto.Poly1305Lanes
open TincPure.Primitives

[<Literal>]
let KeySize = 32

[<Literal>]
let TagSize = 16

[<Literal>]
let private blockSize = 16

/// Shorter messages are done before the powers of r would be there.
[<Literal>]
let private longMessage = 256

/// There is code for vectors as wide as this.
let private hasVectors (kernel: Kernel) =
    match kernel with
    | Kernel.Wide
    | Kernel.Middle -> true
    | _ -> false

/// Whole blocks by vectors: the accumulator after them.
let private longPart
    (kernel: Kernel)
    (pass: int)
    (r0: uint64)
    (r1: uint64)
    (source: ReadOnlySpan<byte>)
    (stream: ReadOnlySpan<byte>)
    (target: Span<byte>)
    : struct (uint64 * uint64 * uint64) =
    match struct (kernel, pass) with
    | struct (Kernel.Wide, Pass.tag) -> Wide.tag r0 r1 source
    | struct (Kernel.Wide, Pass.seal) -> Wide.seal r0 r1 source stream target
    | struct (Kernel.Wide, _) -> Wide.open' r0 r1 source stream target
    | struct (_, Pass.tag) -> Middle.tag r0 r1 source
    | struct (_, Pass.seal) -> Middle.seal r0 r1 source stream target
    | _ -> Middle.open' r0 r1 source stream target

/// Goes over a message once: computes the tag of its ciphertext and, unless `pass` is `Pass.tag`, writes it xored with `stream`
/// to `target`, which may be where `source` is.
[<MethodImpl(MethodImplOptions.NoInlining)>]
let internal passOver
    (kernel: Kernel)
    (pass: int)
    (key: ReadOnlySpan<byte>)
    (source: ReadOnlySpan<byte>)
    (stream: ReadOnlySpan<byte>)
    (target: Span<byte>)
    (tag: Span<byte>)
    : unit =
    let r0 = BinaryPrimitives.ReadUInt64LittleEndian key &&& 0x0ffffffc0fffffffUL
    let r1 = BinaryPrimitives.ReadUInt64LittleEndian(key.Slice 8) &&& 0x0ffffffc0ffffffcUL
    let s1 = r1 + (r1 >>> 2)
    let pad0 = BinaryPrimitives.ReadUInt64LittleEndian(key.Slice 16)
    let pad1 = BinaryPrimitives.ReadUInt64LittleEndian(key.Slice 24)
    let mutable h0 = 0UL
    let mutable h1 = 0UL
    let mutable h2 = 0UL
    let mutable message = source
    let mutable at = 0

    if source.Length >= longMessage && hasVectors kernel then
        at <- source.Length &&& ~~~(blockSize - 1)
        let struct (n0, n1, n2) = longPart kernel pass r0 r1 (source.Slice(0, at)) stream target
        h0 <- n0
        h1 <- n1
        h2 <- n2

    let whole = at

    if pass = Pass.seal then
        Bytes.xor (source.Slice whole) (stream.Slice whole) (target.Slice whole)
        message <- target.Slice(0, source.Length)

    while at < message.Length do
        let rest = message.Length - at
        let mutable m0 = 0UL
        let mutable m1 = 0UL
        let mutable top = 1UL

        if rest >= 16 then
            m0 <- BinaryPrimitives.ReadUInt64LittleEndian(message.Slice at)
            m1 <- BinaryPrimitives.ReadUInt64LittleEndian(message.Slice(at + 8))
        else
            // A short last piece is followed by a one and zeros.
            top <- 0UL
            m0 <- if rest < 8 then 1UL <<< (8 * rest) else 0UL
            m1 <- if rest < 8 then 0UL else 1UL <<< (8 * (rest - 8))

            for i in 0 .. min rest 8 - 1 do
                m0 <- m0 ||| (uint64 message[at + i] <<< (8 * i))

            for i in 8 .. rest - 1 do
                m1 <- m1 ||| (uint64 message[at + i] <<< (8 * (i - 8)))

        h0 <- h0 + m0
        let c = carry h0 m0
        let n1 = m1 + c
        h1 <- h1 + n1
        h2 <- h2 + top + carry n1 c + carry h1 n1
        let struct (n0, n1, n2) = times h0 h1 h2 r0 r1 s1
        h0 <- n0
        h1 <- n1
        h2 <- n2
        at <- at + 16

    if pass = Pass.open' then
        Bytes.xor (source.Slice whole) (stream.Slice whole) (target.Slice whole)

    // h + 5 reaches 2^130 exactly when h is not yet reduced; then it is h + 5 - 2^130 that counts.
    let g0 = h0 + 5UL
    let c = carry g0 5UL
    let g1 = h1 + c
    let reached = (h2 + carry g1 c) >>> 2
    let mask = 0UL - (reached &&& 1UL)
    let h0 = (h0 &&& ~~~mask) ||| (g0 &&& mask)
    let h1 = (h1 &&& ~~~mask) ||| (g1 &&& mask)
    let low = h0 + pad0
    let high = h1 + pad1 + carry low pad0
    BinaryPrimitives.WriteUInt64LittleEndian(tag, low)
    BinaryPrimitives.WriteUInt64LittleEndian(tag.Slice 8, high)

/// `tag` with a kernel of one's choice, which the processor must have.
let tagWith (kernel: Kernel) (key: ReadOnlySpan<byte>) (message: ReadOnlySpan<byte>) (target: Span<byte>) : unit =
    passOver kernel Pass.tag key message ReadOnlySpan.Empty Span.Empty target

/// The tag of `message` under the one-time `key` (32 bytes) goes to `target` (16 bytes).
let tag (key: ReadOnlySpan<byte>) (message: ReadOnlySpan<byte>) (target: Span<byte>) : unit =
    tagWith (Kernels.widest ()) key message target
