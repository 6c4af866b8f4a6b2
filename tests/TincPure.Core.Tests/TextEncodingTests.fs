module TincPure.Core.Tests.TextEncodingTests

open System
open System.Numerics
open TincPure.Primitives
open Xunit

let private bytesOf (decoded: byte[] voption) = ValueOption.defaultValue [||] decoded

/// The encoding as the spec says it: one little-endian number, six bits at a time, lowest first (spec 01 §2.1).
let private slowEncode (alphabet: string) (bytes: byte[]) =
    let number = BigInteger(ReadOnlySpan bytes, isUnsigned = true)
    let count = (bytes.Length * 8 + 5) / 6
    String(Array.init count (fun i -> alphabet[int ((number >>> (6 * i)) &&& BigInteger 63)]))

[<Fact>]
let ``base64 vectors encode and decode`` () =
    let vectors = Vectors.load "01-base64.json"

    for case in Vectors.items "encode" vectors do
        let bytes = Vectors.bytes "bytes" case
        Assert.Equal(Vectors.text "std" case, Base64.encode (ReadOnlySpan bytes))
        Assert.Equal(Vectors.text "url" case, Base64.encodeUrl (ReadOnlySpan bytes))
        Assert.Equal<byte[]>(bytes, bytesOf (Base64.decode (Vectors.text "std" case)))
        Assert.Equal<byte[]>(bytes, bytesOf (Base64.decode (Vectors.text "url" case)))

    for case in Vectors.items "decode" vectors do
        let text = Vectors.bytes "text_hex" case |> Array.map char |> String
        Assert.Equal<byte[]>(Vectors.bytes "bytes" case, bytesOf (Base64.decode text))

[<Fact>]
let ``hex vectors encode and decode`` () =
    let vectors = Vectors.load "01-base64.json"

    for case in Vectors.items "hex_encode" vectors do
        Assert.Equal(Vectors.text "hex_out" case, Hex.encode (ReadOnlySpan(Vectors.bytes "bytes" case)))

    for case in Vectors.items "hex_decode" vectors do
        let decoded = Hex.decode (Vectors.number "max_bytes" case) (Vectors.text "text" case)
        Assert.Equal(Vectors.number "count" case, decoded.Length)
        Assert.Equal<byte[]>(Vectors.bytes "bytes" case, decoded)

[<Fact>]
let ``base64 is the little-endian number in base 64`` () =
    let standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    FsCheck.Check.QuickThrowOnFailure(fun (bytes: byte[]) ->
        Base64.encode (ReadOnlySpan bytes) = slowEncode standard bytes)

[<Fact>]
let ``bytes encoded and decoded again are the same bytes`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (bytes: byte[]) ->
        bytesOf (Base64.decode (Base64.encode (ReadOnlySpan bytes))) = bytes
        && bytesOf (Base64.decode (Base64.encodeUrl (ReadOnlySpan bytes))) = bytes
        && Hex.decode bytes.Length (Hex.encode (ReadOnlySpan bytes)) = bytes
        && Hex.decode bytes.Length (Hex.encodeLower (ReadOnlySpan bytes)) = bytes)

[<Fact>]
let ``any text decodes to bytes or to nothing`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (chars: char[]) ->
        let text = String chars

        (Hex.decode 10 text).Length <= 10
        && ValueOption.forall (fun (bytes: byte[]) -> bytes.Length > 0) (Base64.decode text))

[<Fact>]
let ``xor of any length is the xor of each byte`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (FsCheck.NonNegativeInt length) (seed: int) ->
        let random = Random seed
        let source = Array.zeroCreate<byte>(length * 3)
        let mask = Array.zeroCreate<byte>(length * 3 + 1)
        random.NextBytes source
        random.NextBytes mask
        let expected = Array.init source.Length (fun i -> source[i] ^^^ mask[i])
        Bytes.xor (ReadOnlySpan source) (ReadOnlySpan mask) (Span source)
        source = expected)
