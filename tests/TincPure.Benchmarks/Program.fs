module TincPure.Benchmarks.Program

open BenchmarkDotNet.Configs
open BenchmarkDotNet.Jobs
open BenchmarkDotNet.Running
open BenchmarkDotNet.Toolchains.InProcess.Emit

/// In this process: a project that BenchmarkDotNet would make for itself would not know how packages come here.
let private config =
    ManualConfig.Create(DefaultConfig.Instance).AddJob(Job.ShortRun.WithToolchain InProcessEmitToolchain.Instance)

[<EntryPoint>]
let main args =
    match args with
    | [| "crypto" |] -> CryptoBenchmarks.run ()
    | [| "topology" |] -> TopologyBenchmarks.run ()
    | [| "packets" |] -> PacketBenchmarks.run ()
    | [| "compression" |] -> CompressionBenchmarks.run ()
    | [| "legacy" |] -> LegacyBenchmarks.run ()
    | [| "node" |] -> NodeBenchmarks.run ()
    | _ -> BenchmarkSwitcher.FromAssembly(typeof<CryptoEntries>.Assembly).Run(args, config) |> ignore

    0
