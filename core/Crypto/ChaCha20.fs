/// The key stream of the original ChaCha20: 64-bit block counter, 64-bit nonce, 20 rounds (spec 01 §6).
///
/// The state is four rows of four words. A vector kernel keeps a row of several blocks in one register, one block per
/// 128-bit lane, so that one quarter round does all four columns of all those blocks; turning the rows by one, two and
/// three words puts the diagonals into the columns. Kernels work on three or six such groups at a time to keep the
/// processor's pipelines full: a round is a chain of steps that wait for each other. Nothing here depends on the key but the
/// contents of registers.
///
/// The kernels must not be inlined: a method that holds several has more locals than the JIT keeps in registers.
module TincPure.Crypto.ChaCha20

open System
open System.Buffers.Binary
open System.Numerics
open System.Runtime.CompilerServices
open System.Runtime.InteropServices
open System.Runtime.Intrinsics
open System.Runtime.Intrinsics.X86

[<Literal>]
let KeySize = 32

[<Literal>]
let BlockSize = 64

/// Room that `keyStream` wants at least: what the widest kernel makes in one go.
[<Literal>]
let ChunkSize = 1536

/// One round over the columns: of numbers, or of vectors of them.
let inline private quarter
    a
    b
    c
    d
    ([<InlineIfLambda>] rotate16)
    ([<InlineIfLambda>] rotate12)
    ([<InlineIfLambda>] rotate8)
    ([<InlineIfLambda>] rotate7)
    =
    let a = a + b
    let d = rotate16 (d ^^^ a)
    let c = c + d
    let b = rotate12 (b ^^^ c)
    let a = a + b
    let d = rotate8 (d ^^^ a)
    let c = c + d
    let b = rotate7 (b ^^^ c)
    struct (a, b, c, d)

/// Twenty rounds over three groups of blocks that differ in their last rows only, and the addition of the start: as many as sixteen
/// registers hold. `counters` gives the last row of a group, `turn1` moves every word of a row one place down, `turn2` two,
/// `turn3` three.
let inline private threeGroups
    a
    b
    c
    ([<InlineIfLambda>] counters)
    ([<InlineIfLambda>] round)
    ([<InlineIfLambda>] turn1)
    ([<InlineIfLambda>] turn2)
    ([<InlineIfLambda>] turn3)
    =
    let mutable a0 = a
    let mutable b0 = b
    let mutable c0 = c
    let mutable d0 = counters 0UL
    let mutable a1 = a
    let mutable b1 = b
    let mutable c1 = c
    let mutable d1 = counters 1UL
    let mutable a2 = a
    let mutable b2 = b
    let mutable c2 = c
    let mutable d2 = counters 2UL

    for _ in 1..10 do
        let struct (p0, q0, r0, s0) = round a0 b0 c0 d0
        let struct (p1, q1, r1, s1) = round a1 b1 c1 d1
        let struct (p2, q2, r2, s2) = round a2 b2 c2 d2
        let struct (t0, u0, v0, w0) = round p0 (turn1 q0) (turn2 r0) (turn3 s0)
        let struct (t1, u1, v1, w1) = round p1 (turn1 q1) (turn2 r1) (turn3 s1)
        let struct (t2, u2, v2, w2) = round p2 (turn1 q2) (turn2 r2) (turn3 s2)
        a0 <- t0
        b0 <- turn3 u0
        c0 <- turn2 v0
        d0 <- turn1 w0
        a1 <- t1
        b1 <- turn3 u1
        c1 <- turn2 v1
        d1 <- turn1 w1
        a2 <- t2
        b2 <- turn3 u2
        c2 <- turn2 v2
        d2 <- turn1 w2

    struct (a0 + a,
            b0 + b,
            c0 + c,
            d0 + counters 0UL,
            a1 + a,
            b1 + b,
            c1 + c,
            d1 + counters 1UL,
            a2 + a,
            b2 + b,
            c2 + c,
            d2 + counters 2UL)

