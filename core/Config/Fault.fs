/// Where the fault is when only the host finds out that a daemon cannot start.
module TincPure.Config.Fault

open TincPure.Primitives

/// Names file, line and variable of the value that does not work, and what does. `allowed` is what this host can do, if that
/// is less than the table says. Nothing if no file says anything about the variable.
let line (settings: Settings) (name: string) (value: string) (allowed: string voption) : LogLine voption =
    match Variables.tryFind name with
    | ValueNone -> ValueNone
    | ValueSome variable ->
        let entries = ConfigTable.all name settings.InEffect

        match
            entries
            |> List.tryFind (fun entry -> ByteText.decode entry.Value = value)
            |> Option.orElse (List.tryHead entries)
        with
        | None -> ValueNone
        | Some entry ->
            ValueSome
                { Level = DebugLevel.always
                  Priority = Priority.Info
                  Text =
                    variable.Name
                    + " = "
                    + ByteText.decode entry.Value
                    + " "
                    + Place.toText entry.Place
                    + " cannot be used here; allowed: "
                    + ValueOption.defaultWith (fun () -> Variables.allowed variable) allowed }
