module TincPure.Core.Tests.CryptoCipherTests

open System
open System.Numerics
open System.Runtime.Intrinsics.X86
open System.Security.Cryptography
open System.Text
open TincPure.Crypto
open Xunit

let private ofHex (text: string) = Convert.FromHexString(text.Replace(" ", "").Replace("\n", ""))

let private lowHex (bytes: byte[]) = Convert.ToHexStringLower bytes

let private randomBytes (random: Random) (count: int) =
    let bytes = Array.zeroCreate<byte> count
    random.NextBytes bytes
    bytes

let private poly1305 (key: byte[]) (message: byte[]) =
    let tag = Array.zeroCreate<byte> 16
    Poly1305.tag (ReadOnlySpan key) (ReadOnlySpan message) (Span tag)
    tag

/// Poly1305 as RFC 8439 §2.5 writes it down.
let private slowPoly1305 (key: byte[]) (message: byte[]) =
    let number (bytes: byte[]) = BigInteger(ReadOnlySpan bytes, isUnsigned = true)

    let modulus = BigInteger.Pow(2, 130) - BigInteger 5
    let clamp = number (ofHex "ffffff0ffcffff0ffcffff0ffcffff0f")
    let r = number key[..15] &&& clamp

    let accumulator =
        Array.chunkBySize 16 message
        |> Array.fold (fun sum piece -> (sum + number (Array.append piece [| 1uy |])) * r % modulus) BigInteger.Zero

    let tag = (accumulator + number key[16..31]) % BigInteger.Pow(2, 128)
    let bytes = tag.ToByteArray(isUnsigned = true)
    Array.append bytes (Array.zeroCreate (16 - bytes.Length))

let private keyStream (key: byte[]) (nonce: uint64) (counter: uint64) (blocks: int) =
    let target = Array.zeroCreate<byte>((blocks + 7) / 8 * ChaCha20.ChunkSize)
    ChaCha20.keyStream (ReadOnlySpan key) nonce counter blocks (Span target)
    Array.truncate (blocks * ChaCha20.BlockSize) target

let private scalarKeyStream (key: byte[]) (nonce: uint64) (counter: uint64) (blocks: int) =
    Array.init blocks (fun i ->
        let block = Array.zeroCreate<byte> ChaCha20.BlockSize
        ChaCha20.Scalar.fill (ReadOnlySpan key) nonce (counter + uint64 i) (Span block)
        block)
    |> Array.concat

let private seal (key: byte[]) (seqno: uint64) (plaintext: byte[]) =
    let target = Array.zeroCreate<byte>(plaintext.Length + ChaChaPoly.TagSize)
    ChaChaPoly.seal (ReadOnlySpan key) seqno (ReadOnlySpan plaintext) (Span target)
    target

