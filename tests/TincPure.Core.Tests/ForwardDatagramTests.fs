/// SPTPS datagrams byte for byte: sealed, opened and relayed as in the vectors (spec 03 §4, §7, §10).
module TincPure.Core.Tests.ForwardDatagramTests

open System
open System.Text.Json
open TincPure.Config
open TincPure.Core.Tests.ForwardFixture
open TincPure.Primitives
open TincPure.Routing
open Xunit

let private file = lazy (Vectors.load "03-sptps-udp-datagrams.json")
let private key () = Vectors.bytes "send_key" file.Value
let private names = [ "alice"; "bob"; "carol"; "dave" ]
let private alice, bob, carol, dave = 0, 1, 2, 3
let private noKey = Array.zeroCreate<byte> 64

let private hasText (part: string) (case: JsonElement) = (Vectors.text "name" case).Contains part

/// The frame that the record's payload stands for, as a device without Ethernet addresses gives it.
let private frameOf (recordType: int) (payload: byte array) =
    if recordType = 2 then
        payload
    else
        let etherType = if payload[0] >>> 4 = 4uy then [| 8uy; 0uy |] else [| 0x86uy; 0xdduy |]

        Array.concat [ Array.zeroCreate 12; etherType; payload ]

/// Everybody's table: bob is a neighbour with a working path; carol is behind bob where the case says so.
let private tableFor (own: int) (case: JsonElement) : Fib =
    let minor =
        if hasText "17.2" case then 2
        elif hasText "17.3" case then 3
        else 7

    let basis index =
        { peer index names[index] with
            Options = Options.withMinor minor Options.pmtuDiscovery
            Address = ValueSome(endpoint index)
            UdpConfirmed = true
            MinMtu = 1400
            Socket = index }

    let peers =
        [ basis alice
          basis bob
          { basis carol with
              Neighbour = false
              NextHop = (if own = carol then carol else bob)
              Via = (if hasText "static" case then bob else own) }
          basis dave ]

    let target = if hasText "relay" case then carol else bob

    // Records of type 2 make sense in switch mode only.
    let mode = if hasText "switch" case then Mode.Switch else Mode.Router

    fib
        own
        (if own = carol then
             peers
             |> List.map (fun peer -> if peer.Index = alice then { peer with NextHop = bob; Via = bob } else peer)
         else
             peers)
        [ ownedBy target names[target] "10.0.0.2"
          ownedBy target names[target] "fd00::/16"
          ownedBy target names[target] "02:00:00:00:00:02" ]
        { settings with Mode = mode }

let private run (forwarder: Forwarder) (outbox: Outbox) commands =
    for command in commands do
        apply forwarder outbox (at 0) command |> ignore

/// The level that a compressed record of the vectors was made at, 0 for the others.
let private levelOf (case: JsonElement) =
    match (Vectors.text "name" case).LastIndexOf "compression" with
    | -1 -> 0
    | at -> int ((Vectors.text "name" case).Substring(at + "compression".Length))

/// The table, where bob wants packets of the case's level, and alice was told that we do.
let private compressing (own: int) (case: JsonElement) : Fib =
    let table = tableFor own case
    // "incompressible" was configured with level 6.
    let level = if hasText "incompressible" case then 6 else levelOf case

    { table with
        Peers =
            table.Peers
            |> Vector.toArray
            |> Array.map (fun peer -> { peer with SendCompression = level; ReceiveCompression = level })
            |> Vector.ofArray }

let private cases =
    lazy
        (let cases = Vectors.items "vectors" file.Value
         Assert.Equal(18, cases.Length)
         cases)

/// What the record's payload stands for, before it was compressed.
let private plainOf (case: JsonElement) =
    match case.TryGetProperty "frame_or_packet" with
    | true, _ -> Vectors.bytes "frame_or_packet" case
    | _ -> Vectors.bytes "record_payload" case

let private recordTypeOf (case: JsonElement) = Vectors.number "record_type" case

