/// Arithmetic modulo the group order L = 2^252 + 27742317777372353535851937790883648493, in constant time.
module TincPure.Crypto.Scalar25519

open System

/// L, little endian. 16 L is 2^256 and a remainder of these lower bytes.
let private order: int64[] =
    Array.map
        int64
        [| 0xed
           0xd3
           0xf5
           0x5c
           0x1a
           0x63
           0x12
           0x58
           0xd6
           0x9c
           0xf7
           0xa2
           0xde
           0xf9
           0xde
           0x14
           0
           0
           0
           0
           0
           0
           0
           0
           0
           0
           0
           0
           0
           0
           0
           0x10 |]

/// Reduces 64 columns of base 256 (each of a size that a few hundred byte products can reach) to 32 bytes below L.
/// Each of the upper 32 columns is taken away as a multiple of 16 L, which leaves about twenty smaller corrections.
let private reduceColumns (x: int64[]) (target: Span<byte>) : unit =
    for i in 63..-1..32 do
        let mutable carry = 0L

        for j in i - 32 .. i - 13 do
            x[j] <- x[j] + carry - 16L * x[i] * order[j - (i - 32)]
            carry <- (x[j] + 128L) >>> 8
            x[j] <- x[j] - (carry <<< 8)

        x[i - 12] <- x[i - 12] + carry
        x[i] <- 0L

    let mutable carry = 0L

    for j in 0..31 do
        x[j] <- x[j] + carry - (x[31] >>> 4) * order[j]
        carry <- x[j] >>> 8
        x[j] <- x[j] &&& 255L

    for j in 0..31 do
        x[j] <- x[j] - carry * order[j]

    for i in 0..31 do
        x[i + 1] <- x[i + 1] + (x[i] >>> 8)
        target[i] <- byte x[i]

    Array.Clear x

/// A 64-byte little-endian number modulo L, 32 bytes.
let reduce (wide: ReadOnlySpan<byte>) (target: Span<byte>) : unit =
    let x = Array.zeroCreate<int64> 65

    for i in 0..63 do
        x[i] <- int64 wide[i]

    reduceColumns x target

/// (a * b + c) modulo L; all 32 bytes, little endian, of any value.
let multiplyAdd (a: ReadOnlySpan<byte>) (b: ReadOnlySpan<byte>) (c: ReadOnlySpan<byte>) (target: Span<byte>) : unit =
    let x = Array.zeroCreate<int64> 65

    for i in 0..31 do
        x[i] <- int64 c[i]

    for i in 0..31 do
        for j in 0..31 do
            x[i + j] <- x[i + j] + int64 a[i] * int64 b[j]

    reduceColumns x target
