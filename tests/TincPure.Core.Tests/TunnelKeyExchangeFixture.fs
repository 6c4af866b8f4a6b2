/// Two ends of a tunnel that make keys over a network that loses, repeats and reorders.
module TincPure.Core.Tests.TunnelKeyExchangeFixture

open System
open System.Buffers.Binary
open System.Collections.Generic
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Tunnel
open TincPure.Tunnel.KeyExchange

// Two key exchanges against each other, with a model of the packet plane under each and a network between them that the
// test bends as it likes.

let nameOf text =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> failwith text

module KeyPairs =
    let ofName (name: NodeName) =
        Ed25519.generate (ReadOnlySpan(Array.init 32 (fun i -> byte (name.Text[i % name.Text.Length]))))

    let publicOf (name: NodeName) = (ofName name).Public

/// A session as the packet plane keeps it: "sealing" writes down the key's first bytes, "opening" compares them.
type Session = { SendKey: byte array; ReceiveKeys: byte array list; Offered: byte array }

type Message =
    | Request of byte array
    | Answer of byte array
    | AskKey
    | TellKey
    | Data of byte array

type Network =
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

let perfect seed =
    { Random = Random seed
      Latency = 40
      MetaJitter = 0
      MetaLoss = 0.0
      UdpLatency = 40
      UdpJitter = 0
      UdpLoss = 0.0 }

let keyText (key: byte array) = Array.sub key 0 8

let seal (session: Session) number (kind: byte) (body: byte array) =
    let header = Array.zeroCreate 4
    BinaryPrimitives.WriteUInt32BigEndian(Span header, number)
    Array.concat [ header; [| kind |]; keyText session.SendKey; body ]

type Side(settings: Settings, seed: int) =
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
    member val BadTagsSince = Instant.never with get, set
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

type Pair(network: Network, a: Side, b: Side) =
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
            if side.BadTags = 0 then
                side.BadTagsSince <- now

            side.BadTags <- side.BadTags + 1
            side.Failures <- side.Failures + 1
            feed side (OpenFailed(way, BadTag(side.BadTags, side.BadTagsSince)))
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

let makeSide own peer seed =
    Side(
        { Own = nameOf own
          Peer = nameOf peer
          Label = peer + " (192.0.2.1 port 655)"
          OwnKey = KeyPairs.ofName (nameOf own)
          PeerKey = ValueSome(KeyPairs.publicOf (nameOf peer)) },
        seed
    )

let makePair network =
    let a = makeSide "alpha" "beta" 1
    let b = makeSide "beta" "alpha" 2
    struct (Pair(network, a, b), a, b)

/// Both hold the same keys, crosswise.
let agree (a: Side) (b: Side) =
    match a.Session, b.Session with
    | ValueSome left, ValueSome right ->
        hasKey a.State
        && hasKey b.State
        && List.contains left.SendKey right.ReceiveKeys
        && List.contains right.SendKey left.ReceiveKeys
    | _ -> false

/// No more requests than one at first and one for each ten seconds.
let isCalm (side: Side) =
    side.Requests
    |> Seq.pairwise
    |> Seq.forall (fun (earlier, later) -> Instant.between earlier later >= 10L * Instant.second)

let check property = Check.One(Config.QuickThrowOnFailure.WithMaxTest 60, property)
