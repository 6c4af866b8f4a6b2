/// What others see of a node whose files are given, in a word or two: what its settings say, what its neighbours get, who gets
/// a frame.
module TincPure.Core.Tests.VariableEffects

open System
open System.Text.RegularExpressions
open TincPure.Config
open TincPure.Node
open TincPure.Packet
open TincPure.Primitives
open TincPure.Routing
open TincPure.Topology
open TincPure.Core.Tests.ConfigSettingsTests
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture

// ---- From files to a node

let keyText (name: string) = KeyFile.publicText (keyOf name).Public

let private privateText (name: string) =
    let key = keyOf name
    KeyFile.printPrivate { Private = key.Private.Span.ToArray(); Public = key.Public }

let private rsaText (name: string) =
    let keys = (Vectors.load "08-legacy-handshakes.json").GetProperty "rsa_keys"
    Vectors.text "private_pem" (keys.GetProperty name), Vectors.text "public_pem" (keys.GetProperty name)

/// The files of the node alpha, with these lines in tinc.conf, in its own host file and in that of beta.
let files (main: string) (own: string) (beta: string) : Snapshot =
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

let loadAll (snapshot: Snapshot) : Settings =
    match (Files.load snapshot).Outcome with
    | Ok settings -> settings
    | Error problems -> failwith (String.Join("; ", problems |> List.map _.Message))

let load (main: string) = loadAll (files main "" "")

let started (settings: Settings) : Rig =
    let rig = Rig settings
    rig.Start 655
    rig

// ---- What can be seen

let yes condition = if condition then "yes" else "no"

/// Where alpha connects to, in order.
let targets (settings: Settings) (span: int) : string =
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
let ackField (field: int) (settings: Settings) : string =
    let peer = (started settings).Arrive("beta", manner)
    let ack = peer.Lines |> List.find (fun line -> line.StartsWith "4 ")
    (ack.Split ' ')[field]

let options settings = ackField 3 settings

let scripts (rig: Rig) : string =
    rig.Effects
    |> List.choose (fun effect ->
        match effect with
        | RunScript script -> Some script.Name
        | _ -> None)
    |> fun names -> String.Join(' ', names)

/// Pauses between attempts to connect, as they are logged.
let pauses (settings: Settings) : string =
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
let requests (number: string) (span: int) (settings: Settings) : int =
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
let ipv4 (mac: string) (tos: byte) (ttl: byte) (target: string) : byte[] =
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
let fate (settings: Settings) (source: string) (frame: byte[]) : string =
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

let toGamma = ipv4 "000000000000" 0uy 2uy "10.3.0.1"

/// Beta is a node of the legacy protocol: the key that it gets, without the key itself, and the replay window.
let legacyKey (settings: Settings) : string =
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

let wordOf (main: string) (variable: string) =
    let log = (Files.load (files main "" "")).Log
    yes (log |> List.exists (fun line -> line.Text.StartsWith(variable + " ")))

let keyName (key: byte[] voption) : string =
    [ "alpha"; "beta"; "other" ]
    |> List.tryFind (fun name -> key = ValueSome (keyOf name).Public)
    |> Option.defaultValue "none"

/// How much is sent to a neighbour that does not read, of 2000 frames.
let framesQueued (settings: Settings) : int =
    let rig = started settings
    let peer = rig.Neighbour "beta"
    rig.Forget()
    peer.Stalled <- true
    let index = numberOf rig "beta"

    for _ in 1..2000 do
        rig.Feed(Punted(FrameOverTcp(index, Array.zeroCreate 1000)))

    rig.Effects |> List.filter (fun effect -> effect.IsSend) |> List.length |> fun sends -> sends / 2

/// The TOS of the datagram that carries a packet with TOS 0x20.
let outerPriority (settings: Settings) : string =
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
let admitted (settings: Settings) : int =
    let rig = started settings

    for host in 1..20 do
        rig.Feed(Accepted(rig.NextIncoming(), ValueNone, Tcp(endpoint ("198.51.100." + string host) 40000)))

    20 - (rig.Effects |> List.filter (fun effect -> effect.IsTarpit) |> List.length)

/// Beta does not answer a PING: how long it was waited for.
let patience (settings: Settings) : string =
    let rig = started settings
    let peer = rig.Neighbour "beta"
    peer.AnswersPings <- false
    rig.WaitSeconds 60

    rig.LogTexts
    |> List.choose (fun text ->
        let found = Regex.Match(text, "didn't respond to PING in (\d+) seconds")
        if found.Success then Some found.Groups[1].Value else None)
    |> fun all -> String.Join(' ', all)

let farewell (settings: Settings) : string =
    let rig = started settings
    let peer = rig.Arrive("beta", { manner with Address = endpoint "192.0.2.1" 40000 })

    for effect in rig.Effects do
        match effect with
        | LookUpName ip -> rig.Feed(NameFound(ip, ValueSome "host.example"))
        | _ -> ()

    rig.Forget()
    rig.Feed(Lost(peer.Id, ValueNone))
    rig.LogTexts |> List.find (fun text -> text.StartsWith "Connection closed by")

let learnedForHowLong (settings: Settings) : string =
    let rig = started settings
    let peer = rig.Neighbour "beta"
    rig.Feed(Punted(MacSeen 0x02aabbccdd01UL))
    rig.WaitSeconds 60
    yes (peer.Lines |> List.exists (fun line -> line.StartsWith "11 "))

/// Beta announces a subnet that its host file does not have.
let believes (settings: Settings) : string =
    let rig = started settings
    let peer = rig.Neighbour "beta"
    rig.Flood(peer, "10", "beta 10.66.0.0/16")
    yes (Topology.hasSubnet (numberOf rig "beta") (subnet "10.66.0.0/16") rig.Node.Topology)

let passesOn (settings: Settings) : string =
    let rig = started settings
    let beta = rig.Neighbour "beta"
    let gamma = rig.Neighbour "gamma"
    gamma.Forget()
    rig.Flood(beta, "10", "beta 10.66.0.0/16")
    yes (gamma.Lines |> List.exists (fun line -> line.Contains "10.66.0.0/16"))

let greeting (settings: Settings) : string =
    let rig = started settings
    let id = rig.Open(UnixSocket, Text.Encoding.ASCII.GetBytes("0 ^" + launch.Cookie + " 0\n"))
    (Text.Encoding.ASCII.GetString(rig.SentOn id)).Split('\n')[0]

let families (settings: Settings) : string =
    (started settings).Effects
    |> List.choose (fun effect ->
        match effect with
        | Resolve(_, family, _, _) -> Some(string family)
        | _ -> None)
    |> fun all -> String.Join(' ', all)

let graphs (settings: Settings) : string =
    let rig = started settings
    rig.WaitSeconds 90

    rig.Effects
    |> List.choose (fun effect ->
        match effect with
        | WriteGraph(target, text) -> Some(target + ": " + text.Replace("\n", "").Replace("\t", ""))
        | _ -> None)
    |> fun all -> String.Join("; ", all)
