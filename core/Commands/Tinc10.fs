/// What a daemon of tinc 1.0 does besides running: `-k` signals the one that runs, `-K` makes keys (spec 08 §18.4, §19.3).
module TincPure.Commands.Tinc10

open System
open TincPure.Config

// ---- -k

/// A signal by its name without SIG, or by a number that is not 0.
type Wanted =
    | Named of string
    | Numbered of int

let private signalNames = [ "HUP"; "TERM"; "KILL"; "USR1"; "USR2"; "WINCH"; "INT"; "ALRM"; "ABRT" ]

/// What `-k` was given, or what standard error says before leaving with exit code 1. TERM if nothing was.
let signal (text: string voption) : Result<Wanted, string> =
    let text = ValueOption.defaultValue "TERM" text

    match List.tryFind (fun name -> name = text.ToUpperInvariant()) signalNames with
    | Some name -> Ok(Named name)
    | None ->
        match Int32.TryParse text with
        | true, number when number <> 0 -> Ok(Numbered number)
        | _ ->
            Error(
                "Invalid argument `"
                + text
                + "'; SIGNAL must be a number or one of HUP, TERM, KILL, USR1, USR2, WINCH, INT or ALRM."
            )

/// No process id can be read from the pid file.
let notRunning (netName: string voption) : string =
    match netName with
    | ValueSome name -> "No other tincd is running for net `" + name + "'."
    | ValueNone -> "No other tincd is running."

/// The process that the pid file tells of has ended; the file is removed.
let noLongerRunning (netName: string voption) : string =
    (match netName with
     | ValueSome name -> "The tincd for net `" + name + "' is no longer running. "
     | ValueNone -> "The tincd is no longer running. ")
    + "Removing stale lock file."

/// The process id that a pid file begins with: 1.0 writes nothing else into it.
let processId (text: string) : int voption =
    let digits = text.TrimStart() |> Seq.takeWhile Char.IsAsciiDigit |> Seq.toArray

    match Int32.TryParse(String digits) with
    | true, number when number > 0 -> ValueSome number
    | _ -> ValueNone

// ---- -K

let private defaultBits = 2048

let private minimumBits = 512

/// Larger keys do not fit a request line.
let private maximumBits = 8192

/// The size that `-K` was given, rounded down to whole bytes, or what standard error says.
let bits (text: string voption) : Result<int, string> =
    match text with
    | ValueNone -> Ok defaultBits
    | ValueSome text ->
        match Int32.TryParse text with
        | true, number when number >= minimumBits && number <= maximumBits -> Ok(number / 8 * 8)
        | true, number when number > maximumBits ->
            Error(
                "Invalid argument `"
                + text
                + "'; keys of more than "
                + maximumBits.ToString()
                + " bits do not work."
            )
        | _ ->
            Error(
                "Invalid argument `"
                + text
                + "'; BITS must be a number equal to or greater than "
                + minimumBits.ToString()
                + "."
            )

let prompt (what: string) (file: string) : string = "Please enter a file to save " + what + " to [" + file + "]: "

/// A text in which no RSA key counts any more: its PEM blocks are called OLD. None if there is no such block. The newer forms, which 1.0
/// overlooks, are found as well.
let disableKeys (text: string) : string voption =
    let disable (line: string) =
        let isMarker (kind: string) =
            line.StartsWith("-----BEGIN " + kind, StringComparison.Ordinal)
            || line.StartsWith("-----END " + kind, StringComparison.Ordinal)

        if isMarker "RSA " then
            line.Replace(" RSA ", " OLD ")
        elif isMarker "PUBLIC KEY-" || isMarker "PRIVATE KEY-" then
            line.Replace("BEGIN ", "BEGIN OLD ").Replace("END ", "END OLD ")
        else
            line

    let changed = Syntax.rawLines text |> List.map disable |> String.Concat
    if changed = text then ValueNone else ValueSome changed
