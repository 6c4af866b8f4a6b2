/// A configuration that is read while the daemon runs (spec 05 §7.1): what of it counts, and what waits for a restart.
module TincPure.Core.Tests.ConfigReloadTests

open System
open TincPure.Primitives
open TincPure.Topology
open TincPure.Config
open TincPure.Core.Tests.ConfigSettingsTests
open Xunit

let private keyPair (first: byte) = { Private = Array.create 64 first; Public = Array.create 32 first }

let private keyFile (first: byte) = "ed25519_key.priv", Content(KeyFile.printPrivate (keyPair first), false)

let private content (text: string) = Content(text, false)

let private filesWith key (main: string) (others: (string * string) list) =
    snapshot (
        [ "tinc.conf", content ("Name = foo\n" + main); key ]
        @ (others |> List.map (fun (path, text) -> path, content text))
    )

/// Files of the node foo, whose own host file is empty unless it is among the others.
let private files main others =
    filesWith
        (keyFile 1uy)
        main
        (if List.exists (fun (path, _) -> path = "hosts/foo") others then
             others
         else
             ("hosts/foo", "") :: others)

let private settingsOf (loaded: Loaded) : Settings =
    match loaded.Outcome with
    | Ok settings -> settings
    | Error problems -> failwith (String.Join("; ", problems |> List.map _.Message))

let private load snapshot = settingsOf (Files.load snapshot)

let private named (text: string) =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> failwith text

[<Fact>]
let ``a reload keeps what only a start reads and never switches an option off`` () =
    let running =
        load (
            files
                "TCPOnly = yes\nPingInterval = 7\nHostnames = yes\nMACExpire = 5\nSubnet = 10.0.0.0/8\nConnectTo = bar\n"
                []
        )

    let reload main =
        match (Files.reload (files main []) running).Outcome with
        | Ok settings -> settings
        | Error _ -> failwith "unreadable"

    let reloaded =
        reload "PingInterval = 9\nSubnet = 10.1.0.0/16\nConnectTo = baz\nConnectTo = foo\nConnectTo = baz\n"
    Assert.True reloaded.TcpOnly
    Assert.Equal(7, reloaded.PingInterval)
    Assert.True reloaded.Hostnames
    Assert.Equal(600, reloaded.MacExpire)
    Assert.Equal<string list>([ "10.1.0.0/16" ], (reloaded.Own.Subnets |> List.map Subnet.toText))
    Assert.Equal<NodeName list>([ named "baz" ], reloaded.ConnectTo)
    Assert.Equal(Router, (reload "Mode = bridge\n").Mode)

    match (Files.reload (files "Port\n" []) running).Outcome with
    | Ok _ -> failwith "accepted"
    | Error problems ->
        Assert.Equal(
            "No value for variable `Port' on line 2 while reading config file /c/tinc.conf",
            (List.head problems).Message
        )

/// The warnings of a reload that finds these lines where the daemon was started with those.
let private warnings (before: string) (after: string) : string list =
    (Files.reload (files after []) (load (files before []))).Log |> List.map _.Text

[<Fact>]
let ``what needs a restart is named with file, line and the value that holds until then`` () =
    Assert.Equal<string list>(
        [ "PingInterval = 9 in /c/tinc.conf line 2 needs a restart; until then it is 60" ],
        warnings "" "PingInterval = 9\n"
    )

    Assert.Equal<string list>(
        [ "PingInterval, which was in /c/tinc.conf line 2 and is there no more, needs a restart; until then it is 9" ],
        warnings "PingInterval = 9\n" ""
    )

    Assert.Equal<string list>(
        [ "ListenAddress = 10.0.0.2 in /c/tinc.conf line 3 needs a restart; until then it is 10.0.0.1" ],
        warnings "ListenAddress = 10.0.0.1\n" "ListenAddress = 10.0.0.1\nListenAddress = 10.0.0.2\n"
    )

    Assert.Equal<string list>(
        [ "Device = /dev/x in /c/tinc.conf line 2 needs a restart; until then it is none" ],
        warnings "" "Device = /dev/x\n"
    )

[<Fact>]
let ``another spelling of what is in effect is nothing new`` () =
    Assert.Empty(warnings "" "PingInterval = 60\nStrictSubnets = NO\nCompression = 0\nPMTUDiscovery = yes\n")
    Assert.Empty(warnings "DeviceType = Dummy\nPingInterval = 9\n" "\n\nPINGINTERVAL=09\nDeviceType = dummy\n")
    Assert.Empty(warnings "PingInterval = 9\n" "PingInterval = 9\nPingInterval = 10\n")

[<Fact>]
let ``options that are switched off, and values that keep when they are gone, wait for a restart`` () =
    Assert.Equal<string list>(
        [ "IndirectData = no in /c/tinc.conf line 2 needs a restart; until then it is yes" ],
        warnings "IndirectData = yes\n" "IndirectData = no\n"
    )

    Assert.Equal<string list>(
        [ "Forwarding, which was in /c/tinc.conf line 2 and is there no more, needs a restart; until then it is off" ],
        warnings "Forwarding = off\n" ""
    )

    Assert.Equal<string list>(
        [ "PMTUDiscovery = no in /c/tinc.conf line 2 needs a restart; until then it is yes" ],
        warnings "" "PMTUDiscovery = no\n"
    )

    Assert.Empty(warnings "" "IndirectData = yes\nForwarding = off\nMACExpire = 3\nAutoConnect = no\nWeight = 7\n")

