/// `tinc export` and `tinc import`: host files as a text to send to others (spec 06 §11).
module TincPure.Commands.Exchange

open System
open TincPure.Primitives
open TincPure.Config

/// Between the hosts of an export.
let separator = "#---------------------------------------------------------------#"

let private isNameLine (line: string) =
    let struct (variable, _) = Syntax.split (OwnNode.trimEnd line)
    ByteText.same variable "Name"

/// A host file as exported: its name first, then its lines without any other `Name`.
let export (name: NodeName) (hostFile: string) : string =
    let lines = Syntax.rawLines hostFile |> List.filter (isNameLine >> not)
    String.Concat("Name = " + name.Text + "\n" :: lines)

/// The exports of several hosts.
let exportAll (blocks: string list) : string = String.Join("\n" + separator + "\n", blocks)

/// A part of what is imported.
type Block =
    | Junk
    | InvalidName
    | Host of NodeName * text: string

let private isSpace (c: char) = c = ' ' || (c >= '\t' && c <= '\r')

/// The word after `Name`, white space, `=`, white space.
let private nameIn (line: string) : string voption =
    if not (line.StartsWith("Name", StringComparison.Ordinal)) then
        ValueNone
    else
        let afterName = line.Substring(4).TrimStart(' ', '\t', '\n', '\v', '\f', '\r')

        if not (afterName.StartsWith '=') then
            ValueNone
        else
            let word = afterName.Substring(1).TrimStart(' ', '\t', '\n', '\v', '\f', '\r')
            let stop = Seq.tryFindIndex isSpace word |> Option.defaultValue word.Length

            if stop = 0 then ValueNone else ValueSome(word.Substring(0, stop))

/// The hosts in an import, in order, up to the first bad name; junk before the first host counts once.
let import (input: string) : Block list =
    let close name lines = Host(name, String.Concat(List.rev lines))

    let rec outside blocks rest =
        match rest with
        | [] -> List.rev blocks
        | line :: rest ->
            match nameIn line with
            | ValueSome word -> opening blocks word rest
            | ValueNone -> outside (if List.isEmpty blocks && line <> separator + "\n" then [ Junk ] else blocks) rest

    and opening blocks word rest =
        match NodeName.tryParse word with
        | ValueSome name -> inside blocks name [] rest
        | ValueNone -> List.rev (InvalidName :: blocks)

    and inside blocks name lines rest =
        match rest with
        | [] -> List.rev (close name lines :: blocks)
        | line :: rest ->
            match nameIn line with
            | ValueSome word -> opening (close name lines :: blocks) word rest
            | ValueNone when line = separator + "\n" -> inside blocks name lines rest
            | ValueNone -> inside blocks name (line :: lines) rest

    outside [] (Syntax.rawLines input)
