namespace TincPure.Packet.Compression

open System

/// Canonical Huffman codes as deflate uses them: within one length codes ascend with the symbols (RFC 1951 §3.2.2).
module internal Huffman =

    /// No code of literals, lengths or distances is longer.
    [<Literal>]
    let maxBits = 15

    /// The first code of each length, from how many codes of each length there are.
    let firstCodes (counts: int[]) (first: int[]) : unit =
        let mutable code = 0

        for bits in 1..maxBits do
            code <- (code + (if bits = 1 then 0 else counts[bits - 1])) <<< 1
            first[bits] <- code

/// Gives symbols codes by how often they occur. Used again without allocation.
[<Sealed>]
type internal HuffmanEncoder(symbols: int, limit: int) =
    let frequencies = Array.zeroCreate<int> symbols
    let lengths = Array.zeroCreate<byte> symbols
    let codes = Array.zeroCreate<int> symbols

    // The tree: the leaves, ordered by weight, then inner nodes in the order in which they are made.
    let weights = Array.zeroCreate<int>(2 * symbols)
    let leaves = Array.zeroCreate<int> symbols
    let parents = Array.zeroCreate<int>(2 * symbols)
    let depths = Array.zeroCreate<int>(2 * symbols)

    let counts = Array.zeroCreate<int>(Huffman.maxBits + 1)
    let next = Array.zeroCreate<int>(Huffman.maxBits + 1)

    member _.Frequencies = frequencies

    /// Bits of each symbol's code, 0 for symbols that do not occur.
    member _.Lengths = lengths

    member _.Clear() : unit = Array.Clear frequencies

    /// The lighter of the first leaf and the first inner node that have no parent yet.
    static member private Lightest(weights: int[], count: int, leaf: byref<int>, inner: byref<int>, made: int) : int =
        if leaf < count && (inner >= made || weights[leaf] <= weights[inner]) then
            leaf <- leaf + 1
            leaf - 1
        else
            inner <- inner + 1
            inner - 1

    /// Depths of all leaves, by Huffman's algorithm; the greatest of them.
    member private _.Grow(count: int) : int =
        let mutable leaf = 0
        let mutable inner = count

        for made in count .. 2 * count - 2 do
            let left = HuffmanEncoder.Lightest(weights, count, &leaf, &inner, made)
            let right = HuffmanEncoder.Lightest(weights, count, &leaf, &inner, made)
            weights[made] <- weights[left] + weights[right]
            parents[left] <- made
            parents[right] <- made

        let mutable deepest = 0
        depths[2 * count - 2] <- 0

        for node in 2 * count - 3 .. -1 .. 0 do
            depths[node] <- depths[parents[node]] + 1
            deepest <- max deepest depths[node]

        deepest

    static member private Reverse(code: int, bits: int) : int =
        let mutable reversed = 0

        for bit in 0 .. bits - 1 do
            reversed <- (reversed <<< 1) ||| ((code >>> bit) &&& 1)

        reversed

    /// Codes for the symbols whose frequencies are not 0. At least two get one, or the code would not be complete.
    member this.Assign() : unit =
        let mutable used = 0

        for frequency in frequencies do
            if frequency > 0 then
                used <- used + 1

        for symbol in 0..1 do
            if used < 2 && frequencies[symbol] = 0 then
                frequencies[symbol] <- 1
                used <- used + 1

        let mutable scale = 0
        let mutable fits = false

        // Too deep a tree gets flatter as its weights become more alike.
        while not fits do
            let mutable count = 0

            for symbol in 0 .. symbols - 1 do
                if frequencies[symbol] > 0 then
                    weights[count] <- max 1 (frequencies[symbol] >>> scale)
                    leaves[count] <- symbol
                    count <- count + 1

            Array.Sort(weights, leaves, 0, count)
            fits <- this.Grow count <= limit
            scale <- scale + 1

        Array.Clear lengths
        Array.Clear counts

        for leaf in 0 .. used - 1 do
            lengths[leaves[leaf]] <- byte depths[leaf]
            counts[depths[leaf]] <- counts[depths[leaf]] + 1

        this.Number()

    /// Codes from `Lengths`, whose counts are known.
    member private _.Number() : unit =
        Huffman.firstCodes counts next

        for symbol in 0 .. symbols - 1 do
            let bits = int lengths[symbol]

            if bits > 0 then
                codes[symbol] <- HuffmanEncoder.Reverse(next[bits], bits)
                next[bits] <- next[bits] + 1

    /// Codes of these lengths.
    member this.Use(given: ReadOnlySpan<byte>) : unit =
        given.CopyTo(lengths.AsSpan())
        Array.Clear counts

        for bits in lengths do
            counts[int bits] <- counts[int bits] + 1

        this.Number()

    /// A symbol's code, its first bit lowest.
    member _.Code(symbol: int) : int = codes[symbol]

