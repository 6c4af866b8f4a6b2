/// Time and allocations of something done many times.
module TincPure.Benchmarks.Measure

open System
open System.Diagnostics

/// Nanoseconds and bytes allocated per call, best of twenty rounds after one to warm up.
let measure (calls: int) (action: int -> unit) : struct (float * float) =
    let round () =
        let before = GC.GetAllocatedBytesForCurrentThread()
        let watch = Stopwatch.StartNew()

        for i in 0 .. calls - 1 do
            action i

        let nanoseconds = watch.Elapsed.TotalNanoseconds / float calls
        struct (nanoseconds, float (GC.GetAllocatedBytesForCurrentThread() - before) / float calls)

    round () |> ignore
    Seq.init 20 (fun _ -> round ()) |> Seq.min

let report (what: string) (struct (nanoseconds: float, bytes: float)) =
    Console.WriteLine(
        what.PadRight 58
        + nanoseconds.ToString("N0").PadLeft 14
        + " ns"
        + bytes.ToString("N0").PadLeft 14
        + " B"
    )