let inline private constantRow () = Vector128.Create(0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u)

let inline private keyRow (key: ReadOnlySpan<byte>) (offset: int) =
    MemoryMarshal.Read<Vector128<uint32>>(key.Slice offset)

let inline private counterRow (nonce: uint64) (counter: uint64) = Vector128.Create(counter, nonce).AsUInt32()

/// 512-bit registers: 24, twelve or four blocks. Fewer take hardly less time than the next more, and 24 are a packet of 1,450 bytes.
module private Wide =

    let inline private spread (row: Vector128<uint32>) =
        let half = Vector256.Create(row, row)
        Vector512.Create(half, half)

    let inline private round a b c (d: Vector512<uint32>) =
        quarter
            a
            b
            c
            d
            (fun v -> Avx512F.RotateLeft(v, 16uy))
            (fun v -> Avx512F.RotateLeft(v, 12uy))
            (fun v -> Avx512F.RotateLeft(v, 8uy))
            (fun v -> Avx512F.RotateLeft(v, 7uy))

    /// Four rows of four blocks leave as four blocks of four rows.
    let inline private store
        (a: Vector512<uint32>)
        (b: Vector512<uint32>)
        (c: Vector512<uint32>)
        (d: Vector512<uint32>)
        (target: Span<byte>)
        =
        let ab01 = Avx512F.Shuffle4x128(a, b, 0x44uy)
        let ab23 = Avx512F.Shuffle4x128(a, b, 0xeeuy)
        let cd01 = Avx512F.Shuffle4x128(c, d, 0x44uy)
        let cd23 = Avx512F.Shuffle4x128(c, d, 0xeeuy)
        Avx512F.Shuffle4x128(ab01, cd01, 0x88uy).AsByte().CopyTo(target)
        Avx512F.Shuffle4x128(ab01, cd01, 0xdduy).AsByte().CopyTo(target.Slice 64)
        Avx512F.Shuffle4x128(ab23, cd23, 0x88uy).AsByte().CopyTo(target.Slice 128)
        Avx512F.Shuffle4x128(ab23, cd23, 0xdduy).AsByte().CopyTo(target.Slice 192)

    let inline private turn1 (v: Vector512<uint32>) = Avx512F.Shuffle(v, 0x39uy)

    let inline private turn2 (v: Vector512<uint32>) = Avx512F.Shuffle(v, 0x4euy)

    let inline private turn3 (v: Vector512<uint32>) = Avx512F.Shuffle(v, 0x93uy)

    let inline private doubleRound a b c d =
        let struct (a, b, c, d) = round a b c d
        let struct (a, b, c, d) = round a (turn1 b) (turn2 c) (turn3 d)
        struct (a, turn3 b, turn2 c, turn1 d)

    /// The last rows of four blocks.
    let inline private counters (nonce: uint64) (counter: uint64) =
        ((spread (counterRow nonce counter)).AsUInt64()
         + Vector512.Create(0UL, 0UL, 1UL, 0UL, 2UL, 0UL, 3UL, 0UL))
            .AsUInt32()

    [<MethodImpl(MethodImplOptions.NoInlining)>]
    let fill4 (key: ReadOnlySpan<byte>) (nonce: uint64) (counter: uint64) (target: Span<byte>) =
        let a = spread (constantRow ())
        let b = spread (keyRow key 0)
        let c = spread (keyRow key 16)
        let d = counters nonce counter
        let mutable w = a
        let mutable x = b
        let mutable y = c
        let mutable z = d

        for _ in 1..10 do
            let struct (p, q, r, s) = doubleRound w x y z
            w <- p
            x <- q
            y <- r
            z <- s

        store (w + a) (x + b) (y + c) (z + d) target

    /// As `threeGroups`, with six.
    [<MethodImpl(MethodImplOptions.NoInlining)>]
    let fill24 (key: ReadOnlySpan<byte>) (nonce: uint64) (counter: uint64) (target: Span<byte>) =
        let a = spread (constantRow ())
        let b = spread (keyRow key 0)
        let c = spread (keyRow key 16)
        let mutable a0 = a
        let mutable b0 = b
        let mutable c0 = c
        let mutable d0 = counters nonce counter
        let mutable a1 = a
        let mutable b1 = b
        let mutable c1 = c
        let mutable d1 = counters nonce (counter + 4UL)
        let mutable a2 = a
        let mutable b2 = b
        let mutable c2 = c
        let mutable d2 = counters nonce (counter + 8UL)
        let mutable a3 = a
        let mutable b3 = b
        let mutable c3 = c
        let mutable d3 = counters nonce (counter + 12UL)
        let mutable a4 = a
        let mutable b4 = b
        let mutable c4 = c
        let mutable d4 = counters nonce (counter + 16UL)
        let mutable a5 = a
        let mutable b5 = b
        let mutable c5 = c
        let mutable d5 = counters nonce (counter + 20UL)

        for _ in 1..10 do
            let struct (p, q, r, s) = doubleRound a0 b0 c0 d0
            a0 <- p
            b0 <- q
            c0 <- r
            d0 <- s
            let struct (p, q, r, s) = doubleRound a1 b1 c1 d1
            a1 <- p
            b1 <- q
            c1 <- r
            d1 <- s
            let struct (p, q, r, s) = doubleRound a2 b2 c2 d2
            a2 <- p
            b2 <- q
            c2 <- r
            d2 <- s
            let struct (p, q, r, s) = doubleRound a3 b3 c3 d3
            a3 <- p
            b3 <- q
            c3 <- r
            d3 <- s
            let struct (p, q, r, s) = doubleRound a4 b4 c4 d4
            a4 <- p
            b4 <- q
            c4 <- r
            d4 <- s
            let struct (p, q, r, s) = doubleRound a5 b5 c5 d5
            a5 <- p
            b5 <- q
            c5 <- r
            d5 <- s

        store (a0 + a) (b0 + b) (c0 + c) (d0 + counters nonce counter) target
        store (a1 + a) (b1 + b) (c1 + c) (d1 + counters nonce (counter + 4UL)) (target.Slice 256)
        store (a2 + a) (b2 + b) (c2 + c) (d2 + counters nonce (counter + 8UL)) (target.Slice 512)
        store (a3 + a) (b3 + b) (c3 + c) (d3 + counters nonce (counter + 12UL)) (target.Slice 768)
        store (a4 + a) (b4 + b) (c4 + c) (d4 + counters nonce (counter + 16UL)) (target.Slice 1024)
        store (a5 + a) (b5 + b) (c5 + c) (d5 + counters nonce (counter + 20UL)) (target.Slice 1280)

    [<MethodImpl(MethodImplOptions.NoInlining)>]
    let fill12 (key: ReadOnlySpan<byte>) (nonce: uint64) (counter: uint64) (target: Span<byte>) =
        let struct (a0, b0, c0, d0, a1, b1, c1, d1, a2, b2, c2, d2) =
            threeGroups
                (spread (constantRow ()))
                (spread (keyRow key 0))
                (spread (keyRow key 16))
                (fun group -> counters nonce (counter + 4UL * group))
                (fun a b c d -> round a b c d)
                (fun v -> turn1 v)
                (fun v -> turn2 v)
                (fun v -> turn3 v)

        store a0 b0 c0 d0 target
        store a1 b1 c1 d1 (target.Slice 256)
        store a2 b2 c2 d2 (target.Slice 512)

