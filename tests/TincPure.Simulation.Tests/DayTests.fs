module TincPure.Simulation.Tests.DayTests

open TincPure.Simulation
open Xunit
open Xunit.Abstractions

/// `./build.sh day` plays a whole day of this.
type DayTests(output: ITestOutputHelper) =

    [<Fact>]
    member _.``100 nodes of which one or a link fails each minute stay small, quiet and together``() =
        let report = Day.run { Nodes = 100; Hours = 0.25; Every = 60.0; Seed = 2UL } output.WriteLine

        output.WriteLine(Day.Report.perChange(report).ToString "0" + " messages for a change")
        Assert.Equal(0, report.Silent)
        Assert.InRange(report.Messages - report.Quiet, 0L, report.Bound)
        Assert.InRange(List.last report.Heap, 0L, 200_000_000L)
        Assert.InRange(report.MostQueued, 0, 1_000_000)
