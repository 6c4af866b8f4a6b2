/// Every configuration variable does something: each is set in a file, and something that others can see changes.
/// Variables whose effect lies in a host or takes a whole mesh to see are tested where these are, in tests that carry
/// `Trait("Variable", NAME)`; a variable without either fails.
module TincPure.Core.Tests.VariableTests

open System
open System.IO
open System.Text.RegularExpressions
open TincPure.Config
open TincPure.Node
open TincPure.Packet
open TincPure.PortMapping
open TincPure.Primitives
open TincPure.Routing
open TincPure.Topology
open TincPure.Core.Tests.ConfigSettingsTests
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

// ---- From files to a node

let private keyText (name: string) = KeyFile.publicText (keyOf name).Public

let private privateText (name: string) =
    let key = keyOf name
    KeyFile.printPrivate { Private = key.Private.Span.ToArray(); Public = key.Public }

let private rsaText (name: string) =
    let keys = (Vectors.load "08-legacy-handshakes.json").GetProperty "rsa_keys"
    Vectors.text "private_pem" (keys.GetProperty name), Vectors.text "public_pem" (keys.GetProperty name)

/// The files of the node alpha, with these lines in tinc.conf, in its own host file and in that of beta.
let private files (main: string) (own: string) (beta: string) : Snapshot =
    let content text = Content(text, false)

    snapshot
        [ "tinc.conf", content (main + "\nName = alpha\nAutoConnect = no\n")
          "hosts/alpha", content own
          "hosts/beta", content (beta + "\nEd25519PublicKey = " + keyText "beta" + "\n")
          "hosts/gamma", content ("Ed25519PublicKey = " + keyText "gamma" + "\n")
          "ed25519_key.priv", content (privateText "alpha")
          "other.priv", content (privateText "other")
          "other.pub", content (KeyFile.printPublicBlock (keyOf "other").Public)
          "rsa_key.priv", content (fst (rsaText "2048_A"))
          "other_rsa.priv", content (fst (rsaText "2048_B"))
          "other_rsa.pub", content (snd (rsaText "2048_B")) ]

let private loadAll (snapshot: Snapshot) : Settings =
    match (Files.load snapshot).Outcome with
    | Ok settings -> settings
    | Error problems -> failwith (String.Join("; ", problems |> List.map _.Message))

let private load (main: string) = loadAll (files main "" "")

let private started (settings: Settings) : Rig =
    let rig = Rig settings
    rig.Start 655
    rig

// ---- What can be seen

let private yes condition = if condition then "yes" else "no"

/// Where alpha connects to, in order.
let private targets (settings: Settings) (span: int) : string =
    let rig = started settings
    rig.WaitSeconds span

    rig.Effects
    |> List.choose (fun effect ->
        match effect with
        | Connect(_, target) -> Some(Endpoint.toText target)
        | ConnectToProxy(_, server) -> Some("proxy " + server.Host)
        | _ -> None)
    |> fun all -> String.Join("; ", all)

/// The options word that beta is told in ACK.
let private ackField (field: int) (settings: Settings) : string =
    let peer = (started settings).Arrive("beta", manner)
    let ack = peer.Lines |> List.find (fun line -> line.StartsWith "4 ")
    (ack.Split ' ')[field]

let private options settings = ackField 3 settings

let private scripts (rig: Rig) : string =
    rig.Effects
    |> List.choose (fun effect ->
        match effect with
        | RunScript script -> Some script.Name
        | _ -> None)
    |> fun names -> String.Join(' ', names)

/// Pauses between attempts to connect, as they are logged.
let private pauses (settings: Settings) : string =
    let rig = Rig settings
    rig.Doors <- (fun _ -> Refused "no")
    rig.Start 655
    rig.WaitSeconds 70

    rig.LogTexts
    |> List.choose (fun text ->
        let found = Regex.Match(text, "re-establish outgoing connection in (\d+) s")
        if found.Success then Some found.Groups[1].Value else None)
    |> List.truncate 3
    |> fun all -> String.Join(' ', all)

/// Requests of one number that beta gets in so many seconds.
let private requests (number: string) (span: int) (settings: Settings) : int =
    let rig = started settings
    let peer = rig.Neighbour "beta"
    rig.WaitSeconds span
    peer.Lines
    |> List.filter (fun line -> line.StartsWith(number + " ") || line = number)
    |> List.length