/// 256-bit registers: six blocks.
module private Middle =

    let inline private rotate (v: Vector256<uint32>) (bits: int) =
        Vector256.ShiftLeft(v, bits) ||| Vector256.ShiftRightLogical(v, 32 - bits)

    let inline private spread (row: Vector128<uint32>) = Vector256.Create(row, row)

    /// Whole bytes are moved by a shuffle: `low` and `high` list the sources of bytes 0 to 7 and 8 to 15 of each lane.
    let inline private moveBytes (v: Vector256<uint32>) (low: uint64) (high: uint64) =
        Avx2.Shuffle(v.AsByte(), Vector256.Create(low, high, low, high).AsByte()).AsUInt32()

    let inline private rotate16 v = moveBytes v 0x0504070601000302UL 0x0d0c0f0e09080b0aUL

    let inline private rotate8 v = moveBytes v 0x0605040702010003UL 0x0e0d0c0f0a09080bUL

    let inline private round a b c d =
        quarter a b c d (fun v -> rotate16 v) (fun v -> rotate v 12) (fun v -> rotate8 v) (fun v -> rotate v 7)

    let inline private store
        (a: Vector256<uint32>)
        (b: Vector256<uint32>)
        (c: Vector256<uint32>)
        (d: Vector256<uint32>)
        (target: Span<byte>)
        =
        Avx2.Permute2x128(a, b, 0x20uy).AsByte().CopyTo(target)
        Avx2.Permute2x128(c, d, 0x20uy).AsByte().CopyTo(target.Slice 32)
        Avx2.Permute2x128(a, b, 0x31uy).AsByte().CopyTo(target.Slice 64)
        Avx2.Permute2x128(c, d, 0x31uy).AsByte().CopyTo(target.Slice 96)

    [<MethodImpl(MethodImplOptions.NoInlining)>]
    let fill (key: ReadOnlySpan<byte>) (nonce: uint64) (counter: uint64) (target: Span<byte>) =
        let d = (spread (counterRow nonce counter)).AsUInt64() + Vector256.Create(0UL, 0UL, 1UL, 0UL)

        let struct (a0, b0, c0, d0, a1, b1, c1, d1, a2, b2, c2, d2) =
            threeGroups
                (spread (constantRow ()))
                (spread (keyRow key 0))
                (spread (keyRow key 16))
                (fun group -> (d + Vector256.Create(2UL * group, 0UL, 2UL * group, 0UL)).AsUInt32())
                (fun a b c d -> round a b c d)
                (fun v -> Avx2.Shuffle(v, 0x39uy))
                (fun v -> Avx2.Shuffle(v, 0x4euy))
                (fun v -> Avx2.Shuffle(v, 0x93uy))

        store a0 b0 c0 d0 target
        store a1 b1 c1 d1 (target.Slice 128)
        store a2 b2 c2 d2 (target.Slice 256)

