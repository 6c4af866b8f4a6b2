/// What the control program says to a running daemon, and how it reads the answers (spec 06 §15).
module TincPure.Commands.Control

open System
open System.Globalization
open TincPure.Primitives

/// Number of the request that all control requests are.
let private control = 18

type Request =
    | Stop = 0
    | Reload = 1
    | DumpNodes = 3
    | DumpEdges = 4
    | DumpSubnets = 5
    | DumpConnections = 6
    | Purge = 8
    | SetDebug = 9
    | Retry = 10
    | Connect = 11
    | Disconnect = 12
    | DumpTraffic = 13
    | Capture = 14
    | Log = 15
    // Of TincPure alone.
    | DumpPaths = 100
    | Ping = 101
    | Events = 102
    | DumpDrops = 103

/// The file by which a daemon is found.
type PidFile = { Pid: int; Cookie: string; Host: string; Port: string }

let private words (text: string) : string list =
    text.Split([| ' '; '\t'; '\n'; '\v'; '\f'; '\r' |], StringSplitOptions.RemoveEmptyEntries)
    |> List.ofArray

let private tryInt (text: string) : int voption =
    match Int32.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
    | true, number -> ValueSome number
    | _ -> ValueNone

/// Spec 06 §15.1: four fields, with the word `port` before the last.
let parsePidFile (text: string) : PidFile voption =
    match words text with
    | pid :: cookie :: host :: "port" :: port :: _ when
        pid.Length <= 20 && cookie.Length <= 64 && host.Length <= 128 && port.Length <= 128
        ->
        match tryInt pid with
        | ValueSome pid -> ValueSome { Pid = pid; Cookie = cookie; Host = host; Port = port }
        | ValueNone -> ValueNone
    | _ -> ValueNone

/// The socket that belongs to a pid file.
let socketPath (pidFile: string) : string =
    if pidFile.Length > 4 && pidFile.EndsWith(".pid", StringComparison.Ordinal) then
        pidFile.Substring(0, pidFile.Length - 4) + ".socket"
    else
        pidFile + ".socket"

/// The first line on a control connection.
let greeting (cookie: string) : string = "0 ^" + cookie + " " + Protocol.controlVersion.ToString()

/// Is this the daemon's own greeting, `0 NAME MAJOR.MINOR`?
let isGreeting (line: string) : bool =
    match words line with
    | "0" :: _ :: version :: _ -> version.Length > 0 && Char.IsAsciiDigit version[0]
    | _ -> false

/// The daemon's process id, from the line `4 0 PID` by which it accepts us.
let parseAccepted (line: string) : int voption =
    match words line with
    | [ "4"; "0"; pid ] -> tryInt pid
    | _ -> ValueNone

let request (kind: Request) (arguments: string list) : string =
    String.Join(' ', control.ToString() :: (int kind).ToString() :: arguments)

/// The number in the answer `18 KIND NUMBER`.
let parseResult (kind: Request) (line: string) : int voption =
    match words line with
    | number :: sub :: result :: _ when number = control.ToString() && sub = (int kind).ToString() -> tryInt result
    | _ -> ValueNone

/// `18 -1`: the daemon does not know the request.
let isRefused (line: string) : bool = words line = [ control.ToString(); "-1" ]

/// A line of a dump: its fields, none at the end of the dump. An error if it is not part of that dump.
let parseItem (kind: Request) (line: string) : Result<string list, unit> =
    match words line with
    | number :: sub :: fields when number = control.ToString() && sub = (int kind).ToString() -> Ok fields
    | _ -> Error()

/// Decimal digits with a sign, as C's `atoi` reads them: garbage is 0.
let atoi (text: string) : int =
    let trimmed = text.TrimStart(' ', '\t', '\n', '\v', '\f', '\r')

    let signed = if trimmed.StartsWith '-' || trimmed.StartsWith '+' then 1 else 0

    let digits = trimmed.Substring signed |> Seq.takeWhile Char.IsAsciiDigit |> Seq.length

    tryInt (trimmed.Substring(0, signed + digits)) |> ValueOption.defaultValue 0
