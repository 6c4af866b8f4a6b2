/// What holds for any bytes and any loss: the packet plane is total, keeps within its buffers and delivers exactly once.
module TincPure.Core.Tests.ForwardPropertyTests

open System
open FsCheck
open FsCheck.FSharp
open TincPure.Config
open TincPure.Core.Tests.ForwardFixture
open TincPure.Primitives
open TincPure.Routing
open Xunit

let internal key (seed: int) = Array.init 64 (fun i -> byte (i * 3 + seed))

let internal names = [ "own"; "near"; "old"; "far"; "gone" ]

/// A node with all kinds of peers: a neighbour with a good path, one without node IDs, one behind a relay, one unreachable.
let internal table (mode: Mode) (level: int) : Fib =
    let basis index =
        { peer index names[index] with
            Address = ValueSome(endpoint index)
            UdpConfirmed = true
            MinMtu = 1400
            Mtu = 1000 + 100 * index
            SendCompression = 4 * index % 13
            ReceiveCompression = 4 * index % 13
            Neighbour = index < 3 }

    let peers =
        [ basis 0
          basis 1
          { basis 2 with Options = Options.withMinor 3 0u }
          { basis 3 with NextHop = 1; Via = 0; Address = ValueNone; UdpConfirmed = false }
          { basis 4 with
              Reachable = false
              NextHop = -1
              Via = -1
              Address = ValueNone
              UdpConfirmed = false } ]

    fib
        0
        peers
        [ for index in 0..4 do
              ownedBy index names[index] ("10.0." + string index + ".0/24")
              ownedBy index names[index] ("fd00:" + string index + "::/32")
              ownedBy index names[index] ("02:00:00:00:00:0" + string index)
          ownedBy -1 "" "224.0.0.0/4"
          ownedBy -1 "" "ff00::/8" ]
        { settings with
            Mode = mode
            DecrementTtl = true
            PriorityInheritance = true
            OverwriteMac = true
            DebugLevel = level }

let private node (mode: Mode) (level: int) : Forwarder * Outbox =
    let forwarder, outbox = Forwarder(), Outbox(64 * 1024, 64, 64)
    forwarder.Apply(Publish(table mode level), at 0, outbox)

    for peer in 1..3 do
        forwarder.Apply(StartSession(peer, key peer, key (peer + 10), 16), at 0, outbox)

    outbox.Reset()
    forwarder, outbox

let private arbitrary (size: int) : Gen<byte array> = Gen.arrayOfLength size (ArbMap.generate<byte> ArbMap.defaults)

/// Bytes that look like frames far enough to get past the first checks.
let internal frames: Gen<byte array> =
    let shape (bytes: byte array) (kind: int, target: int) =
        let bytes = Array.copy bytes
        let put offset (values: byte list) =
            values
            |> List.iteri (fun i value ->
                if offset + i < bytes.Length then
                    bytes[offset + i] <- value)

        match kind with
        | 0 ->
            put 12 [ 8uy; 0uy; 0x45uy ]
            put 30 [ 10uy; 0uy; byte target ]
        | 1 ->
            put 12 [ 0x86uy; 0xdduy; 0x60uy ]
            put 38 [ 0xfduy; 0uy; 0uy; byte target ]
        | 2 -> put 12 [ 8uy; 6uy; 0uy; 1uy; 8uy; 0uy; 6uy; 4uy; 0uy; 1uy ]
        | 3 -> put 12 [ 0x81uy; 0uy; 0uy; 1uy; 8uy; 0uy; 0x45uy ]
        | 4 ->
            put 12 [ 0x86uy; 0xdduy; 0x60uy ]
            put 20 [ 58uy ]
            put 54 [ 135uy ]
        | 5 ->
            put 12 [ 8uy; 0uy ]
            put 30 [ 224uy ]
        | _ -> ()

        put 0 [ 2uy; 0uy; 0uy; 0uy; 0uy; byte target ]
        bytes

    gen {
        let! size = Gen.oneof [ Gen.choose (0, 120); Gen.choose (0, 1600) ]
        let! bytes = arbitrary size
        let! kind = Gen.choose (0, 7)
        let! target = Gen.choose (0, 5)
        return shape bytes (kind, target)
    }