/// 128-bit registers of any processor: three blocks.
module private Narrow =

    let inline private rotate (v: Vector128<uint32>) (bits: int) =
        Vector128.ShiftLeft(v, bits) ||| Vector128.ShiftRightLogical(v, 32 - bits)

    let inline private round a b c d =
        quarter a b c d (fun v -> rotate v 16) (fun v -> rotate v 12) (fun v -> rotate v 8) (fun v -> rotate v 7)

    let inline private store
        (a: Vector128<uint32>)
        (b: Vector128<uint32>)
        (c: Vector128<uint32>)
        (d: Vector128<uint32>)
        (target: Span<byte>)
        =
        a.AsByte().CopyTo(target)
        b.AsByte().CopyTo(target.Slice 16)
        c.AsByte().CopyTo(target.Slice 32)
        d.AsByte().CopyTo(target.Slice 48)

    [<MethodImpl(MethodImplOptions.NoInlining)>]
    let fill (key: ReadOnlySpan<byte>) (nonce: uint64) (counter: uint64) (target: Span<byte>) =
        let struct (a0, b0, c0, d0, a1, b1, c1, d1, a2, b2, c2, d2) =
            threeGroups
                (constantRow ())
                (keyRow key 0)
                (keyRow key 16)
                (fun group -> counterRow nonce (counter + group))
                (fun a b c d -> round a b c d)
                (fun (v: Vector128<uint32>) -> Vector128.Shuffle(v, Vector128.Create(1u, 2u, 3u, 0u)))
                (fun (v: Vector128<uint32>) -> Vector128.Shuffle(v, Vector128.Create(2u, 3u, 0u, 1u)))
                (fun (v: Vector128<uint32>) -> Vector128.Shuffle(v, Vector128.Create(3u, 0u, 1u, 2u)))

        store a0 b0 c0 d0 target
        store a1 b1 c1 d1 (target.Slice 64)
        store a2 b2 c2 d2 (target.Slice 128)

