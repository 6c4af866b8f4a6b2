namespace TincPure.Crypto.Legacy

open System
open System.Buffers.Binary
open System.Numerics

/// Camellia (RFC 3713) with keys of 16, 24 or 32 bytes.
[<Sealed>]
type Camellia(key: byte[]) =
    inherit OwnBlockCipher(16)

    static let sbox1 =
        Convert.FromHexString(
            "70822CECB327C0E5E4855735EA0CAE4123EF6B934519A521ED0E4F4E1D6592BD\
             86B8AF8F7CEB1FCE3E30DC5F5EC50B1AA6E139CAD5475D3DD9015AD651566C4D\
             8B0D9A66FBCCB02D74122B20F0B18499DF4CCBC2347E76056DB7A931D11704D7\
             14583A61DE1B111C320F9C165318F222FE44CFB2C3B57A912408E8A860FC6950\
             AAD0A07DA1896297545B1E95E0FF64D210C40048A3F775DB8A03E6DA093FDD94\
             875C8302CD4A90337367F6F39D7FBFE2529BD826C837C63B81966F4B13BE632E\
             E979A78C9F6EBC8E29F5F9B62FFDB4597898066AE74671BAD425AB4288A28DFA\
             7207B955F8EEAC0A36492A683C38F1A44028D37BBBC943C115E3ADF477C7809E"
        )

    static let sigma =
        [| 0xA09E667F3BCC908BUL
           0xB67AE8584CAA73B2UL
           0xC6EF372FE94F82BEUL
           0x54FF53A5F1D36F1CUL
           0x10E527FADE682D1DUL
           0xB05688C2B3E6C1FDUL |]

    /// Substitution and permutation in one: what byte `position` of the input adds to the output of the round function.
    static let tables =
        let substitute which (x: int) =
            match which with
            | 1 -> sbox1[x]
            | 2 -> BitOperations.RotateLeft(uint32 sbox1[x] * 0x01010101u, 1) |> byte
            | 3 -> BitOperations.RotateLeft(uint32 sbox1[x] * 0x01010101u, 7) |> byte
            | _ -> sbox1[int (byte ((x <<< 1) ||| (x >>> 7)))]

        let boxes = [| 1; 2; 3; 4; 2; 3; 4; 1 |]

        // Byte i of the output is the sum of these substituted bytes of the input (RFC 3713 §2.4.1).
        let summands =
            [| [ 1; 3; 4; 6; 7; 8 ]
               [ 1; 2; 4; 5; 7; 8 ]
               [ 1; 2; 3; 5; 6; 8 ]
               [ 2; 3; 4; 5; 6; 7 ]
               [ 1; 2; 6; 7; 8 ]
               [ 2; 3; 5; 7; 8 ]
               [ 3; 4; 5; 6; 8 ]
               [ 1; 4; 5; 6; 7 ] |]

        let spread position =
            Seq.sum
                [ for output in 0..7 do
                      if List.contains (position + 1) summands[output] then
                          1UL <<< (56 - 8 * output) ]

        Array.init (8 * 256) (fun i -> spread (i / 256) * uint64 (substitute boxes[i / 256] (i % 256)))

    let f (x: uint64) (subkey: uint64) =
        let x = x ^^^ subkey
        let mutable y = 0UL

        for position in 0..7 do
            y <- y ^^^ tables[256 * position + int (byte (x >>> (56 - 8 * position)))]

        y

    let fl (x: uint64) (subkey: uint64) =
        let mutable left = uint32 (x >>> 32)
        let mutable right = uint32 x
        right <- right ^^^ BitOperations.RotateLeft(left &&& uint32 (subkey >>> 32), 1)
        left <- left ^^^ (right ||| uint32 subkey)
        (uint64 left <<< 32) ||| uint64 right

    let flInverse (y: uint64) (subkey: uint64) =
        let mutable left = uint32 (y >>> 32)
        let mutable right = uint32 y
        left <- left ^^^ (right ||| uint32 subkey)
        right <- right ^^^ BitOperations.RotateLeft(left &&& uint32 (subkey >>> 32), 1)
        (uint64 left <<< 32) ||| uint64 right

    /// A half of `(high, low)` turned left by `count` bits.
    static let turned (high: uint64) (low: uint64) (count: int) : struct (uint64 * uint64) =
        let struct (high, low) = if count >= 64 then struct (low, high) else struct (high, low)
        let count = count % 64

        if count = 0 then
            struct (high, low)
        else
            struct ((high <<< count) ||| (low >>> (64 - count)), (low <<< count) ||| (high >>> (64 - count)))

    let rounds = if key.Length = 16 then 18 else 24
    let whitening = Array.zeroCreate<uint64> 4
    let subkeys = Array.zeroCreate<uint64> rounds
    let layers = Array.zeroCreate<uint64>(rounds / 3 - 2)

    do
        let read offset = BinaryPrimitives.ReadUInt64BigEndian(ReadOnlySpan(key, offset, 8))
        let leftHigh = read 0
        let leftLow = read 8

        let struct (rightHigh, rightLow) =
            match key.Length with
            | 16 -> struct (0UL, 0UL)
            | 24 -> struct (read 16, ~~~(read 16))
            | _ -> struct (read 16, read 24)

        let mutable d1 = leftHigh ^^^ rightHigh
        let mutable d2 = leftLow ^^^ rightLow
        d2 <- d2 ^^^ f d1 sigma[0]
        d1 <- d1 ^^^ f d2 sigma[1]
        d1 <- d1 ^^^ leftHigh
        d2 <- d2 ^^^ leftLow
        d2 <- d2 ^^^ f d1 sigma[2]
        d1 <- d1 ^^^ f d2 sigma[3]
        let aHigh = d1
        let aLow = d2
        d1 <- aHigh ^^^ rightHigh
        d2 <- aLow ^^^ rightLow
        d2 <- d2 ^^^ f d1 sigma[4]
        d1 <- d1 ^^^ f d2 sigma[5]
        let bHigh = d1
        let bLow = d2

        /// The two halves of one of the four key values, turned, into two places.
        let put (target: uint64[]) (index: int) (source: char) (count: int) =
            let struct (high, low) =
                match source with
                | 'L' -> turned leftHigh leftLow count
                | 'R' -> turned rightHigh rightLow count
                | 'A' -> turned aHigh aLow count
                | _ -> turned bHigh bLow count

            target[index] <- high
            target[index + 1] <- low

        if key.Length = 16 then
            put whitening 0 'L' 0
            put subkeys 0 'A' 0
            put subkeys 2 'L' 15
            put subkeys 4 'A' 15
            put layers 0 'A' 30
            put subkeys 6 'L' 45
            put subkeys 8 'A' 45
            // Only the second half of this one is used, and the second half of the one before it.
            subkeys[9] <- (let struct (_, low) = turned leftHigh leftLow 60 in low)
            put subkeys 10 'A' 60
            put layers 2 'L' 77
            put subkeys 12 'L' 94
            put subkeys 14 'A' 94
            put subkeys 16 'L' 111
            put whitening 2 'A' 111
        else
            put whitening 0 'L' 0
            put subkeys 0 'B' 0
            put subkeys 2 'R' 15
            put subkeys 4 'A' 15
            put layers 0 'R' 30
            put subkeys 6 'B' 30
            put subkeys 8 'L' 45
            put subkeys 10 'A' 45
            put layers 2 'L' 60
            put subkeys 12 'R' 60
            put subkeys 14 'B' 60
            put subkeys 16 'L' 77
            put layers 4 'A' 77
            put subkeys 18 'R' 94
            put subkeys 20 'A' 94
            put subkeys 22 'L' 111
            put whitening 2 'B' 111

    override _.EncryptBlock(source, target) =
        let mutable d1 = BinaryPrimitives.ReadUInt64BigEndian source ^^^ whitening[0]
        let mutable d2 = BinaryPrimitives.ReadUInt64BigEndian(source.Slice 8) ^^^ whitening[1]

        for i in 0..2 .. rounds - 2 do
            if i > 0 && i % 6 = 0 then
                d1 <- fl d1 layers[i / 3 - 2]
                d2 <- flInverse d2 layers[i / 3 - 1]

            d2 <- d2 ^^^ f d1 subkeys[i]
            d1 <- d1 ^^^ f d2 subkeys[i + 1]

        BinaryPrimitives.WriteUInt64BigEndian(target, d2 ^^^ whitening[2])
        BinaryPrimitives.WriteUInt64BigEndian(target.Slice 8, d1 ^^^ whitening[3])

    override _.DecryptBlock(source, target) =
        let mutable d2 = BinaryPrimitives.ReadUInt64BigEndian source ^^^ whitening[2]
        let mutable d1 = BinaryPrimitives.ReadUInt64BigEndian(source.Slice 8) ^^^ whitening[3]

        for i in rounds - 2 .. -2 .. 0 do
            d1 <- d1 ^^^ f d2 subkeys[i + 1]
            d2 <- d2 ^^^ f d1 subkeys[i]

            if i > 0 && i % 6 = 0 then
                d1 <- flInverse d1 layers[i / 3 - 2]
                d2 <- fl d2 layers[i / 3 - 1]

        BinaryPrimitives.WriteUInt64BigEndian(target, d1 ^^^ whitening[0])
        BinaryPrimitives.WriteUInt64BigEndian(target.Slice 8, d2 ^^^ whitening[1])
