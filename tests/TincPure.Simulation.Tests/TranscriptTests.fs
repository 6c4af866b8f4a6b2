/// The recorded conversation of three stock daemons in a row, held again by three nodes of ours (02-meta-transcripts.json).
module TincPure.Simulation.Tests.TranscriptTests

open System
open System.Security.Cryptography
open System.Text
open System.Text.RegularExpressions
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Topology
open TincPure.Config
open TincPure.Simulation
open TincPure.Core.Tests
open TincPure.Core.Tests.MetaVectors
open Xunit
open Xunit.Abstractions

let private nameOf (text: string) =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> failwith text

let private ip (text: string) =
    match Ip.tryParse text with
    | ValueSome ip -> ip
    | ValueNone -> failwith text

let private subnet (text: string) =
    match Subnet.tryParse text with
    | Ok subnet -> subnet
    | Error _ -> failwith text

let private keyOf (name: string) = Ed25519.generate (ReadOnlySpan(SHA256.HashData(Encoding.ASCII.GetBytes name)))

let private stock: Lazy<Transcript> =
    lazy
        (MetaVectors.transcripts.Value
         |> List.find (fun transcript -> transcript.Title.StartsWith("three nodes in a row", StringComparison.Ordinal)))

/// Node number 1 is alpha, 2 beta, 3 gamma; node N is at 192.0.2.N and owns 10.0.N.0/24.
let private settings (number: int) (known: (string * bool) list) (connectTo: string list) : Settings =
    let name = [ "alpha"; "beta"; "gamma" ][number - 1]
    let key = keyOf name

    let host (other: string) (reachable: bool) =
        { HostSettings.empty (nameOf other) with
            PublicKey = ValueSome (keyOf other).Public
            Addresses = if reachable then [ { Host = "192.0.2.2"; Port = "655" } ] else [] }

    { Settings.defaults (nameOf name) "/etc/tinc" with
        PrivateKey = ValueSome(key.Private.Span.ToArray())
        PublicKey = ValueSome key.Public
        Own =
            { HostSettings.empty (nameOf name) with
                Subnets = [ subnet ("10.0." + string number + ".0/24") ] }
        Hosts = Map.ofList [ for other, reachable in known -> nameOf other, host other reachable ]
        ConnectTo = List.map nameOf connectTo
        AutoConnect = false
        PingInterval = if name = "beta" then 60 else 8
        PingTimeout = if name = "beta" then 5 else 3 }

/// The logs of our three nodes, by name, as the vectors hold those of the stock daemons.
let private ours: Lazy<(string * Logged list) list> =
    lazy
        (let world =
            World
                { WorldSettings.ofSeed 1UL with
                    KeepText = true
                    DebugLevel = DebugLevel.traffic }

         let add number known connectTo =
             world.Add(
                 ip ("192.0.2." + string number),
                 ip ("10.0." + string number + ".1"),
                 settings number known connectTo
             )

         let alpha = add 1 [ "beta", true ] [ "beta" ]
         let beta = add 2 [ "alpha", false; "gamma", false ] []
         let gamma = add 3 [ "beta", true ] [ "beta" ]

         // Gamma answers what it gets.
         let ping () =
             let number = world.Send(alpha, gamma, 98)
             world.RunFor 0.2

             if gamma.HasReceived number then
                 world.Send(gamma, alpha, 98) |> ignore

         world.Start beta
         world.RunFor 1.0
         world.Start alpha
         world.RunFor 2.0
         world.Start gamma
         world.RunFor 5.0

         for _ in 1..3 do
             ping ()
             world.RunFor 1.0

         world.RunFor 10.0

         for _ in 1..2 do
             ping ()
             world.RunFor 1.0

         world.Terminate gamma
         world.RunFor 2.0
         world.Terminate alpha
         world.RunFor 1.0

         [ for machine in world.Machines ->
               machine.Name.Text,
               [ for struct (_, line) in machine.Log -> { Priority = line.Priority; Text = line.Text } ] ])

let private requestsOf (log: Logged list) =
    log
    |> List.choose (fun line ->
        match MetaVectors.request line.Text with
        | ValueSome request -> Some request
        | ValueNone -> None)

let private stockRequests (node: string) =
    stock.Value.Logs
    |> List.find (fun (name, _) -> name = node)
    |> snd
    |> List.choose (fun line -> ValueOption.toOption line.Request)

let private ourRequests (node: string) = ours.Value |> List.find (fun (name, _) -> name = node) |> snd |> requestsOf

