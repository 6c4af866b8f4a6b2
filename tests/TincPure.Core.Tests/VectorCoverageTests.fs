/// No file of recorded data may lie in the tree unread.
module TincPure.Core.Tests.VectorCoverageTests

open System
open System.IO
open System.Text.Json
open Xunit

/// Files that wait for what they test, with the reason.
let private waiting =
    Map.ofList
        [ "07-device-frames.json", "devices other than Linux TUN and TAP"
          "07-ioctl-numbers.json", "numbers of other systems and devices"
          "07-uml-vde-handshake.json", "UML and VDE devices" ]

/// Sections of the files of chapters 02 to 05 that no test names, with the reason. Cases that a test leaves out are in its output,
/// each with its reason.
let private sectionsWaiting =
    Map.ofList
        [ ("03-sptps-path-choice.json", "columns"), "what the rows' fields mean, for people"
          ("03-sptps-udp-datagrams.json", "node_ids"), "the same IDs stand in the datagrams, which are compared"
          ("05-files-and-scripts.json", "pidfile_1_0"), "ours writes the pid file of 1.1"
          ("05-files-and-scripts.json", "script_environment_1_0_tinc_up_without_netname"),
          "1.0 sets empty variables; ours follows 1.1"
          ("05-log-formats.json", "stderr_1_1_pre18_and_1_0"),
          "bare lines of older versions; ours writes those of the newest"
          ("05-log-formats.json", "umbilical"), "`tinc start` of both makes is tried with real daemons" ]

let private root =
    let rec find (folder: DirectoryInfo | null) =
        match folder with
        | null -> failwith "TincPure.sln is nowhere above"
        | folder when File.Exists(Path.Combine(folder.FullName, "TincPure.sln")) -> folder.FullName
        | folder -> find folder.Parent

    find (DirectoryInfo AppContext.BaseDirectory)

let private sources =
    lazy
        [ for pattern in [ "*.fs"; "*.cs" ] do
              for file in Directory.EnumerateFiles(Path.Combine(root, "tests"), pattern, SearchOption.AllDirectories) do
                  if
                      not (file.Contains "/obj/" || file.Contains "\\obj\\")
                      && Path.GetFileName file <> "VectorCoverageTests.fs"
                  then
                      File.ReadAllText file ]

[<Fact>]
let ``every vector file is read by a test or waits for a reason that is given`` () =
    for path in Directory.EnumerateFiles(Path.Combine(root, "tests", "vectors"), "*.json") |> Seq.sort do
        match Path.GetFileName path with
        | null -> ()
        | file ->
            let stem = Path.GetFileNameWithoutExtension file |> Option.ofObj |> Option.defaultValue file

            let isRead =
                sources.Value |> List.exists (fun source -> source.Contains("\"" + stem, StringComparison.Ordinal))

            match waiting.TryFind file with
            | Some reason when not isRead -> Console.WriteLine("waiting: " + file + ": " + reason)
            | Some _ -> ()
            | None -> Assert.True(isRead, file + " is read by no test")

[<Fact>]
let ``every section of the vectors of chapters 02 to 05 is named by a test or waits for a reason that is given`` () =
    for path in Directory.EnumerateFiles(Path.Combine(root, "tests", "vectors"), "0*.json") |> Seq.sort do
        let file = Path.GetFileName path |> Option.ofObj |> Option.defaultValue path

        if file[1] >= '2' && file[1] <= '5' then
            use document = JsonDocument.Parse(File.ReadAllText path)

            if document.RootElement.ValueKind = JsonValueKind.Object then
                for section in document.RootElement.EnumerateObject() do
                    if
                        section.Value.ValueKind = JsonValueKind.Array || section.Value.ValueKind = JsonValueKind.Object
                    then
                        let isNamed =
                            sources.Value
                            |> List.exists (fun source ->
                                source.Contains("\"" + section.Name + "\"", StringComparison.Ordinal))

                        match sectionsWaiting.TryFind((file, section.Name)) with
                        | Some reason when not isNamed ->
                            Console.WriteLine("waiting: " + file + ", " + section.Name + ": " + reason)
                        | Some _ -> ()
                        | None -> Assert.True(isNamed, file + ": no test reads " + section.Name)
