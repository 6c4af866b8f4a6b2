/// The Poly1305 one-time authenticator (RFC 8439 §2.5).
///
/// The accumulator h = h0 + 2^64 h1 + 2^128 h2 is kept below 2^130 plus a little; every 16 bytes are added to it and it
/// is multiplied by r modulo 2^130 - 5. r is clamped, so that r1 is a multiple of four and the products that pass
/// 2^130 come back as r1 * 5 / 4; and small, so that sums of two products fit 128 bits. No branch, no index and no
/// division depends on the key or the message.
///
/// Long messages are taken in groups of as many blocks as a vector has lanes: every lane sums up its blocks of all groups
/// with the factor r^lanes, and at last each lane is multiplied by the power that its place in the group wants. There
/// numbers have five limbs of 26 bits, so that products of them fit 64 bits.
module TincPure.Crypto.Poly1305

#nowarn "9" // pointers into the message

open System
open System.Buffers.Binary
open System.Runtime.CompilerServices
open System.Runtime.Intrinsics
open System.Runtime.Intrinsics.X86
open Microsoft.FSharp.NativeInterop

[<Literal>]
let KeySize = 32

[<Literal>]
let TagSize = 16

[<Literal>]
let private blockSize = 16

/// Shorter messages are done before the powers of r would be there.
[<Literal>]
let private longMessage = 256

/// 1 if the sum of something and `part` has wrapped around to `sum`. An `if` would become a jump that depends on secrets,
/// and one that processors guess wrong half of the time.
let inline private carry (sum: uint64) (part: uint64) : uint64 = uint64 (Unsafe.BitCast<bool, byte>(sum < part))

/// h * r modulo 2^130 - 5, with h reduced only as far as it must be.
let inline private times h0 h1 h2 r0 r1 s1 : struct (uint64 * uint64 * uint64) =
    let mutable p00 = 0UL
    let mutable p01 = 0UL
    let mutable p10 = 0UL
    let mutable p11 = 0UL
    let high00 = Math.BigMul(h0, r0, &p00)
    let high11 = Math.BigMul(h1, s1, &p11)
    let high01 = Math.BigMul(h0, r1, &p01)
    let high10 = Math.BigMul(h1, r0, &p10)

    let low0 = p00 + p11
    let over0 = high00 + high11 + carry low0 p11

    let low1 = p01 + p10
    let over1 = high01 + high10 + carry low1 p10
    let small = h2 * s1
    let low1 = low1 + small
    let over1 = over1 + carry low1 small
    let low1 = low1 + over0
    let over1 = over1 + carry low1 over0

    let high = h2 * r0 + over1
    let fold = (high >>> 2) + (high &&& ~~~3UL)
    let n0 = low0 + fold
    let c = carry n0 fold
    let n1 = low1 + c
    struct (n0, n1, (high &&& 3UL) + carry n1 c)

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

