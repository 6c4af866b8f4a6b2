namespace TincPure.Crypto.Legacy

open System
open System.Buffers.Binary
open System.Numerics

/// A hash of 64-byte blocks with 32-bit words, in the manner of MD4: what SHA-224 and RIPEMD-160 have in common. For those that the
/// platform lacks.
[<AbstractClass>]
type BlockHash(start: uint32[], bigEndian: bool, outputWords: int) =
    let blockSize = 64
    let state = Array.copy start
    let words = Array.zeroCreate<uint32> 16
    let rest = Array.zeroCreate<byte> blockSize
    let mutable length = 0L

    let readWord (source: ReadOnlySpan<byte>) =
        if bigEndian then
            BinaryPrimitives.ReadUInt32BigEndian source
        else
            BinaryPrimitives.ReadUInt32LittleEndian source

    /// Works one block into the state.
    abstract Compress: state: uint32[] * words: uint32[] -> unit

    /// Bytes of the result.
    member _.Size: int = 4 * outputWords

    member _.BlockSize: int = blockSize

    member private this.Block(block: ReadOnlySpan<byte>) =
        for i in 0..15 do
            words[i] <- readWord (block.Slice(4 * i))

        this.Compress(state, words)

    member _.Reset() : unit =
        start.CopyTo(state, 0)
        length <- 0L

    member this.Append(data: ReadOnlySpan<byte>) : unit =
        let mutable data = data
        let pending = int (length % int64 blockSize)
        length <- length + int64 data.Length

        if pending > 0 then
            let count = min (blockSize - pending) data.Length
            data.Slice(0, count).CopyTo(rest.AsSpan pending)
            data <- data.Slice count

            if pending + count = blockSize then
                this.Block(ReadOnlySpan rest)

        while data.Length >= blockSize do
            this.Block(data.Slice(0, blockSize))
            data <- data.Slice blockSize

        if data.Length > 0 && (pending = 0 || int (length % int64 blockSize) = data.Length) then
            data.CopyTo(Span rest)

    /// Writes the `Size` bytes of the hash of everything appended, and starts anew.
    member this.Finish(target: Span<byte>) : unit =
        let pending = int (length % int64 blockSize)
        rest[pending] <- 0x80uy
        Array.Clear(rest, pending + 1, blockSize - pending - 1)

        if pending + 1 > blockSize - 8 then
            this.Block(ReadOnlySpan rest)
            Array.Clear rest

        if bigEndian then
            BinaryPrimitives.WriteInt64BigEndian(rest.AsSpan(blockSize - 8), 8L * length)
        else
            BinaryPrimitives.WriteInt64LittleEndian(rest.AsSpan(blockSize - 8), 8L * length)

        this.Block(ReadOnlySpan rest)

        for i in 0 .. outputWords - 1 do
            if bigEndian then
                BinaryPrimitives.WriteUInt32BigEndian(target.Slice(4 * i), state[i])
            else
                BinaryPrimitives.WriteUInt32LittleEndian(target.Slice(4 * i), state[i])

        this.Reset()

/// SHA-224 (FIPS 180-4).
[<Sealed>]
type Sha224() =
    inherit
        BlockHash(
            [| 0xc1059ed8u
               0x367cd507u
               0x3070dd17u
               0xf70e5939u
               0xffc00b31u
               0x68581511u
               0x64f98fa7u
               0xbefa4fa4u |],
            true,
            7
        )

    /// The first 32 bits of the fractions of the cube roots of the first 64 primes.
    static let constants =
        let isPrime n = Seq.forall (fun d -> n % d <> 0) (seq { 2 .. n - 1 })

        let cubeRoot (value: BigInteger) =
            let rec search (low: BigInteger) (high: BigInteger) =
                if high - low <= BigInteger.One then
                    low
                else
                    let middle = (low + high) / BigInteger 2

                    if middle * middle * middle <= value then
                        search middle high
                    else
                        search low middle

            search BigInteger.Zero (BigInteger.One <<< 40)

        Seq.initInfinite (fun i -> i + 2)
        |> Seq.filter isPrime
        |> Seq.take 64
        |> Seq.map (fun prime -> uint32 (cubeRoot (BigInteger prime <<< 96) &&& BigInteger 0xffffffffu))
        |> Array.ofSeq

    let schedule = Array.zeroCreate<uint32> 64

    override _.Compress(state, words) =
        let turn (x: uint32) (count: int) = BitOperations.RotateRight(x, count)
        Array.blit words 0 schedule 0 16

        for i in 16..63 do
            let early = schedule[i - 15]
            let late = schedule[i - 2]
            let s0 = turn early 7 ^^^ turn early 18 ^^^ (early >>> 3)
            let s1 = turn late 17 ^^^ turn late 19 ^^^ (late >>> 10)
            schedule[i] <- schedule[i - 16] + s0 + schedule[i - 7] + s1

        let mutable a = state[0]
        let mutable b = state[1]
        let mutable c = state[2]
        let mutable d = state[3]
        let mutable e = state[4]
        let mutable f = state[5]
        let mutable g = state[6]
        let mutable h = state[7]

        for i in 0..63 do
            let s1 = turn e 6 ^^^ turn e 11 ^^^ turn e 25
            let choice = (e &&& f) ^^^ (~~~e &&& g)
            let t1 = h + s1 + choice + constants[i] + schedule[i]
            let s0 = turn a 2 ^^^ turn a 13 ^^^ turn a 22
            let majority = (a &&& b) ^^^ (a &&& c) ^^^ (b &&& c)
            h <- g
            g <- f
            f <- e
            e <- d + t1
            d <- c
            c <- b
            b <- a
            a <- t1 + s0 + majority

        state[0] <- state[0] + a
        state[1] <- state[1] + b
        state[2] <- state[2] + c
        state[3] <- state[3] + d
        state[4] <- state[4] + e
        state[5] <- state[5] + f
        state[6] <- state[6] + g
        state[7] <- state[7] + h

