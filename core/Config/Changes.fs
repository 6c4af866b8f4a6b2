/// What a new configuration changes in a running daemon, and what of it waits for a restart (spec 05 §5, §7.1). Both
/// configurations are compared as data: as the entries that are in effect and those that were read.
module internal TincPure.Config.Changes

open System
open TincPure.Primitives

/// What is said of a single value, or of its absence, so that different spellings of one thing are equal.
let private meaning (variable: Variable) (value: string) : string =
    match variable.Kind with
    | Kind.YesNo
    | Kind.OneOf _ -> ByteText.lower value
    | Kind.Whole _ ->
        match Value.whole value with
        | ValueSome number -> number.ToString()
        | ValueNone -> value
    | _ -> value

/// The entries that count: the first one, or all if there may be several.
let private counting (variable: Variable) (table: ConfigTable) : Entry list =
    let entries = ConfigTable.all variable.Name table
    if variable.Multiple then entries else List.truncate 1 entries

/// What a flag that is absent means: PMTUDiscovery follows TCPOnly.
let private defaultOf (variable: Variable) (table: ConfigTable) : string =
    if variable.Name = "PMTUDiscovery" then
        match ConfigTable.tryFirst "TCPOnly" table |> ValueOption.bind (fun entry -> Value.yesNo entry.Value) with
        | ValueSome true -> "no"
        | _ -> "yes"
    else
        variable.Default

let private meanings (variable: Variable) (table: ConfigTable) : string list =
    match counting variable table with
    | [] when variable.Multiple -> []
    | [] -> [ meaning variable (defaultOf variable table) ]
    | entries -> entries |> List.map (fun entry -> meaning variable entry.Value)

/// The table has no opinion on it, or a value that is none: what was in effect stays.
let private isUsable (variable: Variable) (table: ConfigTable) : bool =
    counting variable table |> List.forall (fun entry -> Value.accepts variable entry.Value)

/// Which of two tables a variable is taken from: what is in effect, or what was read.
let private takesFresh (inEffect: ConfigTable) (fresh: ConfigTable) (variable: Variable) : bool =
    match variable.Reload with
    | Reload.StartOnly -> false
    | Reload.Reread -> not (counting variable fresh).IsEmpty && isUsable variable fresh
    | Reload.RereadOrDefault -> isUsable variable fresh
    | Reload.OnlySwitchedOn -> meanings variable inEffect <> [ "yes" ] || meanings variable fresh = [ "yes" ]
    | Reload.ListRebuilt
    | Reload.LookedUp -> true

/// The entries that are in effect after a reload.
let apply (inEffect: ConfigTable) (fresh: ConfigTable) : ConfigTable =
    Variables.all
    |> List.collect (fun variable ->
        ConfigTable.all variable.Name (if takesFresh inEffect fresh variable then fresh else inEffect))
    |> ConfigTable.ofEntries

/// Not to be seen in a log.
let private isSecret (variable: Variable) = variable.Kind = Kind.Hexadecimal || variable.Name = "Proxy"

let private quoted (variable: Variable) (entry: Entry) =
    if isSecret variable then
        variable.Name
    else
        variable.Name + " = " + ByteText.decode entry.Value

/// What holds as long as the daemon runs.
let private untilThen (variable: Variable) (inEffect: ConfigTable) : string =
    let values =
        match counting variable inEffect with
        | [] when defaultOf variable inEffect = "" -> "none"
        | [] -> defaultOf variable inEffect
        | _ when isSecret variable -> "the present one"
        | entries -> String.Join(", ", entries |> List.map (fun entry -> ByteText.decode entry.Value))

    " needs a restart; until then it is " + values

let private warning (variable: Variable) (inEffect: ConfigTable) (fresh: ConfigTable) : string =
    // Of several values those are named that came; if none did, one that went.
    let known = meanings variable inEffect

    let isNew (entry: Entry) = not (List.contains (meaning variable entry.Value) known)
    let entries = counting variable fresh

    match struct (List.tryFind isNew entries, List.tryHead entries, List.tryHead (counting variable inEffect)) with
    | struct (Some entry, _, _)
    | struct (None, Some entry, _) ->
        quoted variable entry
        + " "
        + Place.toText entry.Place
        + (if Value.accepts variable entry.Value then
               untilThen variable inEffect
           else
               " is not allowed; allowed: "
               + Variables.allowed variable
               + "; the daemon could not be started with it")
    | struct (None, None, Some gone) ->
        variable.Name
        + ", which was "
        + Place.toText gone.Place
        + " and is there no more,"
        + untilThen variable inEffect
    | struct (None, None, None) -> variable.Name + untilThen variable inEffect

/// A line for each variable that is not in effect as it was read, in the order of the table.
let waitingForRestart (inEffect: ConfigTable) (fresh: ConfigTable) : LogLine list =
    Variables.all
    |> List.filter (fun variable ->
        meanings variable inEffect <> meanings variable fresh
        // Bad values of what a reload reads have been complained about.
        && (variable.Reload = Reload.StartOnly || isUsable variable fresh))
    |> List.map (fun variable ->
        { Level = DebugLevel.always
          Priority = Priority.Warning
          Text = warning variable inEffect fresh })
