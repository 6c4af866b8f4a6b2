/// Datagrams of the legacy protocol, against those of stock daemons.
module TincPure.Core.Tests.LegacyPacketTests

open System
open System.Text.Json
open TincPure.Crypto.Legacy
open TincPure.Legacy
open TincPure.Packet.Compression
open TincPure.Core.Tests.Vectors
open Xunit
open Xunit.Abstractions

let private hex (bytes: byte[]) = Convert.ToHexStringLower bytes

let private compressor = Compressor()

/// What is inside a datagram, decompressed.
let private opened (key: PacketKey) (compression: int) (datagram: byte[]) : byte[] voption =
    let copy = Array.copy datagram
    let mutable length = 0

    // Without a window, as the vectors begin anywhere.
    match InboundKey(key, 0).Open(Span copy, &length) with
    | LegacyResult.Opened ->
        let content = Array.sub copy LegacyDatagram.SeqnoSize length

        if compression = 0 then
            ValueSome content
        else
            let frame = Array.zeroCreate<byte> 2048

            match compressor.Decompress(compression, ReadOnlySpan content, Span frame) with
            | size when size >= 0 -> ValueSome(Array.truncate size frame)
            | _ -> ValueNone
    | _ -> ValueNone

/// The datagram with this number for an uncompressed frame.
let private sealed' (key: PacketKey) (seqno: uint32) (frame: byte[]) : byte[] =
    let outbound = OutboundKey key
    let mutable datagram = [||]

    while outbound.Seqno < seqno do
        datagram <- Array.zeroCreate<byte>(outbound.DatagramLength frame.Length)
        outbound.Seal(ReadOnlySpan frame, Span datagram)

    datagram

/// Algorithms that we refuse by name (spec 08 §14).
let private refused =
    set
        [ "aes-256-ctr"
          "aes-128-ctr"
          "chacha20"
          "aria-128-cbc"
          "whirlpool"
          "sha512_256"
          "sha3_256"
          "sm3"
          "blake2b512" ]

/// The fields of an ANS_KEY.
let private ofWire (fields: string[]) =
    PacketKey.ofWire fields[3] (int fields[4]) (int fields[5]) (int fields[6]) (int fields[7])

