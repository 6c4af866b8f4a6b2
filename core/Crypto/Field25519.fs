/// Arithmetic modulo p = 2^255 - 19, in constant time.
///
/// An element is five limbs of 51 bits. Products leave limbs just above 2^51; sums and differences are not carried, and
/// every function takes limbs below 2^54, which one sum or difference of products never reaches. Columns of products are
/// added as `UInt128`, whose carries the JIT makes without jumps.
module TincPure.Crypto.Field25519

open System
open System.Buffers.Binary

[<Struct>]
type Element = { L0: uint64; L1: uint64; L2: uint64; L3: uint64; L4: uint64 }

[<Literal>]
let private Mask = 0x7ffffffffffffUL

let inline private limbs l0 l1 l2 l3 l4 = { L0 = l0; L1 = l1; L2 = l2; L3 = l3; L4 = l4 }

let zero = limbs 0UL 0UL 0UL 0UL 0UL

let one = limbs 1UL 0UL 0UL 0UL 0UL

let add (a: Element) (b: Element) : Element =
    limbs (a.L0 + b.L0) (a.L1 + b.L1) (a.L2 + b.L2) (a.L3 + b.L3) (a.L4 + b.L4)

/// a - b, as a + 4p - b so that no limb falls below zero. The limbs of `b` are below 2^53 - 76.
let sub (a: Element) (b: Element) : Element =
    limbs
        (a.L0 + 0x1fffffffffffb4UL - b.L0)
        (a.L1 + 0x1ffffffffffffcUL - b.L1)
        (a.L2 + 0x1ffffffffffffcUL - b.L2)
        (a.L3 + 0x1ffffffffffffcUL - b.L3)
        (a.L4 + 0x1ffffffffffffcUL - b.L4)

let inline private product (a: uint64) (b: uint64) : UInt128 = Math.BigMul(a, b)

let inline private above51 (wide: UInt128) : uint64 = UInt128.op_Explicit (wide >>> 51)

let inline private below51 (wide: UInt128) : uint64 = UInt128.op_Explicit wide &&& Mask

let inline private widen (value: uint64) : UInt128 = UInt128(0UL, value)

/// Carries the five columns of a product around; 2^255 comes back as 19.
let inline private carry (r0: UInt128) (r1: UInt128) (r2: UInt128) (r3: UInt128) (r4: UInt128) =
    let r1 = r1 + widen (above51 r0)
    let r2 = r2 + widen (above51 r1)
    let r3 = r3 + widen (above51 r2)
    let r4 = r4 + widen (above51 r3)
    let l0 = below51 r0 + 19UL * above51 r4
    limbs (l0 &&& Mask) (below51 r1 + (l0 >>> 51)) (below51 r2) (below51 r3) (below51 r4)

let mul (a: Element) (b: Element) : Element =
    let a1 = 19UL * a.L1
    let a2 = 19UL * a.L2
    let a3 = 19UL * a.L3
    let a4 = 19UL * a.L4

    carry
        (product a.L0 b.L0 + product a1 b.L4 + product a2 b.L3 + product a3 b.L2 + product a4 b.L1)
        (product a.L0 b.L1 + product a.L1 b.L0 + product a2 b.L4 + product a3 b.L3 + product a4 b.L2)
        (product a.L0 b.L2 + product a.L1 b.L1 + product a.L2 b.L0 + product a3 b.L4 + product a4 b.L3)
        (product a.L0 b.L3 + product a.L1 b.L2 + product a.L2 b.L1 + product a.L3 b.L0 + product a4 b.L4)
        (product a.L0 b.L4 + product a.L1 b.L3 + product a.L2 b.L2 + product a.L3 b.L1 + product a.L4 b.L0)

let square (a: Element) : Element =
    let a3 = 19UL * a.L3
    let a4 = 19UL * a.L4
    let twice0 = 2UL * a.L0
    let twice1 = 2UL * a.L1

    carry
        (product a.L0 a.L0 + product twice1 a4 + product (2UL * a.L2) a3)
        (product twice0 a.L1 + product (2UL * a.L2) a4 + product a.L3 a3)
        (product twice0 a.L2 + product a.L1 a.L1 + product (2UL * a.L3) a4)
        (product twice0 a.L3 + product twice1 a.L2 + product a.L4 a4)
        (product twice0 a.L4 + product twice1 a.L3 + product a.L2 a.L2)

/// `a` times a number below 2^20.
let mulSmall (a: Element) (factor: uint64) : Element =
    carry (product a.L0 factor) (product a.L1 factor) (product a.L2 factor) (product a.L3 factor) (product a.L4 factor)

