namespace TincPure.Packet.Compression

open System
open System.Buffers.Binary
open System.Numerics

/// What both directions of deflate know (RFC 1951).
module internal Deflate =

    [<Literal>]
    let endOfBlock = 256

    let literalSymbols = 286
    let distanceSymbols = 30

    [<Literal>]
    let longest = 258

    /// The symbol of the longest repetition.
    [<Literal>]
    let longestSymbol = 285

    /// Lengths of codes, and how often one of them or none is repeated: the symbols in which codes are sent.
    let lengthSymbols = 19

    /// The lengths of the codes of these come in this order.
    let lengthOrder = [| 16; 17; 18; 0; 8; 7; 9; 6; 10; 5; 11; 4; 12; 3; 13; 2; 14; 1; 15 |]

    /// Extra bits behind the symbols 16, 17 and 18, and what they count from.
    let repeatBits = [| 2; 3; 7 |]

    let repeatBasis = [| 3; 3; 11 |]

    module Kind =

        [<Literal>]
        let stored = 0

        [<Literal>]
        let fixedCodes = 1

        [<Literal>]
        let ownCodes = 2

    /// Lengths of the codes that need not be sent: literals and lengths.
    let fixedLiterals =
        Array.init 288 (fun symbol ->
            if symbol < 144 then 8uy
            elif symbol < 256 then 9uy
            elif symbol < 280 then 7uy
            else 8uy)

    let fixedDistances = Array.create 32 5uy

    /// The symbol of a repetition's length.
    let lengthSymbol (length: int) : int =
        let value = length - 3

        if length = longest then
            longestSymbol
        elif value < 8 then
            257 + value
        else
            let bits = BitOperations.Log2(uint32 value)
            257 + 4 * (bits - 1) + ((value >>> (bits - 2)) &&& 3)

    /// Bits behind a symbol of a length that say which of several it is.
    let lengthExtra (symbol: int) : int = if symbol < 265 || symbol = longestSymbol then 0 else (symbol - 261) >>> 2

    /// The shortest length of a symbol.
    let lengthBasis (symbol: int) : int =
        if symbol < 265 then symbol - 254
        elif symbol = longestSymbol then longest
        else ((4 + ((symbol - 257) &&& 3)) <<< lengthExtra symbol) + 3

    let distanceSymbol (distance: int) : int =
        let value = distance - 1

        if value < 4 then
            value
        else
            let bits = BitOperations.Log2(uint32 value)
            2 * bits + ((value >>> (bits - 1)) &&& 1)

    let distanceExtra (symbol: int) : int = if symbol < 4 then 0 else (symbol - 2) >>> 1

    let distanceBasis (symbol: int) : int =
        if symbol < 4 then
            symbol + 1
        else
            ((2 + (symbol &&& 1)) <<< distanceExtra symbol) + 1

/// The zlib format around deflate (RFC 1950).
module internal Zlib =

    [<Literal>]
    let headerSize = 2

    [<Literal>]
    let checksumSize = 4

    /// The second byte of the header for a level; it says how thorough the encoder was.
    let flags (level: int) : byte =
        if level <= 1 then 0x01uy
        elif level <= 5 then 0x5euy
        elif level = 6 then 0x9cuy
        else 0xdauy

    /// Deflate with a window of 32 KiB.
    [<Literal>]
    let methodByte = 0x78uy

    let isHeader (first: byte) (second: byte) : bool =
        let usesDictionary = second &&& 0x20uy <> 0uy

        first &&& 0x0fuy = 8uy
        && first >>> 4 <= 7uy
        && not usesDictionary
        && (int first * 256 + int second) % 31 = 0

    /// Adler-32 of at most 5552 bytes, for which the sums fit before they are reduced.
    let checksum (data: ReadOnlySpan<byte>) : uint32 =
        let mutable low = 1u
        let mutable high = 0u

        for i in 0 .. data.Length - 1 do
            low <- low + uint32 data[i]
            high <- high + low

        ((high % 65521u) <<< 16) ||| (low % 65521u)
