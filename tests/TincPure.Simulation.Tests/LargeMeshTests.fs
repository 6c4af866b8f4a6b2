module TincPure.Simulation.Tests.LargeMeshTests

open System
open TincPure.Primitives
open TincPure.Config
open TincPure.Simulation
open Xunit

let private unchanged (_: int) (settings: Settings) = settings

/// 5 % loss, some datagrams twice, many in another order.
let private rough =
    { Conditions.usual with
        Loss = 0.05
        Duplication = 0.02
        Jitter = 30L * Instant.millisecond }

let private neverTwice (world: World) =
    for machine in world.Machines do
        Assert.All(machine.Received.Values, (fun count -> Assert.Equal(1, count)))

[<Fact>]
let ``50 nodes: every pair with a path talks, before, during and after the network is cut`` () =
    let count = 50
    let plan = Mesh.random count 25 (Dice 11UL)
    let world = Mesh.create (WorldSettings.ofSeed 11UL) plan unchanged
    world.Underlay.Everywhere <- rough
    Mesh.start world

    let everyPairTalks limit =
        let pairs = Mesh.pairs world plan
        Assert.Empty(Mesh.silent world pairs 1.0 limit)
        pairs.Length

    Assert.Equal(count * (count - 1), everyPairTalks 60.0)
    world.Underlay.Partition [ [ 0..15 ]; [ 16..30 ] ]
    // Those that are cut off are noticed when they do not answer.
    Assert.InRange(everyPairTalks 90.0, 1, count * (count - 1) - 1)
    world.RunFor 60.0
    world.Underlay.Heal()
    Assert.Equal(count * (count - 1), everyPairTalks 90.0)
    neverTwice world

let private trace seed =
    let settings =
        { WorldSettings.ofSeed seed with
            KeepText = true
            DebugLevel = DebugLevel.traffic }

    let plan = Mesh.random 10 5 (Dice seed)
    let world = Mesh.create settings plan unchanged
    world.Underlay.Everywhere <- rough
    Mesh.start world
    Mesh.silent world (Mesh.pairs world plan) 1.0 30.0 |> ignore
    world.Underlay.Partition [ [ 0..4 ] ]
    world.RunFor 20.0
    world.Underlay.Heal()
    world.Kill world.Machines[3]
    world.RunFor 3.0
    world.Start world.Machines[3]
    Mesh.silent world (Mesh.pairs world plan) 1.0 30.0 |> ignore
    struct (world.Trace.Text, world.Trace.Hash)

[<Fact>]
let ``the same seed gives the same trace, byte for byte, and another seed another`` () =
    let struct (text, hash) = trace 21UL
    let struct (again, hashAgain) = trace 21UL
    let struct (other, otherHash) = trace 22UL
    Assert.True(text.Length > 10_000)
    Assert.True(String.Equals(text, again))
    Assert.Equal(hash, hashAgain)
    Assert.False(String.Equals(text, other))
    Assert.NotEqual(hash, otherHash)

/// What flooding costs at least: everybody is told of every edge and every subnet over each of its links once.
let private floodBytes (plan: Mesh.Plan) =
    let links = int64 plan.Links.Length
    let nodes = int64 plan.Names.Length
    // A line of ADD_EDGE as a record takes about 90 bytes.
    links * (2L * links + nodes) * 90L

let private sum (world: World) select = world.Machines |> Seq.sumBy (fun (machine: Machine) -> select machine.Counters)

[<Fact>]
let ``300 nodes that start at once, and 100 of them again at once, settle without a storm`` () =
    let count = 300
    let plan = Mesh.hubs count 10 2 (Dice 31UL)

    // Busy machines work on what has gathered.
    let settings = { WorldSettings.ofSeed 31UL with Quantum = 20L * Instant.millisecond }

    let world = Mesh.create settings plan unchanged
    let complete () = world.Machines |> Seq.forall (fun machine -> machine.Reachable = count)

    let everyLinkIsUp () =
        Seq.sumBy (fun (machine: Machine) -> machine.Neighbours) world.Machines = 2 * plan.Links.Length

    let flood = floodBytes plan
    let memoryBefore = GC.GetTotalMemory true
    Mesh.start world
    // Ten hubs let in 60 connections each: a burst of ten, then one a second.
    Assert.True(world.RunUntil(complete, 1.0, 120.0))
    Assert.InRange(sum world _.MetaBytes, flood / 4L, flood * 2L)
    let memory = GC.GetTotalMemory true - memoryBefore
    Assert.InRange(memory / int64 count, 0L, 3_000_000L)

    let before = sum world _.MetaBytes

    for machine in Seq.truncate 100 world.Machines do
        world.Kill machine

    for machine in Seq.truncate 100 world.Machines do
        world.Start machine

    world.RunFor 1.0
    Assert.True(world.RunUntil(complete, 1.0, 180.0))
    Assert.True(world.RunUntil(everyLinkIsUp, 1.0, 180.0))
    // Every edge of a node that left is taken back and announced again.
    Assert.InRange(sum world _.MetaBytes - before, 0L, flood * 2L)

    let settled = sum world _.MetaBytes
    world.RunFor 30.0
    // Then it is quiet: keep-alives and nothing else.
    Assert.InRange(sum world _.MetaBytes - settled, 0L, int64 plan.Links.Length * 2000L)

    for machine in world.Machines do
        Assert.InRange(machine.Counters.MostQueued, 0, 4_000_000)
        Assert.InRange(machine.Counters.MostConnections, 1, 150)
