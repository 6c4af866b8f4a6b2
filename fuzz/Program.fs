module TincPure.Fuzz.Program

[<EntryPoint>]
let main _ = 0
