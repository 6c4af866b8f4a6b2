/// Every configuration variable does something: each is set in a file, and something that others can see changes.
/// Variables whose effect lies in a host or takes a whole mesh to see are tested where these are, in tests that carry
/// `Trait("Variable", NAME)`; a variable without either fails.
module TincPure.Core.Tests.VariableTests

open System
open System.IO
open System.Text.RegularExpressions
open TincPure.Config
open TincPure.PortMapping
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.VariableEffects
open Xunit

// ---- The table

/// What is written, and what is seen of it: first without the variable, then with it.
type Row =
    { Plain: string; Set: string; Observe: string -> string; Seen: string * string }

let private row plain set observe seen = { Plain = plain; Set = set; Observe = observe; Seen = seen }

/// Lines of tinc.conf.
let private main set observe seen = row "" set (load >> observe) seen

/// Lines of beta's host file, which alpha wants to connect to.
let private host plain set observe seen =
    row plain set (fun text -> observe (loadAll (files "ConnectTo = beta" "" text))) seen

/// Lines of alpha's own host file.
let private own set observe seen = row "" set (fun text -> observe (loadAll (files "" text ""))) seen

let private connecting set observe seen =
    row "" set (fun text -> observe (loadAll (files ("ConnectTo = beta\n" + text) "" "Address = 192.0.2.7"))) seen

let private beta = nodeName "beta"

