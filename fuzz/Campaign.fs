namespace TincPure.Fuzz

open System
open System.Diagnostics
open System.Text
open TincPure.Simulation

type Found = { Failure: Failure; Input: byte[] }

type Report =
    {
        Target: string
        Runs: int64
        Seconds: float
        /// Inputs that did something new.
        Kept: int
        Found: Found voption
    }

/// Fuzzes one target: the seeds first, then changes of what did something new.
module Campaign =

    let private maxKept = 4096

    /// What a target, which has no state, may hold on to.
    let private maxHeld = 512L <<< 20

    /// The same seed rolls other dice for each target.
    let private diceFor (target: Target) (seed: uint64) =
        Dice(target.Name |> Seq.fold (fun sum c -> sum * 31UL + uint64 c) seed)

    /// Half of the picks go to what came last.
    let private pick (dice: Dice) (kept: ResizeArray<byte[]>) =
        if dice.Below 2 = 0 then
            kept[dice.Below kept.Count]
        else
            kept[kept.Count - 1 - dice.Below(1 + kept.Count / 8)]

    let private minimised target (recorder: Recorder) (failure: Failure) input =
        let behaviour = Behaviour()

        let failsAlike candidate =
            match recorder.Run(Execution.run target behaviour, candidate) with
            | ValueSome other -> other.Kind = failure.Kind
            | ValueNone -> false

        let smallest = Minimise.run failsAlike input

        match Execution.run target behaviour smallest with
        | ValueSome last -> { Failure = last; Input = smallest }
        | ValueNone -> { Failure = failure; Input = input }

    /// Runs for so many seconds, at least through the seeds, or until something fails.
    let run (target: Target) (seed: uint64) (seconds: float) : Report =
        use recorder = new Recorder(target)
        let dice = diceFor target seed
        let behaviour = Behaviour()
        let words = target.Words |> List.map Encoding.Latin1.GetBytes |> Array.ofList
        let kept = ResizeArray<byte[]>()
        let clock = Stopwatch.StartNew()
        let heldBefore = GC.GetTotalMemory true
        let mutable runs = 0L
        let mutable found = ValueNone

        let tryInput (input: byte[]) =
            runs <- runs + 1L

            match recorder.Run(Execution.run target behaviour, input) with
            | ValueSome failure -> found <- ValueSome(minimised target recorder failure input)
            | ValueNone ->
                if behaviour.IsNew() then
                    if kept.Count < maxKept then
                        kept.Add input
                    else
                        kept[dice.Below kept.Count] <- input

                if runs % 4096L = 0L && GC.GetTotalMemory false - heldBefore > maxHeld then
                    let held = GC.GetTotalMemory true - heldBefore

                    if held > maxHeld then
                        let details = "holds " + held.ToString() + " bytes after " + runs.ToString() + " runs"
                        found <- ValueSome { Failure = { Kind = "holds memory"; Details = details }; Input = input }

        for seed in [||] :: List.map snd (Corpus.load target.Name) @ target.Seeds() do
            if found.IsNone then
                tryInput seed

        while found.IsNone && clock.Elapsed.TotalSeconds < seconds do
            pick dice kept |> Mutation.mutate dice words target.MaxSize kept[dice.Below kept.Count] |> tryInput

        { Target = target.Name
          Runs = runs
          Seconds = clock.Elapsed.TotalSeconds
          Kept = kept.Count
          Found = found }
