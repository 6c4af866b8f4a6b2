/// From the words of a command line to what the command tree reads (spec 06 §2).
module TincPure.Core.Tests.CommandLineTests

open FsCheck
open FsCheck.FSharp
open TincPure.Commands
open Xunit

let private normalise words =
    match TincOptions.normalise "tinc" words with
    | Ok words -> words
    | Error message -> failwith message

let private word =
    Gen.elements
        [ "get"
          "DUMP"
          "list"
          "nodes"
          "--json"
          "--help"
          "--"
          "-"
          ""
          "@file"
          "[suggest]"
          "a b"
          "x=y"
          "--force"
          "-n"
          "--net=v"
          "é" ]

/// An option as somebody may write it, with what it comes to.
let private option: Gen<string list * string list> =
    let valued short (long: string) =
        gen {
            let! value = Gen.elements [ "v"; "a=b"; "--help"; "-x"; "@f"; "x y" ]

            let! abbreviation = Gen.choose (3, long.Length) |> Gen.map (fun length -> long.Substring(0, length))

            let! written =
                Gen.elements
                    [ [ short; value ]; [ short + value ]; [ abbreviation; value ]; [ abbreviation + "=" + value ] ]

            return written, [ long + "=" + value ]
        }

    Gen.oneof
        [ valued "-c" "--config"
          valued "-n" "--net"
          Gen.elements [ [ "-b" ]; [ "--batch" ]; [ "--b" ] ]
          |> Gen.map (fun written -> written, [ "--batch" ])
          Gen.elements [ [ "--force" ]; [ "--fo" ] ] |> Gen.map (fun written -> written, [ "--force" ])
          Gen.constant ([ "--help" ], [ "--help" ]) ]

let private nameOf (canonical: string) = canonical.Split('=')[0]

[<Fact>]
let ``an option means the same however it is written, and the last of its values counts`` () =
    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.listOf option)) (fun options ->
            let last = options |> List.collect snd |> List.rev |> List.distinctBy nameOf |> List.sort

            List.sort (normalise (List.collect fst options)) = last)
    )

[<Fact>]
let ``what stands behind a command of stock reaches it unchanged`` () =
    let commands = Catalogue.all |> List.filter _.Switches.IsEmpty

    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.zip (Gen.elements commands) (Gen.listOf word))) (fun (command, words) ->
            words = [ "--help" ]
            || normalise (command.Name.ToUpperInvariant() :: words) = command.Name :: "--" :: words)
    )

[<Fact>]
let ``switches may stand anywhere among the words of their command, up to a double dash`` () =
    Assert.Equal<string list>([ "dump"; "--json"; "--"; "nodes" ], normalise [ "dump"; "nodes"; "--json" ])
    Assert.Equal<string list>([ "dump"; "--json"; "--"; "nodes" ], normalise [ "list"; "--json"; "nodes"; "--json" ])
    Assert.Equal<string list>([ "dump"; "--"; "--json" ], normalise [ "dump"; "--"; "--json" ])
    Assert.Equal<string list>([ "dump"; "--"; "--force"; "nodes" ], normalise [ "dump"; "--force"; "nodes" ])

[<Fact>]
let ``normalising again changes nothing`` () =
    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.zip (Gen.listOf option) (Gen.listOf word))) (fun (options, words) ->
            match TincOptions.normalise "tinc" (List.collect fst options) with
            | Ok once ->
                match TincOptions.normaliseUnfinished "tinc" (once @ words) with
                | Ok twice -> List.take once.Length twice = once || words |> List.exists (fun w -> w.StartsWith '-')
                | Error _ -> true
            | Error _ -> false)
    )

[<Fact>]
let ``unknown commands stay what they are`` () =
    Assert.Equal<string list>([ "--batch"; "--"; "frob"; "-x" ], normalise [ "-b"; "frob"; "-x" ])
    Assert.Equal<string list>([ "--"; "[suggest]" ], normalise [ "[suggest]" ])
    Assert.Equal<string list>([ "--"; "@file" ], normalise [ "@file" ])

[<Fact>]
let ``bad options are refused in getopt's words`` () =
    let refused words message =
        match TincOptions.normalise "tinc" words with
        | Error text -> Assert.Equal(message, text)
        | Ok words -> failwith (String.concat " " words)

    refused [ "--bogus" ] "tinc: unrecognized option '--bogus'"
    refused [ "-z" ] "tinc: invalid option -- 'z'"
    refused [ "-n" ] "tinc: option requires an argument -- 'n'"
    refused [ "--config" ] "tinc: option '--config' requires an argument"
    refused [ "-b-force" ] "tinc: invalid option -- '-'"

[<Fact>]
let ``commands that are misspelt a little are recognised, others are not`` () =
    let closest = Suggest.closest Catalogue.names
    Assert.Equal(ValueSome "dump", closest "dmup")
    Assert.Equal(ValueSome "export-all", closest "exportall")
    Assert.Equal(ValueNone, closest "frobnicate")
    Assert.Equal(ValueNone, closest "x")

    match EditConfig.check false EditConfig.Set [ "PingTimout"; "5" ] with
    | Error lines -> Assert.Equal("Did you mean `PingTimeout'?", List.last lines)
    | Ok _ -> failwith "known"