let private table: Map<string, Row> =
    Map.ofList
        [ "Address", host "" "Address = 192.0.2.7" (fun s -> targets s 1) ("", "192.0.2.7 port 655")
          "Port",
          host
              "Address = 192.0.2.7"
              "Address = 192.0.2.7\nPort = 700"
              (fun s -> targets s 1)
              ("192.0.2.7 port 655", "192.0.2.7 port 700")
          "AddressFamily",
          row
              ""
              "AddressFamily = ipv6"
              (fun text -> families (loadAll (files ("ConnectTo = beta\n" + text) "" "Address = beta.example")))
              ("AnyFamily", "OnlyIpv6")
          "ConnectTo",
          row
              ""
              "ConnectTo = beta"
              (fun text -> targets (loadAll (files text "" "Address = 192.0.2.7")) 1)
              ("", "192.0.2.7 port 655")
          "AutoConnect",
          row
              ""
              "AutoConnect = yes"
              (fun text -> targets (loadAll (files text "" "Address = 192.0.2.7")) 6)
              ("", "192.0.2.7 port 655")
          "Proxy",
          connecting
              "Proxy = socks5 proxy.example 1080"
              (fun s -> targets s 1)
              ("192.0.2.7 port 655", "proxy proxy.example")
          "MaxTimeout", connecting "MaxTimeout = 7" pauses ("5 10 15", "5 7 7")
          "MinTimeout", connecting "MinTimeout = 8" pauses ("5 10 15", "8 13 18")
          "IndirectData", main "IndirectData = yes" options ("700000c", "700000d")
          "TCPOnly", main "TCPOnly = yes" options ("700000c", "700000b")
          "PMTUDiscovery", main "PMTUDiscovery = no" options ("700000c", "7000008")
          "ClampMSS", main "ClampMSS = no" options ("700000c", "7000004")
          "ExperimentalProtocol", main "ExperimentalProtocol = no" greeting ("0 alpha 17.7", "0 alpha 17.0")
          "Name", main "Name = delta" greeting ("0 alpha 17.7", "0 delta 17.7")
          "Weight", host "" "Weight = 77" (ackField 2) ("0", "77")
          "DeviceStandby", main "DeviceStandby = yes" (started >> scripts) ("tinc-up", "")
          "KeyExpire", main "KeyExpire = 10" (requests "14" 25 >> string) ("0", "2")
          "PingInterval", main "PingInterval = 5" (requests "8" 30 >> string) ("0", "5")
          "PingTimeout", main "PingInterval = 20\nPingTimeout = 15" patience ("", "15")
          "DisableBuggyPeers", main "DisableBuggyPeers = yes" (requests "17 2176" 1 >> string) ("0", "1")
          "Subnet",
          own
              "Subnet = 10.5.0.0/16"
              (fun s -> string (List.length s.Own.Subnets) + " " + string (requests "10" 1 s))
              ("0 0", "1 1")
          "StrictSubnets", main "StrictSubnets = yes" believes ("yes", "no")
          "TunnelServer", main "TunnelServer = yes" passesOn ("yes", "no")
          "Mode",
          main
              "Mode = switch"
              (fun s -> fate s "device" (ipv4 "020000000009" 0uy 64uy "10.200.0.1"))
              ("icmp", "beta gamma")
          "Broadcast",
          main
              "Broadcast = no"
              (fun s -> fate s "device" (ipv4 "ffffffffffff" 0uy 64uy "255.255.255.255"))
              ("beta gamma", "")
          "BroadcastSubnet",
          main
              "BroadcastSubnet = 10.200.255.255"
              (fun s -> fate s "device" (ipv4 "000000000000" 0uy 64uy "10.200.255.255"))
              ("icmp", "beta gamma")
          "Forwarding", main "Forwarding = off" (fun s -> fate s "beta" toGamma) ("gamma", "beta")
          "DecrementTTL",
          main
              "DecrementTTL = yes"
              (fun s -> fate s "beta" (ipv4 "000000000000" 0uy 1uy "10.3.0.1"))
              ("gamma", "expired")
          "PriorityInheritance", main "PriorityInheritance = yes" outerPriority ("0", "32")
          "MACExpire", row "Mode = switch" "Mode = switch\nMACExpire = 5" (load >> learnedForHowLong) ("no", "yes")
          "MaxConnectionBurst", main "MaxConnectionBurst = 3" (admitted >> string) ("10", "3")
          "MaxOutputBufferSize",
          main "MaxOutputBufferSize = 10000000" (fun s -> yes (framesQueued s > 1900)) ("no", "yes")
          "Hostnames",
          main
              "Hostnames = yes"
              farewell
              ("Connection closed by beta (192.0.2.1 port 40000)", "Connection closed by beta (host.example port 40000)")
          "GraphDumpFile",
          main
              "GraphDumpFile = graph"
              graphs
              ("",
               "graph: digraph {\"alpha\" [label = \"alpha\"];\"beta\" [label = \"beta\"];\"gamma\" [label = \"gamma\"];}")
          "Cipher", main "Cipher = aes-128-cbc" legacyKey ("427 672 4 0, window 32", "419 672 4 0, window 32")
          "Digest", main "Digest = sha512" legacyKey ("427 672 4 0, window 32", "427 674 4 0, window 32")
          "MACLength", main "MACLength = 8" legacyKey ("427 672 4 0, window 32", "427 672 8 0, window 32")
          "Compression", main "Compression = 9" legacyKey ("427 672 4 0, window 32", "427 672 4 9, window 32")
          "ReplayWindow", main "ReplayWindow = 64" legacyKey ("427 672 4 0, window 32", "427 672 4 0, window 64")
          "LegacyProtocol", main "LegacyProtocol = no" legacyKey ("427 672 4 0, window 32", "")
          "LogLevel", row "" "LogLevel = 3" (fun text -> string (Files.load (files text "" "")).LogLevel) ("0", "3")
          "Ed25519PrivateKeyFile",
          main "Ed25519PrivateKeyFile = other.priv" (fun s -> keyName s.PublicKey) ("alpha", "other")
          "Ed25519PublicKey",
          host "" ("Ed25519PublicKey = " + keyText "other") (fun s -> keyName s.Hosts[beta].PublicKey) ("beta", "other")
          "VDEGroup", row "" "VDEGroup = users" (fun text -> wordOf text "VDEGroup") ("no", "yes")
          "UPnP",
          main "UPnP = yes" (fun s -> String.Join(' ', Upnp.protocols s |> List.map Upnp.protocolName)) ("", "TCP UDP")
          "UPnPDiscoverWait",
          main
              "UPnPDiscoverWait = 2"
              (fun s -> yes (Upnp.searches s |> List.forall (fun search -> search.Contains "\r\nMX: 2\r\n")))
              ("no", "yes")
          "UPnPRefreshPeriod",
          main
              "UPnPRefreshPeriod = 100"
              (fun s -> string (Upnp.mapping s "tinc" "10.0.0.1" 655 Upnp.Udp).LeaseSeconds)
              ("120", "200")
          "VDEPort", row "" "VDEPort = 3" (fun text -> wordOf text "VDEPort") ("no", "yes") ]

