namespace TincPure.Primitives

/// Syslog priorities, as far as tinc uses them.
type Priority =
    | Error = 3
    | Warning = 4
    | Notice = 5
    | Info = 6
    | Debug = 7

/// Debug levels: a line is shown when the daemon's level is at least the line's (spec 05 §2.4).
module DebugLevel =
    let always = 0
    let connections = 1
    let status = 2
    let protocol = 3
    let meta = 4
    let traffic = 5
    let scaryThings = 10

/// One line for the log: when it is shown, how grave it is, what it says (no trailing newline).
[<Struct>]
type LogLine = { Level: int; Priority: Priority; Text: string }
