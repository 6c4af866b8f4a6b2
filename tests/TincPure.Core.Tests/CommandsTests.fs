/// The pure half of `tinc` (spec 06). Whole runs are in the tests of the hosts.
module TincPure.Core.Tests.CommandsTests

open System
open System.Text.Json
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Config
open TincPure.Commands
open TincPure.Commands.EditConfig
open Xunit
open Xunit.Abstractions

let private request verb words =
    match EditConfig.check false verb words with
    | Ok request -> request
    | Error messages -> failwith (String.concat "; " messages)

/// Lines of a configuration file, with and without meaning, with all kinds of line ends.
let private fileText: Gen<string> =
    let line =
        Gen.elements
            [ "# comment"
              ""
              "Mode = hub"
              "mode=switch  "
              "Subnet = 10.0.0.0/8"
              "Subnet 10.1.0.0/16"
              " Mode = indented"
              "Port = 1"
              "-----BEGIN X-----"
              "Unknown\t=\tx"
              "f\u00ff\u00e9" ]

    Gen.map2
        (fun lines last -> String.concat "" lines + last)
        (Gen.listOf (Gen.map2 (+) line (Gen.elements [ "\n"; "\n"; "\r\n" ])))
        (Gen.elements [ ""; ""; "Mode = last"; "# last" ])

let private isAbout (variable: string) (line: string) =
    match Syntax.split (OwnNode.trimEnd line) with
    | struct (name, _) -> ByteText.same name variable

let private others variable text =
    Syntax.rawLines text |> List.filter (isAbout variable >> not) |> List.map _.TrimEnd('\n')

let private rewritten request text =
    match EditConfig.apply request text with
    | Rewritten(text, _) -> text
    | AsBefore
    | Values _
    | Nothing _ -> text

[<Fact>]
let ``editing a variable leaves all other lines as they are, in their order`` () =
    let requests =
        Gen.elements
            [ request Set [ "Mode"; "router" ]
              request Add [ "Mode"; "router" ]
              request Delete [ "Mode" ]
              request Add [ "Subnet"; "10.2.0.0/16" ]
              request Set [ "Subnet"; "10.2.0.0/16" ]
              request Delete [ "Subnet"; "10.1.0.0/16" ] ]

    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.zip requests fileText)) (fun (request, text) ->
            others request.Variable (rewritten request text) = others request.Variable text)
    )

[<Fact>]
let ``what was set is what the daemon reads, and only that`` () =
    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen fileText) (fun text ->
            match EditConfig.apply (request Get [ "Mode" ]) (rewritten (request Set [ "Mode"; "router" ]) text) with
            | Values [ "router" ] -> true
            | _ -> false)
    )

[<Fact>]
let ``setting twice changes nothing more, and deleting what was added restores the values`` () =
    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen fileText) (fun text ->
            let set = request Set [ "Mode"; "router" ]
            let add = request Add [ "Subnet"; "10.9.0.0/16" ]
            let delete = request Delete [ "Subnet"; "10.9.0.0/16" ]
            let once = rewritten set text

            rewritten set once = once
            && EditConfig.apply (request Get [ "Subnet" ]) (rewritten delete (rewritten add text)) =
                EditConfig.apply (request Get [ "Subnet" ]) text)
    )

let private nodeName: Gen<NodeName> =
    Gen.elements [ "alpha"; "b_2"; "C" ]
    |> Gen.map (fun text ->
        match NodeName.tryParse text with
        | ValueSome name -> name
        | ValueNone -> failwith text)

let private hostText: Gen<string> =
    let line = Gen.elements [ "Port = 1\n"; "# x\n"; "Subnet = 10.0.0.0/8\n"; "\n"; "Address = a b\r\n" ]
    Gen.listOf line |> Gen.map (String.concat "")

[<Fact>]
let ``hosts exported and imported are the same, but for the empty line before the next`` () =
    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen (Gen.nonEmptyListOf (Gen.zip nodeName hostText))) (fun hosts ->
            let exported = hosts |> List.map (fun (name, text) -> Exchange.export name text)

            let expected =
                hosts
                |> List.mapi (fun i (name, text) ->
                    Exchange.Host(name, (if i < hosts.Length - 1 then text + "\n" else text)))

            Exchange.import (Exchange.exportAll exported) = expected)
    )

[<Fact>]
let ``any input can be imported`` () =
    let text =
        Gen.listOf (Gen.elements [ "Name"; " "; "="; "\n"; "a"; "-"; "#"; Exchange.separator; "\u00ff" ])
        |> Gen.map (String.concat "")

    Check.QuickThrowOnFailure(Prop.forAll (Arb.fromGen text) (fun text -> (Exchange.import text).Length >= 0))

[<Fact>]
let ``pid files of four fields are read, all others are not`` () =
    let expected: Control.PidFile = { Pid = 12; Cookie = "AB"; Host = "::1"; Port = "655" }
    Assert.Equal(ValueSome expected, Control.parsePidFile "12 AB ::1 port 655\n")

    for text in [ ""; "12"; "x AB h port 1"; "12 AB h 655"; "12 " + String('A', 65) + " h port 1" ] do
        Assert.Equal(ValueNone, Control.parsePidFile text)

    Assert.Equal<string list>(
        [ "/run/tinc.socket"; "pid.socket"; ".pid.socket" ],
        List.map Control.socketPath [ "/run/tinc.pid"; "pid"; ".pid" ]
    )

