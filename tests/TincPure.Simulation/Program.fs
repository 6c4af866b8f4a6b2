module TincPure.Simulation.Program

open System
open System.Diagnostics
open TincPure.Primitives
open TincPure.Simulation
open TincPure.Simulation.Day

let private write (text: string) = Console.Out.WriteLine text

let private seconds (from: Instant) (until: Instant) = (float (Instant.between from until) / 1e6).ToString "0.0"

/// How a machine sends to another, as its forwarding table says.
let private way (from: Machine) (target: Machine) =
    match from.View target with
    | ValueNone -> "unknown"
    | ValueSome peer when not peer.Reachable -> "unreachable"
    | ValueSome peer when peer.UdpConfirmed && peer.MinMtu > 0 -> "UDP, MTU " + peer.Mtu.ToString()
    | ValueSome peer when peer.Neighbour -> "TCP"
    | ValueSome peer ->
        match from.Node with
        | ValueSome node -> "by " + node.Fib.Peers[peer.NextHop].Name.Text
        | ValueNone -> "off"

let private table (world: World) =
    let cell (text: string) = text.PadRight 18

    write (
        cell ""
        + String.Join("", world.Machines |> Seq.map (fun machine -> cell ("to " + machine.Name.Text)))
    )

    for from in world.Machines do
        let cells =
            world.Machines |> Seq.map (fun target -> cell (if from = target then "-" else way from target))

        write (cell from.Name.Text + String.Join("", cells))

/// Three nodes in a row: the first knows only the second, the third only the second, and no UDP passes between the ends.
let private demo () =
    let plan = Mesh.named [ "alpha"; "beta"; "gamma" ] [ 0, 1; 2, 1 ]
    let world = Mesh.create (WorldSettings.ofSeed 1UL) plan (fun _ settings -> settings)
    world.Underlay.Set(0, 2, (fun conditions -> { conditions with UdpPasses = false }))
    write "A mesh of three nodes, simulated: alpha and gamma connect to beta; no UDP passes between alpha and gamma."
    Mesh.start world
    let began = world.Now
    let pairs = Mesh.pairs world plan
    let silent = Mesh.silent world pairs 0.2 30.0

    write ("Every pair has exchanged packets after " + seconds began world.Now + " s of virtual time.")

    // Some traffic, so that every pair finds its best way.
    for _ in 1..100 do
        for from, target in pairs do
            world.Send(from, target, 1000) |> ignore

        world.RunFor 0.2

    write ""
    table world
    write ""
    let mutable sent = 0
    let mutable arrived = 0

    for _ in 1..100 do
        let numbers = pairs |> List.map (fun (from, target) -> target, world.Send(from, target, 1300))

        world.RunFor 0.1

        for target, number in numbers do
            sent <- sent + 1

            if target.HasReceived number then
                arrived <- arrived + 1

    write ("Of " + sent.ToString() + " more packets " + arrived.ToString() + " arrived.")

    if silent.IsEmpty && arrived = sent then 0 else 1

let private report (world: World) (watch: Stopwatch) =
    let sum select = world.Machines |> Seq.sumBy (fun (machine: Machine) -> select machine.Counters)

    let most select = world.Machines |> Seq.map (fun (machine: Machine) -> select machine.Counters) |> Seq.max

    let line (name: string) (value: int64) = write (name.PadRight 28 + value.ToString().PadLeft 14)

    line "events" world.Events
    line "inputs" (sum _.Inputs)
    line "meta bytes" (sum _.MetaBytes)
    line "datagrams" (sum _.Datagrams)
    line "frames delivered" (sum _.Frames)
    line "data sessions" (sum _.Sessions)
    line "connections opened" (sum _.Connects)
    line "most connections at a node" (int64 (most _.MostConnections))
    line "most bytes queued at a node" (int64 (most _.MostQueued))
    line "heap bytes" (GC.GetTotalMemory true)
    line "real milliseconds" watch.ElapsedMilliseconds

