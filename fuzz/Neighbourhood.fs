namespace TincPure.Fuzz

open System
open System.Collections.Generic
open System.Text
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Sptps
open TincPure.Tunnel
open TincPure.Routing
open TincPure.Node

/// The node that is tried, `alpha`, in one of several configurations.
[<RequireQualifiedAccess>]
type Variant =
    | Plain
    | TunnelServer
    | StrictSubnets
    | SwitchWithAutoConnect

/// Someone at the other end of a meta connection of ours.
type Neighbour =
    {
        Name: string
        Id: ConnectionId
        Endpoint: Endpoint
        Party: Party
        /// Bytes of a raw block that stand in the stream next.
        Raw: int
        /// We have closed the connection.
        IsClosed: bool
    }

/// Our node and what surrounds it, from input to input: effects are carried out at once, by a real packet plane and a
/// pretended machine. `Fork` begins anew from a moment, as cheaply as the node itself allows.
[<Sealed>]
type Neighbourhood private (node: Node, now: Instant, neighbours: Neighbour list, commands: PacketCommand list) =
    static let outbox = Outbox()
    static let honest = ConnectionId.Incoming 2

    let queue = Queue<Input>()
    let forwarder = Forwarder()
    let commands = List<PacketCommand>(List.rev commands)
    let neighbours = List<Neighbour>(neighbours)
    let mutable node = node
    let mutable now = now
    let mutable device = 0

    let random = Fixed.bytes 30 Handshake.RandomSize

    do
        for command in commands do
            outbox.Reset()
            forwarder.Apply(command, now, outbox)

    /// Inputs that one input of ours may lead to.
    let longestTalk = 20_000

    let setNeighbour (neighbour: Neighbour) =
        let at = neighbours.FindIndex(fun other -> other.Id = neighbour.Id)
        if at < 0 then neighbours.Add neighbour else neighbours[at] <- neighbour

    new(node, now) = Neighbourhood(node, now, [], [])

    /// The connection of the neighbour that can be trusted: it reads everything.
    static member Honest = honest

    member _.Node = node
    member _.Now = now
    /// Frames that the device got.
    member _.DeviceFrames = device
    member _.Neighbours = List.ofSeq neighbours
    /// Told every effect.
    member val OnEffect: Effect -> unit = ignore with get, set
    /// Told the lines that a neighbour got.
    member val OnLine: Neighbour -> string -> unit = (fun _ _ -> ()) with get, set

    member _.Fork() : Neighbourhood = Neighbourhood(node, now, List.ofSeq neighbours, List.rev (List.ofSeq commands))

    member _.TryNeighbour(id: ConnectionId) : Neighbour voption =
        match neighbours.FindIndex(fun neighbour -> neighbour.Id = id) with
        | -1 -> ValueNone
        | at -> ValueSome neighbours[at]

    member _.SetNeighbour(neighbour: Neighbour) : unit = setNeighbour neighbour

    member private _.Punts() : unit =
        for entry in outbox.Entries do
            if entry.Kind = EntryKind.Device then
                device <- device + 1

        for punt in outbox.Punts do
            queue.Enqueue(Punted punt)

    member private this.Plane(act: Forwarder -> unit) : unit =
        outbox.Reset()
        act forwarder
        this.Punts()

    /// A neighbour reads what we send it. It answers PING, so that it is not taken for dead.
    member private this.Read(neighbour: Neighbour, bytes: byte[]) : unit =
        if neighbour.Raw > 0 then
            setNeighbour { neighbour with Raw = max 0 (neighbour.Raw - bytes.Length) }
        else
            let struct (answer, data, party) = Party.receive random bytes neighbour.Party
            let reads = party.Received > neighbour.Party.Received || neighbour.Id <> honest
            Target.check reads "an honest neighbour cannot read what we send"
            let mutable neighbour = { neighbour with Party = party }

            if answer.Length > 0 then
                queue.Enqueue(Received(neighbour.Id, answer))

            for record in data do
                let line = (Encoding.Latin1.GetString record).TrimEnd '\n'
                this.OnLine neighbour line

                match line.Split ' ' with
                | [| "8" |] ->
                    let struct (pong, party) = Party.seal 0uy "9\n"B neighbour.Party
                    neighbour <- { neighbour with Party = party }
                    queue.Enqueue(Received(neighbour.Id, pong))
                | [| "21"; length |] -> neighbour <- { neighbour with Raw = Int32.Parse length }
                | _ -> ()

            setNeighbour neighbour

    member private this.CarryOut(effect: Effect) : unit =
        this.OnEffect effect

        match effect with
        | Send(id, bytes) ->
            queue.Enqueue(Sent(id, bytes.Length))

            match this.TryNeighbour id with
            | ValueSome neighbour when not neighbour.IsClosed -> this.Read(neighbour, bytes)
            | _ -> ()
        | Close id
        | Tarpit id ->
            match this.TryNeighbour id with
            | ValueSome neighbour -> setNeighbour { neighbour with IsClosed = true }
            | ValueNone -> ()
        | Packet command ->
            match command with
            | Publish _ ->
                // Only the last one matters to a fork.
                commands.RemoveAll(fun earlier -> earlier.IsPublish) |> ignore
                commands.Add command
            | StartSession _
            | RetireSession _
            | DropSession _
            | UseSendKey _
            | OfferReceiveKey _
            | ActivateReceiveKey _ -> commands.Add command
            | _ -> ()

            this.Plane(fun forwarder -> forwarder.Apply(command, now, outbox))
        | ReadHostFile name ->
            let file =
                match node.Settings.Hosts.TryFind name with
                | Some host -> Present(host, [])
                | None -> Missing

            queue.Enqueue(HostFileRead(name, file))
        | Connect(id, _)
        | ConnectToProxy(id, _)
        | RunProxy(id, _, _) -> queue.Enqueue(ConnectFailed(id, "Connection refused"))
        | Resolve(request, _, _, _) ->
            queue.Enqueue(Resolved(request, Ok [ Endpoint.create (Ip.v4 0xc0000263u) 655us ]))
        | AskPathMtu(peer, target) -> queue.Enqueue(PathMtuKnown(peer, target.Ip.IsV6, Ok 1500))
        | AskLocalAddress(source, frame, sender) -> queue.Enqueue(LocalAddressKnown(source, frame, sender))
        | ReadConfiguration -> queue.Enqueue(ConfigurationRead([], ValueSome node.Settings))
        // The rest has no answer, or none that matters here.
        | _ -> ()

    /// Everything that is waiting, and what comes of it.
    member private this.Run() : unit =
        let mutable steps = 0

        while queue.Count > 0 do
            while queue.Count > 0 do
                steps <- steps + 1
                Target.check (steps < longestTalk) "a talk without end"
                let struct (next, effects) = Node.step now (queue.Dequeue()) node
                node <- next
                List.iter this.CarryOut effects

            let struct (next, effects) = Node.settle now node
            node <- next
            List.iter this.CarryOut effects

    member this.Feed(input: Input) : unit =
        queue.Enqueue input
        this.Run()

    /// Lets time pass.
    member this.Wait(microseconds: int64) : unit =
        let target = Instant.add microseconds now
        let mutable wakes = 0

        while node.WakeAt <= target && wakes < 400 do
            wakes <- wakes + 1
            now <- max now node.WakeAt
            this.Feed Woken

        now <- target

    /// A datagram from the network.
    member this.Datagram(source: Endpoint, datagram: byte[]) : unit =
        this.Plane(fun forwarder -> forwarder.FromSocket(0, source, Span datagram, now, outbox))
        this.Run()

    /// A frame from the device.
    member this.Frame(frame: byte[]) : unit =
        this.Plane(fun forwarder -> forwarder.FromDevice(Span frame, now, outbox))
        this.Run()

    /// A neighbour sends a record of this type.
    member this.Say(id: ConnectionId, recordType: byte, data: byte[]) : unit =
        match this.TryNeighbour id with
        | ValueSome neighbour ->
            let struct (bytes, party) = Party.seal recordType data neighbour.Party
            setNeighbour { neighbour with Party = party }
            this.Feed(Received(id, bytes))
        | ValueNone -> ()

