module TincPure.Benchmarks.Program

open BenchmarkDotNet.Columns
open BenchmarkDotNet.Configs
open BenchmarkDotNet.Jobs
open BenchmarkDotNet.Running
open BenchmarkDotNet.Toolchains.InProcess.Emit
open Perfolizer.Horology

/// In this process: a project that BenchmarkDotNet would make for itself would not know how packages come here. Iterations are
/// shorter than what a scheduler gives at a time, so that the least of them tells what something costs undisturbed.
let private config =
    let job =
        Job.Default
            .WithToolchain(InProcessEmitToolchain.Instance)
            .WithIterationTime(TimeInterval.FromMilliseconds 2.0)
            .WithWarmupCount(20)
            .WithIterationCount(100)

    ManualConfig.Create(DefaultConfig.Instance).AddJob(job).AddColumn(StatisticColumn.Min, StatisticColumn.Median)

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
