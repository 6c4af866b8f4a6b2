namespace TincPure.Crypto.Legacy

open System
open System.Buffers.Binary
open System.Numerics

/// Blowfish (B. Schneier, 1993), the default cipher of tinc before 1.0.30.
[<Sealed>]
type Blowfish(key: byte[]) =
    inherit OwnBlockCipher(8)

    static let rounds = 16

    /// arctan(1 / x), scaled by 2^bits.
    static let arctanOfInverse (bits: int) (x: int) =
        let square = BigInteger(x * x)
        let mutable power = (BigInteger.One <<< bits) / BigInteger x
        let mutable sum = power
        let mutable divisor = 1
        let mutable subtract = true

        while not power.IsZero do
            power <- power / square
            divisor <- divisor + 2
            let term = power / BigInteger divisor
            sum <- if subtract then sum - term else sum + term
            subtract <- not subtract

        sum

    /// The digits of pi behind the point: 18 words for the round keys, four times 256 for the substitutions. Machin's formula, with
    /// some bits to spare.
    static let digitsOfPi =
        lazy
            (let words = rounds + 2 + 4 * 256
             let spare = 64
             let bits = 32 * words + spare

             let quarter = BigInteger 4 * arctanOfInverse bits 5 - arctanOfInverse bits 239
             let fraction = BigInteger 4 * quarter - (BigInteger 3 <<< bits)
             let bytes = (fraction >>> spare).ToByteArray(isUnsigned = true, isBigEndian = true)

             // The first digits of the fraction are not zero bytes, so nothing is missing in front.
             Array.init words (fun i -> BinaryPrimitives.ReadUInt32BigEndian(ReadOnlySpan(bytes, 4 * i, 4))))

    let p = Array.sub digitsOfPi.Value 0 (rounds + 2)
    let s = Array.sub digitsOfPi.Value (rounds + 2) (4 * 256)

    let f (x: uint32) =
        ((s[int (x >>> 24)] + s[256 + int ((x >>> 16) &&& 255u)]) ^^^ s[512 + int ((x >>> 8) &&& 255u)])
        + s[768 + int (x &&& 255u)]

    let encryptWords (left: byref<uint32>) (right: byref<uint32>) =
        let mutable l = left
        let mutable r = right

        for i in 0..2 .. rounds - 2 do
            l <- l ^^^ p[i]
            r <- r ^^^ f l
            r <- r ^^^ p[i + 1]
            l <- l ^^^ f r

        left <- r ^^^ p[rounds + 1]
        right <- l ^^^ p[rounds]

    let decryptWords (left: byref<uint32>) (right: byref<uint32>) =
        let mutable l = left
        let mutable r = right

        for i in rounds + 1 .. -2 .. 3 do
            l <- l ^^^ p[i]
            r <- r ^^^ f l
            r <- r ^^^ p[i - 1]
            l <- l ^^^ f r

        left <- r ^^^ p[0]
        right <- l ^^^ p[1]

    do
        let mutable at = 0

        for i in 0 .. p.Length - 1 do
            let mutable word = 0u

            for _ in 1..4 do
                word <- (word <<< 8) ||| uint32 key[at]
                at <- (at + 1) % key.Length

            p[i] <- p[i] ^^^ word

        let mutable left = 0u
        let mutable right = 0u

        for table in [ p; s ] do
            for i in 0..2 .. table.Length - 2 do
                encryptWords &left &right
                table[i] <- left
                table[i + 1] <- right

    override _.EncryptBlock(source, target) =
        let mutable left = BinaryPrimitives.ReadUInt32BigEndian source
        let mutable right = BinaryPrimitives.ReadUInt32BigEndian(source.Slice 4)
        encryptWords &left &right
        BinaryPrimitives.WriteUInt32BigEndian(target, left)
        BinaryPrimitives.WriteUInt32BigEndian(target.Slice 4, right)

    override _.DecryptBlock(source, target) =
        let mutable left = BinaryPrimitives.ReadUInt32BigEndian source
        let mutable right = BinaryPrimitives.ReadUInt32BigEndian(source.Slice 4)
        decryptWords &left &right
        BinaryPrimitives.WriteUInt32BigEndian(target, left)
        BinaryPrimitives.WriteUInt32BigEndian(target.Slice 4, right)