/// `a` squared `times` times.
let rec squareTimes (times: int) (a: Element) : Element = if times = 0 then a else squareTimes (times - 1) (square a)

/// a^(2^250 - 1) and a^11, of which the long powers are made.
let private power250 (a: Element) : struct (Element * Element) =
    let a2 = square a
    let a9 = mul (squareTimes 2 a2) a
    let a11 = mul a9 a2
    let ones5 = mul (square a11) a9
    let ones10 = mul (squareTimes 5 ones5) ones5
    let ones20 = mul (squareTimes 10 ones10) ones10
    let ones40 = mul (squareTimes 20 ones20) ones20
    let ones50 = mul (squareTimes 10 ones40) ones10
    let ones100 = mul (squareTimes 50 ones50) ones50
    let ones200 = mul (squareTimes 100 ones100) ones100
    struct (mul (squareTimes 50 ones200) ones50, a11)

/// 1 / a, which is a^(p - 2); 0 for 0.
let invert (a: Element) : Element =
    let struct (ones250, a11) = power250 a
    mul (squareTimes 5 ones250) a11

/// a^((p - 5) / 8), the heart of a square root.
let powerForRoot (a: Element) : Element =
    let struct (ones250, _) = power250 a
    mul (squareTimes 2 ones250) a

let private word (bytes: ReadOnlySpan<byte>) (at: int) = BinaryPrimitives.ReadUInt64LittleEndian(bytes.Slice at)

/// Reads 32 bytes, little endian. The top bit is ignored and values from p up are taken modulo p.
let ofBytes (bytes: ReadOnlySpan<byte>) : Element =
    limbs
        (word bytes 0 &&& Mask)
        ((word bytes 6 >>> 3) &&& Mask)
        ((word bytes 12 >>> 6) &&& Mask)
        ((word bytes 19 >>> 1) &&& Mask)
        ((word bytes 24 >>> 12) &&& Mask)

/// Carries once around: limbs come down to 51 bits and a little.
let private settle (a: Element) : Element =
    let l1 = a.L1 + (a.L0 >>> 51)
    let l2 = a.L2 + (l1 >>> 51)
    let l3 = a.L3 + (l2 >>> 51)
    let l4 = a.L4 + (l3 >>> 51)
    let l0 = (a.L0 &&& Mask) + 19UL * (l4 >>> 51)
    limbs l0 (l1 &&& Mask) (l2 &&& Mask) (l3 &&& Mask) (l4 &&& Mask)

/// -a. Carried before and after: takes sums and differences, and what it gives can be subtracted.
let negate (a: Element) : Element = settle (sub zero (settle a))

/// Writes the least non-negative value as 32 bytes, little endian.
let toBytes (a: Element) (target: Span<byte>) : unit =
    // Twice brings the value below 2^255 and a little.
    let a = settle (settle a)
    // Adding 19 reaches 2^255 exactly when the value is p or more.
    let q = (a.L0 + 19UL) >>> 51
    let q = (a.L1 + q) >>> 51
    let q = (a.L2 + q) >>> 51
    let q = (a.L3 + q) >>> 51
    let q = (a.L4 + q) >>> 51
    let l0 = a.L0 + 19UL * q
    let l1 = a.L1 + (l0 >>> 51)
    let l2 = a.L2 + (l1 >>> 51)
    let l3 = a.L3 + (l2 >>> 51)
    let l4 = (a.L4 + (l3 >>> 51)) &&& Mask
    let l0 = l0 &&& Mask
    let l1 = l1 &&& Mask
    let l2 = l2 &&& Mask
    let l3 = l3 &&& Mask
    BinaryPrimitives.WriteUInt64LittleEndian(target, l0 ||| (l1 <<< 51))
    BinaryPrimitives.WriteUInt64LittleEndian(target.Slice 8, (l1 >>> 13) ||| (l2 <<< 38))
    BinaryPrimitives.WriteUInt64LittleEndian(target.Slice 16, (l2 >>> 26) ||| (l3 <<< 25))
    BinaryPrimitives.WriteUInt64LittleEndian(target.Slice 24, (l3 >>> 39) ||| (l4 <<< 12))

/// `b` if `choice` is 1, `a` if it is 0.
let select (choice: uint64) (a: Element) (b: Element) : Element =
    let mask = 0UL - choice
    let inline pick (x: uint64) (y: uint64) = x ^^^ (mask &&& (x ^^^ y))
    limbs (pick a.L0 b.L0) (pick a.L1 b.L1) (pick a.L2 b.L2) (pick a.L3 b.L3) (pick a.L4 b.L4)