type DaemonVectors(output: ITestOutputHelper) =

    /// Items of a dump in the first transcript of the control protocol, which was recorded beside the first runs.
    let items (request: Control.Request) : string list list =
        let transcript = List.head (Vectors.items "transcripts" (Vectors.load "06-control-protocol.json"))

        [ for step in Vectors.items "steps" transcript do
              match step.TryGetProperty "recv" with
              | true, received ->
                  for line in (string (received.GetString())).Split('\n', StringSplitOptions.RemoveEmptyEntries) do
                      match Control.parseItem request line with
                      | Ok(_ :: _ as fields) -> fields
                      | _ -> ()
              | _ -> () ]

    let parsed (parse: string list -> 'a voption) request : 'a list =
        items request
        |> List.map (fun fields ->
            match parse fields with
            | ValueSome item -> item
            | ValueNone -> failwith (String.Join(' ', fields)))

    let nodes = parsed Dump.parseNode Control.Request.DumpNodes
    let edges = parsed Dump.parseEdge Control.Request.DumpEdges
    let subnets = parsed Dump.parseSubnet Control.Request.DumpSubnets
    let connections = parsed Dump.parseConnection Control.Request.DumpConnections

    let utc (seconds: int64) = DateTimeOffset.FromUnixTimeSeconds(seconds).ToString "yyyy-MM-dd HH:mm:ss"

    let graph directed =
        [ (if directed then "digraph {" else "graph {") ]
        @ List.map Dump.graphNode nodes
        @ (edges |> List.choose (Dump.graphEdge directed >> ValueOption.toOption))
        @ [ "}" ]

    let info (item: string) : Result<string list, string> =
        match Info.parse item with
        | Error message -> Error message
        | Ok(Info.NodeCalled name) ->
            match List.tryFind (fun (node: Dump.Node) -> node.Name = name.Text) nodes with
            | Some node -> Ok(Info.describeNode utc node edges subnets)
            | None -> Error("Unknown node " + item + ".")
        | Ok subject -> Info.findSubnets item subject subnets |> Result.map Info.describeSubnets

    let answer (words: string list) : Result<string list, string> voption =
        match words with
        | [ "dump"; "nodes" ]
        | [ "list"; "NODES" ] -> ValueSome(Ok(List.map Dump.printNode nodes))
        | [ "dump"; "reachable"; "nodes" ] ->
            nodes
            |> List.filter (fun node -> Dump.has Dump.Status.reachable node.Status)
            |> List.map Dump.printNode
            |> Ok
            |> ValueSome
        | [ "dump"; "edges" ] -> ValueSome(Ok(List.map Dump.printEdge edges))
        | [ "dump"; "subnets" ] -> ValueSome(Ok(List.map Dump.printSubnet subnets))
        | [ "dump"; "connections" ] -> ValueSome(Ok(List.map Dump.printConnection connections))
        | [ "dump"; "graph" ] -> ValueSome(Ok(graph false))
        | [ "dump"; "digraph" ] -> ValueSome(Ok(graph true))
        | [ "info"; item ] -> ValueSome(info item)
        | _ -> ValueNone

    [<Fact>]
    member _.``dumps and info of the recorded daemon are printed as the reference printed them``() =
        let runs =
            Vectors.items "runs" (Vectors.load "06-cli-daemon.json")
            // Then the mesh began to carry packets and was no longer that of the transcript.
            |> List.takeWhile (fun run -> not (run.TryGetProperty "stdout_hex" |> fst))

        let mutable compared = 0

        for run in runs do
            let arguments = Vectors.items "args" run |> List.map (fun item -> string (item.GetString()))

            match arguments with
            | "-b" :: "-n" :: "alpha" :: words ->
                match answer words with
                | ValueSome(Ok lines) ->
                    compared <- compared + 1
                    Assert.Equal(Vectors.text "stdout" run, String.concat "" (List.map (fun line -> line + "\n") lines))
                | ValueSome(Error message) ->
                    compared <- compared + 1
                    Assert.Equal(Vectors.text "stderr" run, message + "\n")
                | ValueNone -> output.WriteLine("no dump: " + String.Join(' ', words))
            | _ -> output.WriteLine("another daemon: " + String.Join(' ', arguments))

        Assert.True(compared >= 25, string compared)

    [<Fact>]
    member _.``a node with a confirmed address shows its round trip time``() =
        let fields =
            "beta 560c72de72c0 127.0.0.1 port 10656 0 0 0 0 700000c 8da beta beta 1 1518 1446 1518 1795296653 92 0 0 7 374"

        match Dump.parseNode (List.ofArray (fields.Split ' ')) with
        | ValueSome node ->
            Assert.EndsWith("pmtu 1518 (min 1446 max 1518) rx 0 0 tx 7 374 rtt 0.092", Dump.printNode node)
            let lines = Info.describeNode utc node [] []
            Assert.Contains("PMTU:         1518", lines)
            Assert.Contains("RTT:          0.092", lines)
        | ValueNone -> failwith "not parsed"

    [<Fact>]
    member _.``what is no dump is not taken for one``() =
        Assert.Equal(ValueNone, Dump.parseNode [ "alpha"; "x" ])
        Assert.Equal(ValueNone, Dump.parseEdge [ "a"; "b"; "h"; "port"; "1"; "h"; "port"; "1"; "zz"; "1" ])
        Assert.Equal(Error(), Control.parseItem Control.Request.DumpNodes "18 4 a b")
        Assert.Equal(Ok [], Control.parseItem Control.Request.DumpNodes "18 3")
