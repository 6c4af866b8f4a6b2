module TincPure.Core.Tests.TunnelKeyExchangeTests

open System
open System.Buffers.Binary
open System.Collections.Generic
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Tunnel
open TincPure.Tunnel.KeyExchange
open Xunit

// Two key exchanges against each other, with a model of the packet plane under each and a network between them that the
// test bends as it likes.

let private nameOf text =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> failwith text

module private KeyPairs =
    let ofName (name: NodeName) =
        Ed25519.generate (ReadOnlySpan(Array.init 32 (fun i -> byte (name.Text[i % name.Text.Length]))))

    let publicOf (name: NodeName) = (ofName name).Public

/// A session as the packet plane keeps it: "sealing" writes down the key's first bytes, "opening" compares them.
type private Session = { SendKey: byte array; ReceiveKeys: byte array list; Offered: byte array }

type private Message =
    | Request of byte array
    | Answer of byte array
    | AskKey
    | TellKey
    | Data of byte array

type private Network =
    {
        Random: Random
        /// Milliseconds.
        Latency: int
        /// Meta messages take different ways through the mesh.
        MetaJitter: int
        MetaLoss: float
        UdpLatency: int
        UdpJitter: int
        UdpLoss: float
    }

let private perfect seed =
    { Random = Random seed
      Latency = 40
      MetaJitter = 0
      MetaLoss = 0.0
      UdpLatency = 40
      UdpJitter = 0
      UdpLoss = 0.0 }

let private keyText (key: byte array) = Array.sub key 0 8

let private seal (session: Session) number (kind: byte) (body: byte array) =
    let header = Array.zeroCreate 4
    BinaryPrimitives.WriteUInt32BigEndian(Span header, number)
    Array.concat [ header; [| kind |]; keyText session.SendKey; body ]

type private Side(settings: Settings, seed: int) =
    let random = Random seed
    let opened = HashSet<uint32>()
    member val Settings = settings with get, set

    /// Forgets what it was doing whenever the peer asks for a session, as stock tinc does.
    member val IsStock = false with get, set
    member val State = initial with get, set
    member val Session: Session voption = ValueNone with get, set
    member val Retired: Session voption = ValueNone with get, set
    member val NextNumber = 2u with get, set
    member val BadTags = 0 with get, set
    member val Failures = 0 with get, set
    member val Sent = 0 with get, set
    member val Delivered = 0 with get, set
    member val Requests = ResizeArray<Instant>()
    member val Texts = ResizeArray<string>()

    member _.Entropy() =
        let bytes = Array.zeroCreate entropySize
        random.NextBytes bytes
        bytes

    member _.IsNew(number: uint32) = opened.Add number
    member _.ForgetNumbers() = opened.Clear()

