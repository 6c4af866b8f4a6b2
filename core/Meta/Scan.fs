namespace TincPure.Meta

open System
open System.Text
open TincPure.Primitives

/// A request line as text: one character for each byte (Latin-1), without its LF.
module Line =

    /// The line at the start of these bytes. It ends at the first LF or NUL: what hides behind either is neither parsed
    /// nor passed on. (Stock daemons read a LF inside of a record as white space, and would forward it as two lines to a
    /// neighbour without SPTPS.)
    let ofBytes (bytes: ReadOnlySpan<byte>) : string =
        let length = bytes.IndexOfAny('\n'B, 0uy)
        Encoding.Latin1.GetString(if length < 0 then bytes else bytes.Slice(0, length))

    /// The bytes to send, LF included; none if the line is longer than a peer can take (spec 02 §3.2).
    let toBytes (line: string) : byte[] voption =
        if line.Length > Protocol.maxBufferSize - 1 then
            ValueNone
        else
            let bytes = Array.zeroCreate (line.Length + 1)
            Encoding.Latin1.GetBytes(line, Span bytes) |> ignore
            bytes[line.Length] <- '\n'B
            ValueSome bytes

/// Reads fields as C's scanf does (spec 02 §3.2): any run of white space separates, numbers end where their digits end. Numbers
/// too large behave as with a 64-bit C library: they saturate at 64 bits and are then cut to the low 32 (or 16).
/// Every function moves `at` behind what it took; after a failure the position means nothing.
module Scan =

    let private isSpace (c: char) = c = ' ' || (c >= '\t' && c <= '\r')

    /// Moves behind white space.
    let skipSpace (line: string) (at: byref<int>) : unit =
        while at < line.Length && isSpace line[at] do
            at <- at + 1

    /// A sign, if there is one: true for minus.
    let private sign (line: string) (at: byref<int>) (stop: int) : bool =
        if at < stop && (line[at] = '-' || line[at] = '+') then
            at <- at + 1
            line[at - 1] = '-'
        else
            false

    /// What the character stands for, of 16; more than any radix if it is no digit.
    let private digitOf (c: char) : uint64 =
        if Char.IsAsciiDigit c then
            uint64 c - uint64 '0'
        elif Char.IsAsciiHexDigit c then
            uint64 (Char.ToLowerInvariant c) - uint64 'a' + 10UL
        else
            UInt64.MaxValue

    /// Digits up to `stop`, saturating; none if there is not one digit.
    let private digits (radix: uint64) (line: string) (at: byref<int>) (stop: int) : struct (uint64 * bool) voption =
        let start = at
        let mutable value = 0UL
        let mutable overflow = false
        let mutable more = at < stop

        while more do
            let digit = digitOf line[at]

            if digit < radix then
                if value > (UInt64.MaxValue - digit) / radix then
                    overflow <- true

                value <- value * radix + digit
                at <- at + 1
                more <- at < stop
            else
                more <- false

        if at = start then ValueNone else ValueSome(struct (value, overflow))

    let private long (line: string) (at: byref<int>) (width: int) : int64 voption =
        skipSpace line &at
        let stop = min line.Length (at + width)
        let negative = sign line &at stop

        match digits 10UL line &at stop with
        | ValueNone -> ValueNone
        | ValueSome(struct (magnitude, overflow)) ->
            if negative then
                if overflow || magnitude > (1UL <<< 63) then
                    ValueSome Int64.MinValue
                else
                    ValueSome(-(int64 magnitude))
            elif overflow || magnitude > uint64 Int64.MaxValue then
                ValueSome Int64.MaxValue
            else
                ValueSome(int64 magnitude)

    /// `%d`.
    let int32 (line: string) (at: byref<int>) : int voption =
        match long line &at line.Length with
        | ValueSome value -> ValueSome(int value)
        | ValueNone -> ValueNone

    /// `%WIDTHd`: a sign and digits, together at most `width` characters.
    let int32Within (width: int) (line: string) (at: byref<int>) : int voption =
        match long line &at width with
        | ValueSome value -> ValueSome(int value)
        | ValueNone -> ValueNone

    /// `%hd`.
    let int16 (line: string) (at: byref<int>) : int voption =
        match long line &at line.Length with
        | ValueSome value -> ValueSome(int (int16 value))
        | ValueNone -> ValueNone

    /// `%x`: upper or lower case, with or without `0x`.
    let hex32 (line: string) (at: byref<int>) : uint32 voption =
        skipSpace line &at
        let negative = sign line &at line.Length

        if
            at + 2 < line.Length
            && line[at] = '0'
            && (line[at + 1] = 'x' || line[at + 1] = 'X')
            && Char.IsAsciiHexDigit line[at + 2]
        then
            at <- at + 2

        match digits 16UL line &at line.Length with
        | ValueNone -> ValueNone
        | ValueSome(struct (_, true)) -> ValueSome UInt32.MaxValue
        | ValueSome(struct (value, false)) -> ValueSome(uint32 (if negative then 0UL - value else value))

    /// `%2048s`: a word; what is longer than a field may be is left for the next one.
    let text (line: string) (at: byref<int>) : string voption =
        skipSpace line &at
        let start = at
        let stop = min line.Length (at + Protocol.maxText)

        while at < stop && not (isSpace line[at]) do
            at <- at + 1

        if at = start then ValueNone else ValueSome(line.Substring(start, at - start))
