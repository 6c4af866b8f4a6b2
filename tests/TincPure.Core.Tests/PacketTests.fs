/// Packets taken apart and put together: checksums, fragments, MSS, TTL, probes (spec 03 §6, spec 04 §8 to §12).
module TincPure.Core.Tests.PacketTests

open System
open System.Buffers.Binary
open FsCheck
open FsCheck.FSharp
open TincPure.Packet
open TincPure.Primitives
open Xunit

let private check (property: Property) = Check.QuickThrowOnFailure property

/// The sum word by word, as the standard writes it.
let private naiveSum (bytes: byte array) =
    let mutable sum = 0u

    for i in 0..2 .. bytes.Length - 1 do
        let low = if i + 1 < bytes.Length then uint32 bytes[i + 1] else 0u
        sum <- sum + (uint32 bytes[i] <<< 8) + low
        sum <- (sum &&& 0xffffu) + (sum >>> 16)

    sum

let private word (bytes: byte array) (offset: int) =
    BinaryPrimitives.ReadUInt16BigEndian(ReadOnlySpan(bytes, offset, 2))

let private put (bytes: byte array) (offset: int) (value: int) =
    BinaryPrimitives.WriteUInt16BigEndian(Span(bytes, offset, 2), uint16 value)

let private bytesOf (minimum: int) (maximum: int) : Gen<byte array> =
    Gen.choose (minimum, maximum)
    |> Gen.bind (fun size -> Gen.arrayOfLength size (ArbMap.generate<byte> ArbMap.defaults))

/// An IPv4 frame with a right header checksum and this payload.
let private ipv4Frame (flags: int) (payload: byte array) =
    let frame = Array.zeroCreate<byte>(34 + payload.Length)
    put frame 12 0x0800
    frame[14] <- 0x45uy
    put frame 16 (20 + payload.Length)
    put frame 20 flags
    frame[22] <- 64uy
    frame[23] <- 17uy
    put frame 26 0x0a00
    put frame 30 0x0a01
    Array.Copy(payload, 0, frame, 34, payload.Length)
    IpV4.writeChecksum (Span(frame, 14, 20))
    frame

[<Fact>]
let ``the fast checksum is the word by word one`` () =
    Prop.forAll (Arb.fromGen (Gen.zip (bytesOf 0 200) (Gen.choose (0, 0x1ffff)))) (fun (bytes, seed) ->
        let expected = ~~~(uint16 ((naiveSum bytes + uint32 seed) % 0xffffu))
        let actual = Checksum.finish (Checksum.sum (uint32 seed) (Span bytes))
        // Zero has two forms in one's complement.
        actual = expected || (actual = 0us && expected = 0xffffus))
    |> check

[<Fact>]
let ``a checksum adjusted for one word verifies like one computed anew`` () =
    let gen = Gen.zip3 (bytesOf 20 60) (Gen.choose (1, 9)) (Gen.choose (0, 0xffff))

    Prop.forAll (Arb.fromGen gen) (fun (bytes, index, value) ->
        let bytes = Array.copy bytes
        put bytes 0 0
        put bytes 0 (int (Checksum.compute (Span bytes)))
        let before = word bytes (2 * index)
        put bytes (2 * index) value
        put bytes 0 (int (Checksum.adjust (word bytes 0) before (uint16 value)))
        Checksum.compute (Span bytes) = 0us || Checksum.compute (Span bytes) = 0xffffus)
    |> check

[<Fact>]
let ``fragments put together again are the packet`` () =
    let gen =
        Gen.zip3 (bytesOf 600 1484) (Gen.choose (590, 1500)) (Gen.elements [ 0; 0x8000; 0x2000; 0x2010; 0x00b9 ])

    Prop.forAll (Arb.fromGen gen) (fun (payload, limit, flags) ->
        let frame = ipv4Frame flags payload
        let size = Fragment.pieceSize limit Ethernet.headerSize
        let target = Array.zeroCreate<byte> 1518
        let rebuilt = Array.zeroCreate<byte> payload.Length
        let starts = [ 0..size .. payload.Length - 1 ]

        let sound =
            starts
            |> List.forall (fun start ->
                let length = Fragment.write (Span frame) Ethernet.headerSize start size (Span target)
                let last = start + size >= payload.Length
                let offset = int (word target 20) &&& 0x1fff
                Array.Copy(target, 34, rebuilt, (offset - (flags &&& 0x1fff)) * 8, length - 34)

                length <= limit
                && int (word target 16) = length - 14
                && (int (word target 20) &&& 0x2000 <> 0) = (not last || flags &&& 0x2000 <> 0)
                && Checksum.compute (Span(target, 14, 20)) = 0us)

        Fragment.check (Span frame) Ethernet.headerSize = Fragment.Check.Possible
        && sound
        && rebuilt = payload)
    |> check

[<Fact>]
let ``a decremented time to live leaves the header checksum right`` () =
    Prop.forAll (Arb.fromGen (Gen.zip (bytesOf 0 40) (Gen.choose (2, 255)))) (fun (payload, ttl) ->
        let frame = ipv4Frame 0 payload
        frame[22] <- byte ttl
        IpV4.writeChecksum (Span(frame, 14, 20))
        let outcome = Ttl.decrement (Span frame)

        outcome = Ttl.Outcome.Alive
        && int frame[22] = ttl - 1
        && Checksum.compute (Span(frame, 14, 20)) = 0us)
    |> check