/// Reads symbols by the lengths of their codes. Used again without allocation.
[<Sealed>]
type internal HuffmanDecoder(symbols: int) =
    /// Codes up to so many bits are found in one step.
    static let quickBits = 9

    /// By the next bits: symbol times 16, plus the length of its code; 0 where the code is longer.
    let quick = Array.zeroCreate<uint16>(1 <<< quickBits)

    let counts = Array.zeroCreate<int>(Huffman.maxBits + 1)
    let first = Array.zeroCreate<int>(Huffman.maxBits + 1)

    /// Symbols by length of code, then by number; where those of each length begin.
    let ordered = Array.zeroCreate<int> symbols

    let starts = Array.zeroCreate<int>(Huffman.maxBits + 2)

    /// Builds the code in which symbol N has `lengths[N]` bits. False unless every row of bits means something; only a code
    /// of a single symbol, or of none, may leave rows without meaning.
    member _.Build(lengths: ReadOnlySpan<byte>) : bool =
        Array.Clear counts
        Array.Clear quick

        for bits in lengths do
            counts[int bits] <- counts[int bits] + 1

        counts[0] <- 0
        let mutable free = 1
        let mutable longest = 0
        let mutable possible = true

        for bits in 1 .. Huffman.maxBits do
            free <- (free <<< 1) - counts[bits]
            possible <- possible && free >= 0

            if counts[bits] > 0 then
                longest <- bits

            starts[bits + 1] <- starts[bits] + counts[bits]

        if possible && (free = 0 || longest <= 1) then
            Huffman.firstCodes counts first

            // Where the next symbol of each length goes; put back to the beginnings below.
            for symbol in 0 .. lengths.Length - 1 do
                let bits = int lengths[symbol]

                if bits > 0 then
                    let place = starts[bits]
                    ordered[place] <- symbol
                    starts[bits] <- place + 1

            for bits in Huffman.maxBits .. -1 .. 1 do
                starts[bits] <- starts[bits] - counts[bits]

                if bits <= quickBits then
                    for i in 0 .. counts[bits] - 1 do
                        let code = first[bits] + i
                        let mutable row = 0

                        for bit in 0 .. bits - 1 do
                            row <- (row <<< 1) ||| ((code >>> bit) &&& 1)

                        let entry = uint16 ((ordered[starts[bits] + i] <<< 4) ||| bits)

                        while row < quick.Length do
                            quick[row] <- entry
                            row <- row + (1 <<< bits)

            true
        else
            false

    /// The symbol that the next bits begin with (the next one lowest) times 16, plus the length of its code; negative if
    /// there is none.
    member _.Read(bits: uint64) : int =
        let entry = int quick[int bits &&& (quick.Length - 1)]

        if entry <> 0 then
            entry
        else
            let mutable found = -1
            let mutable code = 0
            let mutable length = 1

            while found < 0 && length <= Huffman.maxBits do
                code <- (code <<< 1) ||| int ((bits >>> (length - 1)) &&& 1UL)
                let within = code - first[length]

                if within >= 0 && within < counts[length] then
                    found <- (ordered[starts[length] + within] <<< 4) ||| length

                length <- length + 1

            found