/// All nodes of a mesh start at once, and then a third of them, those in the middle of the mesh among them, start again at once.
let private storm count =
    let watch = Stopwatch.StartNew()
    let plan = Mesh.hubs count (max 3 (count / 30)) 2 (Dice 1UL)

    // Busy nodes work on what has gathered.
    let settings = { WorldSettings.ofSeed 1UL with Quantum = 10L * Instant.millisecond }

    let world = Mesh.create settings plan (fun _ settings -> settings)
    let complete () = world.Machines |> Seq.forall (fun machine -> machine.Reachable = count)

    for round in [ "start"; "restart" ] do
        for machine in Seq.truncate (count / 3) world.Machines do
            world.Kill machine

        let began = world.Now
        Mesh.start world
        world.RunFor 1.0
        let met = world.RunUntil(complete, 0.5, 300.0)

        write (
            round
            + ": "
            + (if met then "complete" else "not complete")
            + " after "
            + seconds began world.Now
            + " s of virtual time"
        )

        report world watch

    0

/// A random mesh with loss, whose network breaks and heals.
let private random count seed =
    let watch = Stopwatch.StartNew()
    let dice = Dice seed
    let plan = Mesh.random count (count / 2) dice
    let world = Mesh.create (WorldSettings.ofSeed seed) plan (fun _ settings -> settings)

    world.Underlay.Everywhere <-
        { Conditions.usual with
            Loss = 0.05
            Duplication = 0.01
            Jitter = 20L * Instant.millisecond }

    Mesh.start world

    let settle what =
        let began = world.Now
        let pairs = Mesh.pairs world plan
        let silent = Mesh.silent world pairs 1.0 120.0

        write (
            what
            + ": "
            + (pairs.Length - silent.Length).ToString()
            + " of "
            + pairs.Length.ToString()
            + " pairs after "
            + seconds began world.Now
            + " s"
        )

    settle "started"
    world.Underlay.Partition [ [ 0 .. count / 3 ]; [ count / 3 + 1 .. 2 * count / 3 ] ]
    settle "cut into three"
    world.RunFor 60.0
    world.Underlay.Heal()
    settle "healed"
    report world watch
    0

/// A day of a mesh with changes all the time.
let private day nodes hours =
    let watch = Stopwatch.StartNew()

    let result = Day.run { Nodes = nodes; Hours = hours; Every = 60.0; Seed = 1UL } write

    let line (name: string) (value: string) = write (name.PadRight 36 + value.PadLeft 14)
    line "changes" (result.Changes.ToString())
    line "connections that they ended" (result.Links.ToString())
    line "messages" (result.Messages.ToString())
    line "of them without any change" (result.Quiet.ToString())
    line "messages for a change" ((Report.perChange result).ToString "0")
    line "bound" ((float result.Bound / float result.Changes).ToString "0")
    line "most bytes queued for a peer" (result.MostQueued.ToString())
    line "pairs that do not talk in the end" (result.Silent.ToString())
    line "real seconds" (watch.Elapsed.TotalSeconds.ToString "0")

    let grows = List.last result.Heap > 3L * List.head result.Heap / 2L
    let isStorm = result.Messages - result.Quiet > result.Bound
    if grows then
        write "The heap grows."
    if isStorm then
        write "There are more messages than there may be."
    if grows || isStorm || result.Silent > 0 then 1 else 0

[<EntryPoint>]
let main arguments =
    match List.ofArray arguments with
    | [ "demo" ] -> demo ()
    | [ "storm"; count ] -> storm (int count)
    | [ "day" ] -> day 100 24.0
    | [ "day"; nodes; hours ] -> day (int nodes) (float hours)
    | [ "random"; count; seed ] -> random (int count) (uint64 seed)
    | _ ->
        write "usage: TincPure.Simulation demo | storm NODES | random NODES SEED | day [NODES HOURS]"
        1
