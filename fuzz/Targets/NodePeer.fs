/// A neighbour that has logged in and now sends our node what it likes: request lines, and lines that begin with `!` and
/// say what else happens.
module TincPure.Fuzz.NodePeer

open System
open System.Collections.Generic
open System.Security.Cryptography
open System.Text
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Sptps
open TincPure.Tunnel
open TincPure.Packet
open TincPure.Meta
open TincPure.Routing
open TincPure.Node

let private variants =
    [| Variant.Plain; Variant.TunnelServer; Variant.StrictSubnets; Variant.SwitchWithAutoConnect |]

let private worlds = [| for variant in variants -> lazy (Neighbourhood.create variant) |]

/// A number at the start of a text, and what is behind it.
let private number (text: string) : struct (int * string) =
    let mutable at = 0
    let value = Scan.int32 text &at |> ValueOption.defaultValue 0
    struct (value, text.Substring(min text.Length at).TrimStart ' ')

let private bytes (digits: string) : byte[] = Hex.decode 4096 (String.filter Char.IsAsciiHexDigit digits)

let private latin1 (text: string) = Encoding.Latin1.GetBytes text

/// What an effect says, for comparing two runs.
let private digestOf (hash: IncrementalHash) (effect: Effect) =
    let add (text: string) = hash.AppendData(Encoding.UTF8.GetBytes text)

    match effect with
    | Log line -> add line.Text
    | Send(id, bytes) ->
        add (if id = Neighbourhood.honest then "honest" else "other")
        hash.AppendData bytes
    | Packet(StartSession(peer, sendKey, receiveKey, _)) ->
        add ("start " + peer.ToString())
        hash.AppendData sendKey
        hash.AppendData receiveKey
    | Packet(SendProbe(peer, target, _, payload)) ->
        add ("probe " + peer.ToString() + Endpoint.toText target)
        hash.AppendData payload
    | WakeAt at -> add (at.Microseconds.ToString())
    | RunScript script -> add script.Name
    | _ -> add "effect"

