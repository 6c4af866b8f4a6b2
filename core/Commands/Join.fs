/// `tinc join`: what an invitation makes of a new node's files (spec 06 §20.3). Texts are byte texts.
module TincPure.Commands.Join

open System
open TincPure.Primitives
open TincPure.Config

/// Lines as long as this end an invitation.
let private tooLong = 1024

/// The files of the new node.
type Plan =
    {
        TincConf: string
        /// Of our own host file; the keys are still to come.
        OwnHost: string
        /// Of the other nodes, in order.
        Hosts: struct (NodeName * string) list
        TincUp: TincUp.Script
        /// To be said, in order.
        Messages: string list
    }

/// The lines without their ends, and whether one of them ended the invitation early.
let private lines (data: string) : struct (string list * bool) =
    let all = data.Split '\n' |> List.ofArray
    let good = List.takeWhile (fun (line: string) -> line.Length < tooLong) all
    struct (good, good.Length < all.Length)

let private goodLines data =
    let struct (good, _) = lines data
    good

/// Who we are to be: the first line says it.
let name (data: string) : Result<NodeName, string> =
    match goodLines data with
    | first :: _ ->
        match Syntax.split first with
        | struct (variable, value) when ByteText.same variable "Name" ->
            match NodeName.tryParse value with
            | ValueSome name -> Ok name
            | ValueNone -> Error "Invalid Name found in invitation!"
        | _ -> Error "No Name found in invitation!"
    | [] -> Error "No Name found in invitation!"

/// The name that the inviter gives to the network, if any. It becomes part of paths, so it must be harmless.
let netName (data: string) : Result<string voption, string> =
    let isNetName (line: string) =
        let struct (variable, _) = Syntax.split line
        ByteText.same variable "NetName" && line.Length > variable.Length

    match List.tryFind isNetName (goodLines data) with
    | None -> Ok ValueNone
    | Some line ->
        match Syntax.split line with
        | struct (_, net) when NetName.isSafe net -> Ok(ValueSome net)
        | _ -> Error "Unsafe NetName found in invitation!"

/// Texts that grow line by line, the newest line first.
type private Draft = { Conf: string list; Host: string list; Up: TincUp.Script; Said: string list }

let private say (text: string) (draft: Draft) = { draft with Said = text :: draft.Said }

/// A script's complaints, said where they arise.
let private script (change: TincUp.Script -> TincUp.Script) (draft: Draft) =
    let up = change { draft.Up with Complaints = [] }
    { draft with Up = up; Said = up.Complaints @ draft.Said }

let private keep (known: Variable) (variable: string) (value: string) (draft: Draft) =
    let line = variable + " = " + value + "\n"

    if known.Host then
        { draft with Host = line :: draft.Host }
    else
        { draft with Conf = line :: draft.Conf }

let private variable (force: bool) (variable: string) (value: string) (draft: Draft) : Draft =
    match Variables.tryFind variable with
    | ValueSome known when known.Listed && known.Safe -> keep known variable value draft
    | ValueSome known when known.Listed && force ->
        draft
        |> say ("Warning: unsafe variable '" + variable + "' in invitation.")
        |> keep known variable value
    | ValueSome known when known.Listed -> say ("Ignoring unsafe variable '" + variable + "' in invitation.") draft
    | _ when ByteText.same variable "Ifconfig" -> script (TincUp.ifconfig value) draft
    | _ when ByteText.same variable "Route" -> script (TincUp.routeTo value) draft
    | _ -> say ("Ignoring unknown variable '" + variable + "' in invitation.") draft

/// Our own configuration, up to the `Name` of another node; the rest starts with that line.
let rec private ownLines
    (force: bool)
    (own: NodeName)
    (draft: Draft)
    (rest: string list)
    : struct (Draft * string list) =
    match rest with
    | [] -> struct (draft, [])
    | line :: others ->
        match Syntax.split line with
        | struct ("", _) -> ownLines force own draft others
        | _ when line.StartsWith '#' -> ownLines force own draft others
        | struct (name, value) when ByteText.same name "Name" ->
            if value = own.Text then
                ownLines force own draft others
            else
                struct (draft, rest)
        | struct (name, _) when ByteText.same name "NetName" -> ownLines force own draft others
        | struct (name, value) -> ownLines force own (variable force name value draft) others

let private isName (line: string) =
    let struct (variable, _) = Syntax.split line
    ByteText.same variable "Name"

/// The host files of others. They are taken as they are: the inviter vouches for them.
let rec private hostFiles (own: NodeName) (files: struct (NodeName * string) list) (rest: string list) =
    match rest with
    | [] -> Ok(List.rev files)
    | line :: rest ->
        let struct (_, value) = Syntax.split line

        match NodeName.tryParse value with
        | ValueNone -> Error "Invalid Name found in invitation."
        | ValueSome name when name = own -> Error "Secondary chunk would overwrite our own host config file."
        | ValueSome name ->
            let body = List.takeWhile (isName >> not) rest
            let kept = body |> List.filter (fun line -> line <> Exchange.separator)
            let text = kept |> List.map (fun line -> line + "\n") |> String.Concat
            hostFiles own (struct (name, text) :: files) (List.skip body.Length rest)

/// The files of node `own`. `force` takes unsafe variables over too. The error is what to say, in order.
let plan (force: bool) (platform: TincUp.Platform) (own: NodeName) (data: string) : Result<Plan, string list> =
    let struct (lines, cut) = lines data

    // What follows the last newline is a line only if there is something.
    let lines =
        match List.rev lines with
        | "" :: others when not cut -> List.rev others
        | _ -> lines

    let draft =
        { Conf = [ "Name = " + own.Text + "\n" ]
          Host = []
          Up = TincUp.empty platform
          Said = [] }

    let struct (draft, rest) = ownLines force own draft lines
    let messages = List.rev (if cut then "Maximum line length exceeded!" :: draft.Said else draft.Said)

    match hostFiles own [] rest with
    | Error message -> Error(messages @ [ message ])
    | Ok hosts ->
        Ok
            { TincConf = String.Concat(List.rev draft.Conf)
              OwnHost = String.Concat(List.rev draft.Host)
              Hosts = hosts
              TincUp = draft.Up
              Messages = messages }