/// Bytes that look like datagrams of known nodes.
let internal datagrams: Gen<byte array> =
    gen {
        let! size = Gen.oneof [ Gen.choose (0, 60); Gen.choose (0, 1700) ]
        let! bytes = arbitrary size
        let! source = Gen.choose (0, 6)
        let! target = Gen.choose (0, 6)

        let id index = if index >= names.Length then NodeId.none else NodeId.ofName (name names[index])

        if size >= 12 then
            NodeId.write (id target) (Span(bytes, 0, 6))
            NodeId.write (id source) (Span(bytes, 6, 6))

        return bytes
    }

let private withinBounds (outbox: Outbox) =
    let mutable sound = outbox.Punts.Count <= 64

    for entry in outbox.Entries do
        sound <- sound && entry.Offset >= 0 && entry.Length > 0 && entry.Offset + entry.Length <= outbox.Arena.Length

    sound

let private modes = [ Mode.Router; Mode.Switch; Mode.Hub ]

[<Fact>]
let ``frames of any bytes are taken and the outbox keeps within its bounds`` () =
    for mode in modes do
        for level in [ 0; 5 ] do
            let forwarder, outbox = node mode level

            Prop.forAll (Arb.fromGen (Gen.zip frames (Gen.choose (0, 4)))) (fun (frame, source) ->
                if source = 0 then
                    forwarder.FromDevice((Array.copy frame).AsSpan(), at 0, outbox)
                else
                    forwarder.Apply(RouteFrame(source, Array.copy frame), at 0, outbox)

                let sound = withinBounds outbox
                // Sometimes the host is slow to drain.
                if frame.Length % 3 = 0 then
                    outbox.Reset()

                sound)
            |> fun property -> Check.One(Config.QuickThrowOnFailure.WithMaxTest 300, property)

[<Fact>]
let ``datagrams of any bytes are taken and the outbox keeps within its bounds`` () =
    for mode in modes do
        for level in [ 0; 5 ] do
            let forwarder, outbox = node mode level

            Prop.forAll (Arb.fromGen (Gen.zip datagrams (Gen.choose (0, 6)))) (fun (datagram, source) ->
                forwarder.FromSocket(0, endpoint source, (Array.copy datagram).AsSpan(), at 0, outbox)

                for carrier in [ RawTcp; KeyRequest; KeyAnswer ] do
                    forwarder.Apply(OpenDatagram(source, carrier, Array.copy datagram), at 0, outbox)

                forwarder.Apply(RelayDatagram(source, 3, datagram), at 0, outbox)
                let sound = withinBounds outbox

                if datagram.Length % 3 = 0 then
                    outbox.Reset()

                sound)
            |> fun property -> Check.One(Config.QuickThrowOnFailure.WithMaxTest 300, property)

[<Fact>]
let ``an authentic record of any type and bytes is taken`` () =
    for mode in modes do
        let forwarder, outbox = node mode 5
        let session = TincPure.Sptps.Session(key 11, key 1, 16)

        Prop.forAll (Arb.fromGen (Gen.zip frames (Gen.choose (0, 255)))) (fun (payload, recordType) ->
            let datagram = Array.zeroCreate<byte>(12 + 21 + payload.Length)
            NodeId.write (NodeId.ofName (name "near")) (Span(datagram, 6, 6))
            session.Seal(byte recordType, payload, datagram.AsSpan 12) |> ignore
            forwarder.FromSocket(0, endpoint 1, datagram.AsSpan(), at 0, outbox)
            let sound = withinBounds outbox
            outbox.Reset()
            sound)
        |> fun property -> Check.One(Config.QuickThrowOnFailure.WithMaxTest 400, property)

/// What the network does with the next datagram.
type private Fate =
    | Arrives
    | Lost
    | Twice
    /// Behind the one after it.
    | Late

