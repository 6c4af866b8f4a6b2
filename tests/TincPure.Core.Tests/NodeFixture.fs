/// A node without a machine around it: inputs go in, effects are carried out or kept for the test to see.
module TincPure.Core.Tests.NodeFixture

open System
open System.Collections.Generic
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Routing
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer

let subnet (text: string) : Subnet =
    match Subnet.tryParse text with
    | Ok subnet -> subnet
    | Error _ -> failwith ("no subnet: " + text)

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
      DeviceInfo = ValueNone
      DeviceAddress = ValueNone
      Seed = Array.init 32 byte }

/// 1 January 2024.
let startOfTime = Instant 1_704_067_200_000_000L

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
    let mutable nonce = 0x10000
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
                inputs.Enqueue(Connected(id, ValueSome(endpoint "127.0.0.1" 50000)))
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

    /// From now on the peer gets what the node sends on its connection.
    member _.Adopt(peer: FakePeer) = peers[peer.Id] <- peer

    /// A peer connects to the node.
    member this.Arrive(name: string, manner: Manner) : FakePeer =
        let peer = FakePeer(name, settings.Name.Text, this.NextIncoming(), manner)
        this.Adopt peer
        this.Feed(Accepted(peer.Id, ValueSome(endpoint "127.0.0.1" 655), Tcp manner.Address))
        this.Flush peer
        peer

    /// A number that no line had before.
    member _.Nonce() : string =
        nonce <- nonce + 1
        nonce.ToString "x"

    /// A flooded request: a nonce is put between its number and the rest.
    member this.Flood(peer: FakePeer, number: string, rest: string) =
        this.Say(peer, number + " " + this.Nonce() + " " + rest)

    /// The same, before the end of the batch.
    member this.FloodInBatch(peer: FakePeer, number: string, rest: string) =
        peer.Say(number + " " + this.Nonce() + " " + rest)

        match peer.TakeOutput() with
        | [||] -> ()
        | bytes -> this.Step(Received(peer.Id, bytes))

    /// A peer connects to the node and tells of its edge, so that it is a reachable neighbour. The first is at 192.0.2.1.
    member this.Neighbour(name: string) : FakePeer =
        let number = string (accepted + 1)

        let peer =
            this.Arrive(name, { manner with Address = endpoint ("192.0.2." + number) 40000; AckWeight = 50 })

        this.Flood(peer, "12", name + " " + settings.Name.Text + " 192.0.2.200 655 700000c 25")
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
