module TincPure.Benchmarks.Program

open System
open BenchmarkDotNet.Attributes
open BenchmarkDotNet.Running
open TincPure.Primitives

type BytesBenchmarks() =
    let left: byte array = Array.zeroCreate 1500
    let right: byte array = Array.zeroCreate 1500

    [<Benchmark>]
    member _.Equal() = Bytes.equal (ReadOnlySpan left) (ReadOnlySpan right)

[<EntryPoint>]
let main args =
    match args with
    | [| "topology" |] -> TopologyBenchmarks.run ()
    | [| "packets" |] -> PacketBenchmarks.run ()
    | _ -> BenchmarkSwitcher.FromAssembly(typeof<BytesBenchmarks>.Assembly).Run args |> ignore

    0
