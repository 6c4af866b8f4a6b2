/// Configuration text, names and the table of variables (spec 05 §3 to §5, spec 06 §4).
module TincPure.Core.Tests.ConfigSyntaxTests

open System
open System.Text
open System.Text.Json
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Config
open Xunit
open Xunit.Abstractions

let private latin (element: JsonElement) name = Encoding.Latin1.GetString(Vectors.bytes name element)

let private strings name (element: JsonElement) =
    Vectors.items name element |> List.map (fun item -> string (item.GetString()))

let private isCommandLine (entry: Entry) =
    match entry.Place with
    | Place.CommandLine _ -> true
    | Place.File _ -> false

let private line (entry: Entry) =
    match entry.Place with
    | Place.CommandLine number -> number
    | Place.File(_, line) -> line

let private agrees (expected: JsonElement) (entry: Entry) =
    let value = Vectors.text "value" expected
    Assert.Equal(Vectors.text "variable" expected, entry.Variable)
    Assert.Equal(Vectors.number "line" expected, line entry)
    Assert.Equal(expected.GetProperty("cmdline").GetBoolean(), isCommandLine entry)

    match expected.TryGetProperty "value_length" with
    | true, length ->
        Assert.Equal(length.GetInt32(), entry.Value.Length)
        Assert.StartsWith(value.Replace("...", ""), entry.Value)
    | _ -> Assert.Equal(value, entry.Value)

/// Lines over 2048 bytes: the reference cuts them to pieces that it takes for lines, which spec 05 §4.1 calls a defect.
let private isOverlong (case: JsonElement) =
    (latin case "input_hex").Split '\n' |> Array.exists (fun line -> line.Length >= Syntax.maxLine)

