module TincPure.Simulation.Program

[<EntryPoint>]
let main _ = 0
