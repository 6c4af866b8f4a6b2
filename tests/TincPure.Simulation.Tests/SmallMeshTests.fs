module TincPure.Simulation.Tests.SmallMeshTests

open TincPure.Primitives
open TincPure.Config
open TincPure.Simulation
open Xunit

let private unchanged (_: int) (settings: Settings) = settings

let private kept seed =
    { WorldSettings.ofSeed seed with
        KeepText = true
        DebugLevel = DebugLevel.traffic }

/// Alpha and gamma know only beta; all are on.
let private row settings adjust (prepare: World -> unit) =
    let plan = Mesh.named [ "alpha"; "beta"; "gamma" ] [ 0, 1; 2, 1 ]
    let world = Mesh.create settings plan adjust
    prepare world
    Mesh.start world
    world

let private allPairs (world: World) =
    [ for a in world.Machines do
          for b in world.Machines do
              if a <> b then
                  a, b ]

/// Traffic between all pairs, so that everybody finds the best way.
let private warmUp (world: World) seconds =
    for _ in 1 .. seconds * 5 do
        for from, target in allPairs world do
            world.Send(from, target, 900) |> ignore

        world.RunFor 0.2

let private minMtu (from: Machine) (target: Machine) =
    match from.View target with
    | ValueSome peer -> peer.MinMtu
    | ValueNone -> 0

let private logged (machine: Machine) (text: string) =
    machine.Log |> Seq.filter (fun struct (_, line) -> line.Text.Contains text) |> Seq.length

[<Fact>]
let ``in a row of three every pair talks within seconds, and finds UDP and its MTU`` () =
    let world = row (WorldSettings.ofSeed 1UL) unchanged ignore
    Assert.Empty(Mesh.silent world (allPairs world) 0.2 5.0)
    warmUp world 10

    for from, target in allPairs world do
        Assert.Equal(1439, minMtu from target)

[<Theory>]
[<InlineData(1500)>]
[<InlineData(1400)>]
[<InlineData(1280)>]
[<InlineData(700)>]
let ``the path MTU that is found fits the path, and longer packets get through all the same`` (mtu: int) =
    let world =
        row (WorldSettings.ofSeed 2UL) unchanged (fun world ->
            world.Underlay.Everywhere <- { Conditions.usual with Mtu = mtu })

    warmUp world 30

    for from, target in allPairs world do
        // IP and UDP headers, two node IDs, and a record's number, type and tag.
        Assert.InRange(minMtu from target, (mtu - 61) * 95 / 100, mtu - 61)

    // The first of a size may be answered with "fragmentation needed"; they say "don't fragment".
    for from, target in allPairs world do
        let fits = max (minMtu from target) 590
        let number = world.Send(from, target, fits)
        world.RunFor 1.0
        Assert.True(target.HasReceived number)

[<Fact>]
let ``without UDP between two of them the third relays`` () =
    let world =
        row (WorldSettings.ofSeed 3UL) unchanged (fun world ->
            world.Underlay.Set(0, 2, (fun conditions -> { conditions with UdpPasses = false })))

    warmUp world 20
    let alpha, gamma = world.Machines[0], world.Machines[2]
    Assert.Equal(0, minMtu alpha gamma)
    let before = world.Machines[1].Counters.Datagrams
    let numbers = [ for _ in 1..100 -> world.Send(alpha, gamma, 1200) ]
    world.RunFor 1.0
    Assert.All(numbers, (fun number -> Assert.True(gamma.HasReceived number)))
    Assert.InRange(world.Machines[1].Counters.Datagrams - before, 100L, 120L)

[<Fact>]
let ``without any UDP everything goes by TCP, and no handshake is repeated`` () =
    let world =
        row (WorldSettings.ofSeed 4UL) unchanged (fun world ->
            world.Underlay.Everywhere <- { Conditions.usual with UdpPasses = false })

    Assert.Empty(Mesh.silent world (allPairs world) 0.2 5.0)

    for _ in 1..20 do
        let numbers =
            [ for from, target in allPairs world do
                  for length in [ 60; 700; 1400 ] do
                      target, world.Send(from, target, length) ]

        world.RunFor 10.0
        Assert.All(numbers, (fun (target, number) -> Assert.True(target.HasReceived number)))

    for machine in world.Machines do
        Assert.InRange(machine.Counters.Sessions, 2L, 3L)

[<Fact>]
let ``after ten idle minutes traffic goes on at once, without new handshakes`` () =
    let world = row (kept 5UL) unchanged ignore
    warmUp world 10
    let sessions = world.Machines |> Seq.map _.Counters.Sessions |> List.ofSeq
    world.RunFor 600.0

    let numbers = [ for from, target in allPairs world -> target, world.Send(from, target, 1000) ]

    world.RunFor 0.5
    Assert.All(numbers, (fun (target, number) -> Assert.True(target.HasReceived number)))
    warmUp world 10
    Assert.Equal<int64 list>(sessions, world.Machines |> Seq.map _.Counters.Sessions |> List.ofSeq)

    for machine in world.Machines do
        Assert.Equal(0, logged machine "restarting SPTPS")

