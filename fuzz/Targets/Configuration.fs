/// A whole configuration directory in one text: `tinc.conf`, and after lines `@PATH` other files below it.
module TincPure.Fuzz.Configuration

open System
open System.Text
open TincPure.Primitives
open TincPure.Config

/// The files of an input, the first line of each without its mark.
let private files (text: string) : Map<string, string> =
    let close path lines files = Map.add ("/c/" + path) (String.Concat(List.rev lines)) files

    let rec split path lines files (rest: string list) =
        match rest with
        | [] -> close path lines files
        | line :: rest when line.StartsWith '@' ->
            split (line.Substring(1).TrimEnd '\n') [] (close path lines files) rest
        | line :: rest -> split path (line :: lines) files rest

    split "tinc.conf" [] Map.empty (Syntax.rawLines text)

let private folder (name: string) (files: Map<string, string>) =
    let prefix = "/c/" + name + "/"
    [ for path in files.Keys do
          if path.StartsWith(prefix, StringComparison.Ordinal) && path.IndexOf('/', prefix.Length) < 0 then
              path.Substring prefix.Length ]

/// What a host would find; options stand in a file of their own.
let private snapshot (files: Map<string, string>) : Snapshot =
    { ConfBase = "/c"
      NetName = ValueSome "net"
      Separator = "/"
      Options =
        match files.TryFind "/c/options" with
        | Some text -> Syntax.rawLines text |> List.map (fun line -> line.TrimEnd '\n')
        | None -> []
      Environment = Map [ "NODE", "of-environment" ]
      HostName = Ok "machine.example"
      Folders = Map [ "conf.d", Ok(folder "conf.d" files); "hosts", Ok(folder "hosts" files) ]
      Files = files |> Map.map (fun _ text -> Content(text, text.Length % 2 = 0)) }

/// What is wanted beyond that is missing.
let rec private completed (rounds: int) (snapshot: Snapshot) : Snapshot =
    match Files.wanted snapshot with
    | [] -> snapshot
    | paths ->
        Target.check (rounds < 8) "a configuration wants more and more files"

        completed
            (rounds + 1)
            { snapshot with
                Files =
                    paths
                    |> List.fold
                        (fun files path -> Map.add path (CannotOpen("No such file", true)) files)
                        snapshot.Files }

let private said (behaviour: Behaviour) (loaded: Loaded) =
    for line in loaded.ReadLog @ loaded.Log do
        behaviour.Anew()
        behaviour.SawText line.Text

    match loaded.Outcome with
    | Ok _ -> behaviour.Saw "good"
    | Error problems ->
        for problem in problems do
            behaviour.Anew()
            behaviour.SawText problem.Message

/// The line grammar, and that editing keeps what it is not about.
let private lines (behaviour: Behaviour) (text: string) =
    Target.check (String.Concat(Syntax.rawLines text) = text) "lines together are not the text"
    let struct (entries, error) = Syntax.parse "f" text
    behaviour.Saw("entries", entries.Length)
    Target.check (entries.Length <= (Syntax.rawLines text).Length) "more entries than lines"

    match error with
    | ValueSome error -> behaviour.SawText(Syntax.errorText error)
    | ValueNone -> ()

    for entry in entries do
        match Syntax.parseOption 1 (Syntax.print entry) with
        | Ok again ->
            Target.check (again.Variable = entry.Variable && again.Value = entry.Value) "an entry printed is another"
        | Error _ -> Target.broken "an entry printed is none"

let private run (behaviour: Behaviour) (input: byte[]) =
    let text = Encoding.Latin1.GetString input
    lines behaviour text
    let snapshot = files text |> snapshot |> completed 0
    let loaded = Files.load snapshot
    said behaviour loaded

    match loaded.Outcome with
    | Error problems -> Target.check (not loaded.Readable || not problems.IsEmpty) "refused without a reason"
    | Ok settings ->
        Target.check loaded.Readable "settings from what cannot be read"
        said behaviour (Files.reload snapshot settings)

        for name in settings.Hosts.Keys do
            let struct (_, log) = Files.readHost snapshot name
            behaviour.Saw("host", log.Length)

let private seeds () =
    let key = String('A', 43)
    let host = "@hosts/me\nEd25519PublicKey = " + key + "\nSubnet = 10.0.0.0/8\n"

    let variables =
        Variables.all
        |> List.map (fun variable -> "Name = me\n" + variable.Name + " = " + variable.Default + "\n" + host)

    let config =
        Corpus.texts "05-config-parsing.json" [ "input" ]
        @ Corpus.texts "05-tincd-startup.json" [ "tinc.conf"; "hosts/foo" ]

    (variables @ config @ List.map (fun text -> "Name = me\n" + text + host) config)
    @ [ "Name = $HOST\n@hosts/machine_example\nPort = 655\n@options\nPort = 1\nfoo.Port = 2\n" ]
    |> List.map Encoding.Latin1.GetBytes

let target =
    { Target.create "configuration" "any configuration gives settings or reasons; nothing else changes" seeds run with
        Words =
            [ for variable in Variables.all do
                  variable.Name + " = "
              "Name = me\n"
              "@hosts/me\n"
              "@hosts/other\n"
              "@conf.d/a.conf\n"
              "@options\n"
              "@ed25519_key.priv\n"
              "yes"
              "no"
              "\r\n"
              "="
              "#"
              "router"
              "switch"
              "-----BEGIN"
              "-----END" ] }
