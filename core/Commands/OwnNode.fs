/// Which node we are, from tinc.conf alone (spec 06 §5.1).
module TincPure.Commands.OwnNode

open TincPure.Primitives
open TincPure.Config

let private isBlank (c: char) = c = ' ' || c = '\t' || c = '\r' || c = '\n'

/// Without trailing TAB, CR, LF and blanks (spec 06 §1).
let trimEnd (text: string) : string =
    let mutable stop = text.Length

    while stop > 0 && isBlank text[stop - 1] do
        stop <- stop - 1

    text.Substring(0, stop)

/// Our name, or the words for why there is none; `path` is that of tinc.conf, `text` its content.
let name
    (environment: string -> string voption)
    (hostName: Result<string, string>)
    (path: string)
    (text: string)
    : Result<NodeName, string> =
    let value =
        Syntax.rawLines text
        |> List.tryPick (fun line ->
            match Syntax.split (trimEnd line) with
            | struct (variable, value) when value <> "" && ByteText.same variable "Name" -> Some value
            | _ -> None)

    match value with
    | None -> Error("Could not find Name in " + path + ".\n")
    | Some value ->
        OwnName.expand environment hostName value
        |> Result.mapError (fun message ->
            // The reference ends this one message with two newlines.
            if message.EndsWith("does not exist", System.StringComparison.Ordinal) then
                message + "\n\n"
            else
                message + "\n")