[<Fact>]
let ``every variable that only a start reads is named when it changes, and no other one`` () =
    let other (variable: Variable) =
        match variable.Kind with
        | Kind.YesNo when variable.Default = "no" -> "yes"
        | Kind.YesNo -> "no"
        | Kind.Whole _ -> "6"
        | Kind.OneOf choices -> choices |> List.find (fun choice -> choice <> variable.Default)
        | Kind.NodeNameOrEnvironment -> "baz"
        | Kind.SubnetText -> "10.0.0.0/8"
        | Kind.Hexadecimal -> "12"
        | _ -> "1"

    for variable in Variables.all do
        let named =
            warnings "" (variable.Name + " = " + other variable + "\n")
            |> List.filter (fun line -> line.Contains "needs a restart")

        match variable.Name, variable.Reload with
        // The value that is in effect already counts: it stands first.
        | "Name", _ -> ()
        | name, Reload.StartOnly ->
            Assert.StartsWith(name, Assert.Single named)
            Assert.Contains("in /c/tinc.conf line 2", named.Head)
        | "PMTUDiscovery", _
        | "ClampMSS", _ -> Assert.Single named |> ignore
        | _ -> Assert.Empty named

[<Fact>]
let ``what waits for a restart is named again by the next reload, and no more when it is taken back`` () =
    let running = load (files "" [])
    let first = Files.reload (files "Port = 700\n" []) running
    let second = Files.reload (files "Port = 700\nMACExpire = 3\n" []) (settingsOf first)
    Assert.Single first.Log |> ignore
    Assert.Equal<LogLine list>(first.Log, second.Log)
    Assert.Equal("655", (settingsOf second).Own.Port)
    Assert.Empty (Files.reload (files "MACExpire = 3\n" []) (settingsOf second)).Log

[<Fact>]
let ``a value that the next start would refuse is told so now`` () =
    Assert.Equal<string list>(
        [ "Compression = 99 in /c/tinc.conf line 2 is not allowed; allowed: a whole number from 0 to 12; the daemon could not be started with it" ],
        warnings "" "Compression = 99\n"
    )

    Assert.Equal<string list>(
        [ "Invalid routing mode!"
          "Mode = bridge in /c/tinc.conf line 2 is not allowed; allowed: router, switch, hub" ],
        warnings "" "Mode = bridge\n"
    )

[<Fact>]
let ``secrets are not shown`` () =
    let lines =
        warnings "Proxy = http p 1 me swordfish\n" ""
        @ warnings "" "PrivateKey = 123abc\n"
        @ warnings "PrivateKey = 123abc\n" "PrivateKey = 456def\n"

    Assert.Equal(3, lines.Length)

    for line in lines do
        Assert.DoesNotContain("swordfish", line)
        Assert.DoesNotContain("123abc", line)
        Assert.DoesNotContain("456def", line)

[<Fact>]
let ``another key in a key file needs a restart`` () =
    let running = load (files "" [])
    let loaded = Files.reload (filesWith (keyFile 2uy) "" [ "hosts/foo", "" ]) running

    Assert.Equal<string list>(
        [ "The Ed25519 private key in /c/ed25519_key.priv has changed, which needs a restart; until then the old one is used" ],
        loaded.Log |> List.map _.Text
    )

    Assert.Equal(running.PrivateKey, (settingsOf loaded).PrivateKey)

[<Fact>]
let ``a fault in the own host file keeps what there is`` () =
    let running = load (files "" [ "hosts/foo", "Subnet = 10.1.0.0/16\nSubnet = 10.2.0.0/16\n" ])

    match Files.reload (files "" [ "hosts/foo", "Subnet = 10.1.0.0/16\nPort\nSubnet = 10.2.0.0/16\n" ]) running with
    | { Outcome = Ok _ } -> failwith "accepted"
    | loaded ->
        Assert.Equal<string list>(
            [ "No value for variable `Port' on line 2 while reading config file /c/hosts/foo" ],
            loaded.ReadLog |> List.map _.Text
        )

[<Fact>]
let ``a fault in another node's host file keeps what it said`` () =
    let bar = "hosts/bar", "Subnet = 10.1.0.0/16\nSubnet = 10.2.0.0/16\n"
    let running = load (files "StrictSubnets = yes\n" [ bar ])
    let broken = "hosts/bar", "Subnet = 10.1.0.0/16\nPort\nSubnet = 10.2.0.0/16\n"
    let loaded = Files.reload (files "StrictSubnets = yes\n" [ broken ]) running
    Assert.Equal(running.Hosts[named "bar"], (settingsOf loaded).Hosts[named "bar"])

    Assert.Equal<string list>(
        [ "No value for variable `Port' on line 2 while reading config file /c/hosts/bar" ],
        loaded.Log |> List.map _.Text
    )
