/// Keys between two ends: start, change, loss, replay, restart (spec 03).
module TincPure.Core.Tests.TunnelKeyExchangeTests

open System
open System.Buffers.Binary
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Tunnel
open TincPure.Tunnel.KeyExchange
open TincPure.Core.Tests.TunnelKeyExchangeFixture
open Xunit

[<Fact>]
let ``one side asks, and both have keys after two round trips`` () =
    let struct (pair, a, b) = makePair (perfect 1)
    pair.Feed(a, Want)
    pair.RunFor 161
    Assert.True(agree a b)
    Assert.Contains("SPTPS key exchange with beta (192.0.2.1 port 655) successful", a.Texts)
    Assert.Contains("No valid key known yet for beta (192.0.2.1 port 655)", a.Texts)

[<Fact>]
let ``both sides may start at the same time, at any distance and moment`` () =
    let property (NonNegativeInt latency) (NonNegativeInt offset) (later: bool) =
        let network = { perfect 1 with Latency = 1 + latency % 400 }

        let struct (pair, a, b) = makePair network
        let first, second = if later then a, b else b, a
        pair.Feed(first, Want)
        pair.RunFor(offset % (2 * network.Latency))
        pair.Feed(second, Want)
        pair.RunFor(4 * network.Latency + 1)
        agree a b && a.Requests.Count + b.Requests.Count <= 2

    check property

[<Fact>]
let ``lost and reordered handshake records delay the key, but make no storm`` () =
    let property (seed: int) =
        let network =
            { perfect seed with
                MetaLoss = 0.2
                MetaJitter = 500
                UdpLoss = 0.05
                UdpJitter = 100 }

        let struct (pair, a, b) = makePair network
        pair.Talk 120_000
        isCalm a && isCalm b && agree a b

    check property

[<Fact>]
let ``reordered records alone hardly delay it`` () =
    let property (seed: int) =
        let network = { perfect seed with MetaJitter = 300 }
        let struct (pair, a, b) = makePair network
        pair.Talk 30_000
        isCalm a && isCalm b && agree a b

    check property

[<Fact>]
let ``an established session does not fail for reordered, repeated or lost datagrams`` () =
    let property (seed: int) =
        let network = { perfect seed with UdpLoss = 0.2; UdpJitter = 2000 }

        let struct (pair, a, b) = makePair network
        pair.Feed(a, Want)
        pair.RunFor 1000
        pair.Talk 60_000
        agree a b && a.Requests.Count + b.Requests.Count = 1 && a.Failures + b.Failures = 0

    check property

[<Fact>]
let ``keys change under traffic, started by either side or both, and nothing is lost`` () =
    let property (seed: int) (NonNegativeInt offset) (who: int) =
        // Data overtakes the handshake.
        let network = { perfect seed with UdpLatency = 5; UdpJitter = 100 }

        let struct (pair, a, b) = makePair network
        pair.Feed(a, Want)
        pair.RunFor 4000
        let mutable keys = Set.empty

        for _ in 1..4 do
            if abs who % 3 <> 1 then
                pair.Feed(a, Rekey)

            pair.Talk(offset % 300)

            if abs who % 3 <> 0 then
                pair.Feed(b, Rekey)

            pair.Talk 4000

            match a.Session with
            | ValueSome session -> keys <- keys.Add session.SendKey
            | ValueNone -> ()

        pair.RunFor 1000

        agree a b
        && keys.Count = 4
        && a.Failures + b.Failures = 0
        && (a.Delivered, b.Delivered) = (b.Sent, a.Sent)
        && a.Requests.Count + b.Requests.Count = 1

    check property

[<Fact>]
let ``a peer that lost everything is found out and gets new keys`` () =
    let property (seed: int) (talksFirst: bool) =
        let network = { perfect seed with UdpJitter = 20 }
        let struct (pair, a, b) = makePair network
        pair.Feed(a, Want)
        pair.RunFor 1000
        pair.Talk 2000
        b.State <- initial
        b.Session <- ValueNone

        if talksFirst then
            pair.Talk 25_000
        else
            for _ in 1..500 do
                pair.SendData a
                pair.RunFor 50

        let failures = a.Failures + b.Failures
        pair.Talk 20_000
        agree a b && isCalm a && isCalm b && failures = a.Failures + b.Failures

    check property

