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
    let always (action: unit -> unit) =
        action ()
        0

    match List.ofArray args with
    | [ "crypto" ] -> always CryptoBenchmarks.run
    | [ "topology" ] -> always TopologyBenchmarks.run
    | [ "packets" ] -> always PacketBenchmarks.run
    | [ "compression" ] -> always CompressionBenchmarks.run
    | [ "legacy" ] -> always LegacyBenchmarks.run
    | [ "node" ] -> always NodeBenchmarks.run
    | "pairs" :: words -> PairBenchmarks.run words
    | _ -> always (fun () -> BenchmarkSwitcher.FromAssembly(typeof<CryptoEntries>.Assembly).Run(args, config) |> ignore)