/// The accumulator after whole blocks. The first group is what they are more than a multiple of `lanes`, behind blocks that
/// count nothing: `firstTops` has the bit behind 16 bytes in the lanes that have a block. Vectors have `lanes` lanes of 64 bits.
let inline private accumulate
    (lanes: int)
    (groups: int)
    (firstGroup: nativeptr<byte>)
    (message: nativeptr<byte>)
    (powers: nativeptr<uint64>)
    firstTops
    ([<InlineIfLambda>] load: nativeptr<byte> -> int -> 'vector)
    ([<InlineIfLambda>] all: uint64 -> 'vector)
    ([<InlineIfLambda>] first: 'vector -> uint64)
    ([<InlineIfLambda>] sum: 'vector -> uint64)
    ([<InlineIfLambda>] lows: 'vector -> 'vector -> 'vector)
    ([<InlineIfLambda>] highs: 'vector -> 'vector -> 'vector)
    ([<InlineIfLambda>] left: 'vector -> int -> 'vector)
    ([<InlineIfLambda>] right: 'vector -> int -> 'vector)
    ([<InlineIfLambda>] multiply: 'vector -> 'vector -> 'vector)
    =
    let limb = all 0x3ffffffUL
    let groupSize = lanes * blockSize
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
    let mutable from = firstGroup
    let mutable next = message
    let mutable tops = firstTops

    for group in 1..groups do
        let a = load from 0
        let b = load from wordSize
        let low = lows a b
        let high = highs a b
        from <- next
        next <- NativePtr.add next groupSize

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

let inline private room (words: int) = NativePtr.stackalloc<uint64> words

/// Copies the blocks of the first group behind ones of zeros.
let private stage (message: ReadOnlySpan<byte>) (count: int) (target: nativeptr<byte>) (size: int) =
    let target = Span<byte>(NativePtr.toVoidPtr target, size)
    target.Clear()
    message.Slice(0, count).CopyTo(target.Slice(size - count))

/// 512-bit registers: eight blocks.
module private Wide =

    [<MethodImpl(MethodImplOptions.NoInlining); SkipLocalsInit>]
    let start (r0: uint64) (r1: uint64) (message: ReadOnlySpan<byte>) : struct (uint64 * uint64 * uint64) =
        let powers = room 24
        writePowers r0 r1 8 powers
        let blocks = message.Length / blockSize
        let ahead = blocks % 8
        let staged: nativeptr<byte> = NativePtr.ofVoidPtr (NativePtr.toVoidPtr (room 16))
        stage message (ahead * blockSize) staged 128
        use whole = fixed &message.GetPinnableReference()
        let places = Vector512.Create(0UL, 4UL, 1UL, 5UL, 2UL, 6UL, 3UL, 7UL)
        let tops = Vector512.Create(1UL <<< 24)
        let firstGroup = if ahead = 0 then whole else staged
        let second = NativePtr.add whole (if ahead = 0 then 128 else ahead * blockSize)

        let firstTops =
            if ahead = 0 then
                tops
            else
                Vector512.GreaterThanOrEqual(places, Vector512.Create(uint64 (8 - ahead))) &&& tops

        accumulate
            8
            ((blocks + 7) / 8)
            firstGroup
            second
            powers
            firstTops
            (fun from offset -> Vector512.Load(NativePtr.add from offset).AsUInt64())
            (fun value -> Vector512.Create(value))
            (fun v -> v.GetElement 0)
            (fun v -> Vector512.Sum v)
            (fun a b -> Avx512F.UnpackLow(a, b))
            (fun a b -> Avx512F.UnpackHigh(a, b))
            (fun v bits -> Vector512.ShiftLeft(v, bits))
            (fun v bits -> Vector512.ShiftRightLogical(v, bits))
            (fun a b -> Avx512F.Multiply(a.AsUInt32(), b.AsUInt32()))

/// 256-bit registers: four blocks.
module private Middle =

    [<MethodImpl(MethodImplOptions.NoInlining); SkipLocalsInit>]
    let start (r0: uint64) (r1: uint64) (message: ReadOnlySpan<byte>) : struct (uint64 * uint64 * uint64) =
        let powers = room 12
        writePowers r0 r1 4 powers
        let blocks = message.Length / blockSize
        let ahead = blocks % 4
        let staged: nativeptr<byte> = NativePtr.ofVoidPtr (NativePtr.toVoidPtr (room 8))
        stage message (ahead * blockSize) staged 64
        use whole = fixed &message.GetPinnableReference()
        let places = Vector256.Create(0UL, 2UL, 1UL, 3UL)
        let tops = Vector256.Create(1UL <<< 24)
        let firstGroup = if ahead = 0 then whole else staged
        let second = NativePtr.add whole (if ahead = 0 then 64 else ahead * blockSize)

        let firstTops =
            if ahead = 0 then
                tops
            else
                Vector256.GreaterThanOrEqual(places, Vector256.Create(uint64 (4 - ahead))) &&& tops

        accumulate
            4
            ((blocks + 3) / 4)
            firstGroup
            second
            powers
            firstTops
            (fun from offset -> Vector256.Load(NativePtr.add from offset).AsUInt64())
            (fun value -> Vector256.Create(value))
            (fun v -> v.GetElement 0)
            (fun v -> Vector256.Sum v)
            (fun a b -> Avx2.UnpackLow(a, b))
            (fun a b -> Avx2.UnpackHigh(a, b))
            (fun v bits -> Vector256.ShiftLeft(v, bits))
            (fun v bits -> Vector256.ShiftRightLogical(v, bits))
            (fun a b -> Avx2.Multiply(a.AsUInt32(), b.AsUInt32()))

/// How blocks are taken.
type Kernel =
    | Scalar = 0
    | Middle = 1
    | Wide = 2

/// The best one that this processor has.
let kernel =
    if Avx512F.IsSupported && Vector512.IsHardwareAccelerated then Kernel.Wide
    elif Avx2.IsSupported then Kernel.Middle
    else Kernel.Scalar

/// `tag` with a kernel of one's choice, which the processor must have.
[<MethodImpl(MethodImplOptions.NoInlining)>]
let tagWith (kernel: Kernel) (key: ReadOnlySpan<byte>) (message: ReadOnlySpan<byte>) (target: Span<byte>) : unit =
    let r0 = BinaryPrimitives.ReadUInt64LittleEndian key &&& 0x0ffffffc0fffffffUL

    let r1 = BinaryPrimitives.ReadUInt64LittleEndian(key.Slice 8) &&& 0x0ffffffc0ffffffcUL

    let s1 = r1 + (r1 >>> 2)
    let mutable h0 = 0UL
    let mutable h1 = 0UL
    let mutable h2 = 0UL
    let mutable at = 0

    if message.Length >= longMessage && kernel <> Kernel.Scalar then
        let whole = message.Slice(0, message.Length &&& ~~~(blockSize - 1))

        let struct (n0, n1, n2) =
            if kernel = Kernel.Wide then
                Wide.start r0 r1 whole
            else
                Middle.start r0 r1 whole

        h0 <- n0
        h1 <- n1
        h2 <- n2
        at <- whole.Length

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

    // h + 5 reaches 2^130 exactly when h is not yet reduced; then it is h + 5 - 2^130 that counts.
    let g0 = h0 + 5UL
    let c = carry g0 5UL
    let g1 = h1 + c
    let reached = (h2 + carry g1 c) >>> 2
    let mask = 0UL - (reached &&& 1UL)
    let h0 = (h0 &&& ~~~mask) ||| (g0 &&& mask)
    let h1 = (h1 &&& ~~~mask) ||| (g1 &&& mask)
    let pad0 = BinaryPrimitives.ReadUInt64LittleEndian(key.Slice 16)
    let low = h0 + pad0

    let high = h1 + BinaryPrimitives.ReadUInt64LittleEndian(key.Slice 24) + carry low pad0

    BinaryPrimitives.WriteUInt64LittleEndian(target, low)
    BinaryPrimitives.WriteUInt64LittleEndian(target.Slice 8, high)

/// The tag of `message` under the one-time `key` (32 bytes) goes to `target` (16 bytes).
let tag (key: ReadOnlySpan<byte>) (message: ReadOnlySpan<byte>) (target: Span<byte>) : unit =
    tagWith kernel key message target