[<Fact>]
let ``an error quotes what it is about, is at most 576 bytes long and has right checksums`` () =
    Prop.forAll (Arb.fromGen (bytesOf 8 1484)) (fun payload ->
        let frame = ipv4Frame 0 payload
        let target = Array.zeroCreate<byte> Icmp.maxErrorFrame
        let length = Icmp.writeError Icmp.NoSubnet (Span frame) ValueNone (Span target)
        let quoted = length - 42

        length <= 590
        && Checksum.compute (Span(target, 14, 20)) = 0us
        && Checksum.compute (Span(target, 34, length - 34)) = 0us
        && Span(target, 42, quoted).SequenceEqual(Span(frame, 14, quoted)))
    |> check

[<Fact>]
let ``errors leave at most three times in one second`` () =
    let limit = Icmp.RateLimit()
    let at milliseconds = Instant(1_000_000_000L + milliseconds * Instant.millisecond)
    let allowed = [ for t in 0L..100L..1900L -> limit.Allow(at t) ]
    Assert.Equal(6, allowed |> List.filter id |> List.length)

[<Fact>]
let ``nobody is answered whose packet is an error, a later fragment or from no single host`` () =
    let frame = ipv4Frame 0 [| 8uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy |]
    let change (edit: byte array -> unit) =
        let copy = Array.copy frame
        edit copy
        Icmp.mayAnswer (Span copy)

    Assert.True(change ignore)
    Assert.True(change (fun f -> f[23] <- 1uy))
    Assert.False(
        change (fun f ->
            f[23] <- 1uy
            f[34] <- 3uy)
    )
    Assert.False(change (fun f -> put f 20 1))
    Assert.True(change (fun f -> put f 20 0x2000))
    Assert.False(change (fun f -> put f 26 0))
    Assert.False(change (fun f -> put f 26 0xe000))
    Assert.False(
        change (fun f ->
            put f 26 0xffff
            put f 28 0xffff)
    )

[<Fact>]
let ``packet functions take any bytes`` () =
    let types = Gen.elements [ 0x0800; 0x86dd; 0x8100; 0x0806; 0x1234 ]

    Prop.forAll (Arb.fromGen (Gen.zip3 (bytesOf 14 120) types types)) (fun (bytes, outer, inner) ->
        let frame () =
            let copy = Array.copy bytes
            put copy 12 outer
            if copy.Length >= 18 then
                put copy 16 inner
            copy

        let target = Array.zeroCreate<byte> Icmp.maxErrorFrame
        Mss.clamp (Span(frame ())) 600 |> ignore
        Ttl.decrement (Span(frame ())) |> ignore
        Icmp.writeError Icmp.TtlExpired (Span(frame ())) ValueNone (Span target) |> ignore
        true)
    |> check

[<Fact>]
let ``a clamped segment has the new MSS and a right TCP checksum`` () =
    let gen = Gen.zip (Gen.choose (100, 1400)) (Gen.choose (1, 0xffff))

    Prop.forAll (Arb.fromGen gen) (fun (mtu, mss) ->
        // NOP, NOP, then the option: stock tinc misses it there.
        let segment = Array.zeroCreate<byte> 28
        segment[12] <- 0x70uy
        segment[13] <- 2uy
        Array.Copy([| 1uy; 1uy; 2uy; 4uy |], 0, segment, 20, 4)
        put segment 24 mss
        let frame = ipv4Frame 0x4000 segment
        frame[23] <- 6uy
        put frame 50 (int (Checksum.compute (Span(frame, 34, 28))))
        let limit = mtu - 54
        let clamped = Mss.clamp (Span frame) mtu

        int (word frame 58) = min mss limit
        && clamped = (if mss > limit then limit else 0)
        && Checksum.compute (Span(frame, 34, 28)) = 0us)
    |> check

[<Fact>]
let ``probes are told apart and confirm their length`` () =
    let random = Array.init 1329 byte
    let request = Probe.request (ReadOnlySpan random)
    Assert.Equal(Probe.Kind.Request, Probe.kind (ReadOnlySpan request))

    for minor, kind, size in [ 7, Probe.Kind.ShortReply, 18; 2, Probe.Kind.FullReply, 1329 ] do
        let reply = Probe.reply minor (ReadOnlySpan request)
        Assert.Equal(size, reply.Length)
        Assert.Equal(kind, Probe.kind (ReadOnlySpan reply))
        Assert.Equal(1329, Probe.confirmed (ReadOnlySpan reply))

    let gratuitous = Probe.gratuitous 1400 (ReadOnlySpan(random, 0, 4))
    Assert.Equal(1400, Probe.confirmed (ReadOnlySpan gratuitous))
    Assert.Equal(Probe.Kind.Malformed, Probe.kind (ReadOnlySpan(random, 0, 13)))

[<Fact>]
let ``probe replies are those of the vectors`` () =
    let vectors = Vectors.items "vectors" (Vectors.load "03-sptps-udp-datagrams.json")
    let payload name = vectors |> List.find (fun v -> Vectors.text "name" v = name) |> Vectors.bytes "record_payload"

    let full = payload "probe-reply-type1-17.2"
    let asked = Array.copy full
    asked[0] <- 0uy
    Assert.Equal<byte array>(full, Probe.reply 2 (ReadOnlySpan asked))
    let request = payload "probe-request-1329"
    let short = payload "probe-reply-type2"
    let reply = Probe.reply 7 (ReadOnlySpan request)
    // The vector's tail comes from another request.
    Assert.Equal<byte array>(Array.sub short 0 14, Array.sub reply 0 14)
    Assert.Equal<byte array>(Array.sub request 14 4, Array.sub reply 14 4)