type private Pair(network: Network, a: Side, b: Side) =
    let queue = PriorityQueue<struct (Side * Message), struct (int64 * int)>()
    let mutable now = Instant(1_000_000_000_000L)
    let mutable turn = 0

    let other side = if obj.ReferenceEquals(side, a) then b else a

    let send (from: Side) message =
        let lossy, latency, jitter =
            match message with
            | Data _ -> network.UdpLoss, network.UdpLatency, network.UdpJitter
            | _ -> network.MetaLoss, network.Latency, network.MetaJitter

        if network.Random.NextDouble() >= lossy then
            turn <- turn + 1

            let delay = latency + (if jitter > 0 then network.Random.Next jitter else 0)

            let time = now.Microseconds + int64 delay * 1000L
            queue.Enqueue(struct (other from, message), struct (time, turn))

    let rec feed (side: Side) input =
        let struct (state, outputs) = step side.Settings now (side.Entropy()) input side.State

        side.State <- state

        for output in outputs do
            carryOut side output

    and carryOut (side: Side) output =
        match output with
        | Log line -> side.Texts.Add line.Text
        | SendKeyRequest datagram ->
            side.Requests.Add now
            send side (Request datagram)
        | SendKeyAnswer datagram -> send side (Answer datagram)
        | AskPublicKey -> send side AskKey
        | StartSession(sendKey, receiveKey) ->
            side.Session <- ValueSome { SendKey = sendKey; ReceiveKeys = [ receiveKey ]; Offered = [||] }

            side.NextNumber <- 2u
            side.ForgetNumbers()
            side.BadTags <- 0
        | UseSendKey key ->
            side.Session <- side.Session |> ValueOption.map (fun session -> { session with SendKey = key })
        | OfferReceiveKey key ->
            side.Session <-
                side.Session
                |> ValueOption.map (fun session ->
                    { session with Offered = key; ReceiveKeys = key :: session.ReceiveKeys })
        | ActivateReceiveKey ->
            side.Session <-
                side.Session
                |> ValueOption.map (fun session ->
                    { session with
                        ReceiveKeys = session.Offered :: (List.truncate 2 session.ReceiveKeys) })
        | SealHandshake body ->
            match side.Session with
            | ValueSome session ->
                let datagram = seal session side.NextNumber 128uy body
                side.NextNumber <- side.NextNumber + 1u
                feed side (HandshakeSealed datagram)
            | ValueNone -> failwith "sealed without a session"
        | OpenDatagram(way, datagram) -> openDatagram side way datagram
        | RetireSession ->
            side.Retired <- side.Session
            side.Session <- ValueNone
        | DropSession ->
            side.Retired <- ValueNone
            side.Session <- ValueNone

    and openDatagram (side: Side) way (datagram: byte array) =
        let fits (session: Session) =
            datagram.Length >= 13
            && session.ReceiveKeys |> List.exists (fun key -> keyText key = datagram[5..12])

        match side.Session with
        | ValueSome session when fits session ->
            side.BadTags <- 0

            if side.IsNew(BinaryPrimitives.ReadUInt32BigEndian(ReadOnlySpan datagram)) then
                if datagram[4] = 128uy then
                    if way <> Udp then
                        feed side (HandshakeOpened datagram[13..])
                else
                    side.Delivered <- side.Delivered + 1
        | _ when side.Retired |> ValueOption.exists fits -> side.Delivered <- side.Delivered + 1
        | ValueSome _ ->
            side.BadTags <- side.BadTags + 1
            side.Failures <- side.Failures + 1
            feed side (OpenFailed(way, BadTag side.BadTags))
        | ValueNone ->
            side.Failures <- side.Failures + 1
            feed side (OpenFailed(way, NoSession))

    let receive (side: Side) message =
        match message with
        | Request datagram ->
            if side.IsStock then
                side.State <- initial
                side.Session <- ValueNone

            feed side (RequestReceived datagram)
        | Answer datagram -> feed side (AnswerReceived datagram)
        | AskKey ->
            feed side PublicKeyAsked
            send side TellKey
        | TellKey ->
            let peer = other side

            side.Settings <- { side.Settings with PeerKey = ValueSome(KeyPairs.publicOf peer.Settings.Own) }

            feed side PeerKeyLearned
        | Data datagram -> openDatagram side Udp datagram

    member _.Now = now
    member _.Feed(side, input) = feed side input
    member _.Receive(side, message) = receive side message

    /// What a node does that has a packet for the peer: sends it if it can, and sees to the key if not.
    member _.SendData(side: Side) =
        match side.Session with
        | ValueSome session when hasKey side.State ->
            let datagram = seal session side.NextNumber 0uy [||]
            side.Sent <- side.Sent + 1
            side.NextNumber <- side.NextNumber + 1u
            send side (Data datagram)
        | _ -> feed side Want

    member _.RunUntil(time: Instant) =
        let mutable message = Unchecked.defaultof<struct (Side * Message)>
        let mutable priority = struct (0L, 0)

        let due () = queue.TryPeek(&message, &priority) && (let struct (at, _) = priority in at <= time.Microseconds)

        while due () do
            queue.Dequeue() |> ignore
            let struct (at, _) = priority
            let struct (side, content) = message
            now <- max now (Instant at)
            receive side content

        now <- time

    member this.RunFor(milliseconds: int) = this.RunUntil(Instant.add (int64 milliseconds * 1000L) now)

    /// Traffic both ways for so long, a packet every 50 ms.
    member this.Talk(milliseconds: int) =
        for _ in 1 .. milliseconds / 50 do
            this.SendData a
            this.SendData b
            this.RunFor 50

let private makeSide own peer seed =
    Side(
        { Own = nameOf own
          Peer = nameOf peer
          Label = peer + " (192.0.2.1 port 655)"
          OwnKey = KeyPairs.ofName (nameOf own)
          PeerKey = ValueSome(KeyPairs.publicOf (nameOf peer)) },
        seed
    )

let private makePair network =
    let a = makeSide "alpha" "beta" 1
    let b = makeSide "beta" "alpha" 2
    struct (Pair(network, a, b), a, b)

/// Both hold the same keys, crosswise.
let private agree (a: Side) (b: Side) =
    match a.Session, b.Session with
    | ValueSome left, ValueSome right ->
        hasKey a.State
        && hasKey b.State
        && List.contains left.SendKey right.ReceiveKeys
        && List.contains right.SendKey left.ReceiveKeys
    | _ -> false

/// No more requests than one at first and one for each ten seconds.
let private isCalm (side: Side) =
    side.Requests
    |> Seq.pairwise
    |> Seq.forall (fun (earlier, later) -> Instant.between earlier later >= 10L * Instant.second)

let private check property = Check.One(Config.QuickThrowOnFailure.WithMaxTest 60, property)

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
    pair.Feed(b, OpenFailed(Udp, BadTag 1))
    pair.RunFor 5_000
    // Both have just sent something when beta loses patience.
    pair.SendData a
    pair.SendData b
    pair.Feed(b, OpenFailed(Udp, BadTag 3))
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

    let badTag () =
        run <- run + 1
        pair.Feed(a, OpenFailed(Udp, BadTag run))

    for _ in 1..100 do
        badTag ()

    Assert.True(hasKey a.State)

    // Something valid in between, as the packet plane knows it, starts the run anew.
    run <- 0

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
              Gen.map2 (fun way run -> OpenFailed(way, BadTag run)) way (Gen.choose (1, 100))
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