[<Fact>]
let ``the distance between words is a metric`` () =
    let word =
        Gen.listOf (Gen.elements [ 'a'; 'b'; 'c' ])
        |> Gen.map (fun letters -> System.String(List.toArray letters))

    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.zip word word)) (fun (left, right) ->
            let distance = Suggest.distance left right
            distance = Suggest.distance right left
            && (distance = 0) = (left = right)
            && distance <= max left.Length right.Length
            && distance >= abs (left.Length - right.Length))
    )

[<Fact>]
let ``there is a completion script for each shell, which asks the program itself`` () =
    for shell in Completion.shells do
        match Completion.script shell with
        | ValueSome text -> Assert.Contains("complete -- ", text)
        | ValueNone -> failwith shell

    Assert.Equal(ValueNone, Completion.script "tcsh")

[<Fact>]
let ``behind a node only variables of host files are offered`` () =
    Assert.Contains("beta.Subnet", Completion.variables "beta.S")
    Assert.DoesNotContain("beta.Mode", Completion.variables "beta.M")
    Assert.Contains("Mode", Completion.variables "M")

let private typed (text: string) (state: LineEditor.State) =
    Seq.fold
        (fun state c ->
            match LineEditor.press (LineEditor.Letter c) state with
            | LineEditor.Editing state -> state
            | _ -> state)
        state
        text

let private pressed keys state =
    List.fold
        (fun state key ->
            match LineEditor.press key state with
            | LineEditor.Editing state -> state
            | _ -> state)
        state
        keys

[<Fact>]
let ``a line is edited at the cursor`` () =
    let line =
        LineEditor.start [] |> typed "gt Name" |> pressed [ LineEditor.Home; LineEditor.Right ] |> typed "e"
    Assert.Equal("get Name", LineEditor.text line)
    Assert.Equal("get ", LineEditor.text (pressed [ LineEditor.End; LineEditor.KillWord ] line))
    Assert.Equal("ge", LineEditor.text (pressed [ LineEditor.KillToEnd ] line))
    Assert.Equal("t Name", LineEditor.text (pressed [ LineEditor.KillToStart ] line))
    Assert.Equal("ge Name", LineEditor.text (pressed [ LineEditor.Delete ] line))
    Assert.Equal(LineEditor.Entered "get Name", LineEditor.press LineEditor.Enter line)
    Assert.Equal(LineEditor.Ended, LineEditor.press LineEditor.EndOfInput (LineEditor.start []))
    Assert.Equal(LineEditor.GivenUp, LineEditor.press LineEditor.GiveUp line)

[<Fact>]
let ``history is walked up and down, and the draft is kept`` () =
    let history = [] |> LineEditor.remember "one" |> LineEditor.remember "two" |> LineEditor.remember "two"
    Assert.Equal<string list>([ "two"; "one" ], history)
    let state = LineEditor.start history |> typed "draft"
    let walk keys = LineEditor.text (pressed keys state)
    Assert.Equal("two", walk [ LineEditor.Up ])
    Assert.Equal("one", walk [ LineEditor.Up; LineEditor.Up; LineEditor.Up ])
    Assert.Equal("two", walk [ LineEditor.Up; LineEditor.Up; LineEditor.Down ])
    Assert.Equal("draft", walk [ LineEditor.Up; LineEditor.Down; LineEditor.Down ])

[<Fact>]
let ``completion adds what all candidates share, and shows them if that is nothing`` () =
    let line = LineEditor.start [] |> typed "info al"
    Assert.Equal<string list>([ "info"; "al" ], LineEditor.unfinished line)
    Assert.Equal<string list>([ "info"; "" ], LineEditor.unfinished (LineEditor.start [] |> typed "info "))

    let completed candidates =
        let struct (state, shown) = LineEditor.complete candidates line
        LineEditor.text state, shown

    Assert.Equal(("info al", []), completed [])
    Assert.Equal(("info alpha ", []), completed [ "alpha" ])
    Assert.Equal(("info alp", []), completed [ "alpha"; "alps" ])
    Assert.Equal(("info al", [ "albert"; "alpha" ]), completed [ "albert"; "alpha" ])

[<Fact>]
let ``any keys leave a line whose cursor is inside it`` () =
    let key =
        Gen.oneof
            [ Gen.map LineEditor.Letter (Gen.elements [ 'a'; ' '; '\t'; 'é'; '\000' ])
              Gen.elements
                  [ LineEditor.Backspace
                    LineEditor.Delete
                    LineEditor.Left
                    LineEditor.Right
                    LineEditor.Home
                    LineEditor.End
                    LineEditor.Up
                    LineEditor.Down
                    LineEditor.KillToEnd
                    LineEditor.KillToStart
                    LineEditor.KillWord
                    LineEditor.EndOfInput ] ]

    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.listOf key)) (fun keys ->
            let state = pressed keys (LineEditor.start [ "b c"; "d" ])
            let struct (completed, _) = LineEditor.complete [ "xy"; "xz" ] state
            (LineEditor.text state).Length >= state.Before.Length && (LineEditor.text completed).Length >= 0)
    )