type FileVectors(output: ITestOutputHelper) =

    [<Fact>]
    member _.``every configuration file of the vectors gives its entries and errors``() =
        let cases = Vectors.items "file_cases" (Vectors.load "05-config-parsing.json")
        let overlong, ordinary = List.partition isOverlong cases
        Assert.NotEmpty ordinary

        for case in ordinary do
            output.WriteLine(Vectors.text "name" case)

            let struct (entries, error) = Syntax.parse "{FILE}" (latin case "input_hex")

            Assert.Equal(case.GetProperty("ok").GetBoolean(), error.IsNone)

            Assert.Equal<string list>(
                strings "errors" case,
                error
                |> ValueOption.map (fun error -> [ "ERROR: " + Syntax.errorText error ])
                |> ValueOption.defaultValue []
            )

            let expected = Vectors.items "entries" case
            let found = ConfigTable.entries (ConfigTable.ofEntries entries)
            Assert.Equal(expected.Length, found.Length)
            List.iter2 agrees expected found

        for case in overlong do
            output.WriteLine("not as the reference, which splits long lines: " + Vectors.text "name" case)
            let struct (_, error) = Syntax.parse "{FILE}" (latin case "input_hex")
            let text = latin case "input_hex"

            let mustFail =
                text.Split '\n'
                |> Array.exists (fun line -> line.Length > Syntax.maxLine && not (line.StartsWith '#'))

            Assert.Equal(mustFail, error.IsSome)

    [<Fact>]
    member _.``every command line option of the vectors takes its place``() =
        for case in Vectors.items "option_cases" (Vectors.load "05-config-parsing.json") do
            output.WriteLine(Vectors.text "name" case)

            let options = strings "options" case |> List.mapi (fun i text -> Syntax.parseOption (i + 1) text)

            let errors =
                options
                |> List.choose (function
                    | Error error -> Some("ERROR: " + Syntax.errorText error)
                    | Ok _ -> None)

            Assert.Equal<string list>(strings "errors" case, errors)

            if errors.IsEmpty then
                let struct (fromFile, _) = Syntax.parse "{FILE}" (latin case "file_hex")

                let server =
                    options
                    |> List.choose (function
                        | Ok entry when not (entry.Variable.Contains '.') -> Some entry
                        | _ -> None)

                let found = ConfigTable.entries (ConfigTable.ofEntries (server @ fromFile))
                let expected = Vectors.items "entries" case
                Assert.Equal(expected.Length, found.Length)
                List.iter2 agrees expected found

    [<Fact>]
    member _.``every single value of the vectors is read as the reference does, or refused if it does not fit``() =
        let vectors = Vectors.load "05-config-parsing.json"

        for case in Vectors.items "bool_values" vectors do
            let expected =
                match case.GetProperty("result").ValueKind with
                | JsonValueKind.Null -> ValueNone
                | kind -> ValueSome(kind = JsonValueKind.True)

            Assert.Equal(expected, Value.yesNo (Vectors.text "value" case))

        for case in Vectors.items "integer_values" vectors do
            let text = Vectors.text "value" case

            let expected =
                match case.GetProperty("result").ValueKind with
                | JsonValueKind.Null -> ValueNone
                | _ -> ValueSome(Vectors.number "result" case)

            let digits = text.TrimStart('+', '-')

            match Int64.TryParse text with
            | true, number when number <> int64 (int number) -> Assert.Equal(ValueNone, Value.whole text)
            | false, _ when digits.Length > 19 -> Assert.Equal(ValueNone, Value.whole text)
            | _ -> Assert.Equal(expected, Value.whole text)

    [<Fact>]
    member _.``every name of the vectors is judged and expanded as the reference does``() =
        let vectors = Vectors.load "05-names.json"

        for case in Vectors.items "node_names" vectors do
            let name = Vectors.text "name" case
            Assert.Equal(case.GetProperty("valid").GetBoolean(), (NodeName.tryParse (ByteText.encode name)).IsSome)

        for case in Vectors.items "netnames" vectors do
            let name = Vectors.text "netname" case
            Assert.Equal(case.GetProperty("accepted").GetBoolean(), NetName.isValid name)
            Assert.Equal(case.GetProperty("safe").GetBoolean(), NetName.isSafe name)

        let check (case: JsonElement) outcome =
            output.WriteLine(case.ToString())

            match outcome with
            | Ok(name: NodeName) -> Assert.Equal(Vectors.text "result" case, name.Text)
            | Error(message: string) -> Assert.Equal<string list>([ "ERROR: " + message ], strings "errors" case)

        for case in Vectors.items "name_expansion" vectors do
            let environment variable =
                match (case.GetProperty "env").TryGetProperty(variable: string) with
                | true, text -> ValueSome(string (text.GetString()))
                | _ -> ValueNone

            check case (OwnName.expand environment (Ok "host") (ByteText.encode (Vectors.text "value" case)))

        for case in Vectors.items "hostname_expansion" vectors do
            check case (OwnName.expand (fun _ -> ValueNone) (Ok(Vectors.text "hostname" case)) "$HOST")

[<Fact>]
let ``the table of variables says what the vectors say`` () =
    let cases =
        Vectors.items "variables" (Vectors.load "05-variables.json")
        |> List.map (fun case -> Vectors.text "name" case, case)

    // One is our own.
    Assert.Equal<Set<string>>(
        Set.ofList ("LegacyProtocol" :: List.map fst cases),
        Set.ofList (Variables.all |> List.map _.Name)
    )

    for name, case in cases do
        match Variables.tryFind (name.ToUpperInvariant()) with
        | ValueNone -> failwith name
        | ValueSome variable ->
            let flag (property: string) = case.GetProperty(property).GetBoolean()

            Assert.Equal(name, variable.Name)

            Assert.Equal<bool list>(
                [ flag "server"; flag "host"; flag "multiple"; flag "safe"; flag "obsolete"; flag "in_table" ],
                [ variable.Server
                  variable.Host
                  variable.Multiple
                  variable.Safe
                  variable.Obsolete
                  variable.Listed ]
            )

            let reload =
                match variable.Reload with
                | Reload.Reread -> "K"
                | Reload.RereadOrDefault -> "D"
                | Reload.OnlySwitchedOn -> "O"
                | Reload.ListRebuilt -> "R"
                | Reload.LookedUp -> "L"
                | Reload.StartOnly -> "N"

            Assert.Equal(Vectors.text "reload" case, reload)

            match case.GetProperty("default").ValueKind, variable.Kind with
            | JsonValueKind.Null, _ -> Assert.Equal("", variable.Default)
            | _, (Kind.YesNo | Kind.Whole _ | Kind.PortText) when variable.Default <> "" ->
                Assert.Equal(variable.Default, (Vectors.text "default" case).Split(' ')[0])
            | _ -> ()

