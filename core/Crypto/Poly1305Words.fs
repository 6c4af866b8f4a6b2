/// Numbers modulo 2^130 - 5 in words of 64 bits, as Poly1305 multiplies them.
///
/// The accumulator h = h0 + 2^64 h1 + 2^128 h2 is kept below 2^130 plus a little. r is clamped, so that r1 is a multiple of
/// four and the products that pass 2^130 come back as r1 * 5 / 4; and small, so that sums of two products fit 128 bits. No
/// branch, no index and no division depends on the key or the message.
module internal TincPure.Crypto.Poly1305Words

open System
open System.Runtime.CompilerServices

/// 1 if the sum of something and `part` has wrapped around to `sum`. An `if` would become a jump that depends on secrets,
/// and one that processors guess wrong half of the time.
let inline carry (sum: uint64) (part: uint64) : uint64 = uint64 (Unsafe.BitCast<bool, byte>(sum < part))

/// h * r modulo 2^130 - 5, with h reduced only as far as it must be.
let inline times h0 h1 h2 r0 r1 s1 : struct (uint64 * uint64 * uint64) =
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
