/// What people read about configuration variables: all of it comes from the table.
module TincPure.Commands.Manual

open System
open TincPure.Config

let private place (variable: Variable) =
    match variable.Server, variable.Host with
    | true, true -> "tinc.conf, host files"
    | true, false -> "tinc.conf"
    | _ -> "host files"

let private atReload (variable: Variable) =
    match variable.Reload with
    | Reload.Reread -> "taken over; if it is missing, the old value stays"
    | Reload.RereadOrDefault
    | Reload.ListRebuilt -> "taken over"
    | Reload.OnlySwitchedOn -> "can be switched on, not off"
    | Reload.LookedUp -> "used from the next time on that it is needed"
    | Reload.StartOnly -> "needs a restart"

let private remarks (variable: Variable) =
    [ if variable.Multiple then
          "It may stand several times."
      match variable.Needs with
      | ValueSome(struct (other, value)) -> "It has no effect without " + other + " = " + value + "."
      | ValueNone -> ()
      if variable.Safe then
          "An invitation may set it."
      if variable.Obsolete then
          "It is obsolete: `tinc set` wants --force for it." ]

let private wrap (indent: string) (text: string) =
    let line, lines =
        text.Split ' '
        |> Array.fold
            (fun (line: string, lines) word ->
                if line <> "" && indent.Length + line.Length + 1 + word.Length > 100 then
                    word, (indent + line) :: lines
                else
                    (if line = "" then word else line + " " + word), lines)
            ("", [])

    List.rev ((indent + line) :: lines)

let private joined lines = String.Join('\n', (lines: string list)) + "\n"

/// All about one variable.
let explain (variable: Variable) : string =
    let row (title: string) (text: string) =
        wrap "" (title.PadRight 10 + text)
        |> List.mapi (fun i line -> if i = 0 then line else String(' ', 10) + line)

    joined
        [ variable.Name
          yield! wrap "  " (String.Join(' ', variable.Meaning :: remarks variable))
          ""
          yield! row "Values" (Variables.allowed variable)
          yield! row "Default" (if variable.Default = "" then "none" else variable.Default)
          yield! row "Place" (place variable)
          yield! row "Reload" (atReload variable) ]

let private sorted =
    Variables.all
    |> List.sortWith (fun one other -> String.Compare(one.Name, other.Name, StringComparison.OrdinalIgnoreCase))

/// The names of all variables, and what each is for.
let summary: string =
    joined
        [ for variable in sorted do
              let lines = wrap "" (variable.Name.PadRight 30 + variable.Meaning)
              yield List.head lines
              yield! lines |> List.tail |> List.collect (wrap (String(' ', 30))) ]

/// What `tinc help WORD` prints if the word is no command: about a variable, or about all of them for `variables`.
let tryHelp (word: string) : string voption =
    if word.Equals("variables", StringComparison.OrdinalIgnoreCase) then
        ValueSome summary
    else
        Variables.tryFind word |> ValueOption.map explain

/// The table for `docs/configuration.md`.
let markdown: string =
    let cell (text: string) = text.Replace("|", "\\|")

    let row (cells: string list) = "| " + String.Join(" | ", List.map cell cells) + " |"

    joined
        [ row [ "Variable"; "Place"; "Values"; "Default"; "At a reload"; "Meaning" ]
          "| --- | --- | --- | --- | --- | --- |"
          for variable in sorted do
              row
                  [ variable.Name
                    place variable
                    Variables.allowed variable
                    variable.Default
                    atReload variable
                    String.Join(' ', variable.Meaning :: remarks variable) ] ]