[<Fact>]
let ``what is in flight when a session is replaced still arrives`` () =
    let struct (pair, a, b) = makePair (perfect 1)
    pair.Feed(a, Want)
    pair.RunFor 20_000
    let since = pair.Now
    pair.Feed(b, OpenFailed(Udp, BadTag(1, since)))
    pair.RunFor 5_000
    // Both have just sent something when beta loses patience.
    pair.SendData a
    pair.SendData b
    pair.Feed(b, OpenFailed(Udp, BadTag(3, since)))
    Assert.False(hasKey b.State)
    pair.RunFor 1000
    Assert.True(agree a b)
    Assert.Equal((1, 1), (a.Delivered, b.Delivered))
    Assert.Equal(0, a.Failures + b.Failures)

[<Fact>]
let ``only a long run of bad tags restarts a session, and not at once again`` () =
    let struct (pair, a, b) = makePair (perfect 1)
    pair.Feed(a, Want)
    pair.RunFor 20_000
    let mutable run = 0
    let mutable since = pair.Now

    let badTag () =
        run <- run + 1
        pair.Feed(a, OpenFailed(Udp, BadTag(run, since)))

    for _ in 1..100 do
        badTag ()

    Assert.True(hasKey a.State)

    // Something valid in between starts the run anew, as the packet plane knows: of a flood it does not tell every single one.
    pair.RunFor 60_000
    run <- 1000
    since <- pair.Now

    for _ in 1..49 do
        badTag ()
        pair.RunFor 100

    Assert.True(hasKey a.State)
    badTag ()
    pair.RunFor 101
    badTag ()
    Assert.False(hasKey a.State)
    Assert.Contains("Failed to decode raw TCP packet from beta (192.0.2.1 port 655), restarting SPTPS", a.Texts)
    pair.RunFor 1000
    Assert.True(agree a b)
    let requests = a.Requests.Count

    for _ in 1..89 do
        badTag ()
        pair.RunFor 100

    Assert.Equal(requests, a.Requests.Count)

[<Fact>]
let ``replays and strange contents never restart a session`` () =
    let struct (pair, a, _) = makePair (perfect 1)
    pair.Feed(a, Want)
    pair.RunFor 20_000

    for _ in 1..1000 do
        pair.Feed(a, OpenFailed(Udp, Harmless))
        pair.RunFor 100

    Assert.True(hasKey a.State)
    Assert.Equal(1, a.Requests.Count)

[<Fact>]
let ``an unknown public key is asked for, now and then, and used when it comes`` () =
    let struct (pair, a, b) = makePair (perfect 1)
    let asked = ResizeArray<Output>()
    a.Settings <- { a.Settings with PeerKey = ValueNone }

    let rec want times =
        if times > 0 then
            let struct (state, outputs) = step a.Settings pair.Now (a.Entropy()) Want a.State
            a.State <- state
            asked.AddRange outputs
            pair.RunFor 100
            want (times - 1)

    want 150
    Assert.Equal(2, asked |> Seq.filter (fun output -> output = AskPublicKey) |> Seq.length)

    a.Settings <- { a.Settings with PeerKey = ValueSome(KeyPairs.publicOf b.Settings.Own) }

    pair.Feed(a, PeerKeyLearned)
    pair.RunFor 1000
    Assert.True(agree a b)

[<Fact>]
let ``neither side knows the other's key at first`` () =
    let property (seed: int) (NonNegativeInt offset) =
        let struct (pair, a, b) = makePair (perfect seed)
        a.Settings <- { a.Settings with PeerKey = ValueNone }
        b.Settings <- { b.Settings with PeerKey = ValueNone }
        pair.Feed(a, Want)
        pair.RunFor(offset % 200)
        pair.Feed(b, Want)
        pair.RunFor 1000
        agree a b && a.Requests.Count + b.Requests.Count <= 2

    check property