/// One run of a script.
type private Run(behaviour: Behaviour, text: string) =
    let lines = text.Split '\n'
    let variant = if text.StartsWith '!' && text.Length > 1 then int text[1] % 4 else 0
    let struct (start, keys) = worlds[variant].Value
    let world = start.Fork()
    let remote = Session(keys.Send, keys.Receive, 16)
    let before = start.Node
    let digest = IncrementalHash.CreateHash HashAlgorithmName.SHA256
    let fake = (ValueOption.defaultValue 0 (Topology.tryFind (Fixed.name "fake") before.Topology))
    let mutable sentBytes = 0L
    let mutable receivedBytes = 0L
    let mutable moves = 0
    let mutable waited = 0L
    let mutable newConnections = 10
    /// Our own defence against a second node of our name.
    let mutable isSilenced = false

    let check = Target.check

    let scriptIsSane (script: Script) =
        for _, value in script.Environment do
            check (value.IndexOfAny [| '\000'; '\n' |] < 0) "a script gets a line end or NUL"

        check (not (script.Name.Contains "..")) "a script elsewhere"

    let onEffect (effect: Effect) =
        digestOf digest effect

        match effect with
        | Log line ->
            behaviour.SawText line.Text
            isSilenced <- isSilenced || line.Text.StartsWith "Possible node with same Name"
        | Send(_, bytes) -> sentBytes <- sentBytes + int64 bytes.Length
        | RunScript script -> scriptIsSane script
        | AppendHostFile(name, text) ->
            behaviour.Saw "append"
            check (not (before.Settings.Hosts.ContainsKey name)) "a host file with a key gets another"
            check (text.Split('\n').Length = 4 && text.Length < 120) "a host file gets more than a key"
        | Packet(StartSession _) -> behaviour.Saw "session"
        | Packet(RelayDatagram _) -> behaviour.Saw "relay"
        | Packet(RouteFrame _) -> behaviour.Saw "frame"
        | Connect _ -> behaviour.Saw "connect"
        | Exit _ -> Target.broken "a peer ends the daemon"
        | _ -> ()

    let say (id: ConnectionId) (recordType: byte) (data: byte[]) =
        receivedBytes <- receivedBytes + int64 data.Length + 20L
        world.Say(id, recordType, data)

    let line (id: ConnectionId) (text: string) = say id 0uy (latin1 (text + "\n"))

    let raw (id: ConnectionId) (data: byte[]) =
        receivedBytes <- receivedBytes + int64 data.Length
        world.Feed(Received(id, data))

    let idOf (name: string) =
        match NodeName.tryParse name with
        | ValueSome name -> NodeId.ofName name
        | ValueNone -> NodeId.none

    let block (destination: string) (source: string) (datagram: byte[]) =
        let block = Array.zeroCreate<byte>(2 * NodeId.size + datagram.Length)
        NodeId.write (idOf destination) (Span(block, 0, NodeId.size))
        NodeId.write (idOf source) (Span(block, NodeId.size, NodeId.size))
        datagram.CopyTo(block, 2 * NodeId.size)
        line Neighbourhood.hostile ("21 " + block.Length.ToString())
        raw Neighbourhood.hostile block

    let sealedRecord (recordType: int) (payload: byte[]) =
        let datagram = Array.zeroCreate<byte>(payload.Length + Record.DatagramOverhead)
        remote.Seal(byte recordType, ReadOnlySpan payload, Span datagram) |> ignore
        datagram

    let fromHere (datagram: byte[]) =
        let ids = Array.zeroCreate<byte> Datagram.idsSize
        Datagram.writeIds NodeId.none (idOf "fake") (Span ids)
        Array.append ids datagram

    let rec move (text: string) =
        moves <- moves + 1
        behaviour.Anew()

        match text with
        | "" -> ()
        | text when text[0] <> '!' || text.Length < 2 -> line Neighbourhood.hostile text
        | text ->
            let rest = text.Substring 2

            match text[1] with
            // Time passes, in milliseconds.
            | 't' ->
                let struct (milliseconds, _) = number rest
                let span = int64 (max 0 (min 60_000 milliseconds)) * Instant.millisecond
                waited <- waited + span
                world.Wait span
            // Bytes on the stream, past the session.
            | 'r' -> raw Neighbourhood.hostile (bytes rest)
            // A record of any type.
            | 'h' ->
                let struct (recordType, digits) = number rest
                say Neighbourhood.hostile (byte recordType) (bytes digits)
            // SPTPS_PACKET: destination, source, datagram.
            | 's' ->
                match rest.Trim().Split(' ', 3) with
                | [| destination; source; digits |] -> block destination source (bytes digits)
                | _ -> ()
            // PACKET.
            | 'p' ->
                let frame = bytes rest
                line Neighbourhood.hostile ("17 " + frame.Length.ToString())
                say Neighbourhood.hostile 0uy frame
            // A line, so many times, with a number in the place of `#`.
            | 'x' ->
                let struct (count, template) = number rest

                for i in 1 .. max 0 (min 300 count) do
                    if moves < 2000 then
                        let line = template.Replace("#", i.ToString())
                        // No towers of repetitions.
                        if not (line.StartsWith "!x") then
                            move line
            // The honest neighbour says something that it was told to.
            | 'o' -> line Neighbourhood.honest (rest.Trim())
            // A stranger connects and says something.
            | 'n' ->
                newConnections <- newConnections + 1
                let id = ConnectionId.Incoming newConnections
                let address = Neighbourhood.endpoint (0xc0000300u + uint32 (newConnections % 200))
                world.Feed(Accepted(id, ValueNone, Tcp address))
                raw id (latin1 (rest.TrimStart() + "\n"))
            // A sealed datagram by UDP: record type and payload.
            | 'd' ->
                let struct (recordType, digits) = number rest
                world.Datagram(Neighbourhood.endpoint 0xc0000202u, fromHere (sealedRecord recordType (bytes digits)))
            // The same from elsewhere.
            | 'e' ->
                let struct (recordType, digits) = number rest
                world.Datagram(Neighbourhood.endpoint 0xc0000299u, fromHere (sealedRecord recordType (bytes digits)))
            // The same over the meta connection.
            | 'm' ->
                let struct (recordType, digits) = number rest
                block "alpha" "fake" (sealedRecord recordType (bytes digits))
            // Any datagram.
            | 'u' -> world.Datagram(Neighbourhood.endpoint 0xc0000202u, bytes rest)
            // A frame from our device.
            | 'f' -> world.Frame(bytes rest)
            // A signal.
            | 'g' -> world.Feed(Signalled(if rest.Length % 2 = 0 then Hangup else Alarm))
            | _ -> ()

    /// Every node that edges in both directions lead to.
    let reachable (topology: Topology) =
        let found = HashSet<int>()
        let waiting = Queue<int>()

        let visit node =
            if found.Add node then
                waiting.Enqueue node

        visit Topology.self

        while waiting.Count > 0 do
            Topology.iterPairs (fun out _ -> visit out.To) (waiting.Dequeue()) topology

        found

    let ownThingsAreAsTheyWere (node: Node) =
        let learned, own =
            Topology.subnetsOf Topology.self node.Topology
            |> Set.partition (fun subnet -> subnet.Family = Family.Mac)

        // Only frames of our own device may teach us addresses.
        check (learned.IsEmpty || (variant = 3 && text.Contains "!f")) "a peer gave us addresses"
        check (own = Set.ofList Neighbourhood.ownSubnets) "a peer changed our subnets"

        let neighbours =
            Set.ofList
                [ for connection, peer in
                      node.Connections
                      |> Map.toList
                      |> List.map snd
                      |> List.choose (fun connection ->
                          match connection.Stage with
                          | Established peer -> Some(connection, peer)
                          | _ -> None) do
                      if (node.Peers[peer].Connection = ValueSome connection.Id) then
                          peer ]

        let edges = Topology.edgesFrom Topology.self node.Topology |> List.ofSeq
        check
            (Set.ofList (List.map (fun (edge: Edge) -> edge.To) edges) = neighbours)
            "our edges are not our connections"

        for edge in edges do
            match Topology.tryEdge Topology.self edge.To before.Topology with
            | ValueSome known when edge.To <> fake -> check (known = edge) "a peer changed an edge of ours"
            | _ -> ()

        for KeyValue(name, host) in before.Settings.Hosts do
            match Topology.tryFind name node.Topology with
            | ValueSome index -> check (node.Peers[index].PublicKey = host.PublicKey) "a peer changed a public key"
            | ValueNone -> ()

        if variant = 1 || variant = 2 then
            let strangers =
                SubnetTable.toArray (Topology.subnets node.Topology)
                |> Array.filter (fun entry -> entry.Owner > fake)

            let known = SubnetTable.toArray (Topology.subnets before.Topology) |> Set.ofArray
            check (strangers |> Array.forall known.Contains) "an unauthorised subnet"

    let tablesAreBounded (node: Node) =
        let grown = 2 * moves + 8
        check (node.Peers.Count <= before.Peers.Count + grown) "more nodes than were named"
        check (node.EdgeCount <= before.EdgeCount + grown) "more edges than were announced"
        check (Topology.edges node.Topology |> Seq.length = node.EdgeCount) "edges are counted wrongly"
        let subnets (node: Node) = (Topology.subnets node.Topology).Count
        check (subnets node <= subnets before + grown) "more subnets than were announced"
        check (node.Connections.Count <= before.Connections.Count + newConnections + 4) "connections pile up"
        check (node.Corrections.Entries.Count <= Corrections.maxEntries) "corrections pile up"
        check (node.Seen |> Seen.count <= 2 * Seen.generationSize) "seen lines pile up"
        check (node.PeerDeadlines.Count <= node.Peers.Count) "deadlines pile up"
        check (node.Resolving.Count <= node.Outgoing.Count + 1) "look-ups pile up"
        check (node.PendingDumps.IsEmpty && node.PendingReloads.IsEmpty) "control requests of a peer"

        for KeyValue(_, connection) in node.Connections do
            check (Framing.unread connection.Reader <= 200_000) "unread bytes pile up"
            check (connection.Queued <= Wire.maxQueued + 1_000_000) "unwritten bytes pile up"

    let graphIsRight (node: Node) =
        let reached = reachable node.Topology

        for index in 0 .. node.Peers.Count - 1 do
            check (node.Peers[index].Reachable = reached.Contains index) "reachable is not what edges say"
            check (node.Peers[index].Index = index) "a peer with the number of another"

    member _.Play() : byte[] =
        world.OnEffect <- onEffect

        for text in lines do
            if moves < 2000 then
                move text

        let node = world.Node
        behaviour.Anew()
        behaviour.Saw("peers", node.Peers.Count)
        behaviour.Saw("edges", node.EdgeCount)
        behaviour.Saw("connections", node.Connections.Count)
        ownThingsAreAsTheyWere node
        tablesAreBounded node
        graphIsRight node
        let allowed = 40_000L + 16L * receivedBytes + 2_000L * int64 moves + waited / 200L
        check (sentBytes <= allowed) "much said about little"

        let isCutOff =
            match world.TryNeighbour Neighbourhood.honest with
            | ValueSome neighbour -> neighbour.IsClosed
            | ValueNone -> true

        let provoked = text.Contains "!o" || text.Contains "!n" || isSilenced
        check (provoked || not isCutOff) "a peer has another one closed"
        digest.GetHashAndReset()