/// RIPEMD-160 (Dobbertin, Bosselaers, Preneel, 1996).
[<Sealed>]
type Ripemd160() =
    inherit BlockHash([| 0x67452301u; 0xefcdab89u; 0x98badcfeu; 0x10325476u; 0xc3d2e1f0u |], false, 5)

    static let constants = [| 0u; 0x5a827999u; 0x6ed9eba1u; 0x8f1bbcdcu; 0xa953fd4eu |]

    static let parallelConstants = [| 0x50a28be6u; 0x5c4dd124u; 0x6d703ef3u; 0x7a6d76e9u; 0u |]

    static let digits (text: string) = Seq.map (fun c -> Convert.ToInt32(string c, 16)) text |> Array.ofSeq

    /// Which word each step takes, and by how much it turns: a hexadecimal digit for each step.
    static let order =
        digits
            "0123456789abcdef\
             74d1a6f3c0952eb8\
             3ae49f812706db5c\
             19ba08c4d37fe562\
             40597c2ae138b6fd"

    static let turns =
        digits
            "befc5879bdef6798\
             768db97f7cf9b7dc\
             bd67e9dfe8d65c75\
             bcefef989e56865c\
             9f5b68dc5cdeb856"

    static let parallelOrder =
        digits
            "5e7092b4d6f81a3c\
             6b370d5aef8c4912\
             f5137e69b8c2a04d\
             86413bf05c2d97ae\
             cfa4158762de039b"

    static let parallelTurns =
        digits
            "899bdff5778beec6\
             9df7c89b77c76fdb\
             97fb866ecd5edd75\
             f58bee6e69c9c5f8\
             85c9c5e68d65fdbb"

    static let mix (round: int) (x: uint32) (y: uint32) (z: uint32) =
        match round with
        | 0 -> x ^^^ y ^^^ z
        | 1 -> (x &&& y) ||| (~~~x &&& z)
        | 2 -> (x ||| ~~~y) ^^^ z
        | 3 -> (x &&& z) ||| (y &&& ~~~z)
        | _ -> x ^^^ (y ||| ~~~z)

    let left = Array.zeroCreate<uint32> 5
    let right = Array.zeroCreate<uint32> 5

    let step (line: uint32[]) (round: int) (word: uint32) (turn: int) =
        let sum = line[0] + mix round line[1] line[2] line[3] + word
        let fresh = BitOperations.RotateLeft(sum, turn) + line[4]
        line[0] <- line[4]
        line[4] <- line[3]
        line[3] <- BitOperations.RotateLeft(line[2], 10)
        line[2] <- line[1]
        line[1] <- fresh

    override _.Compress(state, words) =
        state.CopyTo(left, 0)
        state.CopyTo(right, 0)

        for i in 0..79 do
            let round = i / 16
            step left round (words[order[i]] + constants[round]) turns[i]
            step right (4 - round) (words[parallelOrder[i]] + parallelConstants[round]) parallelTurns[i]

        let first = state[1] + left[2] + right[3]
        state[1] <- state[2] + left[3] + right[4]
        state[2] <- state[3] + left[4] + right[0]
        state[3] <- state[4] + left[0] + right[1]
        state[4] <- state[0] + left[1] + right[2]
        state[0] <- first
