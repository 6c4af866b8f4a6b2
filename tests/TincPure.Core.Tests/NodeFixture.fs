/// A node without a machine around it: inputs go in, effects are carried out or kept for the test to see, and peers that
/// speak the meta protocol as real ones do sit at the other ends of its connections.
module TincPure.Core.Tests.NodeFixture

open System
open System.Collections.Generic
open System.Security.Cryptography
open System.Text
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Config
open TincPure.Topology
open TincPure.Meta
open TincPure.Sptps
open TincPure.Routing
open TincPure.Node

let nodeName (text: string) : NodeName =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> failwith ("no name: " + text)

let endpoint (ip: string) (port: int) : Endpoint =
    match Ip.tryParse ip with
    | ValueSome ip -> Endpoint.create ip (uint16 port)
    | ValueNone -> failwith ("no address: " + ip)

let subnet (text: string) : Subnet =
    match Subnet.tryParse text with
    | Ok subnet -> subnet
    | Error _ -> failwith ("no subnet: " + text)

/// The same key pair for the same name, in every test.
let keyOf (name: string) : Ed25519.KeyPair =
    Ed25519.generate (ReadOnlySpan(SHA256.HashData(Encoding.ASCII.GetBytes("key of " + name))))

/// A host file that holds the node's public key and no more.
let hostOf (name: string) : HostSettings =
    { HostSettings.empty (nodeName name) with
        PublicKey = ValueSome (keyOf name).Public }

/// Settings of a node with a key pair and host files of some others. It connects to nobody by itself.
let settingsOf (name: string) (others: string list) : Settings =
    let key = keyOf name

    { Settings.defaults (nodeName name) "/etc/tinc" with
        PrivateKey = ValueSome(key.Private.Span.ToArray())
        PublicKey = ValueSome key.Public
        Hosts = Map.ofList [ for other in others -> nodeName other, hostOf other ]
        AutoConnect = false }

let launch: Launch =
    { Device = ValueNone
      Interface = ValueNone
      ProcessId = 4711
      Cookie = String('A', 64)
      DebugLevel = 5
      EthernetDevice = false
      Seed = Array.init 32 byte }

/// 1 January 2024.
let startOfTime = Instant 1_704_067_200_000_000L

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

/// What becomes of a TCP connection that the node wants to open.
type Door =
    | Silent
    | Refused of reason: string
    | Opened of name: string * Manner