let private lastFib (rig: Rig) : Fib =
    rig.Effects
    |> List.choose (fun effect ->
        match effect with
        | Packet(Publish fib) -> Some fib
        | _ -> None)
    |> List.last

/// An IPv4 packet to this address with a TOS and a TTL, in a frame for this MAC address.
let private ipv4 (mac: string) (tos: byte) (ttl: byte) (target: string) : byte[] =
    let frame = Array.zeroCreate<byte> 42
    Convert.FromHexString(mac).CopyTo(frame, 0)
    Convert.FromHexString("020000000005").CopyTo(frame, 6)
    frame[12] <- 8uy
    frame[14] <- 0x45uy
    frame[15] <- tos
    frame[17] <- 28uy
    frame[22] <- ttl
    frame[23] <- 17uy
    Convert.FromHexString("0a010005").CopyTo(frame, 26)
    (endpoint target 0).Ip |> fun ip -> Ip.write ip (Span(frame, 30, 4))
    IpV4.writeChecksum (Span(frame, 14, 20))
    frame

/// Alpha with the neighbours beta (10.2.0.0/16) and gamma (10.3.0.0/16), which take whole frames over TCP.
let private forwarder (settings: Settings) =
    let rig = started settings

    for name, number in [ "beta", "2"; "gamma", "3" ] do
        let peer =
            rig.Arrive(
                name,
                { manner with
                    Address = endpoint ("192.0.2." + number) 40000
                    AckOptions = 0x0700000fu }
            )

        rig.Flood(peer, "10", name + " 10." + number + ".0.0/16")
        rig.Flood(peer, "12", name + " alpha 192.0.2.200 655 700000f 25")

    let fib = lastFib rig
    let plane, outbox = Forwarder(), Outbox()
    ForwardFixture.apply plane outbox rig.Now (Publish fib) |> ignore
    rig, fib, plane, outbox

let private numberOf (rig: Rig) (name: string) = (peerState rig name).Value.Index

/// Who gets a frame, from the device or from a neighbour: names, and what else comes of it.
let private fate (settings: Settings) (source: string) (frame: byte[]) : string =
    let rig, fib, plane, outbox = forwarder settings

    let outcome =
        if source = "device" then
            ForwardFixture.fromDevice plane outbox rig.Now frame
        else
            ForwardFixture.apply plane outbox rig.Now (RouteFrame(numberOf rig source, frame))

    [ for frame in outcome.Frames do
          if frame[23] = 1uy then "icmp" else "device"
      for punt in outcome.Punts do
          match punt with
          | FrameOverTcp(index, _) -> fib.Peers[index].Name.Text
          | TimeExceeded _ -> "expired"
          | _ -> () ]
    |> List.sort
    |> fun all -> String.Join(' ', all)

let private toGamma = ipv4 "000000000000" 0uy 2uy "10.3.0.1"

/// Beta is a node of the legacy protocol: the key that it gets, without the key itself, and the replay window.
let private legacyKey (settings: Settings) : string =
    let rig = started settings

    let peer = rig.Arrive("beta", { manner with Address = endpoint "192.0.2.1" 40000; AckOptions = 0x0cu })

    rig.Flood(peer, "12", "beta alpha 192.0.2.200 655 c 25")

    let windows =
        rig.Commands
        |> List.choose (fun command ->
            match command with
            | GiveLegacyKey(_, _, window) -> Some("window " + string window)
            | _ -> None)

    let keys =
        peer.Lines
        |> List.filter (fun line -> line.StartsWith "16 alpha beta")
        |> List.map (fun line -> String.Join(' ', (line.Split ' ')[4..]))

    String.Join(", ", keys @ windows)

let private wordOf (main: string) (variable: string) =
    let log = (Files.load (files main "" "")).Log
    yes (log |> List.exists (fun line -> line.Text.StartsWith(variable + " ")))

let private keyName (key: byte[] voption) : string =
    [ "alpha"; "beta"; "other" ]
    |> List.tryFind (fun name -> key = ValueSome (keyOf name).Public)
    |> Option.defaultValue "none"

/// How much is sent to a neighbour that does not read, of 2000 frames.
let private framesQueued (settings: Settings) : int =
    let rig = started settings
    let peer = rig.Neighbour "beta"
    rig.Forget()
    peer.Stalled <- true
    let index = numberOf rig "beta"

    for _ in 1..2000 do
        rig.Feed(Punted(FrameOverTcp(index, Array.zeroCreate 1000)))

    rig.Effects |> List.filter (fun effect -> effect.IsSend) |> List.length |> fun sends -> sends / 2

