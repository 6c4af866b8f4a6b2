/// What was recorded of files, reloads and scripts of stock (05-files-and-scripts.json), as far as the core decides it.
module TincPure.Core.Tests.ConfigFileVectorTests

open System
open System.Text.Json
open System.Text.RegularExpressions
open TincPure.Primitives
open TincPure.Config
open TincPure.Node
open TincPure.Core.Tests.ConfigSettingsTests
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

let private vectors = lazy Vectors.load "05-files-and-scripts.json"

let private key =
    "ed25519_key.priv",
    Content(KeyFile.printPrivate { Private = Array.init 64 byte; Public = Array.init 32 byte }, false)

let private filesOf (options: string list) (files: (string * string) list) : Snapshot =
    { snapshot (key :: [ for path, text in files -> path, Content(text, false) ]) with
        Options = options }

let private loaded (files: Snapshot) : Settings =
    match (Files.load files).Outcome with
    | Ok settings -> settings
    | Error problems -> failwith (String.Join("; ", problems |> List.map _.Message))

/// The files and options that a text such as "tinc.conf line 5 = 1000; hosts/foo line 1 = 2000" tells of.
let private filesOfText (text: string) : Snapshot =
    let options = [ for found in Regex.Matches(text, @"-o (\S+?)(?=[;\s]|$)") -> found.Groups[1].Value ]

    let lines (file: string) =
        [ for found in Regex.Matches(text, Regex.Escape file + @" line (\d+) = (\d+)(?: and line (\d+) = (\d+))?") do
              int found.Groups[1].Value, found.Groups[2].Value

              if found.Groups[3].Success then
                  int found.Groups[3].Value, found.Groups[4].Value
          if Regex.IsMatch(text, Regex.Escape file + @" Port = 1000|; " + Regex.Escape file + "(?:;|$)") then
              5, "1000" ]

    let content (file: string) (first: string) =
        let ports = Map.ofList (lines file)

        String.Concat(
            [ for number in 1..8 ->
                  match ports.TryFind number with
                  | Some port -> "Port = " + port + "\n"
                  | None when number = 2 -> first
                  | None -> "#\n" ]
        )

    filesOf
        options
        [ "tinc.conf", content "tinc.conf" "Name = foo\n"
          "conf.d/a.conf", content "conf.d/a.conf" "#\n"
          "hosts/foo", content "hosts/foo" "#\n" ]

[<Fact>]
let ``of several Ports the one counts that counts with stock`` () =
    let cases = Vectors.items "precedence_of_Port_1_1" vectors.Value
    Assert.Equal(10, cases.Length)

    for case in cases do
        let sources = Vectors.text "sources" case
        Assert.Equal(
            sources + ": " + case.GetProperty("result").ToString(),
            sources + ": " + (loaded (filesOfText sources)).Own.Port
        )

// ---- Reloads

let private recorded (name: string) : JsonElement =
    Vectors.items "reload_and_double_start_1_1" vectors.Value
    |> List.find (fun case -> Vectors.text "case" case = name)

let private words (case: JsonElement) = [ for line in Vectors.items "stderr_git" case -> string (line.GetString()) ]

let private said (loaded: Loaded) =
    [ for line in loaded.ReadLog @ loaded.Log do
          if not (line.Text.Contains "is not allowed; allowed:") then
              line.Priority.ToString().ToUpperInvariant() + " " + line.Text ]

let private reloaded (before: Snapshot) (after: Snapshot) = Files.reload after (loaded before)

[<Fact>]
let ``reloads with a fault are told in the words of stock`` () =
    let good = filesOf [] [ "tinc.conf", "Name = foo\n#\n#\n#\n"; "hosts/foo", "" ]
    let broken = filesOf [] [ "tinc.conf", "Name = foo\n#\n#\n#\nPort\n"; "hosts/foo", "" ]
    let bad = filesOf [] [ "tinc.conf", "Name = foo\nMode = foo\n"; "hosts/foo", "" ]

    // Where stock ends, ours goes on: the first word is the signal's, the last the node's.
    let fault = words (recorded "HUP with a syntax error in tinc.conf")
    Assert.Equal<string list>([ fault[1].Replace("{C}", "/c") ], said (reloaded good broken))
    let value = words (recorded "HUP with Mode = foo")
    Assert.Equal<string list>(List.tail value, said (reloaded good bad))

[<Fact>]
let ``subnets of options and of tinc.conf stay, which stock takes back`` () =
    let subnets (settings: Settings) = settings.Own.Subnets |> List.map TincPure.Topology.Subnet.toText |> List.sort

    let after files =
        match (reloaded files files).Outcome with
        | Ok settings -> subnets settings
        | Error _ -> []

    recorded "HUP with -o foo.Subnet=10.9.0.0/16 -o Subnet=10.8.0.0/16 on node foo" |> ignore
    recorded "HUP with StrictSubnets = yes and Subnet = 10.1.0.0/16 in tinc.conf" |> ignore

    Assert.Equal<string list>(
        [ "10.8.0.0/16"; "10.9.0.0/16" ],
        after (
            filesOf [ "foo.Subnet=10.9.0.0/16"; "Subnet=10.8.0.0/16" ] [ "tinc.conf", "Name = foo\n"; "hosts/foo", "" ]
        )
    )

    Assert.Equal<string list>(
        [ "10.1.0.0/16" ],
        after (filesOf [] [ "tinc.conf", "Name = foo\nStrictSubnets = yes\nSubnet = 10.1.0.0/16\n"; "hosts/foo", "" ])
    )

// ---- Scripts

[<Fact>]
let ``scripts get the variables that were recorded of stock`` () =
    let own =
        { HostSettings.empty (nodeName "foo") with
            Subnets = [ subnet "10.5.1.0/24#5"; subnet "10.5.0.0/16" ] }

    let settings: Settings = { settingsOf "foo" [ "bar" ] with NetName = ValueSome "mynet"; Own = own }

    let rig =
        Rig(
            settings,
            { launch with
                Device = ValueSome "dummy"
                Interface = ValueSome "dummy"
                DebugLevel = 5 }
        )

    rig.Start 655
    let bar = rig.Neighbour "bar"
    rig.Flood(bar, "10", "bar 10.6.1.0/24#5")

    let runs =
        [ for effect in rig.Effects do
              match effect with
              | RunScript script ->
                  script.Name,
                  [ for name, value in script.Environment do
                        // Where the peer is has been chosen by the test's network.
                        if name <> "REMOTEADDRESS" && name <> "REMOTEPORT" then
                            name + "=" + value
                        else
                            name ]
                  |> List.sort
              | _ -> () ]

    for case in Vectors.items "script_environment_1_1" vectors.Value do
        let expected =
            [ for line in Vectors.items "env" case ->
                  let line = string (line.GetString())
                  if line.StartsWith("REMOTE", StringComparison.Ordinal) then
                      line.Split('=')[0]
                  else
                      line ]
            |> List.sort

        Assert.Contains((Vectors.text "script" case, expected), runs)
