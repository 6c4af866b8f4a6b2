/// Poly1305 over long pieces of a message, and on the way the xor with the key stream, so that a packet is gone over once.
///
/// Blocks are taken in groups of as many as a vector has lanes: every lane sums up its blocks of all groups with the factor
/// r^lanes, and at last each lane is multiplied by the power that its place in the group wants. Here numbers have five limbs
/// of 26 bits, so that products of them fit 64 bits. The sums wait for each other most of the time; in that time the xor
/// costs nothing.
module internal TincPure.Crypto.Poly1305Lanes

#nowarn "9" // pointers into the message

open System
open System.Runtime.CompilerServices
open System.Runtime.Intrinsics
open System.Runtime.Intrinsics.X86
open Microsoft.FSharp.NativeInterop
open TincPure.Crypto.Poly1305Words
open TincPure.Primitives

[<Literal>]
let private blockSize = 16

/// What becomes of the bytes that are gone over. The tag is that of the ciphertext.
module Pass =

    /// Nothing.
    [<Literal>]
    let tag = 0

    /// They are plaintext.
    [<Literal>]
    let seal = 1

    /// They are ciphertext.
    [<Literal>]
    let open' = 2

/// The lane of a block of a group: low and high words of blocks are told apart by taking them in turn from both halves.
let private lane (lanes: int) (block: int) = if block < lanes / 2 then 2 * block else 2 * block - lanes + 1

/// Powers of r by the lanes that they belong to: low, middle and top words, `lanes` of each one behind the other.
let private writePowers (r0: uint64) (r1: uint64) (lanes: int) (target: nativeptr<uint64>) =
    let s1 = r1 + (r1 >>> 2)
    let mutable h0 = r0
    let mutable h1 = r1
    let mutable h2 = 0UL

    for power in 1..lanes do
        let at = lane lanes (lanes - power)
        NativePtr.set target at h0
        NativePtr.set target (lanes + at) h1
        NativePtr.set target (2 * lanes + at) h2

        if power < lanes then
            let struct (n0, n1, n2) = times h0 h1 h2 r0 r1 s1
            h0 <- n0
            h1 <- n1
            h2 <- n2

/// Five sums of limbs, which have grown over 26 bits, as an accumulator.
let private join (a0: uint64) (a1: uint64) (a2: uint64) (a3: uint64) (a4: uint64) =
    let limb = 0x3ffffffUL
    let a1 = a1 + (a0 >>> 26)
    let a2 = a2 + (a1 >>> 26)
    let a3 = a3 + (a2 >>> 26)
    let a4 = a4 + (a3 >>> 26)
    let a0 = (a0 &&& limb) + (a4 >>> 26) * 5UL
    let a1 = (a1 &&& limb) + (a0 >>> 26)
    let a2 = (a2 &&& limb) + (a1 >>> 26)
    let a3 = (a3 &&& limb) + (a2 >>> 26)
    let a4 = (a4 &&& limb) + (a3 >>> 26)
    let a0 = a0 &&& limb
    let a1 = a1 &&& limb
    let a2 = a2 &&& limb
    let a3 = a3 &&& limb
    struct (a0 ||| (a1 <<< 26) ||| (a2 <<< 52), (a2 >>> 12) ||| (a3 <<< 14) ||| (a4 <<< 40), a4 >>> 24)

let inline private room (words: int) = NativePtr.stackalloc<uint64> words

/// Copies the blocks of the first group, as the tag takes them, behind ones of zeros; as many zeros follow.
let private stage
    (pass: int)
    (source: ReadOnlySpan<byte>)
    (stream: ReadOnlySpan<byte>)
    (target: Span<byte>)
    (staged: nativeptr<byte>)
    (size: int)
    =
    let room = Span<byte>(NativePtr.toVoidPtr staged, 2 * size)
    room.Clear()
    let into = room.Slice(size - source.Length)

    if pass <> Pass.seal then
        source.CopyTo into

    if pass <> Pass.tag then
        Bytes.xor source stream target

    if pass = Pass.seal then
        target.Slice(0, source.Length).CopyTo into

