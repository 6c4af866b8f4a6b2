/// The Poly1305 one-time authenticator (RFC 8439 §2.5).
///
/// The accumulator h = h0 + 2^64 h1 + 2^128 h2 is kept below 2^130 plus a little; every 16 bytes are added to it and it
/// is multiplied by r modulo 2^130 - 5. r is clamped, so that r1 is a multiple of four and the products that pass
/// 2^130 come back as r1 * 5 / 4; and small, so that sums of two products fit 128 bits. No branch, no index and no
/// division depends on the key or the message.
module TincPure.Crypto.Poly1305

open System
open System.Buffers.Binary
open System.Runtime.CompilerServices

[<Literal>]
let KeySize = 32

[<Literal>]
let TagSize = 16

/// 1 if the sum of something and `part` has wrapped around to `sum`. An `if` would become a jump that depends on secrets,
/// and one that processors guess wrong half of the time.
let inline private carry (sum: uint64) (part: uint64) : uint64 = uint64 (Unsafe.BitCast<bool, byte>(sum < part))

/// The tag of `message` under the one-time `key` (32 bytes) goes to `target` (16 bytes).
[<MethodImpl(MethodImplOptions.NoInlining)>]
let tag (key: ReadOnlySpan<byte>) (message: ReadOnlySpan<byte>) (target: Span<byte>) : unit =
    let r0 = BinaryPrimitives.ReadUInt64LittleEndian key &&& 0x0ffffffc0fffffffUL

    let r1 = BinaryPrimitives.ReadUInt64LittleEndian(key.Slice 8) &&& 0x0ffffffc0ffffffcUL

    let s1 = r1 + (r1 >>> 2)
    let mutable h0 = 0UL
    let mutable h1 = 0UL
    let mutable h2 = 0UL
    let mutable at = 0

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
        h0 <- low0 + fold
        let c = carry h0 fold
        h1 <- low1 + c
        h2 <- (high &&& 3UL) + carry h1 c
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