let private blank = Gen.elements [ ""; " "; "\t"; "  " ]

let private word =
    Gen.nonEmptyListOf (Gen.elements (List.ofSeq "aZ09_#-./é=\u00ff"))
    |> Gen.map (fun chars -> String(Array.ofList chars))

let private variable = word |> Gen.map (fun text -> "V" + text.Replace("=", "").Replace("#", ""))

[<Fact>]
let ``an entry printed and parsed again is the same entry`` () =
    Check.QuickThrowOnFailure(
        Prop.forAll
            (Arb.fromGen (Gen.zip variable (Gen.map2 (fun a b -> "x" + a + " " + b) word word)))
            (fun (variable, value) ->
                let entry = { Variable = variable; Value = value; Place = Place.File("f", 1) }

                Syntax.parse "f" (Syntax.print entry) = struct ([ entry ], ValueNone))
    )

[<Fact>]
let ``lines with their ends make up the text`` () =
    let text = Gen.listOf (Gen.elements [ "a"; " "; "\n"; "\r\n"; "=" ]) |> Gen.map (String.concat "")

    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen text) (fun text -> String.concat "" (Syntax.rawLines text) = text)
    )

[<Fact>]
let ``any bytes can be parsed`` () =
    let text =
        Gen.listOf (Gen.choose (0, 255))
        |> Gen.map (fun bytes -> bytes |> List.map (fun b -> string (char b)) |> String.concat "")

    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen text) (fun text ->
            let struct (entries, _) = Syntax.parse "f" text
            entries.Length <= (Syntax.rawLines text).Length)
    )

[<Fact>]
let ``blanks around the equals sign and behind the value do not matter`` () =
    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.zip variable (Gen.listOfLength 3 blank))) (fun (variable, blanks) ->
            let text = variable + blanks[0] + "=" + blanks[1] + "value" + blanks[2] + "\r\n"

            match Syntax.parse "f" text with
            | struct ([ entry ], ValueNone) -> entry.Variable = variable && entry.Value = "value"
            | _ -> false)
    )

let private keyBytes size = Gen.arrayOfLength size (Gen.choose (0, 255) |> Gen.map byte)

[<Fact>]
let ``a private key printed and parsed again is the same key, whatever stands around it`` () =
    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.zip (keyBytes 64) (keyBytes 32))) (fun (priv, pub) ->
            let pair = { Private = priv; Public = pub }

            KeyFile.parsePrivate ("# note\n" + KeyFile.printPrivate pair + "more\n") = struct (ValueSome pair, []))
    )

[<Fact>]
let ``a public key printed as text or block and parsed again is the same key`` () =
    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (keyBytes 32)) (fun key ->
            KeyFile.parsePublic (KeyFile.publicText key) = Ok key
            && KeyFile.parsePublicBlock (KeyFile.printPublicBlock key) = struct (ValueSome key, []))
    )

[<Fact>]
let ``disabled keys are not found any more, and nothing else changes`` () =
    let key = Array.init 32 byte
    let pair = { Private = Array.zeroCreate 64; Public = key }

    let text =
        "Subnet = 10.0.0.0/8\n"
        + KeyFile.printPublic key
        + "-----BEGIN RSA PUBLIC KEY-----\nabc\n-----END RSA PUBLIC KEY-----\n"
        + KeyFile.printPrivate pair
        + "Port = 1"

    match KeyFile.disable KeyKind.Ed25519 text with
    | ValueNone -> failwith "nothing found"
    | ValueSome disabled ->
        Assert.Equal<string>(text, disabled.Replace("#", ""))
        Assert.Equal(struct (ValueNone, []), KeyFile.parsePrivate disabled)
        Assert.Equal(ValueNone, KeyFile.disable KeyKind.Ed25519 disabled)
        Assert.Contains("\n-----BEGIN RSA", disabled)

    match KeyFile.disable KeyKind.Rsa text with
    | ValueNone -> failwith "nothing found"
    | ValueSome disabled -> Assert.Contains("#-----BEGIN RSA PUBLIC KEY-----\n#abc\n#-----END RSA", disabled)
