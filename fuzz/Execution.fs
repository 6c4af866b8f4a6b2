namespace TincPure.Fuzz

open System
open System.Diagnostics

/// A run that went wrong. Failures of one kind have one cause, most likely.
type Failure = { Kind: string; Details: string }

module Execution =

    let maxSeconds = 1.0

    let private site (error: exn) =
        match StackTrace(error, false).GetFrame 0 with
        | null -> ""
        | frame ->
            match frame.GetMethod() with
            | null -> ""
            | method -> " in " + string method.DeclaringType + "." + method.Name

    let private attempt (target: Target) (behaviour: Behaviour) (input: byte[]) : Failure voption =
        behaviour.Begin input

        try
            target.Run behaviour input
            ValueNone
        with
        | Broken reason ->
            ValueSome
                { Kind = "broken: " + String.filter (Char.IsAsciiDigit >> not) reason
                  Details = reason }
        | error -> ValueSome { Kind = error.GetType().Name + site error; Details = error.ToString() }

    /// Runs an input and judges what it cost. What seems slow is run twice more, and then only the processor's time counts:
    /// the machine may have other things to do.
    let run (target: Target) (behaviour: Behaviour) (input: byte[]) : Failure voption =
        let allocatedBefore = GC.GetAllocatedBytesForCurrentThread()
        let started = Stopwatch.GetTimestamp()
        let failure = attempt target behaviour input
        let seconds = (Stopwatch.GetElapsedTime started).TotalSeconds
        let allocated = GC.GetAllocatedBytesForCurrentThread() - allocatedBefore

        let processorSeconds () =
            let before = Environment.CpuUsage.TotalTime
            attempt target behaviour input |> ignore
            (Environment.CpuUsage.TotalTime - before).TotalSeconds

        if failure.IsSome then
            failure
        elif allocated > target.MaxAllocated then
            ValueSome
                { Kind = "allocates too much"
                  Details = "allocates " + allocated.ToString() + " bytes" }
        elif seconds > maxSeconds && processorSeconds () > maxSeconds && processorSeconds () > maxSeconds then
            ValueSome { Kind = "takes too long"; Details = "takes " + seconds.ToString "0.0" + " s" }
        else
            ValueNone