/// One block without vectors: for processors that have none, and as the reference that the others are tested against.
module Scalar =

    let private step (words: Span<uint32>) a b c d =
        let struct (p, q, r, s) =
            quarter
                words[a]
                words[b]
                words[c]
                words[d]
                (fun v -> BitOperations.RotateLeft(v, 16))
                (fun v -> BitOperations.RotateLeft(v, 12))
                (fun v -> BitOperations.RotateLeft(v, 8))
                (fun v -> BitOperations.RotateLeft(v, 7))

        words[a] <- p
        words[b] <- q
        words[c] <- r
        words[d] <- s

    [<MethodImpl(MethodImplOptions.NoInlining)>]
    let fill (key: ReadOnlySpan<byte>) (nonce: uint64) (counter: uint64) (target: Span<byte>) =
        let start = Array.zeroCreate<uint32> 16
        start[0] <- 0x61707865u
        start[1] <- 0x3320646eu
        start[2] <- 0x79622d32u
        start[3] <- 0x6b206574u

        for i in 0..7 do
            start[4 + i] <- BinaryPrimitives.ReadUInt32LittleEndian(key.Slice(4 * i))

        start[12] <- uint32 counter
        start[13] <- uint32 (counter >>> 32)
        start[14] <- uint32 nonce
        start[15] <- uint32 (nonce >>> 32)
        let words = Span(Array.copy start)

        for _ in 1..10 do
            for i in 0..3 do
                step words i (4 + i) (8 + i) (12 + i)

            for i in 0..3 do
                step words i (4 + (i + 1) % 4) (8 + (i + 2) % 4) (12 + (i + 3) % 4)

        for i in 0..15 do
            BinaryPrimitives.WriteUInt32LittleEndian(target.Slice(4 * i), words[i] + start[i])

/// `keyStream` with a kernel of one's choice, which the processor must have.
let keyStreamWith
    (kernel: Kernel)
    (key: ReadOnlySpan<byte>)
    (nonce: uint64)
    (counter: uint64)
    (blocks: int)
    (target: Span<byte>)
    : unit =
    let mutable made = 0

    while made < blocks do
        let counter = counter + uint64 made
        let target = target.Slice(made * BlockSize)

        match kernel with
        | Kernel.Wide ->
            let wanted = blocks - made

            if wanted > 12 then
                Wide.fill24 key nonce counter target
                made <- made + 24
            elif wanted > 4 then
                Wide.fill12 key nonce counter target
                made <- made + 12
            else
                Wide.fill4 key nonce counter target
                made <- made + 4
        | Kernel.Middle ->
            Middle.fill key nonce counter target
            made <- made + 6
        | Kernel.Narrow ->
            Narrow.fill key nonce counter target
            made <- made + 3
        | _ ->
            Scalar.fill key nonce counter target
            made <- made + 1

/// Fills `target` with at least `blocks` blocks of key stream (64 bytes each), from block `counter` on. `key` is 32
/// bytes, `nonce` the eight nonce bytes read as a little-endian number; `target` has room for `blocks` rounded up to
/// whole `ChunkSize`s, and bytes behind the blocks asked for may be overwritten.
let keyStream (key: ReadOnlySpan<byte>) (nonce: uint64) (counter: uint64) (blocks: int) (target: Span<byte>) : unit =
    keyStreamWith (Kernels.widest ()) key nonce counter blocks target
