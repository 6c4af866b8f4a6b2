/// Configuration variables whose effect takes a mesh and time to see: set in the files of alpha, in a row of three in which
/// it knows only beta.
module TincPure.Simulation.Tests.VariableTests

open System
open TincPure.Config
open TincPure.Primitives
open TincPure.Simulation
open Xunit

let private content text = Content(text, false)

/// What files with these lines say, with the keys and host files that the mesh has.
let private configured (lines: string) (own: Settings) : Settings =
    let name = own.Name.Text

    let key =
        match struct (own.PrivateKey, own.PublicKey) with
        | struct (ValueSome privateKey, ValueSome publicKey) ->
            KeyFile.printPrivate { Private = privateKey; Public = publicKey }
        | _ -> failwith "no key"

    let snapshot: Snapshot =
        { ConfBase = "/c"
          NetName = ValueNone
          Separator = "/"
          Options = []
          Environment = Map.empty
          HostName = Ok "machine"
          Folders = Map.ofList [ "hosts", Ok [ name ] ]
          Files =
            Map.ofList
                [ "/c/tinc.conf", content ("Name = " + name + "\nAutoConnect = no\n" + lines + "\n")
                  "/c/hosts/" + name, content ""
                  "/c/ed25519_key.priv", content key ] }

    match (Files.load snapshot).Outcome with
    | Ok settings -> { settings with Own = own.Own; Hosts = own.Hosts; ConnectTo = own.ConnectTo }
    | Error problems -> failwith (String.Join("; ", problems |> List.map _.Message))

/// Alpha with these lines; the others with their defaults but for `prepare`.
let private row (lines: string) (others: int -> Settings -> Settings) (prepare: World -> unit) : World =
    let plan = Mesh.named [ "alpha"; "beta"; "gamma" ] [ 0, 1; 2, 1 ]

    let settings =
        { WorldSettings.ofSeed 11UL with
            KeepText = true
            DebugLevel = DebugLevel.traffic }

    let world =
        Mesh.create settings plan (fun index own -> if index = 0 then configured lines own else others index own)

    prepare world
    Mesh.start world
    world

let private same (_: int) (settings: Settings) = settings

let private alpha (world: World) = world.Machines[0]
let private beta (world: World) = world.Machines[1]
let private gamma (world: World) = world.Machines[2]

/// Alpha and another talk for so many seconds, ten packets a second.
let private talk (world: World) (other: World -> Machine) (seconds: int) =
    for _ in 1 .. seconds * 10 do
        world.Send(alpha world, other world, 500) |> ignore
        world.Send(other world, alpha world, 500) |> ignore
        world.RunFor 0.1

let private logged (world: World) (text: string) =
    (alpha world).Log |> Seq.filter (fun struct (_, line) -> line.Text.Contains text) |> Seq.length

/// How often alpha says something while it talks.
let private said (world: World) (other: World -> Machine) (seconds: int) (text: string) =
    let before = logged world text
    talk world other seconds
    logged world text - before

let private withoutUdp (a: int) (b: int) (world: World) =
    world.Underlay.Set(a, b, (fun conditions -> { conditions with UdpPasses = false }))

/// Those of discovery; longer ones search the path MTU.
let private probe =
    "Sending UDP probe length " + string TincPure.Tunnel.PathMtu.shortestProbe + " to beta"

[<Theory; Trait("Variable", "UDPDiscovery")>]
[<InlineData("", true)>]
[<InlineData("UDPDiscovery = no", false)>]
let ``UDPDiscovery probes UDP`` (lines: string, probes: bool) =
    let world = row lines same ignore
    Assert.Equal(probes, said world beta 10 probe > 0)

[<Theory; Trait("Variable", "UDPDiscoveryInterval")>]
[<InlineData("LocalDiscovery = no", 13, 17)>]
[<InlineData("LocalDiscovery = no\nUDPDiscoveryInterval = 10", 2, 5)>]
let ``UDPDiscoveryInterval is the time between probes that nobody answers`` (lines: string, least: int, most: int) =
    let world = row lines same (withoutUdp 0 1)
    world.RunFor 5.0
    Assert.InRange(said world beta 30 probe, least, most)

[<Theory; Trait("Variable", "UDPDiscoveryKeepaliveInterval")>]
[<InlineData("", 20, 5, 7)>]
[<InlineData("UDPDiscoveryKeepaliveInterval = 30", 20, 1, 3)>]
let ``UDPDiscoveryKeepaliveInterval is the time between probes once UDP works`` (lines, warmUp, least: int, most: int) =
    let world = row lines same ignore
    talk world beta warmUp
    Assert.InRange(said world beta 60 probe, least, most)

[<Theory; Trait("Variable", "UDPDiscoveryTimeout")>]
[<InlineData("", false)>]
[<InlineData("UDPDiscoveryTimeout = 12", true)>]
let ``after UDPDiscoveryTimeout without an answer UDP is given up`` (lines: string, givenUp: bool) =
    let world = row lines same ignore
    talk world beta 10
    withoutUdp 0 1 world
    Assert.Equal(givenUp, said world beta 20 "stopping UDP communication" > 0)

[<Theory; Trait("Variable", "LocalDiscovery")>]
[<InlineData("", true)>]
[<InlineData("LocalDiscovery = no", false)>]
let ``LocalDiscovery probes the address in the local network besides`` (lines: string, twice: bool) =
    let world = row lines same (withoutUdp 0 1)
    talk world beta 20

    let moments =
        [ for struct (at, line) in (alpha world).Log do
              if line.Text.Contains probe then
                  at ]

    Assert.Equal(twice, List.length (List.distinct moments) < moments.Length)

[<Theory; Trait("Variable", "MTUInfoInterval"); Trait("Variable", "UDPInfoInterval")>]
[<InlineData("", "MTU_INFO", 3, 5)>]
[<InlineData("MTUInfoInterval = 1", "MTU_INFO", 15, 21)>]
[<InlineData("", "UDP_INFO", 3, 5)>]
[<InlineData("UDPInfoInterval = 1", "UDP_INFO", 15, 21)>]
let ``information about the path goes out at these intervals`` (lines: string, request: string, least: int, most: int) =
    let world = row lines same (withoutUdp 0 2)
    world.RunFor 5.0
    talk world gamma 10
    Assert.InRange(said world gamma 20 ("Sending " + request + " to beta"), least, most)

[<Theory; Trait("Variable", "PMTU")>]
[<InlineData("", 1439)>]
[<InlineData("PMTU = 1000", 1000)>]
let ``PMTU bounds the path MTU`` (lines: string, mtu: int) =
    let world = row lines same ignore
    talk world beta 20

    match (alpha world).View(beta world) with
    | ValueSome peer -> Assert.Equal(mtu, peer.MinMtu)
    | ValueNone -> failwith "beta is not known"

[<Theory; Trait("Variable", "DirectOnly")>]
[<InlineData("", true)>]
[<InlineData("DirectOnly = yes", false)>]
let ``DirectOnly sends nothing through others`` (lines: string, arrives: bool) =
    // Only its neighbour may talk to gamma.
    let indirect index (settings: Settings) = if index = 2 then { settings with IndirectData = true } else settings

    let world = row lines indirect ignore
    talk world beta 10
    let number = world.Send(alpha world, gamma world, 500)
    world.RunFor 5.0
    Assert.Equal(arrives, (gamma world).HasReceived number)