[<Fact>]
let ``records are sealed into the datagrams of the vectors`` () =
    for case in cases.Value do
        let name = Vectors.text "name" case
        let recordType = recordTypeOf case
        let target = if hasText "relay" case then carol else bob
        let forwarder, outbox = Forwarder(), Outbox()
        run forwarder outbox [ Publish(compressing alice case); StartSession(target, key (), noKey, 16) ]

        // The first datagram of a session has number 2.
        for _ in 3 .. Vectors.number "seqno" case do
            run forwarder outbox [ SendProbe(target, endpoint target, 0, Array.zeroCreate 18) ]

        let outcome =
            if recordType = 4 then
                apply forwarder outbox (at 0) (SendProbe(bob, endpoint bob, 1, plainOf case))
            else
                fromDevice forwarder outbox (at 0) (frameOf (recordType &&& 2) (plainOf case))

        match outcome.Datagrams with
        | [ entry, datagram ] ->
            Assert.Equal(endpoint bob, entry.Target)
            Assert.Equal(1, entry.Socket)
            Assert.Equal(bob, entry.Peer)

            if recordType &&& 1 = 1 then
                // Encoders may differ in what they write: it is shorter than the packet, and its receiver reads the same.
                Assert.InRange(entry.Payload, 1, (plainOf case).Length - 1)
                let receiver, outbox = Forwarder(), Outbox()
                run receiver outbox [ Publish(compressing bob case); StartSession(alice, noKey, key (), 16) ]
                let read = fromSocket receiver outbox (at 0) 0 (endpoint alice) datagram
                Assert.Equal<byte array list>([ frameOf (recordType &&& 2) (plainOf case) ], read.Frames)
            else
                Assert.Equal(Vectors.text "datagram" case, Convert.ToHexStringLower datagram)
                Assert.Equal((Vectors.bytes "record_payload" case).Length, entry.Payload)
        | other -> failwith (name + ": " + other.Length.ToString() + " datagrams")

[<Fact>]
let ``datagrams of the vectors are opened and delivered`` () =
    for case in cases.Value do
        let name = Vectors.text "name" case
        let recordType = recordTypeOf case
        let own = if hasText "relay" case then carol else bob
        let hop = if own = carol then bob else alice
        let forwarder, outbox = Forwarder(), Outbox()
        run forwarder outbox [ Publish(compressing own case); StartSession(alice, noKey, key (), 16) ]

        let outcome = fromSocket forwarder outbox (at 0) 5 (endpoint hop) (Vectors.bytes "datagram" case)

        match outcome.Frames, outcome.Punts with
        | [ frame ], punts when recordType <> 4 ->
            Assert.Equal<byte array>(frameOf (recordType &&& 2) (plainOf case), frame)

            if own = carol then
                Assert.Equal<Punt list>([ RelayedDataReceived(alice, bob) ], punts)
            else
                Assert.Empty punts
        | [], [ ProbeReceived(peer, payload, source, socket) ] when recordType = 4 ->
            Assert.Equal(alice, peer)
            Assert.Equal(endpoint alice, source)
            Assert.Equal(5, socket)
            Assert.Equal<byte array>(Vectors.bytes "record_payload" case, payload)
        | frames, punts -> failwith (name + ": " + string frames.Length + " frames, " + string punts)

[<Fact>]
let ``a relayed datagram goes on byte for byte`` () =
    let relaying = file.Value.GetProperty "relaying"
    let case = JsonDocument.Parse("""{"name": "relaying"}""").RootElement
    let forwarder, outbox = Forwarder(), Outbox()
    run forwarder outbox [ Publish(tableFor alice case) ]
    let outcome = fromSocket forwarder outbox (at 0) 0 (endpoint bob) (Vectors.bytes "in" relaying)

    match outcome.Datagrams with
    | [ entry, datagram ] ->
        Assert.Equal<byte array>(Vectors.bytes "out" relaying, datagram)
        Assert.Equal(dave, entry.Peer)
        Assert.Equal(endpoint dave, entry.Target)
    | other -> failwith (other.Length.ToString() + " datagrams")

[<Fact>]
let ``strangers cannot use us as a relay`` () =
    let relaying = file.Value.GetProperty "relaying"
    let case = JsonDocument.Parse("""{"name": "relaying"}""").RootElement
    let forwarder, outbox = Forwarder(), Outbox()
    run forwarder outbox [ Publish(tableFor alice case) ]
    let datagram = Vectors.bytes "in" relaying
    let outcome = fromSocket forwarder outbox (at 0) 0 (endpoint 99) datagram
    Assert.Empty outcome.Datagrams
    Assert.Equal<Punt list>([ UnknownSource(endpoint 99, datagram.Length) ], outcome.Punts)
