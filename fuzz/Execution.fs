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

    /// Runs an input and judges what it cost. A run that seems slow is made twice more: the machine may have been busy.
    let run (target: Target) (behaviour: Behaviour) (input: byte[]) : Failure voption =
        let measured () =
            let allocated = GC.GetAllocatedBytesForCurrentThread()
            let started = Stopwatch.GetTimestamp()
            let failure = attempt target behaviour input
            let seconds = (Stopwatch.GetElapsedTime started).TotalSeconds
            struct (failure, seconds, GC.GetAllocatedBytesForCurrentThread() - allocated)

        let struct (failure, seconds, allocated) = measured ()

        let fastest () =
            List.min
                [ seconds
                  for _ in 1..2 do
                      let struct (_, seconds, _) = measured ()
                      seconds ]

        if failure.IsSome then
            failure
        elif allocated > target.MaxAllocated then
            ValueSome
                { Kind = "allocates too much"
                  Details = "allocates " + allocated.ToString() + " bytes" }
        elif seconds > maxSeconds && fastest () > maxSeconds then
            ValueSome { Kind = "takes too long"; Details = "takes " + seconds.ToString "0.0" + " s" }
        else
            ValueNone
