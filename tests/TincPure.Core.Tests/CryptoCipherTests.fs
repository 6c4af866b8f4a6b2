module TincPure.Core.Tests.CryptoCipherTests

open System
open System.Numerics
open System.Reflection
open System.Security.Cryptography
open System.Text
open TincPure.Crypto
open Xunit
open Xunit.Sdk

/// A row of a theory, for one kernel. Where the processor does not have that, the row is skipped and says so.
[<AttributeUsage(AttributeTargets.Method, AllowMultiple = true)>]
type KernelAttribute(kernel: Kernel) as this =
    inherit DataAttribute()

    do
        if not (Kernels.has kernel) then
            this.Skip <- "this processor does not have the vectors of kernel " + kernel.ToString()

    override _.GetData(_: MethodInfo) = Seq.singleton [| kernel :> obj |]

/// Those that this processor has.
let private kernels =
    [ Kernel.Scalar; Kernel.Narrow; Kernel.Middle; Kernel.Wide ]
    |> List.filter (fun kernel -> Kernels.has kernel)

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

/// Blocks of key stream that the widest kernel makes in one go.
let private chunkBlocks = ChaCha20.ChunkSize / ChaCha20.BlockSize

let private keyStream (kernel: Kernel) (key: byte[]) (nonce: uint64) (counter: uint64) (blocks: int) =
    let target = Array.zeroCreate<byte>((blocks + chunkBlocks - 1) / chunkBlocks * ChaCha20.ChunkSize)
    ChaCha20.keyStreamWith kernel (ReadOnlySpan key) nonce counter blocks (Span target)
    Array.truncate (blocks * ChaCha20.BlockSize) target

let private seal streamKernel tagKernel (key: byte[]) (seqno: uint64) (plaintext: byte[]) =
    let target = Array.zeroCreate<byte>(plaintext.Length + ChaChaPoly.TagSize)
    ChaChaPoly.sealWith streamKernel tagKernel (ReadOnlySpan key) seqno (ReadOnlySpan plaintext) (Span target)
    target