module Neighbourhood =

    let private key name = Fixed.keyPair (String.length name + int name[0])

    let private subnet (text: string) =
        match Subnet.tryParse text with
        | Ok subnet -> subnet
        | Error _ -> Target.broken ("no subnet: " + text)

    let endpoint (ip: uint32) : Endpoint = Endpoint.create (Ip.v4 ip) 655us

    let ownSubnets = [ subnet "10.0.1.0/24"; subnet "2001:db8:1::/64" ]

    let ownName = Fixed.name "alpha"

    let hostile = ConnectionId.Incoming 1

    let honest = Neighbourhood.Honest

    let private host name subnets =
        { HostSettings.empty (Fixed.name name) with
            PublicKey = ValueSome (key name).Public
            Subnets = List.map subnet subnets }

    let private invitationKey: KeyPair =
        let key = Fixed.keyPair 60
        { Private = key.Private.Span.ToArray(); Public = key.Public }

    let settings (variant: Variant) : Settings =
        let own = key "alpha"

        { Settings.defaults ownName "/etc/tinc" with
            PrivateKey = ValueSome(own.Private.Span.ToArray())
            PublicKey = ValueSome own.Public
            Own = { HostSettings.empty ownName with Subnets = ownSubnets }
            Hosts =
                Map
                    [ Fixed.name "fake", host "fake" [ "10.0.2.0/24" ]
                      Fixed.name "obs", host "obs" [ "10.0.3.0/24" ]
                      Fixed.name "third",
                      { host "third" [ "10.0.4.0/24" ] with
                          Addresses = [ { Host = "third.example"; Port = "655" } ] } ]
            InvitationKey = ValueSome invitationKey
            TunnelServer = (variant = Variant.TunnelServer)
            StrictSubnets = (variant = Variant.StrictSubnets)
            AutoConnect = (variant = Variant.SwitchWithAutoConnect)
            Mode = (if variant = Variant.SwitchWithAutoConnect then Switch else Router) }

    let private launch: Launch =
        { Device = ValueSome "/dev/net/tun"
          Interface = ValueSome "vpn"
          ProcessId = 4711
          Cookie = String('A', 64)
          DebugLevel = DebugLevel.scaryThings
          DeviceInfo = ValueNone
          DeviceAddress = ValueNone
          Seed = Array.init 32 byte }

    /// A node alone, started.
    let alone (variant: Variant) : Neighbourhood =
        let start = Instant 1_700_000_000_000_000L
        let world = Neighbourhood(Node.create (settings variant) launch start, start)
        let own = [ endpoint 0x7f000001u ]
        world.Feed(Started(own, own))
        world

    /// A neighbour logs in, as it should.
    let login (name: string) (id: ConnectionId) (address: Endpoint) (world: Neighbourhood) : unit =
        let struct (kex, party) =
            Party.start
                (Fixed.bytes (int name[0]) Handshake.RandomSize)
                { Role = Handshake.Initiator
                  Own = key name
                  Peer = (key "alpha").Public
                  Label = Handshake.Label.meta (Fixed.name name) ownName }

        // Our greeting is not part of the session: 13 bytes, a raw block as it were.
        let greeting = "0 alpha 17.7\n".Length

        world.SetNeighbour
            { Name = name
              Id = id
              Endpoint = address
              Party = party
              Raw = greeting
              IsClosed = false }

        world.Feed(Accepted(id, ValueSome(endpoint 0x7f000001u), Tcp address))
        // Its KEX must be there before it sees ours, which it signs at once.
        world.Feed(Received(id, Array.append (Encoding.ASCII.GetBytes("0 " + name + " 17.7\n")) kex))
        world.Say(id, 0uy, Encoding.ASCII.GetBytes "4 655 10 700000c\n")

    /// A neighbour begins a data session with us, as it should.
    let private exchangeKeys (id: ConnectionId) (world: Neighbourhood) : FirstHandshake.Keys =
        let name =
            match world.TryNeighbour id with
            | ValueSome neighbour -> neighbour.Name
            | ValueNone -> ""

        let answers = Queue<byte[]>()
        let say (line: string) = world.Say(id, 0uy, Encoding.ASCII.GetBytes(line + "\n"))
        let answer (datagram: byte[]) =
            say ("16 " + name + " alpha " + Base64.encode (ReadOnlySpan datagram) + " -1 -1 -1 0")

        world.OnLine <-
            fun neighbour line ->
                match line.Split ' ' with
                | fields when neighbour.Id = id && fields[0] = "16" ->
                    ValueOption.iter answers.Enqueue (Base64.decode fields[3])
                | _ -> ()

        let struct (attempt, datagrams) =
            FirstHandshake.start
                (Fixed.bytes (100 + int name[0]) Handshake.RandomSize)
                { Role = Handshake.Initiator
                  Own = key name
                  Peer = (key "alpha").Public
                  Label = Handshake.Label.data (Fixed.name name) ownName }

        for datagram in datagrams do
            say ("15 " + name + " alpha 15 " + Base64.encode (ReadOnlySpan datagram))

        let rec goOn (attempt: FirstHandshake.Attempt) =
            if answers.Count = 0 then
                Target.broken "no data session"
            else
                match FirstHandshake.receive (answers.Dequeue()) attempt with
                | Ok { Keys = ValueSome keys } -> keys
                | Ok progress ->
                    List.iter answer progress.Answers
                    goOn progress.Attempt
                | Error error -> Target.broken (Error.text error)

        let keys = goOn attempt
        world.OnLine <- fun _ _ -> ()
        keys

    /// Two neighbours, one of which can be trusted, and a node behind that one. The other has a data session with us,
    /// whose keys as it sees them come out too.
    let create (variant: Variant) : struct (Neighbourhood * FirstHandshake.Keys) =
        let world = alone variant
        login "fake" hostile (endpoint 0xc0000202u) world
        login "obs" honest (endpoint 0xc0000203u) world

        for line in
            [ "10 1 obs 10.0.3.0/24"
              "12 2 obs alpha 127.0.0.1 655 700000c 10"
              "12 3 obs third 192.0.2.4 655 700000c 10"
              "12 4 third obs 192.0.2.3 655 700000c 10"
              "10 5 third 10.0.4.0/24" ] do
            world.Say(honest, 0uy, Encoding.ASCII.GetBytes(line + "\n"))

        for line in [ "12 6 fake alpha 127.0.0.1 655 700000c 10"; "10 7 fake 10.0.2.0/24" ] do
            world.Say(hostile, 0uy, Encoding.ASCII.GetBytes(line + "\n"))

        Target.check (world.Node.Established.Count = 2) "the neighbours are not connected"
        let keys = exchangeKeys hostile world
        struct (world, keys)
