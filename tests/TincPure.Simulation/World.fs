namespace TincPure.Simulation

open System
open System.Collections.Generic
open TincPure.Primitives
open TincPure.Config
open TincPure.Routing
open TincPure.Node

/// What a world is made of, besides its machines.
type WorldSettings =
    {
        Seed: uint64
        /// Keep the trace as text, and the machines' log lines.
        KeepText: bool
        /// Debug level of every node.
        DebugLevel: int
        /// A busy machine looks at its input so often: what arrives meanwhile is worked on as one batch.
        Quantum: int64
    }

module WorldSettings =

    let ofSeed (seed: uint64) =
        { Seed = seed
          KeepText = false
          DebugLevel = DebugLevel.always
          Quantum = Instant.millisecond }

/// Machines, the network between them, and the time in which they live. The second host of the core: it carries effects out
/// on a virtual network. Everything that happens follows from the seed.
[<Sealed>]
type World(settings: WorldSettings) =
    let dice = Dice settings.Seed
    let underlay = Underlay()

    // The same morning in every world.
    let clock = Clock(Instant 1_700_000_000_000_000L)
    let streams = Streams(clock, underlay, dice.Fork())
    let trace = Trace settings.KeepText
    let machines = ResizeArray<Machine>()
    let byAddress = Dictionary<Ip, Machine>()
    let nats = Dictionary<Ip, Nat>()
    let outbox = Outbox()
    let port = 655us
    let quantum = settings.Quantum

    /// What is to be written to a stream, gathered so that one batch makes one write.
    let unwritten = Dictionary<ConnectionId, ResizeArray<byte array>>()

    /// Of what nodes append to host files, disks of virtual machines understand keys that were learned.
    let append (machine: Machine) (name: NodeName) (text: string) =
        let variable = "Ed25519PublicKey = "
        let at = text.IndexOf(variable, StringComparison.Ordinal)

        if at >= 0 then
            match KeyFile.parsePublic (text.Substring(at + variable.Length).Trim()) with
            | Ok key ->
                let host = Option.defaultValue (HostSettings.empty name) (machine.Settings.Hosts.TryFind name)

                machine.Settings <-
                    { machine.Settings with
                        Hosts = machine.Settings.Hosts.Add(name, { host with PublicKey = ValueSome key }) }
            | Error _ -> ()

    let rec plan (machine: Machine) =
        if not machine.RunPlanned then
            machine.RunPlanned <- true
            clock.At(Instant.add machine.Quantum machine.LastRun, fun () -> run machine)

    and push (machine: Machine) item =
        if machine.IsRunning then
            machine.Inbox.Add item
            plan machine

    and tell (machine: Machine) input = push machine (ForNode input)

    // ---- The network

    and arrive (sender: Machine) (target: Endpoint) (source: Endpoint) (datagram: byte array) =
        let entrance =
            match nats.TryGetValue target.Ip with
            | true, nat ->
                match nat.Enter(target.Port, source) with
                | ValueSome(struct (inside, innerPort)) -> ValueSome(struct (machines[inside], innerPort))
                | ValueNone -> ValueNone
            | _ ->
                match byAddress.TryGetValue target.Ip with
                | true, machine when isNull machine.Nat || machine.Nat = sender.Nat ->
                    ValueSome(struct (machine, target.Port))
                | _ -> ValueNone

        match entrance with
        | ValueSome(struct (machine, entered)) when entered = port && machine.IsRunning ->
            let conditions = underlay.Between(sender.Index, machine.Index)

            let passes =
                conditions.Connected
                && conditions.UdpPasses
                && datagram.Length + 28 <= conditions.Mtu
                && not (dice.Chance conditions.Loss)

            if passes then
                trace.Add(clock.Now, machine.Index, "udp", ReadOnlySpan datagram)
                push machine (FromNetwork(source, datagram))
        | _ -> ()

    /// A datagram leaves a machine. Its way is looked up when it arrives, which is when a NAT and a cut would stop it.
    and transmit (machine: Machine) (target: Endpoint) (datagram: byte array) =
        machine.Counters.Datagrams <- machine.Counters.Datagrams + 1L

        let source =
            match machine.Nat with
            | null -> Endpoint.create machine.Address port
            | nat when byAddress.ContainsKey target.Ip && byAddress[target.Ip].Nat = nat ->
                Endpoint.create machine.Address port
            | nat -> nat.Leave(machine.Index, port, target)

        let conditions =
            match byAddress.TryGetValue target.Ip with
            | true, other -> underlay.Between(machine.Index, other.Index)
            | _ -> underlay.Everywhere

        let copies = if dice.Chance conditions.Duplication then 2 else 1

        for _ in 1..copies do
            let delay = conditions.Latency + dice.Below conditions.Jitter
            clock.After(delay, fun () -> arrive machine target source datagram)

    and connect (machine: Machine) (id: ConnectionId) (target: Endpoint) =
        let incarnation = machine.Incarnation
        machine.Counters.Connects <- machine.Counters.Connects + 1L
        let near = StreamEnd(machine.Index, id, tell machine)
        machine.Streams[id] <- near

        let fail reason =
            if machine.Incarnation = incarnation && not near.Closed then
                machine.Streams.Remove id |> ignore
                near.Report(ConnectFailed(id, reason))

        match byAddress.TryGetValue target.Ip with
        | true, other when isNull other.Nat || other.Nat = machine.Nat ->
            let conditions = underlay.Between(machine.Index, other.Index)

            // A SYN into a cut network is never answered: who connects will lose patience.
            if conditions.Connected then
                let accepted () =
                    if machine.Incarnation = incarnation && not near.Closed then
                        if not (other.IsRunning && target.Port = port) then
                            fail "Connection refused"
                        else
                            join machine near other

                clock.After(2L * conditions.Latency, accepted)
        | _ -> clock.After(Instant.millisecond, fun () -> fail "No route to host")

    and join (machine: Machine) (near: StreamEnd) (other: Machine) =
        other.NextAccepted <- other.NextAccepted + 1
        let id = Incoming other.NextAccepted
        let far = StreamEnd(other.Index, id, tell other)
        other.Streams[id] <- far
        streams.Join(near, far)
        let ephemeral = uint16 (32768 + dice.Below 28000)

        let seenFrom =
            match machine.Nat with
            | null -> machine.Address
            | nat -> nat.Address

        far.Report(
            Accepted(id, ValueSome(Endpoint.create other.Address port), Remote.Tcp(Endpoint.create seenFrom ephemeral))
        )

        near.Report(Connected(near.Id, ValueSome(Endpoint.create machine.Address ephemeral)))

    // ---- One machine

    and write (machine: Machine) id =
        match unwritten.TryGetValue id with
        | true, chunks ->
            unwritten.Remove id |> ignore

            match machine.Streams.TryGetValue id with
            | true, stream ->
                let bytes = Array.concat chunks
                machine.Counters.MetaBytes <- machine.Counters.MetaBytes + int64 bytes.Length
                trace.Add(clock.Now, machine.Index, "tcp", ReadOnlySpan bytes)
                streams.Write(stream, bytes)
            | _ -> ()
        | _ -> ()

    and close (machine: Machine) id =
        match machine.Streams.TryGetValue id with
        | true, stream ->
            machine.Streams.Remove id |> ignore
            streams.Close stream
        | _ -> ()

    and carryOut (machine: Machine) effect =
        let now = clock.Now

        match effect with
        | Log line ->
            machine.Counters.LogLines <- machine.Counters.LogLines + 1L
            trace.Add(now, machine.Index, line.Text, int64 line.Level)

            if settings.KeepText then
                machine.Log.Add(struct (now, line))
        | Send(id, bytes) ->
            machine.Counters.MetaMessages <- machine.Counters.MetaMessages + 1L

            match unwritten.TryGetValue id with
            | true, chunks -> chunks.Add bytes
            | _ -> unwritten[id] <- ResizeArray [ bytes ]
        | Connect(id, target) -> connect machine id target
        | ConnectToProxy(id, _)
        | RunProxy(id, _, _) -> tell machine (ConnectFailed(id, "no proxies here"))
        | Close id ->
            write machine id
            close machine id
        | Tarpit id ->
            match machine.Streams.TryGetValue id with
            | true, stream ->
                stream.Tarpitted <- true
                machine.Tarpit.Enqueue id

                if machine.Tarpit.Count > 10 then
                    close machine (machine.Tarpit.Dequeue())
            | _ -> ()
        | Resolve(request, _, host, service) ->
            match Ip.tryParse host, UInt16.TryParse service with
            | ValueSome ip, (true, number) -> tell machine (Resolved(request, Ok [ Endpoint.create ip number ]))
            | _ -> tell machine (Resolved(request, Error "Name or service not known"))
        | Packet command ->
            match command with
            | StartSession _ -> machine.Counters.Sessions <- machine.Counters.Sessions + 1L
            | UseSendKey _ -> machine.Counters.Rekeys <- machine.Counters.Rekeys + 1L
            | _ -> ()

            machine.Forwarder.Apply(command, now, outbox)
        | WakeAt time ->
            if time <> machine.WakeAt then
                machine.WakeAt <- time
                let incarnation = machine.Incarnation

                let wake () =
                    if machine.Incarnation = incarnation && machine.WakeAt = time then
                        machine.WakeAt <- Instant.distant
                        tell machine Woken

                if time < Instant.distant then
                    clock.At(time, wake)
        | RunScript script ->
            machine.Counters.Scripts <- machine.Counters.Scripts + 1L
            trace.Add(now, machine.Index, script.Name, 0L)

            if settings.KeepText then
                machine.ScriptsRun.Add script.Name
        | ReadHostFile name ->
            let recent =
                match machine.RecentAddresses.TryGetValue name with
                | true, addresses -> addresses
                | _ -> []

            match machine.Settings.Hosts.TryFind name with
            | Some host -> tell machine (HostFileRead(name, Present(host, recent)))
            | None -> tell machine (HostFileRead(name, Missing))
        | AppendHostFile(name, text) -> append machine name text
        // Nobody invites anybody here.
        | TakeInvitation(id, _) -> tell machine (InvitationTaken(id, InvitationMissing))
        | RemoveInvitation _ -> ()
        | CreateHostFile(id, _, _) -> tell machine (HostFileCreated(id, ValueSome "no disk"))
        | SaveRecentAddresses(name, addresses) -> machine.RecentAddresses[name] <- addresses
        | ReadConfiguration -> tell machine (ConfigurationRead([], ValueSome machine.Settings))
        | AskPathMtu(peer, target) -> tell machine (PathMtuKnown(peer, target.Ip.IsV6, Ok machine.InterfaceMtu))
        | LookUpName ip -> tell machine (NameFound(ip, ValueNone))
        | WriteGraph _
        | ShowUpTo _
        | ReopenLog
        | DropPrivileges -> ()
        | AskLocalAddress(source, frame, _) -> tell machine (LocalAddressKnown(source, frame, machine.DeviceAddress))
        | Exit _ -> stop machine

    and stop (machine: Machine) =
        for id in List.ofSeq unwritten.Keys do
            write machine id

        for stream in machine.Streams.Values do
            streams.Close stream

        machine.Forget()

    and step (machine: Machine) input =
        match machine.Node with
        | ValueNone -> ()
        | ValueSome node ->
            machine.Counters.Inputs <- machine.Counters.Inputs + 1L
            let struct (node, effects) = Node.step clock.Now input node
            machine.Node <- ValueSome node

            for effect in effects do
                carryOut machine effect

            match input with
            | Lost(id, _) -> close machine id
            | _ -> ()

    /// Carries out what packets led to, until they lead to nothing more.
    and flush (machine: Machine) =
        while not outbox.IsEmpty do
            let punts = outbox.Punts.ToArray()
            let refused = ResizeArray()

            for entry in outbox.Entries do
                let bytes = outbox.Arena.AsSpan(entry.Offset, entry.Length)

                if entry.Kind = EntryKind.Device then
                    output machine (Span.op_Implicit bytes)
                elif entry.Length + 28 > machine.InterfaceMtu then
                    refused.Add(PathTooSmall(entry.Peer, entry.Payload))
                else
                    transmit machine entry.Target (bytes.ToArray())

            outbox.Reset()

            for punt in punts do
                step machine (Punted punt)

            for punt in refused do
                step machine (Punted punt)

    and output (machine: Machine) (frame: ReadOnlySpan<byte>) =
        machine.Counters.Frames <- machine.Counters.Frames + 1L
        trace.Add(clock.Now, machine.Index, "device", frame)

        match Frames.tryRead frame with
        | ValueSome(struct (_, number)) -> machine.Received[number] <- machine.Arrivals number + 1
        | ValueNone -> ()

    and settle (machine: Machine) =
        match machine.Node with
        | ValueNone -> ()
        | ValueSome node ->
            let struct (node, effects) = Node.settle clock.Now node
            machine.Node <- ValueSome node

            for effect in effects do
                carryOut machine effect

            flush machine

    and run (machine: Machine) =
        machine.RunPlanned <- false
        machine.LastRun <- clock.Now

        if machine.IsRunning then
            let items = machine.Inbox
            machine.Inbox <- ResizeArray()

            for item in items do
                if not outbox.HasRoom then
                    flush machine

                match item with
                | ForNode input -> step machine input
                | FromNetwork(source, datagram) ->
                    machine.Forwarder.FromSocket(0, source, Span datagram, clock.Now, outbox)
                | FromDevice frame -> machine.Forwarder.FromDevice(Span frame, clock.Now, outbox)

            flush machine
            settle machine

            for id in List.ofSeq unwritten.Keys do
                write machine id

            unwritten.Clear()
            let counters = machine.Counters
            let mutable queued = 0

            for stream in machine.Streams.Values do
                queued <- queued + stream.Queued

            counters.MostConnections <- max counters.MostConnections machine.Streams.Count
            counters.MostQueued <- max counters.MostQueued queued

    let mutable packets = 0L

    member _.Now: Instant = clock.Now
    member _.Underlay: Underlay = underlay
    member _.Streams: Streams = streams
    member _.Trace: Trace = trace
    member _.Dice: Dice = dice
    member _.Machines: IReadOnlyList<Machine> = machines

    /// Events of virtual time that happened: what simulation speed is measured in.
    member _.Events: int64 = clock.Happened

    /// Adds a machine, switched off. `address` is its own on the underlay; behind a NAT, on the inside of it.
    member _.Add(address: Ip, deviceAddress: Ip, own: Settings) : Machine =
        let machine = Machine(machines.Count, address, deviceAddress, quantum, own)
        machines.Add machine
        byAddress[address] <- machine
        machine

    /// Puts a machine behind a NAT.
    member _.Hide(machine: Machine, nat: Nat) : unit =
        machine.Nat <- nat
        nats[nat.Address] <- nat

    /// Starts a node on a machine that is off.
    member _.Start(machine: Machine) : unit =
        if not machine.IsRunning then
            let launch =
                { Device = ValueSome "/dev/net/tun"
                  Interface = ValueSome "vpn"
                  ProcessId = 1
                  Cookie = String('0', 64)
                  DebugLevel = settings.DebugLevel
                  DeviceInfo = ValueNone
                  DeviceAddress = ValueNone
                  Seed = dice.Bytes 32 }

            machine.Forwarder <- Forwarder()
            machine.Node <- ValueSome(Node.create machine.Settings launch clock.Now)
            let local = Endpoint.create machine.Address port
            tell machine (Started([ local ], [ local ]))

    /// The node is told to leave, and says goodbye.
    member _.Terminate(machine: Machine) : unit = tell machine (Signalled Signal.Terminate)

    /// The process dies; the kernel closes its connections.
    member _.Kill(machine: Machine) : unit = stop machine

    /// The machine is off at once, and nobody is told.
    member _.PowerOff(machine: Machine) : unit =
        for stream in machine.Streams.Values do
            streams.Vanish stream

        machine.Forget()

    member _.At(time: Instant, action: unit -> unit) : unit = clock.At(time, action)

    member _.RunUntil(time: Instant) : unit = clock.RunUntil time

    member _.RunFor(seconds: float) : unit = clock.RunUntil(Instant.add (int64 (seconds * 1e6)) clock.Now)

    /// Lets time pass until the condition holds, looking every `every` seconds; false when `limit` seconds were not enough.
    member this.RunUntil(condition: unit -> bool, every: float, limit: float) : bool =
        let last = Instant.add (int64 (limit * 1e6)) clock.Now
        let mutable met = condition ()

        while not met && clock.Now < last do
            this.RunFor every
            met <- condition ()

        met

    /// A machine's kernel sends a packet to another machine's device; the packet's number.
    member _.Send(from: Machine, target: Machine, frameLength: int) : int64 =
        packets <- packets + 1L
        push from (FromDevice(Frames.ipv4 from.DeviceAddress target.DeviceAddress packets frameLength))
        packets