let private run (behaviour: Behaviour) (input: byte[]) =
    let text = Encoding.Latin1.GetString input
    let result = Run(behaviour, text).Play()

    // Every fourth script is played once more.
    if Array.fold (fun sum b -> sum + int b) 0 input % 4 = 0 then
        Target.check (Run(Behaviour(), text).Play() = result) "the same script plays otherwise"

let private seeds () =
    let lines =
        Corpus.texts "02-meta-lines-active.json" [ "line" ] |> List.filter (fun line -> line.Length < 300)
    let script (lines: string list) = String.Join('\n', lines)
    let frames =
        Corpus.texts "04-route-ipv4.json" [ "frame" ] @ Corpus.texts "04-route-ipv6.json" [ "frame" ]
    let probe = "!d 4 00" + String('0', 60)

    [ for i, group in List.indexed (List.chunkBySize 4 lines) -> script (("!" + string (char (97 + i % 4))) :: group) ]
    @ List.map (fun line -> line + "\n!t 2000") lines
    @ [ for frame in List.truncate 12 frames do
            script [ "!p " + frame; "!f " + frame; "!d 0 " + frame.Substring 28; "!m 0 " + frame.Substring 28 ] ]
    @ [ script [ probe; "!t 1000"; probe; "!t 400"; probe; "!e 4 01" + String('0', 100); "!t 60000" ]
        script [ "!x 120 13 # alpha fake"; "!x 120 12 # alpha ghost# 192.0.2.9 655 700000c 1"; "!t 6000" ]
        script [ "!x 200 10 # node# 10.#.0.0/16"; "!t 1000" ]
        script
            [ "!x 100 12 # fake node# 192.0.2.9 655 700000c #"
              "!x 100 12 # node# fake 192.0.2.9 655 700000c #"
              "!t 1" ]
        script [ "!h 128 00"; "8" ]
        script [ "!s obs fake 00112233445566778899aabbccddeeff00112233445566"; "!s alpha obs 00"; "!t 11000" ]
        script [ "!x 12 16 obs alpha AAAA -1 -1 -1 0"; "!t 6000"; "16 obs alpha AAAA -1 -1 -1 0" ]
        script [ "15 obs alpha 15 AAAAAAgAA"; "15 fake obs 15 AAAA"; "15 fake alpha 19"; "15 third alpha 20 AAAA" ]
        script [ "!n 0 stranger 17.7"; "!n 0 obs 17.7"; "!n 0 ^" + String('A', 64) + " 0"; "!t 60000" ]
        script [ "!g"; "!g x"; "!t 60000"; "!t 60000" ] ]
    |> List.map latin1

let target =
    { Target.create "node-peer" "a hostile peer gains nothing, breaks nothing and fills nothing" seeds run with
        Words =
            [ "obs"
              "!t 1000\n"
              "!t 20000\n"
              "!x 100 "
              "!p "
              "!d 4 "
              "!d 0 "
              "!e 4 "
              "!m 128 "
              "!s obs fake "
              "!s alpha fake "
              "!n 0 "
              "!o "
              "#"
              "\n"
              "12 # "
              "13 # "
              "10 # "
              "15 fake "
              "16 fake "
              "22 "
              "23 " ]
            @ MetaLines.words
        MaxAllocated = 512L <<< 20 }
