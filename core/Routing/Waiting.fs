namespace TincPure.Routing

open System
open System.Collections.Generic
open TincPure.Primitives

/// Frames for nodes with whom keys are still being agreed on, kept for a second: not many for one node, nor in all
/// (spec 03 §11.6).
[<Sealed>]
type internal Waiting() =
    let maxPerPeer = 64
    let maxFrames = 1024
    let patience = Instant.second
    let frames = Queue<struct (Instant * int * byte[])>()

    let isStale (now: Instant) (since: Instant) = Instant.between since now > patience

    let countOf (peer: int) =
        let mutable count = 0

        for struct (_, its, _) in frames do
            if its = peer then
                count <- count + 1

        count

    member _.Count = frames.Count

    /// Keeps a copy of a frame if there is room.
    member _.Add(peer: int, frame: Span<byte>, now: Instant) : unit =
        let mutable fresh = false

        while not fresh && frames.Count > 0 do
            let struct (since, _, _) = frames.Peek()
            fresh <- not (isStale now since)

            if not fresh then
                frames.Dequeue() |> ignore

        if frames.Count < maxFrames && countOf peer < maxPerPeer then
            frames.Enqueue(struct (now, peer, frame.ToArray()))

    /// What was kept for a node, oldest first. It is kept no longer.
    member _.Take(peer: int, now: Instant) : byte[] list =
        let taken = ResizeArray()

        for _ in 1 .. frames.Count do
            let struct (since, its, frame) as entry = frames.Dequeue()

            if its <> peer then
                frames.Enqueue entry
            elif not (isStale now since) then
                taken.Add frame

        List.ofSeq taken
