module TincPure.Core.Tests.CryptoCurveTests

open System
open System.Numerics
open System.Text
open TincPure.Crypto
open TincPure.Primitives
open Xunit

let private ofHex (text: string) = Convert.FromHexString text

let private randomBytes (random: Random) (count: int) =
    let bytes = Array.zeroCreate<byte> count
    random.NextBytes bytes
    bytes

let private number (bytes: byte[]) = BigInteger(ReadOnlySpan bytes, isUnsigned = true)

let private p = BigInteger.Pow(2, 255) - BigInteger 19

let private order = BigInteger.Pow(2, 252) + BigInteger.Parse "27742317777372353535851937790883648493"

let private verify (publicKey: byte[]) (message: byte[]) (signature: byte[]) =
    Ed25519.verify (ReadOnlySpan publicKey) (ReadOnlySpan message) (ReadOnlySpan signature)

let private sign (pair: Ed25519.KeyPair) (message: byte[]) =
    Ed25519.sign pair.Private.Span (ReadOnlySpan pair.Public) (ReadOnlySpan message)

let private toBytes (element: Field25519.Element) =
    let bytes = Array.zeroCreate<byte> 32
    Field25519.toBytes element (Span bytes)
    bytes

/// Random bytes, and now and then those around the edges of the field.
let private fieldBytes (random: Random) =
    match random.Next 4 with
    | 0 ->
        let edge = p + BigInteger(random.Next 30 - 15)
        let bytes = edge.ToByteArray(isUnsigned = true)
        Array.append bytes (Array.zeroCreate (32 - bytes.Length))
    | 1 -> Array.create 32 0xffuy
    | _ -> randomBytes random 32

[<Fact>]
let ``field arithmetic is arithmetic modulo p`` () =
    let masked (bytes: byte[]) = number bytes % BigInteger.Pow(2, 255) % p

    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) ->
        let random = Random seed
        let x = fieldBytes random
        let y = fieldBytes random
        let a = Field25519.ofBytes (ReadOnlySpan x)
        let b = Field25519.ofBytes (ReadOnlySpan y)
        let m = masked x
        let n = masked y
        let value element = number (toBytes element)

        value a = m
        && value (Field25519.add a b) = (m + n) % p
        && value (Field25519.sub a b) = (m - n + p) % p
        && value (Field25519.mul a b) = m * n % p
        && value (Field25519.square a) = m * m % p
        && value (Field25519.mul (Field25519.sub a b) (Field25519.sub b a)) =
            (m - n) * (n - m) % p + (if m = n then BigInteger.Zero else p)
        && value (Field25519.mulSmall a 121665UL) = m * BigInteger 121665 % p
        && value (Field25519.invert a) = BigInteger.ModPow(m, p - BigInteger 2, p)
        && value (Field25519.powerForRoot a) = BigInteger.ModPow(m, (p - BigInteger 5) / BigInteger 8, p))

