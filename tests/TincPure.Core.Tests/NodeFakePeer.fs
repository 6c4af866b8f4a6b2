/// Peers that speak the meta protocol as real ones do, at the other ends of a node's connections.
module TincPure.Core.Tests.NodeFakePeer

open System
open System.Collections.Generic
open System.Security.Cryptography
open System.Text
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Sptps
open TincPure.Node

let nodeName (text: string) : NodeName =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> failwith ("no name: " + text)

let endpoint (ip: string) (port: int) : Endpoint =
    match Ip.tryParse ip with
    | ValueSome ip -> Endpoint.create ip (uint16 port)
    | ValueNone -> failwith ("no address: " + ip)

/// The same key pair for the same name, in every test.
let keyOf (name: string) : Ed25519.KeyPair =
    Ed25519.generate (ReadOnlySpan(SHA256.HashData(Encoding.ASCII.GetBytes("key of " + name))))

/// What a fake peer got on an established connection, in order.
type Delivery =
    | Text of string
    /// The record behind PACKET.
    | Frame of byte[]
    /// The bytes behind SPTPS_PACKET.
    | Block of byte[]

/// How a fake peer presents itself.
type Manner =
    {
        Address: Endpoint
        /// Version in its ID.
        Minor: int
        AckPort: string
        AckWeight: int
        AckOptions: uint32
        /// It sends ACK by itself.
        Acknowledges: bool
    }

let manner: Manner =
    { Address = endpoint "127.0.0.1" 40000
      Minor = 7
      AckPort = "655"
      AckWeight = 0
      AckOptions = 0x0700000cu
      Acknowledges = true }

/// The other end of one connection of `own`: plain lines, then an SPTPS stream, then requests, as spec 02 has it.
type FakePeer(name: string, own: string, id: ConnectionId, manner: Manner) =
    let greetings = List<string>()
    let deliveries = List<Delivery>()
    let outbox = List<byte[]>()
    let mutable random =
        Drbg.create (SHA256.HashData(Encoding.ASCII.GetBytes("random of " + name + string id)))
    let mutable rest: byte[] = [||]
    let mutable session: Stream.Session voption = ValueNone
    let mutable frameLength = 0
    let mutable blockLength = 0
    let mutable answersPings = true

    let isOpener =
        match id with
        | ConnectionId.Incoming _ -> true
        | ConnectionId.Outgoing _ -> false

    let draw count =
        let struct (bytes, next) = Drbg.next count random
        random <- next
        bytes

    let line (text: string) = Encoding.Latin1.GetBytes(text + "\n")

    let record (data: byte[]) =
        match session with
        | ValueSome current ->
            match Stream.send 0uy (ReadOnlySpan data) current with
            | Ok struct (bytes, next) ->
                session <- ValueSome next
                outbox.Add bytes
            | Error error -> failwith (name + " cannot send: " + Error.text error)
        | ValueNone -> failwith (name + " has no session")

    let ownId () = outbox.Add(line ("0 " + name + " 17." + string manner.Minor))

    let startSession () =
        let parameters: Handshake.Parameters =
            { Role = if isOpener then Handshake.Initiator else Handshake.Responder
              Own = keyOf name
              Peer = (keyOf own).Public
              Label =
                if isOpener then
                    Handshake.Label.meta (nodeName name) (nodeName own)
                else
                    Handshake.Label.meta (nodeName own) (nodeName name) }

        let struct (records, started) = Stream.start (draw Handshake.RandomSize) parameters
        session <- ValueSome started
        outbox.AddRange records

    let greeted (text: string) =
        greetings.Add text

        if text.StartsWith("0 ", StringComparison.Ordinal) && manner.Minor >= 2 then
            if not isOpener then
                ownId ()

            startSession ()

    let announced (text: string) =
        deliveries.Add(Text text)

        match text.Split ' ' with
        | [| "8" |] when answersPings -> record (line "9")
        | [| "17"; length |] -> frameLength <- int length
        | [| "21"; length |] -> blockLength <- int length
        | _ -> ()

    let event (event: Stream.Event) =
        match event with
        | Stream.HandshakeComplete ->
            if manner.Acknowledges then
                record (
                    line ("4 " + manner.AckPort + " " + string manner.AckWeight + " " + manner.AckOptions.ToString "x")
                )
        | Stream.Record(_, data) when frameLength > 0 ->
            frameLength <- 0
            deliveries.Add(Frame data)
        | Stream.Record(_, data) -> announced ((Encoding.Latin1.GetString data).TrimEnd '\n')

    let rec pump () =
        match session with
        | ValueNone ->
            match Array.IndexOf(rest, '\n'B) with
            | -1 -> ()
            | at ->
                let text = Encoding.Latin1.GetString(rest, 0, at)
                rest <- rest[at + 1 ..]
                greeted text
                pump ()
        | ValueSome _ when blockLength > 0 ->
            if rest.Length >= blockLength then
                deliveries.Add(Block rest[.. blockLength - 1])
                rest <- rest[blockLength..]
                blockLength <- 0
                pump ()
        | ValueSome current ->
            if rest.Length > 0 then
                match Stream.receive (draw Handshake.RandomSize) (ReadOnlySpan rest) current with
                | Ok received ->
                    session <- ValueSome received.Session
                    rest <- rest[received.Consumed ..]
                    outbox.AddRange received.Outgoing
                    ValueOption.iter event received.Event
                    pump ()
                | Error error -> failwith (name + " cannot read: " + Error.text error)

    do
        if isOpener then
            ownId ()

    member _.Name = name
    member _.Id = id
    member _.Manner = manner

    /// The node has closed the connection, or fell silent on it.
    member val Closed = false with get, set
    member val Tarpitted = false with get, set
    /// It does not read: what the node sends piles up.
    member val Stalled = false with get, set
    member _.AnswersPings
        with get () = answersPings
        and set (value: bool) = answersPings <- value

    member _.Greetings = List.ofSeq greetings
    member _.Deliveries = List.ofSeq deliveries
    member _.Forget() = deliveries.Clear()

    /// Requests got since the last `Forget`.
    member _.Lines =
        [ for delivery in deliveries do
              match delivery with
              | Text text -> text
              | Frame _
              | Block _ -> () ]

    /// What it has to say, which becomes input of the node.
    member _.TakeOutput() : byte[] =
        let bytes = Array.concat outbox
        outbox.Clear()
        bytes

    member _.Receive(bytes: byte[]) =
        rest <- Array.append rest bytes
        pump ()

    /// Puts a request on the connection.
    member _.Say(text: string) = record (line text)

    member _.SayRecord(data: byte[]) = record data

    /// Puts bytes on the stream, past the session.
    member _.SayRaw(bytes: byte[]) = outbox.Add bytes
