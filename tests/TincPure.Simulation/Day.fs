/// A day in the life of a mesh, in virtual time: nodes die and come back, links break and heal, packets flow all the while.
module TincPure.Simulation.Day

open System
open TincPure.Primitives
open TincPure.Config

/// What a mesh is put through.
type Plan =
    {
        Nodes: int
        /// Hours of virtual time with changes; some minutes without any come before them, at most half an hour.
        Hours: float
        /// Seconds between changes.
        Every: float
        Seed: uint64
    }

/// What came of it.
type Report =
    {
        Changes: int
        /// Meta connections that the changes ended; each was made again.
        Links: int
        Messages: int64
        /// Messages of as long a time in which nothing changes: keep-alives, and new keys each hour.
        Quiet: int64
        /// What the changes may cost: see `bound`.
        Bound: int64
        /// Bytes on the heap, rounded up by the collector, after each hour.
        Heap: int64 list
        /// Most bytes that waited for one peer at any time.
        MostQueued: int
        /// Pairs of nodes that could not talk in the end.
        Silent: int
    }

module Report =

    let perChange (report: Report) : float = float (report.Messages - report.Quiet) / float report.Changes

/// What `links` lost and made meta connections may cost at most in a mesh of `nodes` nodes with `total` connections.
///
/// A line that is flooded crosses each connection at most once in each direction. The end of a connection withdraws the edge
/// of either direction, its beginning announces both and, for a node that was away, its subnet; and both ends tell each other all
/// edges and subnets that they know. A quarter is for what crosses: withdrawals that both sides send, and answers to what was overtaken.
let bound (nodes: int) (total: int) (links: int) : int64 =
    let flood = 2L * int64 total
    let everything = 2L * int64 total + int64 nodes
    int64 links * (5L * flood + 2L * everything) * 5L / 4L

let private messages (world: World) = world.Machines |> Seq.sumBy (fun machine -> machine.Counters.MetaMessages)

/// One of the things that happen to a network. Says how many meta connections it ends.
let private change (world: World) (plan: Mesh.Plan) (dice: Dice) : int =
    let linksOf (machine: Machine) = machine.Neighbours
    let later (seconds: int) action = world.At(Instant.addSeconds seconds world.Now, action)

    match dice.Below 3 with
    | 0 ->
        let struct (a, b) =
            let from, target = plan.Links[dice.Below plan.Links.Length]
            struct (from, target)

        world.Underlay.Set(a, b, (fun conditions -> { conditions with Connected = false }))
        later 120 (fun () -> world.Underlay.Set(a, b, (fun conditions -> { conditions with Connected = true })))
        1
    | kind ->
        let machine = world.Machines[dice.Below world.Machines.Count]
        let links = linksOf machine

        if kind = 1 then world.Kill machine else world.PowerOff machine
        later (5 + dice.Below 90) (fun () -> world.Start machine)
        links

/// A few packets between nodes that have something to say to each other.
let private chat (world: World) (dice: Dice) =
    for _ in 1..3 do
        let from = world.Machines[dice.Below world.Machines.Count]
        let target = world.Machines[dice.Below world.Machines.Count]

        if from <> target then
            world.Send(from, target, 200) |> ignore

/// Lets `seconds` pass with `act` happening every `every` seconds, and packets all the while.
let private pass (world: World) (dice: Dice) (seconds: float) (every: float) (act: unit -> unit) =
    let last = Instant.add (int64 (seconds * 1e6)) world.Now

    while world.Now < last do
        act ()
        chat world dice
        world.RunFor every

    for machine in world.Machines do
        machine.Received.Clear()

/// Plays the plan. `tell` hears of each hour.
let run (plan: Plan) (tell: string -> unit) : Report =
    let dice = Dice plan.Seed
    let mesh = Mesh.hubs plan.Nodes 5 2 dice

    let world =
        Mesh.create { WorldSettings.ofSeed plan.Seed with Quantum = 5L * Instant.millisecond } mesh (fun _ settings ->
            settings)

    Mesh.start world
    let complete () = world.Machines |> Seq.forall (fun machine -> machine.Reachable = plan.Nodes)

    if not (world.RunUntil(complete, 1.0, 300.0)) then
        invalidOp "the mesh does not come together"

    let before = messages world
    let quietTime = min 1800.0 (plan.Hours * 600.0)
    pass world dice quietTime plan.Every ignore
    let quietPerSecond = float (messages world - before) / quietTime
    let begun = messages world
    let beganAt = world.Now
    let mutable changes = 0
    let mutable links = 0

    let act () =
        changes <- changes + 1
        links <- links + change world mesh dice

    let heap =
        [ for hour in 1 .. int (ceil plan.Hours) do
              let part = min 1.0 (plan.Hours - float (hour - 1))
              pass world dice (3600.0 * part) plan.Every act
              let bytes = GC.GetTotalMemory true

              tell (
                  "hour "
                  + hour.ToString()
                  + ": "
                  + (bytes / 1_000_000L).ToString()
                  + " MB on the heap, "
                  + (messages world - begun).ToString()
                  + " messages after "
                  + changes.ToString()
                  + " changes of "
                  + links.ToString()
                  + " connections"
              )

              bytes ]

    // The last changes heal.
    world.RunFor 200.0
    world.RunUntil(complete, 1.0, 300.0) |> ignore
    let elapsed = float (Instant.between beganAt world.Now) / 1e6
    let sent = messages world - begun
    let silent = Mesh.silent world (Mesh.pairs world mesh) 1.0 60.0

    { Changes = changes
      Links = links
      Messages = sent
      Quiet = int64 (quietPerSecond * elapsed)
      Bound = bound plan.Nodes mesh.Links.Length links
      Heap = heap
      MostQueued = world.Machines |> Seq.map (fun machine -> machine.Counters.MostQueued) |> Seq.max
      Silent = silent.Length }
