/// What a packet between us and a tinc 1.0 node costs, and its login: `dotnet run -c Release -- legacy`.
module TincPure.Benchmarks.LegacyBenchmarks

open System
open System.Numerics
open System.Security.Cryptography
open TincPure.Benchmarks.Measure
open TincPure.Crypto.Legacy
open TincPure.Legacy

let private calls = 5_000

/// The largest frame on a path of 1500 bytes.
let private frameLength = 1451

let private keyOf (cipher: Cipher voption) (digest: Digest voption) : PacketKey =
    let algorithms: PacketAlgorithms =
        { Cipher = cipher
          Digest = digest
          MacLength = PacketAlgorithms.defaultMacLength }

    PacketKey.create algorithms 0 (Array.init (PacketAlgorithms.materialLength algorithms) (fun i -> byte (7 * i + 3)))

/// Sealing alone, then sealing and opening: opened twice, a datagram is a replay.
let private packets (name: string) (key: PacketKey) =
    let frame = Array.init frameLength byte
    let outbound = OutboundKey key
    let datagram = Array.zeroCreate<byte>(outbound.DatagramLength frameLength)
    report (name + ", seal") (measure calls (fun _ -> outbound.Seal(ReadOnlySpan frame, Span datagram)))

    let outbound = OutboundKey key
    let inbound = InboundKey(key, 32)
    let mutable length = 0

    let both _ =
        outbound.Seal(ReadOnlySpan frame, Span datagram)

        if inbound.Open(Span datagram, &length) <> LegacyResult.Opened then
            invalidOp "not opened"

    report (name + ", seal and open") (measure calls both)

let private login (bits: int) =
    use rsa = RSA.Create bits
    let numbers = rsa.ExportParameters true
    let number (bytes: byte[] | null) = BigInteger(ReadOnlySpan bytes, isUnsigned = true, isBigEndian = true)

    match Rsa.publicKey (number numbers.Modulus) (number numbers.Exponent) with
    | ValueSome pub ->
        match Rsa.privateKey pub (number numbers.D) with
        | ValueSome key ->
            let blinding = Array.init (Rsa.blindingSize key) byte
            let block = Array.init pub.Size (fun i -> byte i &&& 0x7fuy)

            report
                ("RSA, " + bits.ToString() + " bits, private")
                (measure 5 (fun _ -> Rsa.decrypt key (ReadOnlySpan blinding) (ReadOnlySpan block) |> ignore))
        | ValueNone -> ()
    | ValueNone -> ()

let run () : unit =
    for cipher in [ "aes-256-cbc"; "aes-256-cfb"; "des-ede3-cbc"; "bf-cbc"; "camellia-256-cbc" ] do
        packets (cipher + ", sha256") (keyOf (Cipher.ofName cipher) (ValueSome Digest.sha256))

    for digest in [ "md5"; "sha1"; "sha224"; "sha512" ] do
        packets ("aes-256-cbc, " + digest) (keyOf (Cipher.ofName "aes-256-cbc") (Digest.ofName digest))

    packets "no cipher, no digest" (keyOf ValueNone ValueNone)
    login 2048
    login 4096
