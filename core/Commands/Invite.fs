/// `tinc invite`: what goes into an invitation (spec 06 §17 and §18). Texts are byte texts.
module TincPure.Commands.Invite

open System
open TincPure.Primitives
open TincPure.Config

/// Invitations older than this, in seconds, are removed.
let lifetime = 604800.0

/// Length of the names of outstanding invitations.
let private idLength = 24

/// True for names of invitations that nobody has used.
let isOutstanding (file: string) : bool = file.Length = idLength

/// Where the inviter can be reached, as far as its files say.
type Place = { Host: string voption; Port: string voption }

let private words (text: string) = text.Split([| ' '; '\t' |], StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

/// The first Address counts; a port in it counts before any Port, of which the first counts.
let private scan (place: Place) (line: string) : Place =
    match Syntax.split (OwnNode.trimEnd line) with
    | struct (variable, value) when place.Port.IsNone && ByteText.same variable "Port" ->
        match words value with
        | port :: _ -> { place with Port = ValueSome port }
        | [] -> place
    | struct (variable, value) when place.Host.IsNone && ByteText.same variable "Address" ->
        match words value with
        | host :: port :: _ -> { Host = ValueSome host; Port = ValueSome port }
        | [ host ] -> { place with Host = ValueSome host }
        | [] -> place
    | _ -> place

/// Our address and port by our host file, then by tinc.conf for what is missing.
let place (hostFile: string) (tincConf: string) : Place =
    let isComplete place = place.Host.IsSome && place.Port.IsSome

    let scanAll place text = if isComplete place then place else List.fold scan place (Syntax.rawLines text)

    List.fold scanAll { Host = ValueNone; Port = ValueNone } [ hostFile; tincConf ]

/// True if only a running daemon knows the port.
let isDynamic (port: string voption) : bool =
    match port with
    | ValueNone -> true
    | ValueSome text -> text <> "" && text |> Seq.forall (fun c -> c = '0')

let private isHostChar (c: char) = Char.IsAsciiLetterOrDigit c || c = '-' || c = '.'

/// A host name or IPv4 address that a user may enter.
let isHost (text: string) : bool = Seq.forall isHostChar text

/// The address in the answer of a web server that tells callers theirs: the last line.
let discovered (answer: string) : string voption =
    let answer = if answer.EndsWith '\n' then answer.Substring(0, answer.Length - 1) else answer

    match answer.LastIndexOf '\n' with
    | -1 -> ValueNone
    | newline ->
        let host = answer.Substring(newline + 1)

        if host <> "" && Seq.forall (fun c -> isHostChar c || c = ':') host then
            ValueSome host
        else
            ValueNone

let private withNewline (line: string) = if line.EndsWith '\n' then line else line + "\n"

/// What the network has in common.
let private isShared (line: string) =
    let struct (variable, _) = Syntax.split (OwnNode.trimEnd line)
    ByteText.same variable "Mode" || ByteText.same variable "Broadcast"

/// Our host file as the invited node gets it: with the port that the invitation is for.
let private hostLines (port: string) (hostFile: string) =
    Syntax.rawLines hostFile
    |> List.map (fun line ->
        match Syntax.split (OwnNode.trimEnd line) with
        | struct (variable, _) when ByteText.same variable "Port" -> "Port = " + port + "\n"
        | _ -> line)

/// The invitation of a node: its configuration, then the inviter's host file.
let file
    (invited: NodeName)
    (netName: string voption)
    (inviter: NodeName)
    (port: string)
    (tincConf: string)
    (hostFile: string)
    : string =
    let net =
        match netName with
        | ValueSome net when NetName.isSafe net -> [ "NetName = " + net + "\n" ]
        | _ -> []

    String.Concat(
        List.concat
            [ [ "Name = " + invited.Text + "\n" ]
              net
              [ "ConnectTo = " + inviter.Text + "\n" ]
              Syntax.rawLines tincConf |> List.filter isShared |> List.map withNewline
              [ Exchange.separator + "\n"; "Name = " + inviter.Text + "\n" ]
              hostLines port hostFile ]
    )
