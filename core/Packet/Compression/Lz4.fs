/// LZ4 blocks, without a frame around them (level 12). A block is a row of sequences: a token with two lengths, literals,
/// and two bytes of distance back to what is repeated; the last sequence has literals only (LZ4 block format).
module internal TincPure.Packet.Compression.Lz4

open System
open System.Buffers.Binary

/// A repetition is at least so long; lengths count from here.
[<Literal>]
let private shortest = 4

/// A length in a token that goes on in the bytes after it.
[<Literal>]
let private more = 15

/// The format keeps the last bytes free of repetitions, for decoders that copy several bytes at once.
let search: Search =
    { Depth = 8
      Lazy = false
      Hasty = true
      Shortest = shortest
      Longest = Int32.MaxValue
      Tail = 5
      LastStart = 12 }

/// Bytes that say the rest of a length of which 15 was said in the token.
let private writeRest (target: Span<byte>) (place: int) (rest: int) : int =
    let mutable at = place
    let mutable left = rest

    while left >= 255 do
        target[at] <- 255uy
        at <- at + 1
        left <- left - 255

    target[at] <- byte left
    at + 1

/// A token and its literals; the length of the repetition behind it is `repeated`, 0 at the end.
let private writeLiterals (literals: ReadOnlySpan<byte>) (repeated: int) (target: Span<byte>) (place: int) : int =
    let high = min more literals.Length
    let low = if repeated = 0 then 0 else min more (repeated - shortest)
    target[place] <- byte ((high <<< 4) ||| low)

    let at =
        if high = more then
            writeRest target (place + 1) (literals.Length - more)
        else
            place + 1

    literals.CopyTo(target.Slice at)
    at + literals.Length

/// Bytes written. The target has room for whatever the source grows to.
let encode (repetitions: Repetitions) (source: ReadOnlySpan<byte>) (target: Span<byte>) : int =
    repetitions.Parse(source, search)
    let mutable from = 0
    let mutable at = 0

    for i in 0 .. repetitions.Count - 1 do
        let literals = repetitions.Literals[i]
        let length = repetitions.Lengths[i]
        at <- writeLiterals (source.Slice(from, literals)) length target at
        BinaryPrimitives.WriteUInt16LittleEndian(target.Slice at, uint16 repetitions.Distances[i])
        at <- at + 2

        if length - shortest >= more then
            at <- writeRest target at (length - shortest - more)

        from <- from + literals + length

    writeLiterals (source.Slice from) 0 target at

/// A length that goes on in the bytes at `place`, which is moved behind them; negative if the source ends within.
let private readRest (source: ReadOnlySpan<byte>) (place: byref<int>) (limit: int) : int =
    let mutable length = more
    let mutable reading = true

    while reading do
        if place >= source.Length || length > limit then
            length <- -1
            reading <- false
        else
            let value = source[place]
            place <- place + 1
            length <- length + int value
            reading <- value = 255uy

    length

/// Bytes written to the target, or -1 if the source is no block or does not fit.
let decode (source: ReadOnlySpan<byte>) (target: Span<byte>) : int =
    let mutable at = 0
    let mutable written = 0
    let mutable result = if source.IsEmpty then -1 else 0
    let mutable reading = result = 0

    while reading do
        if at >= source.Length then
            // Behind a repetition another sequence must follow.
            result <- -1
            reading <- false
        else
            let token = int source[at]
            at <- at + 1

            let literals = if token >>> 4 = more then readRest source &at target.Length else token >>> 4

            if literals < 0 || literals > source.Length - at || literals > target.Length - written then
                result <- -1
                reading <- false
            else
                source.Slice(at, literals).CopyTo(target.Slice written)
                at <- at + literals
                written <- written + literals

                if at = source.Length then
                    reading <- false
                elif source.Length - at < 2 then
                    result <- -1
                    reading <- false
                else
                    let distance = int (BinaryPrimitives.ReadUInt16LittleEndian(source.Slice at))
                    at <- at + 2

                    let length =
                        if token &&& more = more then
                            readRest source &at target.Length
                        else
                            token &&& more

                    let length = if length < 0 then -1 else length + shortest

                    if length < 0 || distance = 0 || distance > written || length > target.Length - written then
                        result <- -1
                        reading <- false
                    else
                        Copy.repetition target written distance length
                        written <- written + length

    if result < 0 then -1 else written
