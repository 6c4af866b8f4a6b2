/// The line that is being typed in the shell: cursor, history, completion (spec 06 §3).
module TincPure.Commands.LineEditor

open System

type Key =
    | Letter of char
    | Enter
    | Backspace
    | Delete
    | Left
    | Right
    | Home
    | End
    | Up
    | Down
    /// Ctrl-D: the end of the input if nothing was typed.
    | EndOfInput
    /// Ctrl-C: give this line up.
    | GiveUp
    | KillToEnd
    | KillToStart
    | KillWord

type State =
    {
        /// The text on both sides of the cursor.
        Before: string
        After: string
        /// Lines entered before, the last one first.
        History: string list
        /// Which of them is shown, from 1; 0 is the line that is being written.
        Shown: int
        /// That line, while another one is shown.
        Draft: string
    }

type Outcome =
    | Editing of State
    | Entered of string
    | GivenUp
    | Ended

/// Lines that are remembered.
let private longestHistory = 500

let start (history: string list) : State = { Before = ""; After = ""; History = history; Shown = 0; Draft = "" }

let text (state: State) : string = state.Before + state.After

/// A line that was entered goes to the head of the history, unless it is there already.
let remember (line: string) (history: string list) : string list =
    match history with
    | last :: _ when last = line -> history
    | _ -> List.truncate longestHistory (line :: history)

let private show (number: int) (state: State) : State =
    let draft = if state.Shown = 0 then text state else state.Draft

    { state with
        Before = (if number = 0 then draft else state.History[number - 1])
        After = ""
        Shown = number
        Draft = draft }

let private withoutLast (text: string) = text.Substring(0, max 0 (text.Length - 1))

let private lastWord (text: string) =
    let trimmed = text.TrimEnd ' '
    trimmed.LastIndexOf ' ' + 1

let press (key: Key) (state: State) : Outcome =
    let before, after = state.Before, state.After

    match key with
    | Enter -> Entered(text state)
    | EndOfInput when text state = "" -> Ended
    | GiveUp -> GivenUp
    | Letter c when Char.IsControl c -> Editing state
    | Letter c -> Editing { state with Before = before + string c }
    | Backspace -> Editing { state with Before = withoutLast before }
    | Delete
    | EndOfInput -> Editing { state with After = (if after = "" then "" else after.Substring 1) }
    | Left when before <> "" ->
        Editing
            { state with
                Before = withoutLast before
                After = string before[before.Length - 1] + after }
    | Right when after <> "" -> Editing { state with Before = before + string after[0]; After = after.Substring 1 }
    | Left
    | Right -> Editing state
    | Home -> Editing { state with Before = ""; After = before + after }
    | End -> Editing { state with Before = before + after; After = "" }
    | Up when state.Shown < state.History.Length -> Editing(show (state.Shown + 1) state)
    | Down when state.Shown > 0 -> Editing(show (state.Shown - 1) state)
    | Up
    | Down -> Editing state
    | KillToEnd -> Editing { state with After = "" }
    | KillToStart -> Editing { state with Before = "" }
    | KillWord -> Editing { state with Before = before.Substring(0, lastWord before) }

/// Words of a line are separated by blanks; there is no quoting.
let words (line: string) : string list =
    line.Split([| ' '; '\t' |], StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

/// The words up to the cursor, of which the last, perhaps empty one is to be completed.
let unfinished (state: State) : string list =
    let last = state.Before.Substring(state.Before.LastIndexOfAny([| ' '; '\t' |]) + 1)
    words (state.Before.Substring(0, state.Before.Length - last.Length)) @ [ last ]

let private commonStart (candidates: string list) : string =
    let shared (left: string) (right: string) =
        let mutable length = 0

        while length < min left.Length right.Length
              && Char.ToLowerInvariant left[length] = Char.ToLowerInvariant right[length] do
            length <- length + 1

        left.Substring(0, length)

    List.reduce shared candidates

/// What completion makes of a line when these may stand in the place of its last word. Several that have no more in
/// common than was typed are to be shown.
let complete (candidates: string list) (state: State) : struct (State * string list) =
    let typed = List.last (unfinished state)

    let replaced (word: string) =
        { state with
            Before = state.Before.Substring(0, state.Before.Length - typed.Length) + word }

    match candidates with
    | [] -> struct (state, [])
    | [ one ] -> struct (replaced (one + " "), [])
    | several ->
        let start = commonStart several
        if start.Length > typed.Length then
            struct (replaced start, [])
        else
            struct (state, several)
