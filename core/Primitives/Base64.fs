/// tinc's base64: the usual symbols, least significant bits first, no padding (spec 01 §2.1).
module TincPure.Primitives.Base64

open System

let private standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

let private urlSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/// The six bits that a character stands for in either alphabet, or -1.
let private sextet (c: char) : int =
    if c >= 'A' && c <= 'Z' then int c - int 'A'
    elif c >= 'a' && c <= 'z' then int c - int 'a' + 26
    elif c >= '0' && c <= '9' then int c - int '0' + 52
    elif c = '+' || c = '-' then 62
    elif c = '/' || c = '_' then 63
    else -1

/// Characters that `length` bytes become.
let encodedLength (length: int) : int = (length * 8 + 5) / 6

let private encodeWith (alphabet: string) (bytes: ReadOnlySpan<byte>) : string =
    let chars = Array.zeroCreate<char>(encodedLength bytes.Length)
    let mutable bits = 0
    let mutable pending = 0
    let mutable at = 0

    for i in 0 .. bytes.Length - 1 do
        bits <- bits ||| (int bytes[i] <<< pending)
        pending <- pending + 8

        while pending >= 6 do
            chars[at] <- alphabet[bits &&& 63]
            at <- at + 1
            bits <- bits >>> 6
            pending <- pending - 6

    if pending > 0 then
        chars[at] <- alphabet[bits]

    String chars

/// The canonical text, standard alphabet.
let encode (bytes: ReadOnlySpan<byte>) : string = encodeWith standard bytes

/// The canonical text, URL-safe alphabet.
let encodeUrl (bytes: ReadOnlySpan<byte>) : string = encodeWith urlSafe bytes

/// Decodes text of either alphabet, or of both mixed, up to its end or a NUL. Nothing when a character is foreign or
/// when no byte comes out. A single leftover character and unused top bits are ignored.
let decodeSpan (text: ReadOnlySpan<char>) : byte[] voption =
    let terminator = text.IndexOf '\000'
    let text = if terminator >= 0 then text.Slice(0, terminator) else text
    let bytes = Array.zeroCreate<byte>(text.Length / 4 * 3 + text.Length % 4 * 6 / 8)
    let mutable bits = 0
    let mutable pending = 0
    let mutable at = 0
    let mutable valid = true

    for i in 0 .. text.Length - 1 do
        let value = sextet text[i]

        if value < 0 then
            valid <- false
        else
            bits <- bits ||| (value <<< pending)
            pending <- pending + 6

            if pending >= 8 then
                bytes[at] <- byte bits
                at <- at + 1
                bits <- bits >>> 8
                pending <- pending - 8

    if valid && bytes.Length > 0 then ValueSome bytes else ValueNone

/// `decodeSpan` of a string.
let decode (text: string) : byte[] voption = decodeSpan (text.AsSpan())
