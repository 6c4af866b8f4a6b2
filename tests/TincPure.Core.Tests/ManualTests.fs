module TincPure.Core.Tests.ManualTests

open System
open System.IO
open TincPure.Config
open TincPure.Commands
open Xunit

let private path = Path.Combine(Vectors.root.Value, "docs", "configuration.md")

/// The table is the last thing in the file; what stands before it is written by hand.
let private withTable (text: string) =
    text.Substring(0, text.IndexOf("| Variable |", StringComparison.Ordinal)) + Manual.markdown

[<Fact>]
let ``The table in docs/configuration.md is the one in the code`` () =
    let text = File.ReadAllText path

    if Environment.GetEnvironmentVariable "TINCPURE_WRITE_MANUAL" = "1" then
        File.WriteAllText(path, withTable text)
    else
        Assert.True((withTable text = text), "docs/configuration.md is out of date: run ./build.sh manual")

[<Fact>]
let ``Every variable says what it is for`` () =
    for variable in Variables.all do
        Assert.Matches(@"^\S.{10,}[.]$", variable.Meaning)

[<Fact>]
let ``Help about a variable tells its values, its default, its place and what a reload does, whatever the case of its name``
    ()
    =
    match Manual.tryHelp "keyexpire" with
    | ValueSome text ->
        Assert.Equal<string list>(
            [ "KeyExpire"
              "  Keys of data sessions are renewed after so long. An invitation may set it."
              ""
              "Values    a whole number of seconds"
              "Default   3600"
              "Place     tinc.conf"
              "Reload    taken over"
              "" ],
            List.ofArray (text.Split '\n')
        )
    | ValueNone -> Assert.Fail "no help"

[<Fact>]
let ``Help about all variables names each, in lines that fit a screen`` () =
    match Manual.tryHelp "variables" with
    | ValueSome text ->
        let lines = text.TrimEnd('\n').Split '\n'
        Assert.All(lines, fun line -> Assert.InRange(line.Length, 31, 100))
        let names =
            lines |> Array.filter (fun line -> line[0] <> ' ') |> Array.map (fun line -> line.Split(' ')[0])
        Assert.Equal<string list>(Variables.all |> List.map _.Name |> List.sort, names |> Array.sort |> List.ofArray)
    | ValueNone -> Assert.Fail "no help"

[<Fact>]
let ``What is neither a variable nor all of them has no help`` () = Assert.Equal(ValueNone, Manual.tryHelp "nosuch")
