/// The pure half of the programs: words of a command line first, then a text, a file or what a daemon said.
module TincPure.Fuzz.CommandLines

open System
open System.Text
open TincPure.Primitives
open TincPure.Config
open TincPure.Commands

let private outcome (behaviour: Behaviour) (name: string) (result: Result<'a, string>) =
    behaviour.Anew()

    match result with
    | Ok _ -> behaviour.Saw name
    | Error message -> behaviour.SawText message

let private options (behaviour: Behaviour) (words: string list) =
    TincdOptions.parse "tincd" words
    |> Result.mapError (fun lines -> String.Join('\n', lines))
    |> outcome behaviour "tincd"

    let normalised = TincOptions.normalise "tinc" words
    normalised |> outcome behaviour "tinc"

    match normalised with
    | Ok line ->
        let named (word: string) =
            word.Contains '=' || List.contains word [ "--batch"; "--force"; "--help"; "--version" ]
        let options = line |> List.takeWhile named
        Target.check (List.distinct options = options) "an option comes twice"
    | Error _ -> ()

    Info.parse (String.Join(' ', words)) |> outcome behaviour "info"

/// The lines that a request is not about, each with its end.
let private others (request: EditConfig.Request) (text: string) =
    Syntax.rawLines text
    |> List.map (fun line -> if line.EndsWith '\n' then line else line + "\n")
    |> List.filter (fun line ->
        let struct (variable, _) = Syntax.split (OwnNode.trimEnd line)
        not (ByteText.same variable request.Variable))

let private values (request: EditConfig.Request) (text: string) =
    match EditConfig.apply { request with Verb = EditConfig.Get } text with
    | EditConfig.Values values -> values
    | _ -> []

let private edits (behaviour: Behaviour) (words: string list) (text: string) =
    for verb in [ EditConfig.Get; EditConfig.Set; EditConfig.Add; EditConfig.Delete ] do
        behaviour.Anew()

        match EditConfig.check (text.Length % 2 = 0) verb words with
        | Error lines ->
            for line in lines do
                behaviour.SawText line
        | Ok request ->
            match EditConfig.apply request text with
            | EditConfig.Values values -> behaviour.Saw("values", values.Length)
            | EditConfig.AsBefore -> behaviour.Saw "as before"
            | EditConfig.Nothing message -> behaviour.SawText message
            | EditConfig.Rewritten(changed, warnings) ->
                behaviour.Saw("rewritten", warnings.Length)
                let now = values request changed

                match request.Verb with
                // What a shell lets through, but no line of a file can hold.
                | _ when request.Value <> OwnNode.trimEnd request.Value || request.Value.Contains '\n' -> ()
                | EditConfig.Set ->
                    Target.check (now.Length = 1) "after a set there is not one value"
                    let once = EditConfig.apply request changed
                    Target.check (once = EditConfig.Rewritten(changed, [])) "the same set twice differs"
                | EditConfig.Add -> Target.check (now.Length = (values request text).Length + 1) "add adds not one"
                | EditConfig.Delete ->
                    let left = now |> List.exists (fun value -> request.Value = "" || ByteText.same value request.Value)
                    Target.check (not left) "what was deleted is there"
                | EditConfig.Get -> Target.broken "a get that writes"

                if not (request.Value.Contains '\n') then
                    Target.check (others request changed = others request text) "an edit changes other lines"

let private exchange (behaviour: Behaviour) (text: string) =
    behaviour.Anew()
    let blocks = Exchange.import text

    for block in blocks do
        match block with
        | Exchange.Junk -> behaviour.Saw "junk"
        | Exchange.InvalidName -> behaviour.Saw "bad name"
        | Exchange.Host(name, text) ->
            behaviour.Saw("host", text.Length)
            let again = Exchange.import (Exchange.export name text)

            match again with
            | Exchange.Host(first, _) :: _ -> Target.check (first = name) "an exported host has another name"
            | _ -> Target.broken "an exported host cannot be imported"

let private answers (behaviour: Behaviour) (text: string) =
    behaviour.Anew()
    let isSome name (value: 'a voption) =
        if value.IsSome then
            behaviour.Saw name
    Control.parsePidFile text |> isSome "pid file"

    for line in Syntax.rawLines text do
        Control.parseAccepted line |> isSome "accepted"
        Control.parseResult Control.Request.Reload line |> isSome "result"
        let fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

        match Dump.parseNode fields with
        | ValueSome node ->
            behaviour.Saw("node", (Dump.printNode node).Length)
            Dump.graphNode node |> ignore
        | ValueNone -> ()

        match Dump.parseEdge fields with
        | ValueSome edge ->
            behaviour.Saw("edge", (Dump.printEdge edge).Length)
            Dump.graphEdge false edge |> ignore
        | ValueNone -> ()

        Dump.parseSubnet fields |> isSome "subnet"
        Dump.parseConnection fields |> ValueOption.map Dump.printConnection |> isSome "connection"

let private run (behaviour: Behaviour) (input: byte[]) =
    let all = Encoding.Latin1.GetString input

    let line, text =
        match all.IndexOf '\n' with
        | -1 -> all, ""
        | at -> all.Substring(0, at), all.Substring(at + 1)

    let words = line.Split ' ' |> List.ofArray
    options behaviour words
    edits behaviour words text
    exchange behaviour text
    answers behaviour text

let private seeds () =
    let file = "# comment\nName = alpha\nConnectTo = beta\nConnectTo=gamma\nMode router\n"

    let edits =
        [ "Name beta"
          "ConnectTo = delta"
          "ConnectTo"
          "beta.Subnet 10.0.0.0/8"
          "Foo bar"
          "Mode=switch"
          "alpha.Port 1" ]
        |> List.map (fun words -> words + "\n" + file)

    let lines =
        Corpus.texts "06-cli-general.json" [ "args" ] @ Corpus.texts "05-tincd-commandline.json" [ "args" ]

    let dumps =
        Corpus.texts "06-control-protocol.json" [ "recv" ]
        |> List.map (fun dump -> "x\n" + dump.Replace("18 3 ", "").Replace("18 4 ", "").Replace("18 6 ", ""))

    let exported = "x\nName = alpha\nPort = 1\n" + Exchange.separator + "\nName = beta\nSubnet = 1.2.3.4\n"

    exported :: "x\n42 0123 127.0.0.1 port 655\n" :: edits @ lines @ dumps
    |> List.map Encoding.Latin1.GetBytes

let target =
    { Target.create "command-lines" "words and answers are understood or refused; edits keep other lines" seeds run with
        Words =
            [ "--"
              "-n"
              "-c"
              "-d"
              "-o"
              "-D"
              "--net="
              "--config"
              "--debug"
              "--logfile"
              "--pidfile"
              "--help"
              "Name = "
              "ConnectTo = "
              "Subnet = "
              "Mode"
              "port"
              "18 3 "
              "\r\n"
              "\n"
              "="
              "."
              "beta."
              Exchange.separator + "\n" ] }
