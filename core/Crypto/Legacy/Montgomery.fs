/// Powers modulo an odd number, in the same time and with the same memory accesses whatever base and exponent are (Montgomery
/// multiplication, word by word). Numbers are little endian arrays of 64-bit words, as long as the modulus.
module internal TincPure.Crypto.Legacy.Montgomery

open System
open System.Numerics

type private Modulus =
    {
        Words: uint64[]
        /// -1 / modulus, modulo 2^64.
        Inverse: uint64
    }

/// The words of a number below 2^(64 * count).
let toWords (count: int) (value: BigInteger) : uint64[] =
    let bytes = Array.zeroCreate<byte>(8 * count)
    value.TryWriteBytes(Span bytes, isUnsigned = true) |> ignore
    Array.init count (fun i -> BitConverter.ToUInt64(bytes, 8 * i))

let ofWords (words: uint64[]) : BigInteger =
    let bytes = Array.zeroCreate<byte>(8 * words.Length)

    for i in 0 .. words.Length - 1 do
        BitConverter.TryWriteBytes(bytes.AsSpan(8 * i), words[i]) |> ignore

    BigInteger(ReadOnlySpan bytes, isUnsigned = true)

let private create (words: uint64[]) : Modulus =
    // Newton's iteration doubles the number of right bits: 3, 6, 12, ..., 96.
    let mutable inverse = words[0]

    for _ in 1..5 do
        inverse <- inverse * (2UL - words[0] * inverse)

    { Words = words; Inverse = 0UL - inverse }

/// `target <- a * b / 2^(64 * count)`; `work` has two words more than the modulus.
let private multiply (modulus: Modulus) (a: uint64[]) (b: uint64[]) (work: uint64[]) (target: uint64[]) =
    let n = modulus.Words
    let count = n.Length
    Array.Clear work

    for i in 0 .. count - 1 do
        let mutable carry = 0UL

        for j in 0 .. count - 1 do
            let product = Math.BigMul(a[i], b[j])
            let sum = product + UInt128.op_Implicit work[j] + UInt128.op_Implicit carry
            work[j] <- UInt128.op_Explicit sum
            carry <- UInt128.op_Explicit (sum >>> 64)

        let top = UInt128.op_Implicit work[count] + UInt128.op_Implicit carry
        work[count] <- UInt128.op_Explicit top
        work[count + 1] <- UInt128.op_Explicit (top >>> 64)

        let factor = work[0] * modulus.Inverse
        let first: UInt128 = Math.BigMul(factor, n[0]) + UInt128.op_Implicit work[0]
        carry <- UInt128.op_Explicit (first >>> 64)

        for j in 1 .. count - 1 do
            let sum: UInt128 = Math.BigMul(factor, n[j]) + UInt128.op_Implicit work[j] + UInt128.op_Implicit carry

            work[j - 1] <- UInt128.op_Explicit sum
            carry <- UInt128.op_Explicit (sum >>> 64)

        let top: UInt128 = UInt128.op_Implicit work[count] + UInt128.op_Implicit carry
        work[count - 1] <- UInt128.op_Explicit top
        work[count] <- work[count + 1] + UInt128.op_Explicit (top >>> 64)

    // The result is below twice the modulus: subtract it, and keep that unless it went below zero.
    let mutable borrow = 0UL

    for i in 0 .. count - 1 do
        let difference = work[i] - n[i]
        let below = if work[i] < n[i] then 1UL else 0UL
        target[i] <- difference - borrow
        borrow <- below ||| (if difference < borrow then 1UL else 0UL)

    let keep = 0UL - (if work[count] < borrow then 1UL else 0UL)

    for i in 0 .. count - 1 do
        target[i] <- (work[i] &&& keep) ||| (target[i] &&& ~~~keep)

/// `value ^ exponent mod modulus`, for an odd modulus and a value below it. All bits of the exponent's words are gone through, in
/// windows of four.
let power (modulus: BigInteger) (exponent: uint64[]) (value: BigInteger) : BigInteger =
    let count = int ((modulus.GetBitLength() + 63L) / 64L)
    let modulus' = create (toWords count modulus)
    let work = Array.zeroCreate<uint64>(count + 2)
    let radix = BigInteger.One <<< (64 * count)
    let inForm (value: BigInteger) = toWords count (value * radix % modulus)

    let powers = Array.init 16 (fun _ -> Array.zeroCreate<uint64> count)
    powers[0] <- inForm BigInteger.One
    powers[1] <- inForm value

    for i in 2..15 do
        multiply modulus' powers[i - 1] powers[1] work powers[i]

    let result = Array.copy powers[0]
    let chosen = Array.zeroCreate<uint64> count

    for window in 16 * exponent.Length - 1 .. -1 .. 0 do
        for _ in 1..4 do
            multiply modulus' result result work result

        let digit = int (exponent[window / 16] >>> (4 * (window % 16))) &&& 15
        Array.Clear chosen

        for i in 0..15 do
            // All ones for the power that is wanted.
            let mask = uint64 ((int64 (i ^^^ digit) - 1L) >>> 63)

            for j in 0 .. count - 1 do
                chosen[j] <- chosen[j] ||| (powers[i][j] &&& mask)

        multiply modulus' result chosen work result

    let one = toWords count BigInteger.One
    multiply modulus' result one work result
    ofWords result