/// The TOS of the datagram that carries a packet with TOS 0x20.
let private outerPriority (settings: Settings) : string =
    let rig, fib, plane, outbox = forwarder settings
    let beta = numberOf rig "beta"

    let straight =
        { fib.Peers[beta] with
            Options = 0x0700000cu
            Sptps = true
            ValidKey = true
            Address = ValueSome(endpoint "192.0.2.2" 655)
            UdpConfirmed = true
            MinMtu = 1400 }

    // Own options without TCPOnly either.
    ForwardFixture.apply plane outbox rig.Now (Publish { fib with Peers = Vector.set beta straight fib.Peers })
    |> ignore

    ForwardFixture.apply plane outbox rig.Now (StartSession(beta, Array.init 64 byte, Array.init 64 byte, 16))
    |> ignore

    let outcome =
        ForwardFixture.fromDevice plane outbox rig.Now (ipv4 "000000000000" 0x20uy 64uy "10.2.0.1")

    String.Join(' ', outcome.Datagrams |> List.map (fun (entry, _) -> entry.Priority.ToString()))

/// How many of 20 connections from 20 addresses are let in.
let private admitted (settings: Settings) : int =
    let rig = started settings

    for host in 1..20 do
        rig.Feed(Accepted(rig.NextIncoming(), ValueNone, Tcp(endpoint ("198.51.100." + string host) 40000)))

    20 - (rig.Effects |> List.filter (fun effect -> effect.IsTarpit) |> List.length)

/// Beta does not answer a PING: how long it was waited for.
let private patience (settings: Settings) : string =
    let rig = started settings
    let peer = rig.Neighbour "beta"
    peer.AnswersPings <- false
    rig.WaitSeconds 60

    rig.LogTexts
    |> List.choose (fun text ->
        let found = Regex.Match(text, "didn't respond to PING in (\d+) seconds")
        if found.Success then Some found.Groups[1].Value else None)
    |> fun all -> String.Join(' ', all)

let private farewell (settings: Settings) : string =
    let rig = started settings
    let peer = rig.Arrive("beta", { manner with Address = endpoint "192.0.2.1" 40000 })

    for effect in rig.Effects do
        match effect with
        | LookUpName ip -> rig.Feed(NameFound(ip, ValueSome "host.example"))
        | _ -> ()

    rig.Forget()
    rig.Feed(Lost(peer.Id, ValueNone))
    rig.LogTexts |> List.find (fun text -> text.StartsWith "Connection closed by")

let private learnedForHowLong (settings: Settings) : string =
    let rig = started settings
    let peer = rig.Neighbour "beta"
    rig.Feed(Punted(MacSeen 0x02aabbccdd01UL))
    rig.WaitSeconds 60
    yes (peer.Lines |> List.exists (fun line -> line.StartsWith "11 "))

/// Beta announces a subnet that its host file does not have.
let private believes (settings: Settings) : string =
    let rig = started settings
    let peer = rig.Neighbour "beta"
    rig.Flood(peer, "10", "beta 10.66.0.0/16")
    yes (Topology.hasSubnet (numberOf rig "beta") (subnet "10.66.0.0/16") rig.Node.Topology)

let private passesOn (settings: Settings) : string =
    let rig = started settings
    let beta = rig.Neighbour "beta"
    let gamma = rig.Neighbour "gamma"
    gamma.Forget()
    rig.Flood(beta, "10", "beta 10.66.0.0/16")
    yes (gamma.Lines |> List.exists (fun line -> line.Contains "10.66.0.0/16"))

let private greeting (settings: Settings) : string =
    let rig = started settings
    let id = rig.Open(UnixSocket, Text.Encoding.ASCII.GetBytes("0 ^" + launch.Cookie + " 0\n"))
    (Text.Encoding.ASCII.GetString(rig.SentOn id)).Split('\n')[0]

let private families (settings: Settings) : string =
    (started settings).Effects
    |> List.choose (fun effect ->
        match effect with
        | Resolve(_, family, _, _) -> Some(string family)
        | _ -> None)
    |> fun all -> String.Join(' ', all)

let private graphs (settings: Settings) : string =
    let rig = started settings
    rig.WaitSeconds 90

    rig.Effects
    |> List.choose (fun effect ->
        match effect with
        | WriteGraph(target, text) -> Some(target + ": " + text.Replace("\n", "").Replace("\t", ""))
        | _ -> None)
    |> fun all -> String.Join("; ", all)

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
