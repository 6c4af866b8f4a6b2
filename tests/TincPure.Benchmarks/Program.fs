module TincPure.Benchmarks.Program

open BenchmarkDotNet.Running

[<EntryPoint>]
let main args =
    match args with
    | [| "crypto" |] -> CryptoBenchmarks.run ()
    | [| "topology" |] -> TopologyBenchmarks.run ()
    | [| "packets" |] -> PacketBenchmarks.run ()
    | [| "compression" |] -> CompressionBenchmarks.run ()
    | [| "node" |] -> NodeBenchmarks.run ()
    | _ -> BenchmarkSwitcher.FromAssembly(typeof<CryptoBenchmarks.SealBenchmarks>.Assembly).Run args |> ignore

    0
