/// The primitives of the legacy protocol against recorded values and against OpenSSL.
module TincPure.Core.Tests.CryptoLegacyTests

open System
open System.Diagnostics
open System.Numerics
open System.Text.Json
open TincPure.Crypto.Legacy
open TincPure.Core.Tests.Vectors
open Xunit

let private lowHex (bytes: byte[]) = Convert.ToHexStringLower bytes

let private some (what: string) (value: 'a voption) : 'a =
    match value with
    | ValueSome value -> value
    | ValueNone -> failwith ("no " + what)

/// What the openssl program makes of some input; none if it fails.
let private openssl (arguments: string list) (input: byte[]) : byte[] option =
    let start =
        ProcessStartInfo(
            "openssl",
            arguments,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    use run = Process.Start start |> Option.ofObj |> Option.get
    run.StandardInput.BaseStream.Write(input, 0, input.Length)
    run.StandardInput.Close()
    use output = new IO.MemoryStream()
    run.StandardOutput.BaseStream.CopyTo output
    run.StandardError.ReadToEnd() |> ignore
    run.WaitForExit()
    if run.ExitCode = 0 then Some(output.ToArray()) else None

let private hasOpenssl =
    lazy
        (try
            (openssl [ "version" ] [||]).IsSome
         with :? ComponentModel.Win32Exception ->
             false)

let private sealPacket (cipher: Cipher) (key: byte[]) (iv: byte[]) (plain: byte[]) =
    let packets = PacketCipher(cipher.Mode, some "key" (Cipher.keyed cipher key), iv, 2048)
    let packet = Array.zeroCreate<byte>(packets.SealedLength plain.Length)
    plain.CopyTo(packet, 0)
    packets.Encrypt(Span packet, plain.Length)
    packet

let private openPacket (cipher: Cipher) (key: byte[]) (iv: byte[]) (packet: byte[]) =
    let packets = PacketCipher(cipher.Mode, some "key" (Cipher.keyed cipher key), iv, 2048)
    let copy = Array.copy packet

    match packets.Decrypt(Span copy) with
    | -1 -> ValueNone
    | length -> ValueSome(Array.truncate length copy)

/// Cases of the vector files with algorithms that are refused by name (spec 08 §14).
let private refused = set [ "aes-128-ctr"; "aes-256-ctr"; "chacha20" ]

let private vectors = lazy (load "01-legacy-crypto.json")

[<Fact>]
let ``every recorded packet has the recorded ciphertext and MAC`` () =
    let mutable count = 0

    for case in items "packets" vectors.Value do
        let name = text "cipher" case

        if not (refused.Contains name) then
            let material = bytes "key_material" case
            let seqno = case.GetProperty("seqno").GetUInt32()
            let head = Array.zeroCreate<byte> 4
            Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(Span head, seqno)
            let plain = Array.append head (bytes "payload" case)

            let body =
                match Cipher.ofName name with
                | ValueSome cipher ->
                    Assert.Equal(number "cipher_nid" case, cipher.Nid)
                    let key, iv = Array.splitAt cipher.KeyLength material
                    let body = sealPacket cipher key iv plain
                    Assert.Equal(ValueSome(lowHex plain), openPacket cipher key iv body |> ValueOption.map lowHex)
                    body
                | ValueNone -> plain

            let tag =
                match Digest.ofName (text "digest" case) with
                | ValueSome digest ->
                    let tag = Array.zeroCreate<byte> digest.Size
                    (Digest.mac digest material).Compute(ReadOnlySpan body, Span tag)
                    Array.truncate (number "maclength" case) tag
                | ValueNone -> [||]

            Assert.Equal(text "wire" case, lowHex (Array.append body tag))
            count <- count + 1

    Assert.Equal(30, count)

[<Fact>]
let ``a recorded meta stream begins with the recorded bytes`` () =
    for case in items "meta_stream" vectors.Value do
        let cipher = StreamCipher.ofNid (number "nid" case) |> some "cipher"
        Assert.Equal(text "cipher" case, cipher.Name)
        let block = Array.append (bytes "iv" case) (bytes "key" case)
        let stream = StreamCipher.create cipher block |> some "stream"
        let plain = bytes "plaintext" case
        // In pieces of any length.
        let struct (first, rest) = StreamCipher.encrypt (ReadOnlySpan(plain, 0, 5)) stream |> some "budget"
        let struct (second, _) =
            StreamCipher.encrypt (ReadOnlySpan(plain, 5, plain.Length - 5)) rest |> some "budget"
        Assert.Equal(text "ciphertext" case, lowHex (Array.append first second))
        let struct (back, _) =
            StreamCipher.decrypt (ReadOnlySpan(bytes "ciphertext" case)) stream |> some "budget"
        Assert.Equal<byte>(plain, back)

[<Fact>]
let ``ciphers and digests have the recorded numbers and sizes`` () =
    let known = ResizeArray()

    for case in items "ciphers" vectors.Value do
        match Cipher.ofName (text "name" case) with
        | ValueNone -> ()
        | ValueSome cipher ->
            known.Add(text "name" case)
            Assert.Equal(number "nid" case, cipher.Nid)
            Assert.Equal(number "key_material_length" case, cipher.MaterialLength)
            Assert.Equal(number "block_size" case, cipher.BlockSize)
            Assert.Equal(ValueSome cipher, Cipher.ofNid cipher.Nid)

            if StreamCipher.canStream cipher then
                let stream = StreamCipher.create cipher (Array.init 64 byte) |> some "stream"
                Assert.Equal(text "budget_bytes" case, string (StreamCipher.left stream))

    let missing = [ for case in items "ciphers" vectors.Value -> text "name" case ] |> List.except known

    Assert.Equal<string list>(
        [ "aes-128-ctr"
          "aes-192-ctr"
          "aes-256-ctr"
          "aes-128-cfb1"
          "aes-128-cfb8"
          "aes-256-cfb8"
          "cast5-cbc"
          "chacha20" ],
        missing
    )

    for case in items "digests" vectors.Value do
        match Digest.ofName (text "name" case) with
        | ValueNone ->
            Assert.Contains(
                text "name" case,
                [ "sha512-256"; "sha3-256"; "whirlpool"; "md4"; "blake2b512"; "blake2s256"; "sm3" ]
            )
        | ValueSome digest ->
            Assert.Equal(number "nid" case, digest.Nid)
            Assert.Equal(number "size" case, digest.Size)

let private keyPair (case: JsonElement) : RsaPrivateKey =
    RsaText.parsePrivate (text "private_pem" case) |> some "private key"

[<Fact>]
let ``a recorded block is encrypted as recorded and decrypted again, whatever it is blinded with`` () =
    let case = vectors.Value.GetProperty "rsa"
    let key = keyPair case
    Assert.Equal(ValueSome key.PublicHalf, RsaText.parsePublic (text "public_pem" case))
    Assert.Equal(text "n" case, key.PublicHalf.Modulus.ToString("X").TrimStart '0')
    let plain = bytes "block" case
    let cipher = bytes "encrypted" case
    Assert.Equal(ValueSome(lowHex cipher), Rsa.encrypt key.PublicHalf (ReadOnlySpan plain) |> ValueOption.map lowHex)

    for seed in 0..5 do
        let blinding = Array.init (Rsa.blindingSize key) (fun i -> byte (i * seed))

        Assert.Equal(
            ValueSome(lowHex plain),
            Rsa.decrypt key (ReadOnlySpan blinding) (ReadOnlySpan cipher) |> ValueOption.map lowHex
        )

    let tooLarge = Array.create key.PublicHalf.Size 0xffuy
    Assert.True((Rsa.encrypt key.PublicHalf (ReadOnlySpan tooLarge)).IsNone)
    Assert.True((Rsa.decrypt key (ReadOnlySpan plain) (ReadOnlySpan tooLarge)).IsNone)

[<Fact>]
let ``a key is read from every form in which files hold it`` () =
    let file = load "08-legacy-rsa-keyfiles.json"
    let case = file.GetProperty "key"
    let key = RsaText.parsePrivate (text "pkcs1_private" case) |> some "key"
    let around (text: string) = "Subnet = 1.2.3.4\n-----BEGIN OLD PUBLIC KEY-----\nx\n" + text + "Address = a\n"

    Assert.Equal(text "d" case, key.SecretExponent.ToString("x").TrimStart '0')
    Assert.Equal(ValueSome key, RsaText.parsePrivate (text "pkcs8_private" case))
    Assert.Equal(ValueSome key.PublicHalf, RsaText.parsePublic (around (text "pkcs1_public" case)))
    Assert.Equal(ValueSome key.PublicHalf, RsaText.parsePublic ((text "spki_public" case).Replace("\n", "\r\n")))
    Assert.True((RsaText.parsePublic "Subnet = 1.2.3.4\n").IsNone)
    Assert.True((RsaText.parsePublic ((text "pkcs1_public" case).Replace("MI", "M!"))).IsNone)

    let old = file.GetProperty "obsolete_statements"
    let key =
        RsaText.privateOfHex (text "PublicKey" old) ((text "PrivateKey" old).ToLowerInvariant())
        |> some "key"
    let plain = bytes "sample_plaintext" old
    let cipher = Rsa.encrypt key.PublicHalf (ReadOnlySpan plain) |> some "ciphertext"
    Assert.Equal(text "sample_ciphertext" old, lowHex cipher)
    let blinding = Array.create (Rsa.blindingSize key) 7uy
    Assert.Equal(
        ValueSome(lowHex plain),
        Rsa.decrypt key (ReadOnlySpan blinding) (ReadOnlySpan cipher) |> ValueOption.map lowHex
    )
    Assert.True((RsaText.publicOfHex "12x4").IsNone)

[<Fact>]
let ``a block made of random bytes is always below the modulus`` () =
    for bits in 1024..1040 do
        let modulus = (BigInteger.One <<< (bits - 1)) + BigInteger.One
        let key = Rsa.publicKey modulus (BigInteger 65537) |> some "key"
        let block = Rsa.clearTop key (Array.create key.Size 0xffuy)
        Assert.True((Rsa.encrypt key (ReadOnlySpan block)).IsSome)
        Assert.Equal(key.Size, block.Length)

[<Fact>]
let ``METAKEY gives the recorded key, IV and first bytes`` () =
    let keys = (load "08-legacy-handshakes.json").GetProperty "rsa_keys"

    for case in items "cases" (load "08-legacy-metakey.json") do
        let key = keyPair (keys.GetProperty(text "rsa_key" case))
        let plain = bytes "plaintext" case
        let cipher = Rsa.encrypt key.PublicHalf (ReadOnlySpan plain) |> some "ciphertext"
        Assert.Equal(text "ciphertext" case, lowHex cipher)
        let blinding = Array.init (Rsa.blindingSize key) (fun i -> byte (i + 3))
        let back = Rsa.decrypt key (ReadOnlySpan blinding) (ReadOnlySpan cipher) |> some "plaintext"
        Assert.Equal<byte>(plain, back)
        let algorithm = StreamCipher.ofNid (number "nid" case) |> some "cipher"
        Assert.Equal(text "key" case, lowHex back[back.Length - algorithm.KeyLength ..])
        let stream = StreamCipher.create algorithm back |> some "stream"
        let struct (first, _) =
            StreamCipher.encrypt (ReadOnlySpan(bytes "stream_plain" case)) stream |> some "bytes"
        Assert.Equal(text "stream_cipher_text" case, lowHex first)

[<Fact>]
let ``a challenge has the recorded digest`` () =
    for case in items "cases" (load "08-legacy-chal-reply.json") do
        let digest = Digest.ofNid (number "digest_nid" case) |> some "digest"
        Assert.Equal(text "digest" case, digest.Name)
        let reply = Digest.hash digest (ReadOnlySpan(bytes "challenge" case))
        Assert.Equal(text "reply_line" case, "3 " + Convert.ToHexString reply)

let private opensslName (cipher: Cipher) =
    match cipher.Name with
    | "des-ede3-ecb" -> "des-ede3"
    | "des-ede-ecb" -> "des-ede"
    | name -> name

[<Fact>]
let ``every cipher encrypts as OpenSSL does`` () =
    if hasOpenssl.Value then
        let random = Random 5

        for cipher in Cipher.all do
            for length in [ 0; 1; 7; 8; 15; 16; 17; 64; 1404 ] do
                let key = Array.zeroCreate<byte> cipher.KeyLength
                let iv = Array.zeroCreate<byte> cipher.IvLength
                let plain = Array.zeroCreate<byte> length
                random.NextBytes key
                random.NextBytes iv
                random.NextBytes plain

                let arguments =
                    [ "enc"; "-provider"; "legacy"; "-provider"; "default"; "-" + opensslName cipher; "-K"; lowHex key ]
                    @ (if iv.Length > 0 then [ "-iv"; lowHex iv ] else [])

                match openssl arguments plain with
                | None -> failwith ("openssl refuses " + cipher.Name)
                | Some expected ->
                    let sealed' = sealPacket cipher key iv plain
                    Assert.True(lowHex expected = lowHex sealed', cipher.Name + ", " + string length + " bytes")
                    Assert.Equal(ValueSome(lowHex plain), openPacket cipher key iv sealed' |> ValueOption.map lowHex)

[<Fact>]
let ``every digest and every keyed hash is that of OpenSSL`` () =
    if hasOpenssl.Value then
        let random = Random 6

        for digest in Digest.all do
            for length in [ 0; 1; 55; 56; 63; 64; 65; 200; 1400 ] do
                let data = Array.zeroCreate<byte> length
                random.NextBytes data

                match openssl [ "dgst"; "-binary"; "-" + digest.Name ] data with
                | None -> failwith ("openssl refuses " + digest.Name)
                | Some expected -> Assert.Equal(lowHex expected, lowHex (Digest.hash digest (ReadOnlySpan data)))

            for keyLength in [ 1; 16; 48; 64; 65; 129 ] do
                let key = Array.zeroCreate<byte> keyLength
                let data = Array.zeroCreate<byte> 100
                random.NextBytes key
                random.NextBytes data
                let mac = Digest.mac digest key
                let tag = Array.zeroCreate<byte> digest.Size
                // The second message of a key has the tag that it would have as the first.
                mac.Compute(ReadOnlySpan key, Span tag)
                mac.Compute(ReadOnlySpan data, Span tag)

                match
                    openssl
                        [ "dgst"; "-binary"; "-" + digest.Name; "-mac"; "HMAC"; "-macopt"; "hexkey:" + lowHex key ]
                        data
                with
                | None -> failwith ("openssl refuses HMAC with " + digest.Name)
                | Some expected -> Assert.Equal(lowHex expected, lowHex tag)

[<Fact>]
let ``packets leave no trace in those that follow them`` () =
    let random = Random 7

    for cipher in Cipher.all do
        let key = Array.zeroCreate<byte> cipher.KeyLength
        let iv = Array.zeroCreate<byte> cipher.IvLength
        random.NextBytes key
        random.NextBytes iv
        let running = PacketCipher(cipher.Mode, some "key" (Cipher.keyed cipher key), iv, 1700)

        for _ in 1..20 do
            let plain = Array.zeroCreate<byte>(random.Next 1600)
            random.NextBytes plain
            let packet = Array.zeroCreate<byte>(running.SealedLength plain.Length)
            plain.CopyTo(packet, 0)
            running.Encrypt(Span packet, plain.Length)
            Assert.Equal(lowHex (sealPacket cipher key iv plain), lowHex packet)
            let length = running.Decrypt(Span packet)
            Assert.Equal(lowHex plain, lowHex (Array.truncate length packet))

[<Fact>]
let ``padding that is not right in every byte is no padding`` () =
    let cipher = Cipher.ofName "aes-128-ecb" |> some "cipher"
    let key = Array.init 16 byte
    let block = Cipher.keyed cipher key |> some "key"

    let opened (plain: byte[]) =
        let packet = Array.copy plain
        block.Encrypt(ReadOnlySpan plain, Span packet)
        openPacket cipher key [||] packet

    let ending (bytes: byte list) = Array.append (Array.zeroCreate (16 - bytes.Length)) (Array.ofList bytes)
    Assert.Equal(14, (some "plaintext" (opened (ending [ 2uy; 2uy ]))).Length)
    Assert.True((opened (ending [ 1uy; 2uy ])).IsNone)
    Assert.True((opened (ending [ 0uy ])).IsNone)
    Assert.True((opened (ending [ 17uy ])).IsNone)
    Assert.True((openPacket cipher key [||] (Array.zeroCreate 15)).IsNone)
    Assert.True((openPacket cipher key [||] [||]).IsNone)

[<Fact>]
let ``a stream stops where its budget ends`` () =
    let cipher = StreamCipher.ofNid 94 |> some "bf-ofb"
    let stream = StreamCipher.create cipher (Array.init 24 byte) |> some "stream"
    Assert.Equal(1UL <<< 31, StreamCipher.left stream)
    let struct (_, stream) =
        StreamCipher.encrypt (ReadOnlySpan(Array.zeroCreate<byte> 100)) stream |> some "budget"
    Assert.Equal((1UL <<< 31) - 100UL, StreamCipher.left stream)

[<Fact>]
let ``a triple DES key that is in effect a simple one is refused`` () =
    let cipher = Cipher.ofName "des-ede3-cbc" |> some "cipher"
    Assert.True((Cipher.keyed cipher (Array.create 24 7uy)).IsNone)