[<Fact>]
let ``scalar arithmetic is arithmetic modulo the group order`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (full: bool) ->
        let random = Random seed
        let bytes count = if full then Array.create count 0xffuy else randomBytes random count
        let wide = bytes 64
        let a = bytes 32
        let b = bytes 32
        let c = bytes 32
        let reduced = Array.zeroCreate<byte> 32
        let sum = Array.zeroCreate<byte> 32
        Scalar25519.reduce (ReadOnlySpan wide) (Span reduced)
        Scalar25519.multiplyAdd (ReadOnlySpan a) (ReadOnlySpan b) (ReadOnlySpan c) (Span sum)

        number reduced = number wide % order && number sum = (number a * number b + number c) % order)

[<Fact>]
let ``Ed25519 is that of RFC 8032`` () =
    // §7.1, tests 1, 2, 3 and SHA(abc): seed, public key, message, signature.
    let cases =
        [ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
          "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
          "",
          "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
          "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
          "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
          "72",
          "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
          "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
          "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
          "af82",
          "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
          "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
          "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
          "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704" ]

    for seed, publicKey, message, signature in cases do
        let pair = Ed25519.generate (ReadOnlySpan(ofHex seed))
        Assert.Equal<byte[]>(ofHex publicKey, pair.Public)
        Assert.Equal<byte[]>(ofHex signature, sign pair (ofHex message))
        Assert.True(verify pair.Public (ofHex message) (ofHex signature))

[<Fact>]
let ``keys and signatures are those of the vectors`` () =
    let vectors = Vectors.load "01-ed25519.json"

    for case in Vectors.items "keys" vectors do
        let pair = Ed25519.generate (ReadOnlySpan(Vectors.bytes "seed" case))
        let publicKey = Vectors.bytes "public" case
        Assert.Equal<byte[]>(Vectors.bytes "private_expanded" case, pair.Private.Span.ToArray())
        Assert.Equal<byte[]>(publicKey, pair.Public)
        Assert.Equal<byte[]>(publicKey, Ed25519.publicKey pair.Private.Span)
        Assert.Equal(Vectors.text "public_base64" case, Base64.encode (ReadOnlySpan publicKey))
        Assert.Equal<byte[]>(Vectors.bytes "stored_96" case, Array.append (pair.Private.Span.ToArray()) publicKey)

        for signed in Vectors.items "signatures" case do
            let message = Vectors.bytes "message" signed
            let signature = Vectors.bytes "signature" signed
            Assert.Equal<byte[]>(signature, sign pair message)
            Assert.True(verify publicKey message signature)

    for case in Vectors.items "verify" vectors do
        let verdict =
            verify (Vectors.bytes "public" case) (Vectors.bytes "message" case) (Vectors.bytes "signature" case)

        Assert.True(((case.GetProperty "valid").GetBoolean() = verdict), Vectors.text "note" case)

[<Fact>]
let ``file signatures are those of the vectors`` () =
    for case in Vectors.items "cases" (Vectors.load "01-file-signature.json") do
        let signer = Vectors.text "name" case
        let time = (case.GetProperty "time").GetInt64().ToString()
        let data = Vectors.bytes "data" case
        let signedText = Array.append data (Encoding.ASCII.GetBytes(" " + signer + " " + time))

        let pair: Ed25519.KeyPair =
            { Private = Secret(Vectors.bytes "private_expanded" case)
              Public = Vectors.bytes "public" case }

        let signature = Base64.encode (ReadOnlySpan(sign pair signedText))
        let firstLine = "Signature = " + signer + " " + time + " " + signature + "\n"
        Assert.Equal<byte[]>(Vectors.bytes "output" case, Array.append (Encoding.ASCII.GetBytes firstLine) data)

[<Fact>]
let ``a signature verifies for its own message and key alone`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (message: byte[]) (FsCheck.NonNegativeInt position) ->
        let random = Random seed
        let pair = Ed25519.generate (ReadOnlySpan(randomBytes random 32))
        let other = Ed25519.generate (ReadOnlySpan(randomBytes random 32))
        let signature = sign pair message
        let damaged = Array.copy signature
        let bit = position % 512
        damaged[bit / 8] <- damaged[bit / 8] ^^^ (1uy <<< (bit % 8))

        verify pair.Public message signature
        && not (verify pair.Public message damaged)
        && not (verify pair.Public (Array.append message [| 0uy |]) signature)
        && not (verify other.Public message signature))

[<Fact>]
let ``verification has an answer for arbitrary bytes`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (message: byte[]) (lengths: struct (int * int)) ->
        let random = Random seed
        let struct (a, b) = lengths
        let key = randomBytes random (if a % 3 = 0 then abs (a % 40) else 32)
        let signature = randomBytes random (if b % 3 = 0 then abs (b % 80) else 64)
        not (verify key message signature))

[<Fact>]
let ``the two sides of the vectors share the same secret`` () =
    let vectors = Vectors.load "01-ecdh.json"

    let shared (privateKey: byte[]) (peer: byte[]) =
        (Ecdh.sharedSecret (ReadOnlySpan privateKey) (ReadOnlySpan peer)).Span.ToArray()

    for case in Vectors.items "pairs" vectors do
        let a = Ed25519.generate (ReadOnlySpan(Vectors.bytes "a_seed" case))
        let b = Ed25519.generate (ReadOnlySpan(Vectors.bytes "b_seed" case))
        Assert.Equal<byte[]>(Vectors.bytes "a_private" case, a.Private.Span.ToArray())
        Assert.Equal<byte[]>(Vectors.bytes "a_public_edwards" case, a.Public)
        Assert.Equal<byte[]>(Vectors.bytes "b_public_edwards" case, b.Public)
        let expected = Vectors.bytes "shared" case
        Assert.Equal<byte[]>(expected, shared (a.Private.Span.ToArray()) b.Public)
        Assert.Equal<byte[]>(expected, shared (b.Private.Span.ToArray()) a.Public)

    for case in Vectors.items "special" vectors do
        let result = shared (Vectors.bytes "private" case) (Vectors.bytes "peer_public" case)
        Assert.Equal<byte[]>(Vectors.bytes "shared" case, result)

[<Fact>]
let ``any two key pairs share a secret`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) ->
        let random = Random seed
        let a = Ed25519.generate (ReadOnlySpan(randomBytes random 32))
        let b = Ed25519.generate (ReadOnlySpan(randomBytes random 32))
        let ab = Ecdh.sharedSecret a.Private.Span (ReadOnlySpan b.Public)
        let ba = Ecdh.sharedSecret b.Private.Span (ReadOnlySpan a.Public)
        ab.Span.ToArray() = ba.Span.ToArray())
