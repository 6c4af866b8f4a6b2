/// No file of recorded data may lie in the tree unread.
module TincPure.Core.Tests.VectorCoverageTests

open System
open System.IO
open Xunit

/// Files that wait for what they test, with the reason.
let private waiting =
    Map.ofList
        [ "07-device-frames.json", "devices other than Linux TUN and TAP"
          "07-ioctl-numbers.json", "numbers of other systems and devices"
          "07-uml-vde-handshake.json", "UML and VDE devices" ]

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
