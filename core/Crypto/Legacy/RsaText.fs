/// RSA keys as text (spec 01 §15.1, spec 08 §18): PKCS#1, PKCS#8 and SubjectPublicKeyInfo in PEM, and the hexadecimal numbers of old
/// configuration files.
module TincPure.Crypto.Legacy.RsaText

open System
open System.Numerics
open TincPure.Primitives

/// The public exponent of keys that are given as hexadecimal numbers.
let hexExponent = BigInteger 0xffff

// ---- DER

[<Literal>]
let private integerTag = 0x02uy

[<Literal>]
let private bitStringTag = 0x03uy

[<Literal>]
let private octetStringTag = 0x04uy

[<Literal>]
let private sequenceTag = 0x30uy

/// The contents of the element at the start of these bytes, if it has this tag, and what follows it.
let private element (tag: byte) (bytes: byte[]) : struct (byte[] * byte[]) voption =
    let length =
        match bytes with
        | bytes when bytes.Length < 2 || bytes[0] <> tag -> ValueNone
        | bytes when bytes[1] < 0x80uy -> ValueSome(struct (2, int bytes[1]))
        | bytes ->
            let count = int (bytes[1] &&& 0x7fuy)

            if count = 0 || count > 3 || bytes.Length < 2 + count then
                ValueNone
            else
                ValueSome(struct (2 + count, Array.fold (fun sum b -> sum * 256 + int b) 0 (Array.sub bytes 2 count)))

    match length with
    | ValueSome(struct (start, length)) when bytes.Length - start >= length ->
        ValueSome(struct (Array.sub bytes start length, bytes[start + length ..]))
    | _ -> ValueNone

/// So many numbers in a row.
let rec private integers (count: int) (bytes: byte[]) : BigInteger list voption =
    if count = 0 then
        ValueSome []
    else
        match element integerTag bytes with
        | ValueSome(struct (value, rest)) ->
            integers (count - 1) rest
            |> ValueOption.map (fun others -> BigInteger(ReadOnlySpan value, isBigEndian = true) :: others)
        | ValueNone -> ValueNone

let private contents tag bytes = element tag bytes |> ValueOption.map (fun (struct (contents, _)) -> contents)

let private after tag bytes = element tag bytes |> ValueOption.map (fun (struct (_, rest)) -> rest)

let private publicPkcs1 (bytes: byte[]) : RsaPublicKey voption =
    match contents sequenceTag bytes |> ValueOption.bind (integers 2) with
    | ValueSome [ modulus; exponent ] -> Rsa.publicKey modulus exponent
    | _ -> ValueNone

/// Algorithm, then the key in a bit string without unused bits.
let private publicInfo (bytes: byte[]) : RsaPublicKey voption =
    contents sequenceTag bytes
    |> ValueOption.bind (after sequenceTag)
    |> ValueOption.bind (contents bitStringTag)
    |> ValueOption.bind (fun bits -> if bits.Length > 1 then publicPkcs1 bits[1..] else ValueNone)

/// Version, modulus, public and private exponent; the primes that follow are of no use here.
let private privatePkcs1 (bytes: byte[]) : RsaPrivateKey voption =
    match contents sequenceTag bytes |> ValueOption.bind (integers 4) with
    | ValueSome [ _; modulus; exponent; secret ] ->
        Rsa.publicKey modulus exponent |> ValueOption.bind (fun key -> Rsa.privateKey key secret)
    | _ -> ValueNone

/// Version, algorithm, then the key in an octet string.
let private privateInfo (bytes: byte[]) : RsaPrivateKey voption =
    contents sequenceTag bytes
    |> ValueOption.bind (after integerTag)
    |> ValueOption.bind (after sequenceTag)
    |> ValueOption.bind (contents octetStringTag)
    |> ValueOption.bind privatePkcs1

// ---- PEM

let private publicKinds = [ "RSA PUBLIC KEY"; "PUBLIC KEY" ]

let private trimmedLines (text: string) = text.Split('\n') |> Array.map _.Trim()

let private isBegin (kinds: string list) (line: string) =
    List.exists (fun kind -> line = "-----BEGIN " + kind + "-----") kinds

/// The bytes of the first block of one of these kinds, and its kind.
let private block (kinds: string list) (text: string) : struct (string * byte[]) voption =
    let lines = trimmedLines text

    match Array.tryFindIndex (isBegin kinds) lines with
    | None -> ValueNone
    | Some start ->
        let body =
            lines
            |> Seq.skip (start + 1)
            |> Seq.takeWhile (fun line -> not (line.StartsWith("-----END ", StringComparison.Ordinal)))
            |> String.concat ""

        let bytes = Array.zeroCreate<byte> body.Length
        let mutable written = 0

        if Convert.TryFromBase64String(body, Span bytes, &written) then
            let kind = lines[start].Substring(11, lines[start].Length - 16)
            ValueSome(struct (kind, Array.sub bytes 0 written))
        else
            ValueNone

/// The first public key in a text; what is around it does not matter.
let parsePublic (text: string) : RsaPublicKey voption =
    match block publicKinds text with
    | ValueSome(struct ("PUBLIC KEY", bytes)) -> publicInfo bytes
    | ValueSome(struct (_, bytes)) -> publicPkcs1 bytes
    | ValueNone -> ValueNone

/// There is a block in a text that should be a public key, good or bad.
let hasPublicBlock (text: string) : bool = Array.exists (isBegin publicKinds) (trimmedLines text)

/// The first private key in a text. Encrypted ones cannot be read.
let parsePrivate (text: string) : RsaPrivateKey voption =
    match block [ "RSA PRIVATE KEY"; "PRIVATE KEY" ] text with
    | ValueSome(struct ("PRIVATE KEY", bytes)) -> privateInfo bytes
    | ValueSome(struct (_, bytes)) -> privatePkcs1 bytes
    | ValueNone -> ValueNone

// ---- Hexadecimal

let private hexNumber (text: string) : BigInteger voption =
    if text <> "" && Seq.forall (fun c -> Hex.digit c >= 0) text then
        let even = if text.Length % 2 = 1 then "0" + text else text
        ValueSome(BigInteger(ReadOnlySpan(Convert.FromHexString even), isUnsigned = true, isBigEndian = true))
    else
        ValueNone

/// Variable PublicKey: a modulus.
let publicOfHex (modulus: string) : RsaPublicKey voption =
    hexNumber modulus |> ValueOption.bind (fun modulus -> Rsa.publicKey modulus hexExponent)

/// Variables PublicKey and PrivateKey: modulus and private exponent.
let privateOfHex (modulus: string) (secret: string) : RsaPrivateKey voption =
    match struct (publicOfHex modulus, hexNumber secret) with
    | struct (ValueSome key, ValueSome secret) -> Rsa.privateKey key secret
    | _ -> ValueNone
