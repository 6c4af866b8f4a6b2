namespace TincPure.Simulation

open System.Collections.Generic
open TincPure.Primitives
open TincPure.Node

/// One machine's end of a TCP connection. The machine tells it what to write; it reports what comes of it as inputs.
[<Sealed>]
type StreamEnd(machine: int, id: ConnectionId, report: Input -> unit) =
    member _.Machine: int = machine
    member _.Id: ConnectionId = id

    /// Bytes that the machine wants written and that the kernel has no room for yet.
    member val Queue = Queue<byte array>()
    member val Queued = 0 with get, set

    /// Written, but not yet arrived: what, and the earliest moment of its arrival. An empty chunk is the end of the stream.
    member val Flight = Queue<struct (byte array * Instant)>()
    member val InFlight = 0 with get, set
    member val LastArrival = Instant.never with get, set
    member val Retries = 0 with get, set

    /// The machine has closed it, or is gone: nothing is reported any more.
    member val Closed = false with get, set
    /// The other end has sent all it had.
    member val Ended = false with get, set
    member val Tarpitted = false with get, set

    member this.Report(input: Input) : unit =
        if not (this.Closed || this.Tarpitted) then
            report input

/// The TCP of the virtual network: bytes arrive in order and complete or not at all, lost segments cost time, and while the
/// network is cut nothing arrives, but is tried again.
[<Sealed>]
type Streams(clock: Clock, underlay: Underlay, dice: Dice) =
    /// What a kernel takes off a program's hands before it must wait.
    let window = 256 * 1024

    let segment = 1448
    let retransmission = 200L * Instant.millisecond

    let transit (from: StreamEnd) (towards: StreamEnd) size =
        let conditions = underlay.Between(from.Machine, towards.Machine)
        let mutable delay = conditions.Latency

        for _ in 1 .. (size + segment) / segment do
            let mutable penalty = retransmission

            while penalty < 8L * Instant.second && dice.Chance conditions.Loss do
                delay <- delay + penalty
                penalty <- penalty * 2L

        delay

    let rec arrive (from: StreamEnd) (towards: StreamEnd) =
        if not (underlay.Between(from.Machine, towards.Machine).Connected) then
            from.Retries <- min (from.Retries + 1) 6
            clock.After(retransmission <<< (from.Retries - 1), fun () -> arrive from towards)
        else
            from.Retries <- 0
            let struct (chunk, _) = from.Flight.Dequeue()
            from.InFlight <- from.InFlight - chunk.Length

            if chunk.Length = 0 then
                towards.Ended <- true
                towards.Report(Lost(towards.Id, ValueNone))
            else
                deliver towards chunk

            pump from towards

            if from.Flight.Count > 0 then
                let struct (_, ready) = from.Flight.Peek()
                clock.At(ready, fun () -> arrive from towards)

    /// Streams keep no boundaries: now and then what was written at once is read in two pieces.
    and deliver (towards: StreamEnd) chunk =
        if chunk.Length > 1 && dice.Chance 0.05 then
            let cut = 1 + dice.Below(chunk.Length - 1)
            towards.Report(Received(towards.Id, chunk[.. cut - 1]))
            towards.Report(Received(towards.Id, chunk[cut..]))
        else
            towards.Report(Received(towards.Id, chunk))

    and launch (from: StreamEnd) (towards: StreamEnd) (chunk: byte array) =
        let ready = max from.LastArrival (Instant.add (transit from towards chunk.Length) clock.Now)

        from.LastArrival <- ready
        from.InFlight <- from.InFlight + chunk.Length
        from.Flight.Enqueue(struct (chunk, ready))

        if from.Flight.Count = 1 then
            clock.At(ready, fun () -> arrive from towards)

    and pump (from: StreamEnd) (towards: StreamEnd) =
        while from.Queue.Count > 0 && from.InFlight < window do
            let chunk = from.Queue.Dequeue()
            from.Queued <- from.Queued - chunk.Length
            launch from towards chunk

            if chunk.Length > 0 then
                from.Report(Sent(from.Id, chunk.Length))

    /// Both ends of every connection, each as the other's far end.
    let far = Dictionary<StreamEnd, StreamEnd>(HashIdentity.Reference)

    member _.Open: int = far.Count / 2

    /// Joins two ends; from now on bytes can flow.
    member _.Join(a: StreamEnd, b: StreamEnd) : unit =
        far[a] <- b
        far[b] <- a

    member _.Write(from: StreamEnd, bytes: byte array) : unit =
        match far.TryGetValue from with
        | true, towards when bytes.Length > 0 && not from.Closed ->
            from.Queue.Enqueue bytes
            from.Queued <- from.Queued + bytes.Length
            pump from towards
        | _ -> ()

    /// Closes one end, after what is queued. The connection is forgotten when both are closed.
    member _.Close(from: StreamEnd) : unit =
        if not from.Closed then
            from.Closed <- true

            match far.TryGetValue from with
            | true, towards when towards.Closed ->
                far.Remove from |> ignore
                far.Remove towards |> ignore
            | true, towards ->
                from.Queue.Enqueue Array.empty
                pump from towards
            | _ -> ()

    /// The machine loses power: nothing more is sent, not even the end. The other side finds out when it sends something.
    member _.Vanish(from: StreamEnd) : unit =
        from.Closed <- true
        from.Queue.Clear()
        from.Queued <- 0