let private tryOpen (key: byte[]) (seqno: uint64) (sealed': byte[]) =
    let target = Array.zeroCreate<byte>(max 0 (sealed'.Length - ChaChaPoly.TagSize))

    if ChaChaPoly.tryOpen (ReadOnlySpan key) seqno (ReadOnlySpan sealed') (Span target) then
        Some target
    else
        None

[<Fact>]
let ``the key stream is that of the published ChaCha20 vectors`` () =
    // draft-strombergson-chacha-test-vectors-01, 256-bit key, 20 rounds: TC1 and TC8.
    let zeros = Array.zeroCreate<byte> 32

    Assert.Equal(
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        + "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        + "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
        + "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
        lowHex (keyStream zeros 0UL 0UL 2)
    )

    let key = ofHex "c46ec1b18ce8a878725a37e780dfb7351f68ed2e194c79fbc6aebee1a667975d"

    let nonce = BitConverter.ToUInt64(ofHex "1ada31d5cf688221", 0)

    Assert.Equal(
        "f63a89b75c2271f9368816542ba52f06ed49241792302b00b5e8f80ae9a473af"
        + "c25b218f519af0fdd406362e8d69de7f54c604a6e00f353f110f771bdca8ab92",
        lowHex (keyStream key nonce 0UL 1)
    )

[<Fact>]
let ``vectors and scalars make the same key stream, across a wrap of the low counter word`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (FsCheck.NonNegativeInt extra) ->
        let random = Random seed
        let key = randomBytes random 32
        let nonce = uint64 (random.NextInt64())
        let counter = 0xfffffffdUL + uint64 (extra % 8)
        let blocks = 1 + extra % 60
        keyStream key nonce counter blocks = scalarKeyStream key nonce counter blocks)

[<Fact>]
let ``Poly1305 is that of RFC 8439`` () =
    // §2.5.2, and the vectors of A.3 that touch carries and reduction.
    let cases =
        [ "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
          Convert.ToHexString(Encoding.ASCII.GetBytes "Cryptographic Forum Research Group"),
          "a8061dc1305136c6c22b8baf0c0127a9"
          "0200000000000000000000000000000000000000000000000000000000000000",
          "ffffffffffffffffffffffffffffffff",
          "03000000000000000000000000000000"
          "02000000000000000000000000000000ffffffffffffffffffffffffffffffff",
          "02000000000000000000000000000000",
          "03000000000000000000000000000000"
          "0100000000000000000000000000000000000000000000000000000000000000",
          "fffffffffffffffffffffffffffffffff0ffffffffffffffffffffffffffffff11000000000000000000000000000000",
          "05000000000000000000000000000000"
          "0100000000000000000000000000000000000000000000000000000000000000",
          "fffffffffffffffffffffffffffffffffbfefefefefefefefefefefefefefefe01010101010101010101010101010101",
          "00000000000000000000000000000000"
          "0200000000000000000000000000000000000000000000000000000000000000",
          "fdffffffffffffffffffffffffffffff",
          "faffffffffffffffffffffffffffffff" ]

    for key, message, tag in cases do
        Assert.Equal(tag, lowHex (poly1305 (ofHex key) (ofHex message)))

/// Those that this processor has.
let private kernels =
    [ Poly1305.Kernel.Scalar
      if Avx2.IsSupported then
          Poly1305.Kernel.Middle
      if Avx512F.IsSupported then
          Poly1305.Kernel.Wide ]

[<Fact>]
let ``Poly1305 in vectors is Poly1305 in words, at any length and alignment`` () =
    let random = Random 1305

    for length in 0..1700 do
        for dense in [ false; true ] do
            let fill count = if dense then Array.create count 0xffuy else randomBytes random count
            let key = fill 32
            let start = random.Next 64
            let message = fill (start + length)
            let expected, actual = Array.zeroCreate<byte> 16, Array.zeroCreate<byte> 16
            let message = ReadOnlySpan(message, start, length)
            Poly1305.tagWith Poly1305.Kernel.Scalar (ReadOnlySpan key) message (Span expected)

            for kernel in kernels do
                Poly1305.tagWith kernel (ReadOnlySpan key) message (Span actual)
                Assert.Equal<byte>(expected, actual)

[<Fact>]
let ``Poly1305 agrees with its definition for any key and message`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (FsCheck.NonNegativeInt length) (dense: bool) ->
        let random = Random seed
        let key = randomBytes random 32
        // Runs of ones make the carries.
        let message = if dense then Array.create length 0xffuy else randomBytes random length

        let key = if dense then Array.map (fun b -> b ||| 0xf0uy) key else key
        poly1305 key message = slowPoly1305 key message)

[<Fact>]
let ``sealed records are those of the vectors`` () =
    let vectors = Vectors.load "01-chacha-poly1305.json"
    let key = Vectors.bytes "key" vectors

    for case in Vectors.items "poly1305_keys" vectors do
        let nonce =
            System.Buffers.Binary.BinaryPrimitives.ReverseEndianness((case.GetProperty "seqno").GetUInt64())

        Assert.Equal<byte[]>(Vectors.bytes "poly1305_key" case, (keyStream key nonce 0UL 1)[..31])

    for case in Vectors.items "seal" vectors do
        let length = Vectors.number "length" case
        let plaintext = Array.init length (fun i -> byte (7 * i + length))
        let seqno = (case.GetProperty "seqno").GetUInt64()
        let expected = Vectors.bytes "sealed" case
        Assert.Equal<byte[]>(expected, seal key seqno plaintext)
        Assert.Equal(Some plaintext, tryOpen key seqno expected)

    for case in Vectors.items "open" vectors do
        let expected =
            if (case.GetProperty "plaintext").ValueKind = Text.Json.JsonValueKind.Null then
                None
            else
                Some(Vectors.bytes "plaintext" case)

        let key = Vectors.bytes "key" case
        let seqno = (case.GetProperty "seqno").GetUInt64()
        let record = Vectors.bytes "sealed" case
        Assert.Equal(expected, tryOpen key seqno record)
        Assert.Equal(expected.IsSome, ChaChaPoly.verify (ReadOnlySpan key) seqno (ReadOnlySpan record))

[<Fact>]
let ``the ciphertext is that of the platform's ChaCha20-Poly1305 with four zero bytes before the nonce`` () =
    if ChaCha20Poly1305.IsSupported then
        FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (FsCheck.NonNegativeInt length) ->
            let random = Random seed
            let key = randomBytes random 64
            let seqno = random.NextInt64()
            let plaintext = randomBytes random (length * 20)
            let nonce = Array.zeroCreate<byte> 12
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(Span(nonce, 4, 8), seqno)
            use oracle = new ChaCha20Poly1305(ReadOnlySpan(key, 0, 32))
            let ciphertext = Array.zeroCreate<byte> plaintext.Length
            oracle.Encrypt(nonce, plaintext, ciphertext, Array.zeroCreate<byte> 16)
            let record = seal key (uint64 seqno) plaintext
            record[.. plaintext.Length - 1] = ciphertext)

[<Fact>]
let ``what was sealed opens in place, and never after one bit has changed`` () =
    FsCheck.Check.QuickThrowOnFailure
        (fun (seed: int) (FsCheck.NonNegativeInt length) (FsCheck.NonNegativeInt position) ->
            let random = Random seed
            let key = randomBytes random 32
            let seqno = uint64 (random.NextInt64())
            let plaintext = randomBytes random (length * 20)
            let record = Array.append plaintext (Array.zeroCreate 16)
            ChaChaPoly.seal (ReadOnlySpan key) seqno (ReadOnlySpan(record, 0, plaintext.Length)) (Span record)
            let damaged = Array.copy record
            let bit = position % (8 * record.Length)
            damaged[bit / 8] <- damaged[bit / 8] ^^^ (1uy <<< (bit % 8))
            let before = Array.copy damaged

            let refused = not (ChaChaPoly.tryOpen (ReadOnlySpan key) seqno (ReadOnlySpan damaged) (Span damaged))

            let opened = ChaChaPoly.tryOpen (ReadOnlySpan key) seqno (ReadOnlySpan record) (Span record)

            refused && damaged = before && opened && record[.. plaintext.Length - 1] = plaintext)

[<Fact>]
let ``one pass over a record makes what key stream, xor and tag make one after the other, at any length and alignment``
    ()
    =
    let random = Random 8439
    let lengths = Seq.append [ 0..1700 ] (Seq.init 250 (fun _ -> random.Next(1700, 9001)))

    for length in lengths do
        let key = randomBytes random 32
        let seqno = uint64 (random.NextInt64())
        let start = random.Next 64
        let plaintext = randomBytes random (start + length)
        let nonce = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness seqno
        let stream = scalarKeyStream key nonce 0UL (1 + (length + 63) / 64)
        let ciphertext = Array.init length (fun i -> plaintext[start + i] ^^^ stream[64 + i])
        let tag = Array.zeroCreate<byte> 16
        let oneTimeKey = ReadOnlySpan(stream, 0, 32)
        Poly1305.tagWith Poly1305.Kernel.Scalar oneTimeKey (ReadOnlySpan ciphertext) (Span tag)
        let expected = Array.append ciphertext tag

        for kernel in kernels do
            let target = random.Next 64
            let size = length + 16
            let record = Array.zeroCreate<byte>(target + size)
            let plain = ReadOnlySpan(plaintext, start, length)
            ChaChaPoly.sealWith kernel (ReadOnlySpan key) seqno plain (Span(record, target, size))
            Assert.Equal<byte>(expected, record[target..])

            let opens (bytes: byte[]) =
                let sealed' = ReadOnlySpan(bytes, target, size)
                ChaChaPoly.tryOpenWith kernel (ReadOnlySpan key) seqno sealed' (Span(bytes, target, size))

            let damaged = Array.copy record
            let bit = random.Next(8 * size)
            damaged[target + bit / 8] <- damaged[target + bit / 8] ^^^ (1uy <<< (bit % 8))
            let before = Array.copy damaged
            Assert.False(opens damaged)
            Assert.Equal<byte>(before, damaged)

            Assert.True(opens record)
            Assert.Equal<byte>(plaintext[start..], record[target .. target + length - 1])