[<Fact>]
let ``two machines behind NATs meet through the one that both know`` () =
    let world =
        row (WorldSettings.ofSeed 6UL) unchanged (fun world ->
            world.Hide(world.Machines[0], Nat(Ip.v4 0xC6336401u))
            world.Hide(world.Machines[2], Nat(Ip.v4 0xC6336402u)))

    warmUp world 40
    let alpha, gamma = world.Machines[0], world.Machines[2]
    Assert.Equal(1439, minMtu alpha gamma)
    Assert.Equal(1439, minMtu gamma alpha)
    let before = world.Machines[1].Counters.Datagrams
    let numbers = [ for _ in 1..100 -> world.Send(alpha, gamma, 1200) ]
    world.RunFor 1.0
    Assert.All(numbers, (fun number -> Assert.True(gamma.HasReceived number)))
    Assert.InRange(world.Machines[1].Counters.Datagrams - before, 0L, 20L)

/// Sends a packet every 5 ms each way between two machines, and gives their numbers.
let private stream (world: World) (a: Machine) (b: Machine) seconds =
    [ for _ in 1 .. seconds * 200 do
          b, world.Send(a, b, 300)
          a, world.Send(b, a, 300)
          world.RunFor 0.005 ]

[<Fact>]
let ``sessions change their keys under traffic without losing or repeating a packet`` () =
    let adjust _ (settings: Settings) = { settings with KeyExpire = 7 }

    let world =
        row (kept 7UL) adjust (fun world ->
            world.Underlay.Everywhere <- { Conditions.usual with Jitter = 15L * Instant.millisecond })

    warmUp world 10
    let sessions = world.Machines |> Seq.map _.Counters.Sessions |> List.ofSeq
    let rekeys = world.Machines |> Seq.map _.Counters.Rekeys |> List.ofSeq

    for a, b in [ 0, 1; 0, 2 ] do
        let packets = stream world world.Machines[a] world.Machines[b] 30
        world.RunFor 1.0

        for target, number in packets do
            Assert.Equal(1, target.Arrivals number)

    Assert.Equal<int64 list>(sessions, world.Machines |> Seq.map _.Counters.Sessions |> List.ofSeq)

    for before, machine in Seq.zip rekeys world.Machines do
        Assert.InRange(machine.Counters.Rekeys - before, 8L, 100L)

[<Theory>]
[<InlineData(false)>]
[<InlineData(true)>]
let ``a node that starts again gets new keys, and traffic is back soon`` (powerFails: bool) =
    let world = row (kept 8UL) unchanged ignore
    warmUp world 10
    let alpha, beta, gamma = world.Machines[0], world.Machines[1], world.Machines[2]
    let sessions = alpha.Counters.Sessions

    if powerFails then world.PowerOff gamma else world.Kill gamma

    world.Start gamma
    Assert.Empty(Mesh.silent world [ alpha, gamma; gamma, alpha; beta, gamma; gamma, beta ] 0.5 15.0)
    Assert.Equal(sessions + 1L, alpha.Counters.Sessions)

[<Fact>]
let ``a node that leaves and comes back between two looks is seen to have left`` () =
    let world = row (kept 9UL) unchanged ignore
    warmUp world 10
    let alpha, gamma = world.Machines[0], world.Machines[2]
    let sessions = alpha.Counters.Sessions
    let scripts = alpha.ScriptsRun.Count
    // Alpha is busy: removal and addition come in one batch.
    alpha.Quantum <- 2L * Instant.second
    world.Kill gamma
    world.Start gamma
    world.RunFor 4.0
    alpha.Quantum <- Instant.millisecond
    Assert.Empty(Mesh.silent world [ alpha, gamma; gamma, alpha ] 0.5 10.0)
    Assert.InRange(alpha.Counters.Sessions, sessions + 1L, sessions + 2L)
    let ran = alpha.ScriptsRun |> Seq.skip scripts |> List.ofSeq
    Assert.Contains("host-down", ran)
    Assert.Contains("host-up", ran)

[<Fact>]
let ``a path that gets narrower or wider is found out`` () =
    let world =
        row (WorldSettings.ofSeed 10UL) (fun _ settings -> { settings with PingInterval = 10 }) ignore
    warmUp world 10
    let alpha, beta = world.Machines[0], world.Machines[1]
    Assert.Equal(1439, minMtu alpha beta)
    world.Underlay.Everywhere <- { Conditions.usual with Mtu = 1300 }
    warmUp world 45
    Assert.InRange(minMtu alpha beta, 1200, 1239)
    world.Underlay.Everywhere <- Conditions.usual
    warmUp world 60
    Assert.InRange(minMtu alpha beta, 1400, 1439)