/// The node and everything around it.
type Rig(settings: Settings, launch: Launch) =
    let inputs = Queue<Input>()
    let peers = Dictionary<ConnectionId, FakePeer>()
    let effects = List<Effect>()
    let mutable node = Node.create settings launch startOfTime
    let mutable now = startOfTime
    let mutable accepted = 0
    let mutable hosts = settings.Hosts

    let mutable recent: Map<NodeName, Endpoint list> = Map.empty

    let hostFile (name: NodeName) =
        match hosts.TryFind name with
        | Some host -> Present(host, Option.defaultValue [] (recent.TryFind name))
        | None -> Missing

    let takeOutput (peer: FakePeer) =
        match peer.TakeOutput() with
        | [||] -> ()
        | bytes -> inputs.Enqueue(Received(peer.Id, bytes))

    new(settings: Settings) = Rig(settings, launch)

    /// How connections that the node opens fare.
    member val Doors: Endpoint -> Door = (fun _ -> Silent) with get, set

    /// Whether host files are read at once when asked for.
    member val ReadsHostFiles = true with get, set

    member private _.CarryOut(effect: Effect, doors: Endpoint -> Door, readsHostFiles: bool) =
        effects.Add effect

        match effect with
        | Send(id, bytes) ->
            match peers.TryGetValue id with
            | true, peer when not peer.Stalled ->
                peer.Receive bytes
                inputs.Enqueue(Sent(id, bytes.Length))
                takeOutput peer
            | _ -> ()
        | Close id ->
            match peers.TryGetValue id with
            | true, peer -> peer.Closed <- true
            | _ -> ()
        | Tarpit id ->
            match peers.TryGetValue id with
            | true, peer -> peer.Tarpitted <- true
            | _ -> ()
        | ReadHostFile name when readsHostFiles -> inputs.Enqueue(HostFileRead(name, hostFile name))
        | SaveRecentAddresses(name, addresses) -> recent <- recent.Add(name, addresses)
        | Connect(id, target) ->
            match doors target with
            | Silent -> ()
            | Refused reason -> inputs.Enqueue(ConnectFailed(id, reason))
            | Opened(name, manner) ->
                peers[id] <- FakePeer(name, settings.Name.Text, id, manner)
                inputs.Enqueue(Connected(id, endpoint "127.0.0.1" 50000))
        | _ -> ()

    member _.Node = node
    member _.Now = now

    /// Everything that the node wanted since the last `Forget`.
    member _.Effects = List.ofSeq effects

    member _.Forget() =
        effects.Clear()

        for peer in peers.Values do
            peer.Forget()

    member this.Logs: LogLine list =
        this.Effects
        |> List.choose (fun effect ->
            match effect with
            | Log line -> Some line
            | _ -> None)

    member this.LogTexts = this.Logs |> List.map _.Text

    member this.Commands =
        this.Effects
        |> List.choose (fun effect ->
            match effect with
            | Packet(Publish _) -> None
            | Packet command -> Some command
            | _ -> None)

    member _.Host
        with get (name: string) = hosts.TryFind(nodeName name)
        and set (name: string) (host: HostSettings option) = hosts <- Map.change (nodeName name) (fun _ -> host) hosts

    /// Addresses in the cache file of a node.
    member _.Recent
        with set (name: string) (addresses: Endpoint list) = recent <- recent.Add(nodeName name, addresses)

    /// One input and what follows from it, without the end of the batch.
    member this.Step(input: Input) =
        inputs.Enqueue input

        while inputs.Count > 0 do
            let struct (next, wanted) = Node.step now (inputs.Dequeue()) node
            node <- next

            for effect in wanted do
                this.CarryOut(effect, this.Doors, this.ReadsHostFiles)

    /// The end of a batch.
    member this.Settle() =
        let struct (next, wanted) = Node.settle now node
        node <- next

        for effect in wanted do
            this.CarryOut(effect, this.Doors, this.ReadsHostFiles)

        if inputs.Count > 0 then
            this.Feed(inputs.Dequeue())

    /// One input, and the end of its batch.
    member this.Feed(input: Input) =
        this.Step input
        this.Settle()

    /// Lets time pass, and wakes the node when it wants to be woken.
    member this.Wait(span: int64) =
        let target = Instant.add span now

        while node.WakeAt <= target do
            now <- max now node.WakeAt
            this.Feed Woken

        now <- target

    member this.WaitSeconds(seconds: int) = this.Wait(int64 seconds * Instant.second)

    /// Lets the clock jump as it does over a sleep of the machine.
    member _.Sleep(seconds: int) = now <- Instant.addSeconds seconds now

    /// What a peer has to say goes in.
    member this.Flush(peer: FakePeer) =
        match peer.TakeOutput() with
        | [||] -> ()
        | bytes -> this.Feed(Received(peer.Id, bytes))

    /// One request from a peer.
    member this.Say(peer: FakePeer, line: string) =
        peer.Say line
        this.Flush peer

    member _.NextIncoming() : ConnectionId =
        accepted <- accepted + 1
        ConnectionId.Incoming accepted

    /// A peer connects to the node.
    member this.Arrive(name: string, manner: Manner) : FakePeer =
        let peer = FakePeer(name, settings.Name.Text, this.NextIncoming(), manner)
        peers[peer.Id] <- peer
        this.Feed(Accepted(peer.Id, ValueSome(endpoint "127.0.0.1" 655), Tcp manner.Address))
        this.Flush peer
        peer

    /// The peer at the other end of a connection that the node has opened.
    member _.PeerAt(id: ConnectionId) : FakePeer = peers[id]

    member _.Peers: FakePeer list = List.ofSeq peers.Values

    /// Plain bytes on a new connection; the bytes that came back.
    member this.Open(remote: Remote, bytes: byte[]) : ConnectionId =
        let id = this.NextIncoming()
        this.Feed(Accepted(id, ValueNone, remote))
        this.Feed(Received(id, bytes))
        id

    /// Bytes sent on a connection since the last `Forget`.
    member this.SentOn(id: ConnectionId) : byte[] =
        this.Effects
        |> List.choose (fun effect ->
            match effect with
            | Send(target, bytes) when target = id -> Some bytes
            | _ -> None)
        |> Array.concat

    /// Starts the node with a pair of sockets.
    member this.Start(port: int) =
        let own = [ endpoint "127.0.0.1" port ]
        this.Feed(Started(own, own))

/// The state of a peer as the node sees it.
let peerState (rig: Rig) (name: string) : PeerState voption =
    Topology.tryFind (nodeName name) rig.Node.Topology
    |> ValueOption.map (fun index -> rig.Node.Peers[index])

let isReachable (rig: Rig) (name: string) : bool =
    match peerState rig name with
    | ValueSome peer -> peer.Reachable
    | ValueNone -> false

/// The line with a random number in place of its nonce, if its request has one.
let withoutNonce (line: string) : string =
    match line.Split ' ' with
    | fields when fields.Length > 2 && List.contains fields[0] [ "10"; "11"; "12"; "13"; "14" ] ->
        fields[1] <- "NONCE"
        String.Join(' ', fields)
    | _ -> line
