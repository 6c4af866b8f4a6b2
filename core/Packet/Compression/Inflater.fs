namespace TincPure.Packet.Compression

open System
open System.Buffers.Binary

/// Reads zlib streams (levels 1 to 9). Used again without allocation.
[<Sealed>]
type internal Inflater() =
    let ownLiterals = HuffmanDecoder Deflate.fixedLiterals.Length
    let ownDistances = HuffmanDecoder Deflate.fixedDistances.Length
    let ownLengths = HuffmanDecoder Deflate.lengthSymbols
    let fixedLiterals = HuffmanDecoder Deflate.fixedLiterals.Length
    let fixedDistances = HuffmanDecoder Deflate.fixedDistances.Length

    /// Lengths of the codes of a block: literals and lengths, then distances.
    let lengths = Array.zeroCreate<byte>(Deflate.literalSymbols + Deflate.distanceSymbols)

    let mutable at = 0
    let mutable bits = 0UL
    let mutable bitCount = 0
    let mutable written = 0
    let mutable failed = false

    do
        fixedLiterals.Build(ReadOnlySpan Deflate.fixedLiterals) |> ignore
        fixedDistances.Build(ReadOnlySpan Deflate.fixedDistances) |> ignore

    let fail () = failed <- true

    /// Has 56 bits at hand, or all that are left.
    member private _.Refill(source: ReadOnlySpan<byte>) : unit =
        while bitCount <= 56 && at < source.Length do
            bits <- bits ||| (uint64 source[at] <<< bitCount)
            at <- at + 1
            bitCount <- bitCount + 8

    member private _.Drop(count: int) : unit =
        if count > bitCount then
            fail ()
        else
            bits <- bits >>> count
            bitCount <- bitCount - count

    /// The next bits as a number. At most 16, after a refill that nothing but them and two codes has used.
    member private this.Bits(count: int) : int =
        let value = int (bits &&& ((1UL <<< count) - 1UL))
        this.Drop count
        if failed then 0 else value

    /// The next symbol; 0 on failure.
    member private this.Symbol(decoder: HuffmanDecoder) : int =
        let entry = decoder.Read bits

        if entry < 0 then
            fail ()
            0
        else
            this.Drop(entry &&& 15)
            if failed then 0 else entry >>> 4

    member private this.Stored(source: ReadOnlySpan<byte>, target: Span<byte>) : unit =
        this.Drop(bitCount &&& 7)
        this.Refill source
        let length = this.Bits 16
        let complement = this.Bits 16

        if length <> (complement ^^^ 0xffff) then
            fail ()

        // What was read ahead is given back.
        at <- at - bitCount / 8
        bits <- 0UL
        bitCount <- 0

        if failed || length > source.Length - at || length > target.Length - written then
            fail ()
        else
            source.Slice(at, length).CopyTo(target.Slice written)
            at <- at + length
            written <- written + length

    member private this.Repeat(distances: HuffmanDecoder, target: Span<byte>, symbol: int) : unit =
        let length = Deflate.lengthBasis symbol + this.Bits(Deflate.lengthExtra symbol)
        let symbol = this.Symbol distances

        if symbol >= Deflate.distanceSymbols then
            fail ()
        else
            let distance = Deflate.distanceBasis symbol + this.Bits(Deflate.distanceExtra symbol)

            if failed || distance > written || length > target.Length - written then
                fail ()
            else
                Copy.repetition target written distance length
                written <- written + length

    member private this.Coded
        (source: ReadOnlySpan<byte>, target: Span<byte>, literals: HuffmanDecoder, distances: HuffmanDecoder)
        : unit =
        let mutable ended = false

        while not ended && not failed do
            // A length, a distance and their extra bits are 48 bits at most.
            this.Refill source
            let symbol = this.Symbol literals

            if failed then
                ()
            elif symbol < Deflate.endOfBlock then
                if written < target.Length then
                    target[written] <- byte symbol
                    written <- written + 1
                else
                    fail ()
            elif symbol = Deflate.endOfBlock then
                ended <- true
            elif symbol < Deflate.literalSymbols then
                this.Repeat(distances, target, symbol)
            else
                fail ()

    /// Reads the codes of a block.
    member private this.Codes(source: ReadOnlySpan<byte>) : unit =
        this.Refill source
        let literals = 257 + this.Bits 5
        let distances = 1 + this.Bits 5
        let given = 4 + this.Bits 4
        let total = literals + distances
        Array.Clear lengths

        for i in 0 .. given - 1 do
            this.Refill source
            lengths[Deflate.lengthOrder[i]] <- byte (this.Bits 3)

        if
            failed
            || literals > Deflate.literalSymbols
            || distances > Deflate.distanceSymbols
            || not (ownLengths.Build(ReadOnlySpan(lengths, 0, Deflate.lengthSymbols)))
        then
            fail ()
        else
            Array.Clear lengths
            let mutable known = 0

            while known < total && not failed do
                this.Refill source
                let symbol = this.Symbol ownLengths

                if symbol < 16 then
                    lengths[known] <- byte symbol
                    known <- known + 1
                else
                    let times = Deflate.repeatBasis[symbol - 16] + this.Bits Deflate.repeatBits[symbol - 16]

                    if times > total - known || (symbol = 16 && known = 0) then
                        fail ()
                    else
                        let length = if symbol = 16 then lengths[known - 1] else 0uy
                        lengths.AsSpan(known, times).Fill length
                        known <- known + times

            if
                lengths[Deflate.endOfBlock] = 0uy
                || not (ownLiterals.Build(ReadOnlySpan(lengths, 0, literals)))
                || not (ownDistances.Build(ReadOnlySpan(lengths, literals, distances)))
            then
                fail ()

    /// Bytes written to the target, or -1 if the source is no zlib stream or does not fit.
    member this.Run(source: ReadOnlySpan<byte>, target: Span<byte>) : int =
        at <- Zlib.headerSize
        bits <- 0UL
        bitCount <- 0
        written <- 0
        failed <- source.Length < Zlib.headerSize || not (Zlib.isHeader source[0] source[1])
        let mutable last = false

        while not last && not failed do
            this.Refill source
            last <- this.Bits 1 = 1

            match this.Bits 2 with
            | _ when failed -> ()
            | Deflate.Kind.stored -> this.Stored(source, target)
            | Deflate.Kind.fixedCodes -> this.Coded(source, target, fixedLiterals, fixedDistances)
            | Deflate.Kind.ownCodes ->
                this.Codes source

                if not failed then
                    this.Coded(source, target, ownLiterals, ownDistances)
            | _ -> fail ()

        // The checksum begins at the next whole byte that was not read ahead.
        let checksumAt = at - bitCount / 8

        if
            failed
            || source.Length - checksumAt < Zlib.checksumSize
            || BinaryPrimitives.ReadUInt32BigEndian(source.Slice checksumAt)
               <> Zlib.checksum (Span.op_Implicit (target.Slice(0, written)))
        then
            -1
        else
            written