type VectorTests(output: ITestOutputHelper) =

    [<Fact>]
    member _.``datagrams between stock daemons are read, and made as they make them``() =
        let mutable count = 0

        for flow in items "flows" (load "08-legacy-udp-packets.json") do
            let name = text "cipher" flow + ", " + text "digest" flow

            if refused.Contains(text "cipher" flow) || refused.Contains(text "digest" flow) then
                output.WriteLine("refused by name: " + name)

                for packet in items "packets" flow do
                    let fields = (text "ans_key" packet).Split ' '
                    Assert.True(Result.isError (ofWire fields))
            else
                for packet in items "packets" flow do
                    let fields = (text "ans_key" packet).Split ' '

                    match ofWire fields with
                    | Error error -> Assert.Fail(name + " " + PacketKey.errorText error)
                    | Ok key ->
                        let datagram = bytes "datagram" packet
                        let frame = bytes "frame" packet
                        let compression = int fields[7]
                        Assert.Equal(ValueSome(hex frame), opened key compression datagram |> ValueOption.map hex)

                        if compression = 0 then
                            let seqno = packet.GetProperty("seqno").GetUInt32()
                            Assert.Equal(hex datagram, hex (sealed' key seqno frame))

                        count <- count + 1

        Assert.True(count > 100, string count)

    [<Fact>]
    member _.``datagrams of the reference code are read, and made as it makes them``() =
        let mutable count = 0

        for vector in items "vectors" (load "03-legacy-udp-packets.json") do
            let name = text "name" vector

            if refused.Contains(text "cipher" vector) || refused.Contains(text "digest" vector) then
                output.WriteLine("refused by name: " + name)
            else
                let material = text "key" vector
                let cipher = number "cipher_nid" vector
                let digest = number "digest_nid" vector

                match
                    PacketKey.ofWire material cipher digest (number "maclength" vector) (number "compression" vector)
                with
                | Error error -> Assert.Fail(name + " " + PacketKey.errorText error)
                | Ok key ->
                    let compression = number "compression" vector
                    let frame = bytes "frame" vector
                    let datagram = bytes "datagram" vector
                    Assert.Equal(ValueSome(hex frame), opened key compression datagram |> ValueOption.map hex)

                    if compression = 0 && vector.GetProperty("seqno").GetUInt32() < 1000u then
                        Assert.Equal(hex datagram, hex (sealed' key (vector.GetProperty("seqno").GetUInt32()) frame))

                    count <- count + 1

        Assert.Equal(23, count)

[<Fact>]
let ``the replay window of legacy nodes accepts what the reference accepts`` () =
    let mutable count = 0

    for vector in items "vectors" (load "03-replay-windows.json") do
        if text "kind" vector = "legacy" then
            let window = TincPure.Sptps.ReplayWindow(number "window_bytes" vector, 1u, false)

            for event in items "events" vector do
                let seqno = event[0].GetUInt32()
                let accepted = event[1]

                let expected =
                    match accepted.ValueKind with
                    | JsonValueKind.Number -> accepted.GetInt32() <> 0
                    | _ -> accepted.GetBoolean()

                let verdict = window.Accept seqno

                let actual =
                    verdict = TincPure.Sptps.Verdict.Accepted || verdict = TincPure.Sptps.Verdict.AcceptedAfterJump

                Assert.True((expected = actual), string (number "window_bytes" vector) + " " + string seqno)

            count <- count + 1

    Assert.Equal(3, count)

// ---- Properties

let private randomKey (random: Random) =
    let ciphers = ValueNone :: List.map ValueSome Cipher.all
    let cipher = ciphers[random.Next ciphers.Length]
    let digest = Digest.all[random.Next Digest.all.Length]
    let algorithms =
        { Cipher = cipher
          Digest = ValueSome digest
          MacLength = random.Next(4, digest.Size + 1) }
    let material = Array.zeroCreate<byte>(PacketAlgorithms.materialLength algorithms)
    random.NextBytes material
    PacketKey.create algorithms 0 material

let private frameOf (random: Random) =
    let frame = Array.zeroCreate<byte>(random.Next(14, 1519))
    random.NextBytes frame
    frame

[<Fact>]
let ``what is sealed is opened once, and never when it was changed or cut`` () =
    let random = Random 11

    for _ in 1..400 do
        let key = randomKey random
        let outbound = OutboundKey key
        let inbound = InboundKey(key, 32)
        let frame = frameOf random
        let datagram = Array.zeroCreate<byte>(outbound.DatagramLength frame.Length)
        outbound.Seal(ReadOnlySpan frame, Span datagram)
        let mutable length = 0

        let changed = Array.copy datagram
        let at = random.Next changed.Length
        changed[at] <- changed[at] ^^^ byte (1 <<< random.Next 8)
        Assert.Equal(LegacyResult.BadMac, inbound.Open(Span changed, &length))

        let cut = datagram[.. random.Next(datagram.Length - 1)]
        let result = inbound.Open(Span(Array.copy cut), &length)
        Assert.True((result = LegacyResult.BadMac || result = LegacyResult.TooShort))

        let copy = Array.copy datagram
        Assert.True(inbound.Verifies(Span copy))
        Assert.Equal(LegacyResult.Opened, inbound.Open(Span copy, &length))
        Assert.Equal(hex frame, hex (Array.sub copy LegacyDatagram.SeqnoSize length))
        Assert.Equal(LegacyResult.Replayed, inbound.Open(Span(Array.copy datagram), &length))

[<Fact>]
let ``no packet costs an allocation`` () =
    let random = Random 12

    for cipher in Cipher.all do
        let algorithms = { Cipher = ValueSome cipher; Digest = ValueSome Digest.sha256; MacLength = 4 }
        let material = Array.zeroCreate<byte> cipher.MaterialLength
        random.NextBytes material
        let key = PacketKey.create algorithms 0 material
        let outbound = OutboundKey key
        let inbound = InboundKey(key, 32)
        let frame = frameOf random
        let datagram = Array.zeroCreate<byte>(outbound.DatagramLength frame.Length)
        let mutable length = 0
        let mutable results = 0

        let pass () =
            outbound.Seal(ReadOnlySpan frame, Span datagram)

            if inbound.Open(Span datagram, &length) = LegacyResult.Opened then
                results <- results + 1

        for _ in 1..50 do
            pass ()

        Assert.Equal(50, results)
        let allocated = CompressionTests.Allocations.ofOne pass
        Assert.True((allocated = 0L), cipher.Name + " allocates " + string allocated)

[<Fact>]
let ``a bad ANS_KEY is refused for what is wrong with it`` () =
    let material = String('5', 96)
    let error hex cipher digest mac = PacketKey.ofWire hex cipher digest mac 0 |> Result.map ignore
    Assert.Equal(Ok(), error material 427 672 4)
    Assert.Equal(Ok(), error (material.Replace('5', 'a')) 427 672 32)
    Assert.Equal(Error PacketKeyError.UnknownCipher, error material 904 672 4)
    Assert.Equal(Error PacketKeyError.UnknownCipher, error material -1 672 4)
    Assert.Equal(Error PacketKeyError.UnknownDigest, error material 427 804 4)
    Assert.Equal(Error PacketKeyError.BogusMacLength, error material 427 672 33)
    Assert.Equal(Error PacketKeyError.BogusMacLength, error material 427 672 -1)
    Assert.Equal(Error PacketKeyError.WrongKeyLength, error (material + "55") 427 672 4)
    Assert.Equal(Error PacketKeyError.WrongKeyLength, error (material.Substring 2) 427 672 4)
    Assert.Equal(Error PacketKeyError.WrongKeyLength, error (String('Z', 96)) 427 672 4)
    // A node without digest announces a MAC length all the same; without a cipher there is one byte.
    Assert.Equal(Ok(), error "55" 0 0 4)
    Assert.Equal(Error PacketKeyError.WrongKeyLength, error "5555" 0 0 4)
    Assert.Equal(Error PacketKeyError.WrongKeyLength, error (String('5', 64)) 44 672 4)
