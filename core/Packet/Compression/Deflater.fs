namespace TincPure.Packet.Compression

open System
open System.Buffers.Binary

/// Writes zlib streams of one block (levels 1 to 9). Used again without allocation.
[<Sealed>]
type internal Deflater() =
    /// How thoroughly each level looks for repetitions.
    static let searches =
        let search depth isLazy : Search =
            { Depth = depth
              Lazy = isLazy
              Hasty = false
              Shortest = 3
              Longest = Deflate.longest
              Tail = 0
              LastStart = 3 }

        [| search 4 false
           search 8 false
           search 16 false
           search 16 true
           search 32 true
           search 64 true
           search 128 true
           search 512 true
           search Repetitions.MaxInput true |]

    let literals = HuffmanEncoder(Deflate.literalSymbols, Huffman.maxBits)
    let distances = HuffmanEncoder(Deflate.distanceSymbols, Huffman.maxBits)
    let lengths = HuffmanEncoder(Deflate.lengthSymbols, 7)
    let fixedLiterals = HuffmanEncoder(Deflate.fixedLiterals.Length, Huffman.maxBits)
    let fixedDistances = HuffmanEncoder(Deflate.fixedDistances.Length, Huffman.maxBits)

    /// The lengths of the codes as they are sent: symbols, and the values of their extra bits.
    let sentSymbols = Array.zeroCreate<int>(Deflate.literalSymbols + Deflate.distanceSymbols)

    let sentExtras = Array.zeroCreate<int>(Deflate.literalSymbols + Deflate.distanceSymbols)
    let mutable sent = 0
    let mutable at = 0
    let mutable bits = 0UL
    let mutable bitCount = 0

    do
        fixedLiterals.Use(ReadOnlySpan Deflate.fixedLiterals)
        fixedDistances.Use(ReadOnlySpan Deflate.fixedDistances)

    /// The last symbol that has a code, at least `smallest`.
    static member private LastUsed(encoder: HuffmanEncoder, smallest: int) : int =
        let mutable last = encoder.Lengths.Length - 1

        while last > smallest && encoder.Lengths[last] = 0uy do
            last <- last - 1

        last

    /// Writes at most 32 bits.
    member private _.Put(target: Span<byte>, value: int, count: int) : unit =
        bits <- bits ||| (uint64 (uint32 value) <<< bitCount)
        bitCount <- bitCount + count

        while bitCount >= 8 do
            target[at] <- byte bits
            at <- at + 1
            bits <- bits >>> 8
            bitCount <- bitCount - 8

    member private this.PutSymbol(target: Span<byte>, encoder: HuffmanEncoder, symbol: int) : unit =
        this.Put(target, encoder.Code symbol, int encoder.Lengths[symbol])

    /// Fills up the byte that was begun.
    member private this.Align(target: Span<byte>) : unit =
        if bitCount > 0 then
            this.Put(target, 0, 8 - bitCount)

    member private _.Count(source: ReadOnlySpan<byte>, found: Repetitions) : unit =
        literals.Clear()
        distances.Clear()
        literals.Frequencies[Deflate.endOfBlock] <- 1
        let mutable place = 0

        for i in 0 .. found.Count do
            let next = if i < found.Count then place + found.Literals[i] else source.Length

            for at in place .. next - 1 do
                let literal = int source[at]
                literals.Frequencies[literal] <- literals.Frequencies[literal] + 1

            if i < found.Count then
                let symbol = Deflate.lengthSymbol found.Lengths[i]
                literals.Frequencies[symbol] <- literals.Frequencies[symbol] + 1
                let symbol = Deflate.distanceSymbol found.Distances[i]
                distances.Frequencies[symbol] <- distances.Frequencies[symbol] + 1
                place <- next + found.Lengths[i]

        literals.Assign()
        distances.Assign()

    member private _.Send(symbol: int, extra: int) : unit =
        sentSymbols[sent] <- symbol
        sentExtras[sent] <- extra
        sent <- sent + 1
        lengths.Frequencies[symbol] <- lengths.Frequencies[symbol] + 1

    /// The length of the code of the Nth symbol of those that are sent: literals, then distances.
    member private _.LengthAt(index: int, literalCount: int) : byte =
        if index < literalCount then
            literals.Lengths[index]
        else
            distances.Lengths[index - literalCount]

    /// Puts the lengths of all codes in the form in which they are sent.
    member private this.Describe(literalCount: int, distanceCount: int) : unit =
        lengths.Clear()
        sent <- 0
        let total = literalCount + distanceCount
        let mutable index = 0

        while index < total do
            let length = this.LengthAt(index, literalCount)
            let mutable run = 1

            while index + run < total && this.LengthAt(index + run, literalCount) = length do
                run <- run + 1

            index <- index + run

            if length <> 0uy then
                this.Send(int length, 0)
                run <- run - 1

            while run >= 3 do
                let symbol =
                    if length <> 0uy then 16
                    elif run <= 10 then 17
                    else 18

                let basis = Deflate.repeatBasis[symbol - 16]
                let times = min run (basis + (1 <<< Deflate.repeatBits[symbol - 16]) - 1)
                this.Send(symbol, times - basis)
                run <- run - times

            for _ in 1..run do
                this.Send(int length, 0)

        lengths.Assign()

    /// Bits of everything between the codes and the end of the block.
    member private _.Cost(literalLengths: byte[], distanceLengths: byte[]) : int =
        let mutable cost = 0

        for symbol in 0 .. Deflate.literalSymbols - 1 do
            let extra = if symbol > Deflate.endOfBlock then Deflate.lengthExtra symbol else 0
            cost <- cost + literals.Frequencies[symbol] * (int literalLengths[symbol] + extra)

        for symbol in 0 .. Deflate.distanceSymbols - 1 do
            cost <- cost + distances.Frequencies[symbol] * (int distanceLengths[symbol] + Deflate.distanceExtra symbol)

        cost

    /// Bits of the codes as they are sent.
    member private _.DescriptionCost(given: int) : int =
        let mutable cost = 5 + 5 + 4 + 3 * given

        for i in 0 .. sent - 1 do
            let symbol = sentSymbols[i]
            let extra = if symbol >= 16 then Deflate.repeatBits[symbol - 16] else 0
            cost <- cost + int lengths.Lengths[symbol] + extra

        cost

    member private this.PutDescription(target: Span<byte>, literalCount: int, distanceCount: int, given: int) : unit =
        this.Put(target, literalCount - 257, 5)
        this.Put(target, distanceCount - 1, 5)
        this.Put(target, given - 4, 4)

        for i in 0 .. given - 1 do
            this.Put(target, int lengths.Lengths[Deflate.lengthOrder[i]], 3)

        for i in 0 .. sent - 1 do
            let symbol = sentSymbols[i]
            this.PutSymbol(target, lengths, symbol)

            if symbol >= 16 then
                this.Put(target, sentExtras[i], Deflate.repeatBits[symbol - 16])

    member private this.PutBlock
        (
            source: ReadOnlySpan<byte>,
            target: Span<byte>,
            found: Repetitions,
            literals: HuffmanEncoder,
            distances: HuffmanEncoder
        ) : unit =
        let mutable place = 0

        for i in 0 .. found.Count do
            let next = if i < found.Count then place + found.Literals[i] else source.Length

            for at in place .. next - 1 do
                this.PutSymbol(target, literals, int source[at])

            if i < found.Count then
                let length = found.Lengths[i]
                let symbol = Deflate.lengthSymbol length
                this.PutSymbol(target, literals, symbol)
                this.Put(target, length - Deflate.lengthBasis symbol, Deflate.lengthExtra symbol)
                let distance = found.Distances[i]
                let symbol = Deflate.distanceSymbol distance
                this.PutSymbol(target, distances, symbol)
                this.Put(target, distance - Deflate.distanceBasis symbol, Deflate.distanceExtra symbol)
                place <- next + length

        this.PutSymbol(target, literals, Deflate.endOfBlock)

    member private this.PutStored(source: ReadOnlySpan<byte>, target: Span<byte>) : unit =
        this.Align target
        this.Put(target, source.Length, 16)
        this.Put(target, source.Length ^^^ 0xffff, 16)
        source.CopyTo(target.Slice at)
        at <- at + source.Length

    /// Bytes written. The target has room for whatever the source grows to.
    member this.Run(level: int, found: Repetitions, source: ReadOnlySpan<byte>, target: Span<byte>) : int =
        found.Parse(source, searches[level - 1])
        this.Count(source, found)
        let literalCount = Deflater.LastUsed(literals, 256) + 1
        let distanceCount = Deflater.LastUsed(distances, 0) + 1
        this.Describe(literalCount, distanceCount)
        let mutable given = Deflate.lengthSymbols

        while given > 4 && lengths.Lengths[Deflate.lengthOrder[given - 1]] = 0uy do
            given <- given - 1

        let own = this.Cost(literals.Lengths, distances.Lengths) + this.DescriptionCost given
        let known = this.Cost(fixedLiterals.Lengths, fixedDistances.Lengths)
        let stored = 8 * source.Length + 32
        target[0] <- Zlib.methodByte
        target[1] <- Zlib.flags level
        at <- Zlib.headerSize
        bits <- 0UL
        bitCount <- 0

        // The only block is the last one.
        this.Put(target, 1, 1)

        if stored <= min own known then
            this.Put(target, Deflate.Kind.stored, 2)
            this.PutStored(source, target)
        elif known <= own then
            this.Put(target, Deflate.Kind.fixedCodes, 2)
            this.PutBlock(source, target, found, fixedLiterals, fixedDistances)
        else
            this.Put(target, Deflate.Kind.ownCodes, 2)
            this.PutDescription(target, literalCount, distanceCount, given)
            this.PutBlock(source, target, found, literals, distances)

        this.Align target
        BinaryPrimitives.WriteUInt32BigEndian(target.Slice at, Zlib.checksum source)
        at + Zlib.checksumSize