let private tryOpen streamKernel tagKernel (key: byte[]) (seqno: uint64) (sealed': byte[]) =
    let target = Array.zeroCreate<byte>(max 0 (sealed'.Length - ChaChaPoly.TagSize))

    if ChaChaPoly.tryOpenWith streamKernel tagKernel (ReadOnlySpan key) seqno (ReadOnlySpan sealed') (Span target) then
        Some target
    else
        None

/// Compares without a look at each byte unless there is something to tell.
let private same (case: string) (expected: byte[]) (actual: byte[]) =
    if not (MemoryExtensions.SequenceEqual(ReadOnlySpan expected, ReadOnlySpan actual)) then
        Assert.Fail(case + ": expected " + lowHex expected + ", got " + lowHex actual)

// ---- Key stream

[<Theory; Kernel(Kernel.Scalar); Kernel(Kernel.Narrow); Kernel(Kernel.Middle); Kernel(Kernel.Wide)>]
let ``the key stream is that of the published ChaCha20 vectors`` (kernel: Kernel) =
    // draft-strombergson-chacha-test-vectors-01, 256-bit key, 20 rounds: TC1 and TC8.
    let zeros = Array.zeroCreate<byte> 32

    Assert.Equal(
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        + "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        + "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
        + "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
        lowHex (keyStream kernel zeros 0UL 0UL 2)
    )

    let key = ofHex "c46ec1b18ce8a878725a37e780dfb7351f68ed2e194c79fbc6aebee1a667975d"

    let nonce = BitConverter.ToUInt64(ofHex "1ada31d5cf688221", 0)

    Assert.Equal(
        "f63a89b75c2271f9368816542ba52f06ed49241792302b00b5e8f80ae9a473af"
        + "c25b218f519af0fdd406362e8d69de7f54c604a6e00f353f110f771bdca8ab92",
        lowHex (keyStream kernel key nonce 0UL 1)
    )

/// A number of the first block of `blocks`: any, or one after which the low word, or both, begin anew on the way.
let private counters (random: Random) (blocks: int) =
    let behind = uint64 (random.Next(blocks + 1))
    [ uint64 (random.NextInt64()); (uint64 (random.Next()) <<< 32) - behind; 0UL - behind ]

[<Theory; Kernel(Kernel.Narrow); Kernel(Kernel.Middle); Kernel(Kernel.Wide)>]
let ``vectors make the key stream that numbers make, for any count of blocks, any counter and any alignment``
    (kernel: Kernel)
    =
    let random = Random 20

    for blocks in 1 .. 2 * chunkBlocks do
        for counter in List.collect (fun _ -> counters random blocks) [ 1..8 ] do
            let before = random.Next 64
            let key = randomBytes random (before + ChaCha20.KeySize)
            let nonce = BitConverter.ToUInt64(randomBytes random 8, 0)
            let start = random.Next 64
            let room = (blocks + chunkBlocks - 1) / chunkBlocks * ChaCha20.ChunkSize
            let target = Array.zeroCreate<byte>(start + room)
            ChaCha20.keyStreamWith
                kernel
                (ReadOnlySpan(key, before, 32))
                nonce
                counter
                blocks
                (Span(target, start, room))

            same
                (blocks.ToString() + " blocks from " + counter.ToString())
                (keyStream Kernel.Scalar key[before..] nonce counter blocks)
                target[start .. start + blocks * ChaCha20.BlockSize - 1]

// ---- Tag

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

[<Theory; Kernel(Kernel.Middle); Kernel(Kernel.Wide)>]
let ``Poly1305 in vectors is Poly1305 in words, at any length and alignment`` (kernel: Kernel) =
    let random = Random 1305

    for length in 0..1700 do
        for dense in [ false; true ] do
            let fill count = if dense then Array.create count 0xffuy else randomBytes random count
            let key = fill 32
            let start = random.Next 64
            let message = fill (start + length)
            let expected, actual = Array.zeroCreate<byte> 16, Array.zeroCreate<byte> 16
            let message = ReadOnlySpan(message, start, length)
            Poly1305.tagWith Kernel.Scalar (ReadOnlySpan key) message (Span expected)
            Poly1305.tagWith kernel (ReadOnlySpan key) message (Span actual)
            same (length.ToString() + " bytes") expected actual

[<Fact>]
let ``Poly1305 agrees with its definition for any key and message`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (FsCheck.NonNegativeInt length) (dense: bool) ->
        let random = Random seed
        let key = randomBytes random 32
        // Runs of ones make the carries.
        let message = if dense then Array.create length 0xffuy else randomBytes random length

        let key = if dense then Array.map (fun b -> b ||| 0xf0uy) key else key
        poly1305 key message = slowPoly1305 key message)

// ---- Both together

[<Theory; Kernel(Kernel.Scalar); Kernel(Kernel.Narrow); Kernel(Kernel.Middle); Kernel(Kernel.Wide)>]
let ``sealed records are those of the vectors`` (streamKernel: Kernel) =
    let vectors = Vectors.load "01-chacha-poly1305.json"
    let key = Vectors.bytes "key" vectors

    for case in Vectors.items "poly1305_keys" vectors do
        let nonce =
            System.Buffers.Binary.BinaryPrimitives.ReverseEndianness((case.GetProperty "seqno").GetUInt64())

        Assert.Equal<byte[]>(Vectors.bytes "poly1305_key" case, (keyStream streamKernel key nonce 0UL 1)[..31])

    for tagKernel in kernels do
        for case in Vectors.items "seal" vectors do
            let length = Vectors.number "length" case
            let plaintext = Array.init length (fun i -> byte (7 * i + length))
            let seqno = (case.GetProperty "seqno").GetUInt64()
            let expected = Vectors.bytes "sealed" case
            Assert.Equal<byte[]>(expected, seal streamKernel tagKernel key seqno plaintext)
            Assert.Equal(Some plaintext, tryOpen streamKernel tagKernel key seqno expected)

        for case in Vectors.items "open" vectors do
            let expected =
                if (case.GetProperty "plaintext").ValueKind = Text.Json.JsonValueKind.Null then
                    None
                else
                    Some(Vectors.bytes "plaintext" case)

            let key = Vectors.bytes "key" case
            let seqno = (case.GetProperty "seqno").GetUInt64()
            let record = Vectors.bytes "sealed" case
            Assert.Equal(expected, tryOpen streamKernel tagKernel key seqno record)
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
            let record = Array.zeroCreate<byte>(plaintext.Length + ChaChaPoly.TagSize)
            ChaChaPoly.seal (ReadOnlySpan key) (uint64 seqno) (ReadOnlySpan plaintext) (Span record)
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

/// Seals `plaintext` and opens it, with all kernels for the tag, where it is and elsewhere, and finds what should come out.
let private tryRecord (random: Random) (streamKernel: Kernel) (plaintext: byte[]) =
    let length = plaintext.Length
    let size = length + ChaChaPoly.TagSize
    let key = randomBytes random ChaCha20.KeySize
    let seqno = BitConverter.ToUInt64(randomBytes random 8, 0)
    let nonce = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness seqno
    let stream = keyStream Kernel.Scalar key nonce 0UL (1 + (length + 63) / 64)
    let ciphertext = Array.init length (fun i -> plaintext[i] ^^^ stream[64 + i])
    let tag = Array.zeroCreate<byte> ChaChaPoly.TagSize
    Poly1305.tagWith Kernel.Scalar (ReadOnlySpan(stream, 0, Poly1305.KeySize)) (ReadOnlySpan ciphertext) (Span tag)
    let expected = Array.append ciphertext tag

    for tagKernel in kernels do
        let case = tagKernel.ToString() + ", " + length.ToString() + " bytes"

        // Both begin anywhere in an array, in place at the same place.
        let place () = random.Next 64, random.Next 64

        let inArray start (bytes: byte[]) = Array.append (Array.zeroCreate<byte> start) bytes

        let seals (isInPlace: bool) =
            let start, other = place ()
            let source = inArray start (Array.append plaintext (Array.zeroCreate ChaChaPoly.TagSize))
            let target, at = if isInPlace then source, start else Array.zeroCreate (other + size), other
            let plain = ReadOnlySpan(source, start, length)
            ChaChaPoly.sealWith streamKernel tagKernel (ReadOnlySpan key) seqno plain (Span(target, at, size))
            same ("sealed, " + case) expected target[at .. at + size - 1]

        let opens (record: byte[]) (isInPlace: bool) =
            let start, other = place ()
            let source = inArray start record
            let target, at = if isInPlace then source, start else Array.zeroCreate (other + size), other
            let sealed' = ReadOnlySpan(source, start, size)
            let isRight =
                ChaChaPoly.tryOpenWith streamKernel tagKernel (ReadOnlySpan key) seqno sealed' (Span(target, at, size))
            isRight, target[at .. at + size - 1]

        seals true
        seals false

        let damaged = Array.copy expected
        let bit = random.Next(8 * size)
        damaged[bit / 8] <- damaged[bit / 8] ^^^ (1uy <<< (bit % 8))
        let wasRight, left = opens damaged true
        Assert.False(wasRight, case)
        same ("refused in place, " + case) damaged left

        for isInPlace in [ true; false ] do
            let isRight, opened = opens expected isInPlace
            Assert.True(isRight, case)
            same ("opened, " + case) plaintext opened[.. length - 1]

[<Theory; Kernel(Kernel.Scalar); Kernel(Kernel.Narrow); Kernel(Kernel.Middle); Kernel(Kernel.Wide)>]
let ``sealing makes what key stream, xor and tag make one after the other, with any kernels, at any length and alignment``
    (streamKernel: Kernel)
    =
    let random = Random 8439

    // Around the ends of groups and chunks every length counts.
    for length in Seq.append [ 0..700 ] (Seq.append [ 1400..1700 ] (Seq.init 250 (fun _ -> random.Next 9001))) do
        tryRecord random streamKernel (randomBytes random length)
