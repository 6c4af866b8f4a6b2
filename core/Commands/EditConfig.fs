/// `tinc get`, `set`, `add` and `del` (spec 06 §5).
module TincPure.Commands.EditConfig

open System
open TincPure.Primitives
open TincPure.Topology
open TincPure.Config

type Verb =
    | Get
    | Set
    | Add
    | Delete

type Target =
    | ServerFile
    | OwnHostFile
    | HostFileOf of NodeName

/// What was asked for, checked.
type Request =
    {
        Verb: Verb
        /// In its canonical spelling, if it is known.
        Variable: string
        /// Empty if none was given.
        Value: string
        Target: Target
        /// Say which values a `set` removes.
        WarnOfRemovals: bool
        /// To be said before anything is done.
        Warnings: string list
    }

/// What became of a file.
type Outcome =
    | Values of string list
    | Rewritten of text: string * warnings: string list
    /// The text is as it was.
    | AsBefore
    | Nothing of message: string

/// The verb of a `tinc config` command; without one it is `get`.
let configVerb (word: string) : Verb voption =
    if ByteText.same word "get" then
        ValueSome Get
    elif ByteText.same word "add" then
        ValueSome Add
    elif ByteText.same word "del" then
        ValueSome Delete
    elif List.exists (ByteText.same word) [ "set"; "replace"; "change" ] then
        ValueSome Set
    else
        ValueNone

/// The text before the first dot is a node, if there is one.
let private splitNode (variable: string) : struct (string voption * string) =
    match variable.IndexOf '.' with
    | -1 -> struct (ValueNone, variable)
    | dot -> struct (ValueSome(variable.Substring(0, dot)), variable.Substring(dot + 1))

let private checkSubnet (variable: Variable) (value: string) : Result<unit, string> =
    if variable.Kind <> Kind.SubnetText || variable.Name <> "Subnet" || value = "" then
        Ok()
    else
        match Subnet.tryParse value with
        | Error _ -> Error("Malformed subnet definition " + value)
        | Ok subnet when not (Subnet.isNetwork subnet) ->
            Error("Network address and prefix length do not match: " + value)
        | Ok _ -> Ok()

/// A warning if the user insists, else a refusal.
let private objection (force: bool) (changes: bool) (applies: bool) (what: string) : Result<string list, string> =
    if not applies || not changes then Ok []
    elif force then Ok [ "Warning: " + what ]
    else Error(what + " Use --force to use it anyway.")

let private checkKnown force verb (node: string voption) value (variable: Variable) : Result<Request, string list> =
    let changes = verb = Set || verb = Add

    match checkSubnet variable value with
    | Error message -> Error [ message ]
    | Ok() ->
        match objection force changes variable.Obsolete (variable.Name + " is an obsolete variable!") with
        | Error message -> Error [ message ]
        | Ok obsolete ->
            let misplaced = node.IsSome && not variable.Host

            match objection force changes misplaced (variable.Name + " is not a host configuration variable!") with
            | Error message -> Error(obsolete @ [ message ])
            | Ok warnings ->
                Ok
                    { Verb = (if verb = Add && not variable.Multiple then Set else verb)
                      Variable = variable.Name
                      Value = value
                      Target = (if variable.Server then ServerFile else OwnHostFile)
                      WarnOfRemovals = (verb = Add && not variable.Multiple) || (verb = Set && variable.Multiple)
                      Warnings = obsolete @ warnings }

let private checkUnknown force verb variable value : Result<Request, string list> =
    if verb = Get || verb = Delete || force then
        Ok
            { Verb = verb
              Variable = variable
              Value = value
              Target = ServerFile
              WarnOfRemovals = false
              Warnings = [ "Warning: " + variable + " is not a known configuration variable!" ] }
    else
        let similar = Suggest.line (Variables.all |> List.filter _.Listed |> List.map _.Name) variable

        Error(
            variable + ": is not a known configuration variable! Use --force to use it anyway."
            :: (similar |> ValueOption.toOption |> Option.toList)
        )

/// The request about the file of a node, if one was named.
let private ofNode (node: string voption) (request: Request) : Result<Request, string list> =
    match node with
    | ValueNone -> Ok request
    | ValueSome text ->
        match NodeName.tryParse text with
        | ValueSome name -> Ok { request with Target = HostFileOf name }
        | ValueNone -> Error(request.Warnings @ [ "Invalid name for node." ])

/// Checks what was asked for; the error is what to say. A bad node name is found after what is wrong with a known
/// variable and before what is wrong with an unknown one.
let check (force: bool) (verb: Verb) (words: string list) : Result<Request, string list> =
    let struct (variable, value) = Syntax.split (String.Join(' ', words))
    let struct (node, variable) = splitNode variable
    let verb = if verb = Get && value <> "" then Set else verb

    if variable = "" then
        Error [ "No variable given." ]
    elif (verb = Set || verb = Add) && value = "" then
        Error [ "No value for variable given." ]
    else
        match Variables.tryFind variable with
        | ValueSome known when known.Listed -> checkKnown force verb node value known |> Result.bind (ofNode node)
        | _ when node |> ValueOption.exists (fun text -> (NodeName.tryParse text).IsNone) ->
            Error [ "Invalid name for node." ]
        | _ -> checkUnknown force verb variable value |> Result.bind (ofNode node)

let private withNewline (line: string) = if line.EndsWith '\n' then line else line + "\n"

/// Carries out a request on a file's text. Lines that it is not about stay as they are, comments and keys included.
let apply (request: Request) (text: string) : Outcome =
    let lines = Syntax.rawLines text

    let value (line: string) =
        match Syntax.split (OwnNode.trimEnd line) with
        | struct (variable, value) when ByteText.same variable request.Variable -> ValueSome value
        | _ -> ValueNone

    let written = request.Variable + " = " + request.Value + "\n"
    let rewritten lines = String.Concat(List.map withNewline lines)

    match request.Verb with
    | Get ->
        match List.choose (fun line -> value line |> ValueOption.toOption) lines with
        | [] -> Nothing "No matching configuration variables found."
        | values -> Values values
    | Delete ->
        let goes line =
            match value line with
            | ValueSome value -> request.Value = "" || ByteText.same value request.Value
            | ValueNone -> false

        if List.exists goes lines then
            Rewritten(rewritten (List.filter (goes >> not) lines), [])
        else
            Nothing "No configuration variables deleted."
    | Add ->
        let isThere line =
            match value line with
            | ValueSome value -> ByteText.same value request.Value
            | ValueNone -> false

        if List.exists isThere lines then
            AsBefore
        else
            Rewritten(rewritten lines + written, [])
    | Set ->
        let step (struct (replaced, lines, warnings)) line =
            match value line with
            | ValueNone -> struct (replaced, line :: lines, warnings)
            | ValueSome old ->
                let warnings =
                    if request.WarnOfRemovals && not (ByteText.same old request.Value) then
                        "Warning: removing " + request.Variable + " = " + old :: warnings
                    else
                        warnings

                struct (true, (if replaced then lines else written :: lines), warnings)

        let struct (replaced, changed, warnings) = List.fold step (struct (false, [], [])) lines

        Rewritten(rewritten (List.rev changed) + (if replaced then "" else written), List.rev warnings)