/// The same for keys that take files of their own.
let private keyRows: Map<string, Row> =
    let hostWithout line =
        { files "" "" "" with
            Files = (files "" "" "").Files.Add("/c/hosts/beta", Content(line, false)) }
        |> loadAll
        |> fun settings -> settings.Hosts[beta]

    let old = (Vectors.load "08-legacy-rsa-keyfiles.json").GetProperty "obsolete_statements"
    let exponent = Vectors.text "PrivateKey" old
    let modulus = Vectors.text "PublicKey" old
    let bits (key: TincPure.Crypto.Legacy.RsaPublicKey voption) =
        match key with
        | ValueSome key -> key.Bits.ToString()
        | ValueNone -> "none"

    Map.ofList
        [ "Ed25519PublicKeyFile",
          row "" "Ed25519PublicKeyFile = other.pub" (fun line -> keyName (hostWithout line).PublicKey) ("none", "other")
          "PublicKeyFile",
          row "" "PublicKeyFile = other_rsa.pub" (fun line -> bits (hostWithout line).RsaKey) ("none", "2048")
          "PublicKey",
          row "" ("PublicKey = " + modulus) (fun line -> yes (hostWithout line).RsaKey.IsSome) ("no", "yes")
          "PrivateKeyFile",
          main "PrivateKeyFile = other_rsa.priv" (fun s -> yes (s.RsaKey = (load "").RsaKey)) ("yes", "no")
          "PrivateKey",
          row
              ""
              ("PrivateKey = " + exponent)
              (fun text -> yes ((loadAll (files text ("PublicKey = " + modulus) "")).RsaKey = (load "").RsaKey))
              ("yes", "no") ]

let private rows = Map.fold (fun rows name row -> Map.add name row rows) table keyRows

let names = TheoryData<string>(rows |> Map.toSeq |> Seq.map fst)

[<Theory; MemberData(nameof names)>]
let ``a variable has its effect`` (name: string) =
    let row = rows[name]
    Assert.Equal(fst row.Seen, row.Observe row.Plain)
    Assert.Equal(snd row.Seen, row.Observe row.Set)
    Assert.NotEqual<string>(fst row.Seen, snd row.Seen)

/// Test sources above this project, in which traits are looked for.
let private marked: Lazy<Set<string>> =
    lazy
        (let rec find (folder: DirectoryInfo | null) =
            match folder with
            | null -> failwith "TincPure.sln is nowhere above"
            | folder when File.Exists(Path.Combine(folder.FullName, "TincPure.sln")) -> folder.FullName
            | folder -> find folder.Parent

         [ for pattern in [ "*.fs"; "*.cs" ] do
               for file in
                   Directory.EnumerateFiles(
                       Path.Combine(find (DirectoryInfo AppContext.BaseDirectory), "tests"),
                       pattern,
                       SearchOption.AllDirectories
                   ) do
                   for found in Regex.Matches(File.ReadAllText file, "Trait\(\"Variable\", \"(\w+)\"\)") do
                       found.Groups[1].Value ]
         |> Set.ofList)

[<Fact>]
let ``every variable of the table has such a test`` () =
    let untested =
        Variables.all
        |> List.map _.Name
        |> List.filter (fun name -> not (rows.ContainsKey name || marked.Value.Contains name))

    Assert.Empty untested

[<Fact>]
let ``every test of a variable is about one that exists`` () =
    for name in Set.union marked.Value (Set.ofSeq rows.Keys) do
        Assert.True((Variables.tryFind name).IsSome, name)