/// The accumulator after whole blocks, from zero on, and what `pass` makes of them. Vectors have `lanes` lanes of 64 bits.
///
/// The first group is what the blocks are more than a multiple of `lanes`, behind blocks that count nothing: `topsFrom n` has
/// the bit behind 16 bytes in the lanes of the blocks of a group from `n` on.
let inline private absorb
    (pass: int)
    (lanes: int)
    (r0: uint64)
    (r1: uint64)
    (source: ReadOnlySpan<byte>)
    (stream: ReadOnlySpan<byte>)
    (target: Span<byte>)
    ([<InlineIfLambda>] topsFrom: int -> 'vector)
    ([<InlineIfLambda>] load: nativeptr<byte> -> int -> 'vector)
    ([<InlineIfLambda>] store: 'vector -> nativeptr<byte> -> int -> unit)
    ([<InlineIfLambda>] all: uint64 -> 'vector)
    ([<InlineIfLambda>] first: 'vector -> uint64)
    ([<InlineIfLambda>] sum: 'vector -> uint64)
    ([<InlineIfLambda>] lows: 'vector -> 'vector -> 'vector)
    ([<InlineIfLambda>] highs: 'vector -> 'vector -> 'vector)
    ([<InlineIfLambda>] left: 'vector -> int -> 'vector)
    ([<InlineIfLambda>] right: 'vector -> int -> 'vector)
    ([<InlineIfLambda>] multiply: 'vector -> 'vector -> 'vector)
    =
    let groupSize = lanes * blockSize
    let powers = room (3 * lanes)
    writePowers r0 r1 lanes powers
    let blocks = source.Length / blockSize
    let groups = (blocks + lanes - 1) / lanes
    let ahead = blocks % lanes
    let isWhole = (ahead = 0)
    let count = ahead * blockSize
    let staged: nativeptr<byte> = NativePtr.ofVoidPtr (NativePtr.toVoidPtr (room (4 * lanes)))

    if not isWhole then
        stage pass (source.Slice(0, count)) stream target staged groupSize

    use source = fixed &source.GetPinnableReference()
    use stream = fixed &stream.GetPinnableReference()
    use target = fixed &target.GetPinnableReference()
    let limb = all 0x3ffffffUL
    let wordSize = groupSize / 2

    // Limbs of the powers that the lanes are multiplied by at last.
    let low = load (NativePtr.ofNativeInt (NativePtr.toNativeInt powers)) 0
    let middle = load (NativePtr.ofNativeInt (NativePtr.toNativeInt powers)) wordSize
    let top = load (NativePtr.ofNativeInt (NativePtr.toNativeInt powers)) (2 * wordSize)
    let q0 = low &&& limb
    let q1 = right low 26 &&& limb
    let q2 = (right low 52 ||| left middle 12) &&& limb
    let q3 = right middle 14 &&& limb
    let q4 = right middle 40 ||| left top 24

    // Until then, all of them by the highest one, which is that of the first block.
    let mutable r0 = all (first q0)
    let mutable r1 = all (first q1)
    let mutable r2 = all (first q2)
    let mutable r3 = all (first q3)
    let mutable r4 = all (first q4)
    let mutable s1 = r1 + left r1 2
    let mutable s2 = r2 + left r2 2
    let mutable s3 = r3 + left r3 2
    let mutable s4 = r4 + left r4 2
    let mutable h0 = all 0UL
    let mutable h1 = all 0UL
    let mutable h2 = all 0UL
    let mutable h3 = all 0UL
    let mutable h4 = all 0UL
    let mutable from = if isWhole then source else staged
    let mutable mask = if isWhole then stream else NativePtr.add staged groupSize
    let mutable into = if isWhole then target else staged
    let mutable next = if isWhole then groupSize else count
    let mutable tops = topsFrom (if isWhole then 0 else lanes - ahead)

    for group in 1..groups do
        let mutable a = load from 0
        let mutable b = load from wordSize

        if pass <> Pass.tag then
            let x = a ^^^ load mask 0
            let y = b ^^^ load mask wordSize
            store x into 0
            store y into wordSize
            mask <- NativePtr.add stream next
            into <- NativePtr.add target next

            if pass = Pass.seal then
                a <- x
                b <- y

        from <- NativePtr.add source next
        next <- next + groupSize
        let low = lows a b
        let high = highs a b

        let m0 = h0 + (low &&& limb)
        let m1 = h1 + (right low 26 &&& limb)
        let m2 = h2 + ((right low 52 ||| left high 12) &&& limb)
        let m3 = h3 + (right high 14 &&& limb)
        let m4 = h4 + (right high 40 ||| tops)
        tops <- all (1UL <<< 24)

        if group = groups then
            r0 <- q0
            r1 <- q1
            r2 <- q2
            r3 <- q3
            r4 <- q4
            s1 <- r1 + left r1 2
            s2 <- r2 + left r2 2
            s3 <- r3 + left r3 2
            s4 <- r4 + left r4 2

        let d0 = multiply m0 r0 + multiply m1 s4 + multiply m2 s3 + multiply m3 s2 + multiply m4 s1
        let d1 = multiply m0 r1 + multiply m1 r0 + multiply m2 s4 + multiply m3 s3 + multiply m4 s2
        let d2 = multiply m0 r2 + multiply m1 r1 + multiply m2 r0 + multiply m3 s4 + multiply m4 s3
        let d3 = multiply m0 r3 + multiply m1 r2 + multiply m2 r1 + multiply m3 r0 + multiply m4 s4
        let d4 = multiply m0 r4 + multiply m1 r3 + multiply m2 r2 + multiply m3 r1 + multiply m4 r0

        // Two carries are on their way at a time; one round leaves every limb small enough.
        let d1 = d1 + right d0 26
        let d4 = d4 + right d3 26
        let d0 = d0 &&& limb
        let d3 = d3 &&& limb
        let d2 = d2 + right d1 26
        let over = right d4 26
        let d0 = d0 + over + left over 2
        let d1 = d1 &&& limb
        let d4 = d4 &&& limb
        let d3 = d3 + right d2 26
        let d1 = d1 + right d0 26
        h0 <- d0 &&& limb
        h1 <- d1
        h2 <- d2 &&& limb
        h4 <- d4 + right d3 26
        h3 <- d3 &&& limb

    join (sum h0) (sum h1) (sum h2) (sum h3) (sum h4)

/// 512-bit registers: eight blocks.
module Wide =

    let inline private absorb pass r0 r1 source stream target =
        absorb
            pass
            8
            r0
            r1
            source
            stream
            target
            (fun begins ->
                Vector512.GreaterThanOrEqual(
                    Vector512.Create(0UL, 4UL, 1UL, 5UL, 2UL, 6UL, 3UL, 7UL),
                    Vector512.Create(uint64 begins)
                )
                &&& Vector512.Create(1UL <<< 24))
            (fun from offset -> Vector512.Load(NativePtr.add from offset).AsUInt64())
            (fun value into offset -> Vector512.Store(value.AsByte(), NativePtr.add into offset))
            (fun value -> Vector512.Create(value))
            (fun v -> v.GetElement 0)
            (fun v -> Vector512.Sum v)
            (fun a b -> Avx512F.UnpackLow(a, b))
            (fun a b -> Avx512F.UnpackHigh(a, b))
            (fun v bits -> Vector512.ShiftLeft(v, bits))
            (fun v bits -> Vector512.ShiftRightLogical(v, bits))
            (fun a b -> Avx512F.Multiply(a.AsUInt32(), b.AsUInt32()))

    [<MethodImpl(MethodImplOptions.NoInlining); SkipLocalsInit>]
    let tag r0 r1 source : struct (uint64 * uint64 * uint64) =
        absorb Pass.tag r0 r1 source ReadOnlySpan.Empty Span.Empty

    [<MethodImpl(MethodImplOptions.NoInlining); SkipLocalsInit>]
    let seal r0 r1 source stream target : struct (uint64 * uint64 * uint64) =
        absorb Pass.seal r0 r1 source stream target

    [<MethodImpl(MethodImplOptions.NoInlining); SkipLocalsInit>]
    let open' r0 r1 source stream target : struct (uint64 * uint64 * uint64) =
        absorb Pass.open' r0 r1 source stream target

/// 256-bit registers: four blocks.
module Middle =

    let inline private absorb pass r0 r1 source stream target =
        absorb
            pass
            4
            r0
            r1
            source
            stream
            target
            (fun begins ->
                Vector256.GreaterThanOrEqual(Vector256.Create(0UL, 2UL, 1UL, 3UL), Vector256.Create(uint64 begins))
                &&& Vector256.Create(1UL <<< 24))
            (fun from offset -> Vector256.Load(NativePtr.add from offset).AsUInt64())
            (fun value into offset -> Vector256.Store(value.AsByte(), NativePtr.add into offset))
            (fun value -> Vector256.Create(value))
            (fun v -> v.GetElement 0)
            (fun v -> Vector256.Sum v)
            (fun a b -> Avx2.UnpackLow(a, b))
            (fun a b -> Avx2.UnpackHigh(a, b))
            (fun v bits -> Vector256.ShiftLeft(v, bits))
            (fun v bits -> Vector256.ShiftRightLogical(v, bits))
            (fun a b -> Avx2.Multiply(a.AsUInt32(), b.AsUInt32()))

    [<MethodImpl(MethodImplOptions.NoInlining); SkipLocalsInit>]
    let tag r0 r1 source : struct (uint64 * uint64 * uint64) =
        absorb Pass.tag r0 r1 source ReadOnlySpan.Empty Span.Empty

    [<MethodImpl(MethodImplOptions.NoInlining); SkipLocalsInit>]
    let seal r0 r1 source stream target : struct (uint64 * uint64 * uint64) =
        absorb Pass.seal r0 r1 source stream target

    [<MethodImpl(MethodImplOptions.NoInlining); SkipLocalsInit>]
    let open' r0 r1 source stream target : struct (uint64 * uint64 * uint64) =
        absorb Pass.open' r0 r1 source stream target