[<Fact>]
let ``after a reset nothing is left of a session`` () =
    let struct (pair, a, b) = makePair (perfect 1)
    pair.Feed(a, Want)
    pair.RunFor 1000
    pair.Feed(a, Reset)
    Assert.Equal(initial, a.State)
    Assert.True(a.Session.IsNone && a.Retired.IsNone)
    pair.Feed(b, Reset)
    pair.Talk 1000
    Assert.True(agree a b)

[<Fact>]
let ``a change of keys that hangs is replaced by a new session`` () =
    let struct (pair, a, b) = makePair (perfect 1)
    pair.Feed(a, Want)
    pair.RunFor 20_000
    let struct (state, _) = step a.Settings pair.Now (a.Entropy()) Rekey a.State
    a.State <- state
    pair.RunFor 5_000
    pair.Feed(a, Rekey)
    Assert.Contains("Cannot force KEX in current state from beta (192.0.2.1 port 655)", a.Texts)
    pair.RunFor 3_600_000
    pair.Feed(a, Rekey)
    pair.RunFor 1000
    Assert.True(agree a b)
    Assert.Equal(2, a.Requests.Count)

[<Fact>]
let ``with a stock peer, too, both may start at the same time`` () =
    let property (NonNegativeInt latency) (NonNegativeInt offset) (first: bool) (stockIsAlpha: bool) =
        let network = { perfect 1 with Latency = 1 + latency % 400 }

        let struct (pair, a, b) = makePair network
        (if stockIsAlpha then a else b).IsStock <- true
        let first, second = if first then a, b else b, a
        pair.Feed(first, Want)
        pair.RunFor(offset % (2 * network.Latency))
        pair.Feed(second, Want)
        pair.RunFor(4 * network.Latency + 1)
        agree a b && a.Requests.Count + b.Requests.Count <= 2

    check property

[<Fact>]
let ``whatever arrives, starts stay rare`` () =
    let bytes = Gen.choose (0, 255) |> Gen.map byte |> Gen.arrayOf
    let header number =
        Array.append (BitConverter.GetBytes(BinaryPrimitives.ReverseEndianness(uint32 number))) [| 128uy |]

    let datagram =
        Gen.oneof
            [ bytes
              Gen.map2
                  (fun number body -> Array.append (header number) body)
                  (Gen.choose (0, 3))
                  (Gen.arrayOfLength 65 (Gen.elements [ 0uy ]))
              Gen.map2
                  (fun number body -> Array.append (header number) body)
                  (Gen.choose (0, 3))
                  (Gen.arrayOfLength 64 (Gen.elements [ 1uy ])) ]

    let way = Gen.elements [ Udp; RawTcp; KeyRequest; KeyAnswer ]

    let input =
        Gen.oneof
            [ Gen.constant Want
              Gen.map RequestReceived datagram
              Gen.map AnswerReceived datagram
              Gen.map HandshakeOpened bytes
              Gen.map HandshakeSealed bytes
              Gen.map3
                  (fun way run since -> OpenFailed(way, BadTag(run, Instant(int64 since * Instant.second))))
                  way
                  (Gen.choose (1, 100))
                  (Gen.choose (999_990, 1_000_100))
              Gen.map (fun way -> OpenFailed(way, NoSession)) way
              Gen.constant Rekey
              Gen.constant PeerKeyLearned
              Gen.constant PublicKeyAsked ]

    let property inputs =
        let struct (pair, a, _) = makePair { perfect 1 with MetaLoss = 1.0 }

        for input, pause in inputs do
            pair.Feed(a, input)
            pair.RunFor pause

        isCalm a

    check (Prop.forAll (Arb.fromGen (Gen.listOf (Gen.zip input (Gen.choose (0, 3000))))) property)
