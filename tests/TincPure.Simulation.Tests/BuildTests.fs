module TincPure.Simulation.Tests.BuildTests

open Xunit

[<Fact>]
let ``the simulator is loaded`` () =
    Assert.Equal("TincPure.Simulation", typeof<TincPure.Simulation.Marker.Marker>.Assembly.GetName().Name)