/// Nonces, keys and measured weights are never the same twice; connections that came in have any port.
let private plain (request: ShownRequest) : string =
    let fields = request.Line.Split ' '

    match fields[0] with
    | "10"
    | "11"
    | "13" -> fields[1] <- "NONCE"
    | "12" ->
        fields[1] <- "NONCE"
        fields[7] <- "WEIGHT"
    | "4" -> fields[2] <- "WEIGHT"
    | _ -> ()

    let line = Regex.Replace(String.Join(' ', fields), "[A-Za-z0-9+/]{43,}", "<base64>")
    let peer = request.Peer.Split(' ')[0]

    let direction =
        match request.Direction with
        | Sending -> "to "
        | Got -> "from "
        | Forwarding -> "forwarded from "

    direction + peer + ": " + line

/// The way of mesh facts: logging in, telling everything, passing on, taking back. Not a matter of timing.
let private isOfMesh (request: ShownRequest) =
    List.contains request.Request [ "ID"; "ACK"; "ADD_SUBNET"; "ADD_EDGE"; "DEL_EDGE" ]

/// What went to one neighbour, what came from it, and what was passed on, each in order.
let private conversations (requests: ShownRequest list) : Map<string, string list> =
    requests
    |> List.filter isOfMesh
    |> List.map plain
    |> List.groupBy (fun line -> line.Substring(0, line.IndexOf ':'))
    |> Map.ofList

/// Key exchange between two nodes, whoever began it: each kind of message once.
let private keyMessages (requests: ShownRequest list) (first: string) (second: string) : Set<string> =
    requests
    |> List.filter (fun request ->
        request.Direction = Got
        && List.contains request.Request [ "REQ_KEY"; "ANS_KEY"; "UDP_INFO"; "MTU_INFO" ])
    |> List.map (fun request -> (plain request).Substring((plain request).IndexOf ':' + 2))
    |> List.filter (fun line ->
        let fields = line.Split ' '
        Set.ofList [ fields[1]; fields[2] ] = Set.ofList [ first; second ])
    |> Set.ofList

type Transcripts(output: ITestOutputHelper) =

    [<Theory>]
    [<InlineData "alpha">]
    [<InlineData "beta">]
    [<InlineData "gamma">]
    member _.``three of our nodes tell each other what three stock nodes do, in the same order``(node: string) =
        let expected = conversations (stockRequests node)
        let actual = conversations (ourRequests node)
        Assert.NotEmpty expected

        for KeyValue(conversation, lines) in expected do
            output.WriteLine(conversation + ": " + string lines.Length + " requests")

            match actual.TryFind conversation with
            | Some found -> Assert.Equal<string list>(lines, found)
            | None -> Assert.Fail("no requests " + conversation)

        Assert.Equal<string seq>(expected.Keys, actual.Keys)

    [<Fact>]
    member _.``keys are learned and exchanged across a relay as between stock nodes``() =
        let stock = keyMessages (stockRequests "beta") "alpha" "gamma"
        let ours = keyMessages (ourRequests "beta") "alpha" "gamma"
        Assert.Equal<Set<string>>(stock, ours)

    [<Fact>]
    member _.``the relay tells the address under which it sees the other end``() =
        let reflexive (requests: ShownRequest list) =
            requests
            |> List.filter (fun request -> request.Request = "ANS_KEY" && request.Direction = Got)
            |> List.map plain
            |> List.filter (fun line -> line.EndsWith " 655")
            |> Set.ofList

        Assert.NotEmpty(reflexive (stockRequests "alpha"))
        Assert.Empty(reflexive (stockRequests "alpha") - reflexive (ourRequests "alpha"))

    [<Fact>]
    member _.``the other transcripts are about the legacy protocol``() =
        for transcript in MetaVectors.transcripts.Value do
            if transcript.Title <> stock.Value.Title then
                output.WriteLine(transcript.Title + ": not played: comes with the legacy protocol (spec 08)")

                Assert.Contains(
                    transcript.Logs,
                    fun (_, log) ->
                        log
                        |> List.exists (fun line ->
                            match line.Request with
                            | ValueSome request -> request.Request = "METAKEY"
                            | ValueNone -> false)
                )

    [<Theory>]
    [<InlineData "alpha">]
    [<InlineData "gamma">]
    member _.``every PING is answered``(node: string) =
        let count direction request =
            ourRequests node
            |> List.filter (fun shown -> shown.Direction = direction && shown.Request = request)
            |> List.length

        Assert.True(count Sending "PING" >= 1)
        Assert.Equal(count Sending "PING", count Got "PONG")
