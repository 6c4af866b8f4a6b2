/// Keys, packets and streams of the legacy protocol, as peers and files may present them.
module TincPure.Fuzz.LegacyCrypto

open System
open System.Text
open TincPure.Primitives
open TincPure.Crypto.Legacy

let private ciphers = Array.ofList Cipher.all

let private digests = Array.ofList Digest.all

let private rsa (behaviour: Behaviour) (text: string) =
    let publicKeys =
        [ RsaText.parsePublic text; RsaText.publicOfHex text ]
        |> List.choose (fun key -> ValueOption.toOption key)

    for key in publicKeys do
        behaviour.Saw("public key", key.Bits)
        Target.check (key.Bits >= Rsa.minimumBits && key.Bits <= Rsa.maximumBits) "a key of a refused size"
        let plain = Rsa.clearTop key (Fixed.bytes 70 key.Size)

        match Rsa.encrypt key (ReadOnlySpan plain) with
        | ValueSome cipher -> Target.check (cipher.Length = key.Size) "a block of another size"
        | ValueNone -> behaviour.Saw "too large a block"

    match RsaText.parsePrivate text with
    | ValueSome key ->
        behaviour.Saw("private key", key.PublicHalf.Bits)
        let plain = Rsa.clearTop key.PublicHalf (Fixed.bytes 71 key.PublicHalf.Size)
        let blinding = Fixed.bytes 72 (Rsa.blindingSize key)

        match Rsa.encrypt key.PublicHalf (ReadOnlySpan plain) with
        | ValueSome cipher -> Rsa.decrypt key (ReadOnlySpan blinding) (ReadOnlySpan cipher) |> ignore
        | ValueNone -> ()
    | ValueNone -> behaviour.Saw "no private key"

let private packets (behaviour: Behaviour) (tape: Tape) =
    let cipher = ciphers[tape.Below ciphers.Length]
    let digest = digests[tape.Below digests.Length]
    let cipherNid = if tape.Below 16 = 0 then tape.Int32() else cipher.Nid
    let digestNid = if tape.Below 16 = 0 then tape.Word() else digest.Nid
    let macLength = if tape.Below 16 = 0 then tape.Int32() else 4
    let length = if tape.Below 16 = 0 then tape.Below 100 else cipher.MaterialLength
    let material = Array.append (tape.Bytes(min length 8)) (Fixed.bytes 73 (max 0 (length - 8)))

    match PacketKey.ofWire (Hex.encode (ReadOnlySpan material)) cipherNid digestNid macLength 0 with
    | Error error -> behaviour.SawText(PacketKey.errorText error)
    | Ok key ->
        match struct (PacketKey.blockCipher key, key.Algorithms.Cipher) with
        | struct (ValueSome block, ValueSome cipher) ->
            behaviour.SawText cipher.Name
            let iv = Array.skip cipher.KeyLength key.Material
            let capacity = 1700
            let cipher = PacketCipher(cipher.Mode, block, iv, capacity)
            let packet = tape.Bytes(tape.Word() % 2000)
            let forged = Array.copy packet
            let opened = cipher.Decrypt(Span forged)
            behaviour.Saw(if opened < 0 then "refused" else "taken")
            Target.check (opened <= packet.Length) "more comes out than went in"

            if packet.Length + block.BlockSize <= capacity then
                let space = Array.append packet (Array.zeroCreate<byte> block.BlockSize)
                cipher.Encrypt(Span space, packet.Length)
                let length = cipher.Decrypt(Span(space, 0, cipher.SealedLength packet.Length))
                Target.check (length = packet.Length) "a packet comes back with another length"
                Target.check (Span(space, 0, length).SequenceEqual(ReadOnlySpan packet)) "another packet comes back"
        | _ -> behaviour.Saw "no cipher"

let private streams (behaviour: Behaviour) (tape: Tape) =
    let cipher = ciphers[tape.Below ciphers.Length]
    let sizes = tape.Block()
    let block = Fixed.bytes 74 (tape.Below 80)
    let bytes = tape.Rest()

    match StreamCipher.create cipher block with
    | ValueNone -> behaviour.Saw "no stream"
    | ValueSome stream ->
        behaviour.SawText cipher.Name

        let encrypted =
            ((stream, []), MetaFraming.portions sizes bytes)
            ||> List.fold (fun (stream, done') portion ->
                match StreamCipher.encrypt (ReadOnlySpan portion) stream with
                | ValueSome struct (result, stream) -> stream, result :: done'
                | ValueNone -> Target.broken "the budget is used up")
            |> snd
            |> List.rev
            |> Array.concat

        match StreamCipher.decrypt (ReadOnlySpan encrypted) stream with
        | ValueSome struct (back, _) -> Target.check (back = bytes) "another stream comes back"
        | ValueNone -> Target.broken "the budget is used up"

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input

    match tape.Below 3 with
    | 0 -> rsa behaviour (Encoding.Latin1.GetString(tape.Rest()))
    | 1 -> packets behaviour tape
    | _ -> streams behaviour tape

let private seeds () =
    // Blowfish works out its tables when it is first wanted; no run shall pay for that.
    for cipher in ciphers do
        Cipher.keyed cipher (Array.zeroCreate<byte> cipher.KeyLength) |> ignore

    let keys =
        Corpus.bytes
            "08-legacy-rsa-keyfiles.json"
            [ "pkcs1_private"; "pkcs1_public"; "spki_public"; "pkcs8_private"; "n" ]
        @ Corpus.bytes "01-legacy-crypto.json" [ "private_pem"; "public_pem"; "n" ]

    List.map (Array.append [| 0uy |]) keys
    @ [ for i in 0 .. ciphers.Length - 1 do
            Array.concat
                [ [| 1uy; byte i; byte i; 1uy; 1uy; 1uy; 1uy; 1uy; 2uy; 3uy; 4uy; 5uy; 6uy; 7uy; 8uy; 0uy; 48uy |]
                  Fixed.bytes 75 48 ]
            Array.concat [ [| 2uy; byte i; 2uy; 3uy; 40uy; 70uy |]; Fixed.bytes 76 100 ] ]

let target =
    { Target.create "legacy-crypto" "keys are right or refused; packets and streams come back as they went" seeds run with
        Words =
            [ "-----BEGIN RSA PUBLIC KEY-----\n"
              "-----END RSA PUBLIC KEY-----\n"
              "-----BEGIN PUBLIC KEY-----\n"
              "MII"
              "AgMB" ] }
