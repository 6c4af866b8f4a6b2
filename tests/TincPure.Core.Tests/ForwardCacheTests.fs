/// A forwarder remembers what its table said last. That must never show.
module TincPure.Core.Tests.ForwardCacheTests

open System
open FsCheck
open FsCheck.FSharp
open TincPure.Config
open TincPure.Core.Tests.ForwardFixture
open TincPure.Packet
open TincPure.Primitives
open TincPure.Routing
open Xunit

let private names = [ "own"; "near"; "next"; "far"; "gone" ]
let private count = names.Length

type private Family =
    | V4
    | V6
    | Mac

type private Part =
    | Peers
    | Ids
    | Addresses
    | Subnets

type private Step =
    /// A frame from the device, for one of the hosts of a network.
    | Frame of Family * network: int * host: int
    /// A datagram from the address with that last byte, with the ID of that node.
    | Datagram of source: int * id: int
    /// Another table: networks, addresses and IDs change hands, and other nodes can be reached.
    | Table of seed: int
    /// Only one part of it is another, and the rest the very same.
    | Patch of Part * seed: int

let private families = Gen.elements [ V4; V6; Mac ]

let private parts = Gen.elements [ Peers; Ids; Addresses; Subnets ]

/// Few questions, so that most are asked again, and some addresses that look the same in their last bits.
let private steps: Gen<Step list> =
    let hosts = Gen.elements [ 1; 2; 65; 129 ]

    Gen.frequency
        [ 6, Gen.map3 (fun family network host -> Frame(family, network, host)) families (Gen.choose (0, count)) hosts
          6,
          Gen.map2
              (fun source id -> Datagram(source, id))
              (Gen.elements [ 0; 1; 2; 3; 17; 18; 33 ])
              (Gen.choose (0, count))
          1, Gen.map Table (Gen.choose (0, 31))
          1, Gen.map2 (fun part seed -> Patch(part, seed)) parts (Gen.choose (0, 31)) ]
    |> Gen.listOfLength 60

let private table (mode: Mode) (seed: int) : Fib =
    let peers =
        [ for index in 0 .. count - 1 ->
              { peer index names[index] with
                  Reachable = (index = 0 || (seed >>> (index - 1)) &&& 1 = 0)
                  Address = ValueSome(endpoint ((index + seed) % 4 + (if seed % 3 = 0 then 16 else 0)))
                  UdpConfirmed = true } ]

    let subnets =
        [ for network in 0 .. count - 1 do
              let owner = (network + seed) % count
              ownedBy owner names[owner] ("10.0." + string network + ".0/24")
              ownedBy owner names[owner] ("fd00:" + string network + "::/32")
              ownedBy owner names[owner] ("02:00:00:00:" + network.ToString "x2" + ":01") ]

    let made = fib 0 peers subnets { settings with Mode = mode }

    if seed % 2 = 0 then
        made
    else
        { made with
            ById = HashTrie.remove (NodeId.ofName (name names[seed % count])) made.ById }

let private patch (part: Part) (other: Fib) (fib: Fib) : Fib =
    match part with
    | Peers -> { fib with Peers = other.Peers }
    | Ids -> { fib with ById = other.ById }
    | Addresses -> { fib with ByAddress = other.ByAddress }
    | Subnets -> { fib with Subnets = other.Subnets }

let private frameOf (family: Family) (network: int) (host: int) : byte array =
    let bytes = Array.zeroCreate<byte> 74

    match family with
    | V4 ->
        bytes[12] <- 8uy
        bytes[14] <- 0x45uy
        bytes[26] <- 10uy // from 10.0.0.0: an error may go there
        Array.blit [| 10uy; 0uy; byte network; byte host |] 0 bytes 30 4
    | V6 ->
        Array.blit [| 0x86uy; 0xdduy; 0x60uy |] 0 bytes 12 3
        bytes[22] <- 0xfduy
        Array.blit [| 0xfduy; 0uy; 0uy; byte network |] 0 bytes 38 4
        bytes[53] <- byte host
    | Mac -> Array.blit [| 2uy; 0uy; 0uy; 0uy; byte network; byte host |] 0 bytes 0 6

    bytes

let private datagramOf (id: int) : byte array =
    let bytes = Array.zeroCreate<byte> 60
    let source = if id < count then NodeId.ofName (name names[id]) else NodeId 7UL
    Datagram.writeIds NodeId.none source (bytes.AsSpan())
    bytes

/// What comes of a packet, from a forwarder that has seen others and from one that has seen none.
let private agrees (mode: Mode) (steps: Step list) : bool =
    let old, outbox = Forwarder(), Outbox()
    let mutable current = table mode 0
    apply old outbox (at 0) (Publish current) |> ignore

    let run (forwarder: Forwarder) (now: Instant) (step: Step) : Outcome =
        match step with
        | Frame(family, network, host) -> fromDevice forwarder outbox now (frameOf family network host)
        | Datagram(source, id) -> fromSocket forwarder outbox now 0 (endpoint source) (datagramOf id)
        | Table seed ->
            current <- table mode seed
            apply forwarder outbox now (Publish current)
        | Patch(part, seed) ->
            current <- patch part (table mode seed) current
            apply forwarder outbox now (Publish current)

    steps
    |> List.indexed
    |> List.forall (fun (index, step) ->
        // A second for each, since what is told of failures is rationed.
        let now = at (2000 * (index + 1))
        let outcome = run old now step
        let fresh = Forwarder()
        apply fresh outbox now (Publish current) |> ignore

        step.IsTable || step.IsPatch || outcome = run fresh now step)

[<Fact>]
let ``answers that are remembered are those of the table in force`` () =
    for mode in [ Mode.Router; Mode.Switch ] do
        Prop.forAll (Arb.fromGen steps) (agrees mode)
        |> fun property -> Check.One(Config.QuickThrowOnFailure.WithMaxTest 200, property)

[<Fact>]
let ``the steps of that property lead to all that can become of them`` () =
    let outcomes =
        [ for mode in [ Mode.Router; Mode.Switch ] do
              for seed in 0..31 do
                  let forwarder, outbox = Forwarder(), Outbox()
                  apply forwarder outbox (at 0) (Publish(table mode seed)) |> ignore

                  for family in [ V4; V6; Mac ] do
                      for network in 0..count do
                          fromDevice forwarder outbox (at (1000 * network)) (frameOf family network 1)

                  for source in 0..20 do
                      for id in 0..count do
                          fromSocket forwarder outbox (at (2000 * source)) 0 (endpoint source) (datagramOf id) ]

    let punts = outcomes |> List.collect _.Punts
    Assert.Contains(punts, _.IsFrameOverTcp)
    Assert.Contains(punts, _.IsOpenFailed)
    Assert.Contains(punts, _.IsUnknownSource)
    // Errors for what cannot be routed.
    Assert.Contains(outcomes, fun outcome -> not outcome.Frames.IsEmpty)

[<Fact>]
let ``an IPv6 address whose first bytes are those of an IPv4 address is another address`` () =
    let forwarder, outbox = Forwarder(), Outbox()
    apply forwarder outbox (at 0) (Publish(table Mode.Router 0)) |> ignore

    let target (frame: byte array) =
        match (fromDevice forwarder outbox (at 0) frame).Punts with
        | [ FrameOverTcp(node, _) ] -> node
        | _ -> -1

    let v4 = frameOf V4 1 64
    let v6 = frameOf V6 0 0
    Array.blit [| 10uy; 0uy; 1uy; 64uy |] 0 v6 38 4

    for _ in 1..2 do
        Assert.Equal(1, target v4)
        Assert.Equal(-1, target v6)
