namespace TincPure.Simulation

open System.Collections.Generic
open TincPure.Primitives

/// Virtual time: what is planned happens in order of time, and what is planned for the same time in order of planning.
[<Sealed>]
type Clock(start: Instant) =
    let order =
        Comparer<struct (int64 * int64)>.Create(fun (struct (time, turn)) (struct (otherTime, otherTurn)) ->
            if time <> otherTime then compare time otherTime else compare turn otherTurn)

    let planned = PriorityQueue<unit -> unit, struct (int64 * int64)>(order)
    let mutable now = start
    let mutable turn = 0L

    member _.Now: Instant = now

    /// Events that happened so far.
    member val Happened = 0L with get, set

    member _.Waiting: int = planned.Count

    /// Plans an action; for the present if its time is over.
    member _.At(time: Instant, action: unit -> unit) : unit =
        turn <- turn + 1L
        planned.Enqueue(action, struct ((max time now).Microseconds, turn))

    /// Plans an action `span` microseconds from now.
    member this.After(span: int64, action: unit -> unit) : unit = this.At(Instant.add span now, action)

    /// Lets the next action happen, unless it is planned for after `limit`. False when nothing happened.
    member this.Step(limit: Instant) : bool =
        let mutable action = Unchecked.defaultof<unit -> unit>
        let mutable priority = struct (0L, 0L)

        if planned.TryPeek(&action, &priority) then
            let struct (time, _) = priority

            if time <= limit.Microseconds then
                planned.Dequeue() |> ignore
                now <- max now (Instant time)
                this.Happened <- this.Happened + 1L
                action ()
                true
            else
                false
        else
            false

    /// Lets everything up to `limit` happen. It is `limit` then.
    member this.RunUntil(limit: Instant) : unit =
        while this.Step limit do
            ()

        now <- max now limit
