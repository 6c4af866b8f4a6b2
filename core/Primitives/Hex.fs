/// Hexadecimal text (spec 01 §2.2).
module TincPure.Primitives.Hex

open System

/// Two upper-case digits per byte: keys, challenges and cookies.
let encode (bytes: ReadOnlySpan<byte>) : string = Convert.ToHexString bytes

/// Two lower-case digits per byte: node IDs in dumps.
let encodeLower (bytes: ReadOnlySpan<byte>) : string = Convert.ToHexStringLower bytes

/// The value of a hex digit of either case, or -1.
let digit (c: char) : int =
    if c >= '0' && c <= '9' then
        int c - int '0'
    else
        let lower = int c ||| 0x20

        if lower >= int 'a' && lower <= int 'f' then lower - int 'a' + 10 else -1

/// Decodes pairs of digits until the first pair that is none, the end of the text, or `maxBytes` bytes. An odd last
/// digit is ignored.
let decode (maxBytes: int) (text: string) : byte[] =
    let limit = min maxBytes (text.Length / 2)

    let rec validPairs count =
        if count < limit && digit text[2 * count] >= 0 && digit text[2 * count + 1] >= 0 then
            validPairs (count + 1)
        else
            count

    Array.init (validPairs 0) (fun i -> byte (digit text[2 * i] <<< 4 ||| digit text[2 * i + 1]))