[<Fact>]
let ``what arrives is delivered exactly once and unchanged, whatever is lost, repeated or late`` () =
    let fates = Gen.listOf (Gen.elements [ Arrives; Arrives; Arrives; Lost; Twice; Late ])

    Prop.forAll (Arb.fromGen fates) (fun fates ->
        let ends own =
            let forwarder, outbox = Forwarder(), Outbox()

            let peers =
                [ for index in 0..1 ->
                      { peer index names[index] with
                          Address = ValueSome(endpoint index)
                          UdpConfirmed = true
                          MinMtu = 1500 } ]

            let subnets = [ for index in 0..1 -> ownedBy index names[index] ("10.0." + string index + ".0/24") ]
            apply forwarder outbox (at 0) (Publish(fib own peers subnets settings)) |> ignore
            apply forwarder outbox (at 0) (StartSession(1 - own, key own, key (1 - own), 16)) |> ignore
            forwarder, outbox

        let (sender, senderBox), (receiver, receiverBox) = ends 0, ends 1

        let packet (i: int) : byte array = ForwardSessionTests.frame 0 1 (BitConverter.GetBytes i)

        let sealed' =
            [ for i in 0 .. fates.Length - 1 do
                  match (fromDevice sender senderBox (at 0) (packet i)).Datagrams with
                  | [ _, bytes ] -> bytes
                  | _ -> () ]

        let rec order (items: (Fate * byte array) list) =
            match items with
            | (Lost, _) :: rest -> order rest
            | (Twice, bytes) :: rest -> bytes :: bytes :: order rest
            | (Late, bytes) :: (Late, next) :: rest -> next :: bytes :: order rest
            | (Late, bytes) :: next :: rest -> order (next :: (Arrives, bytes) :: rest)
            | (_, bytes) :: rest -> bytes :: order rest
            | [] -> []

        let received =
            order (List.zip fates sealed')
            |> List.collect (fun bytes -> (fromSocket receiver receiverBox (at 0) 0 (endpoint 0) bytes).Frames)

        let expected =
            fates
            |> List.indexed
            |> List.filter (fun (_, fate) -> fate <> Lost)
            |> List.map (fun (i, _) -> Convert.ToHexString(packet i))

        sealed'.Length = fates.Length
        && Set.ofList [ for bytes in received -> Convert.ToHexString(bytes: byte array) ] = Set.ofList expected
        && received.Length = expected.Length)
    |> Check.QuickThrowOnFailure

[<Fact>]
let ``a packet in the steady state allocates nothing`` () =
    let forwarder, outbox = Forwarder(), Outbox()
    let other, otherBox = Forwarder(), Outbox()

    let table own =
        let peers =
            [ for index in 0..1 ->
                  { peer index names[index] with
                      Address = ValueSome(endpoint index)
                      UdpConfirmed = true
                      MinMtu = 1500 } ]

        fib own peers [ for index in 0..1 -> ownedBy index names[index] ("10.0." + string index + ".0/24") ] settings

    for own, (forwarder: Forwarder), box in [ 0, forwarder, outbox; 1, other, otherBox ] do
        forwarder.Apply(Publish(table own), at 0, box)
        forwarder.Apply(StartSession(1 - own, key own, key (1 - own), 16), at 0, box)

    let frame = ForwardSessionTests.frame 0 1 (Array.zeroCreate 1300)
    let source = endpoint 0
    let now = at 0
    let mutable delivered = 0

    let once () =
        outbox.Reset()
        otherBox.Reset()
        forwarder.FromDevice(frame.AsSpan(), now, outbox)
        let entry = outbox.Entries[0]
        other.FromSocket(0, source, Span(outbox.Arena, entry.Offset, entry.Length), now, otherBox)
        delivered <- delivered + otherBox.Entries.Length

    let many () =
        for _ in 1..200 do
            once ()

    Assert.Equal(0L, CompressionTests.Allocations.ofOne many)
    Assert.Equal(20 * 200, delivered)
