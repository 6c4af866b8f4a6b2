/// `tinc status`, `why`, `events` and `doctor`: conclusions from what a daemon tells and from the files.
module TincPure.Core.Tests.StateCommandTests

open System.Text.Json
open TincPure.Primitives
open TincPure.Config
open TincPure.Commands
open TincPure.Commands.Dump
open Xunit

let private up = Status.reachable ||| Status.visited ||| Status.sptps

let private node name host status : Dump.Node =
    { Name = name
      Id = "000000000000"
      Host = host
      Port = "655"
      Cipher = 0
      Digest = 0
      MacLength = 0
      Compression = 0
      Options = 0x0700000cu
      Status = status
      NextHop = name
      Via = name
      Distance = 1
      Mtu = 1452
      MinMtu = 1452
      MaxMtu = 1452
      LastChange = 1000L
      Rtt = 1234
      InPackets = 1UL
      InBytes = 1500UL
      OutPackets = 2UL
      OutBytes = 2500000UL }

let private own = { node "alpha" "MYSELF" up with Distance = 0 }
let private beta = node "beta" "192.0.2.2" (up ||| Status.validKey ||| Status.udpConfirmed)
let private gamma =
    { node "gamma" "192.0.2.3" (up ||| Status.validKey) with
        NextHop = "beta"
        Via = "beta"
        Distance = 2 }
let private delta = { node "delta" "unknown" 0u with MinMtu = 0; LastChange = 0L; Rtt = -1 }
let private slow = { beta with Name = "slow"; Via = "slow"; NextHop = "slow"; MinMtu = 0 }

let private owned subnet owner : OwnedSubnet = { Subnet = subnet; Owner = owner }

let private picture: Events.Picture =
    { Nodes = [ own; beta; gamma; delta ]
      Edges = []
      Subnets =
        [ owned "10.2.0.0/16" "beta"
          owned "10.0.0.0/8" "gamma"
          owned "10.2.3.0/24" "delta"
          owned "10.1.0.0/16" "alpha"
          owned "224.0.0.0/4" "(broadcast)" ]
      Connections = [] }

[<Fact>]
let ``status tells in one line each how the peers are reached`` () =
    let paths =
        [ "18 100 beta 32 31 3700 900"; "18 100 gamma 0 0 5 -1"; "18 100 slow 4 0 -1 1500" ]
        |> List.map (fun line ->
            match Control.parseItem Control.Request.DumpPaths line |> Result.map PeerStatus.parsePath with
            | Ok(ValueSome(struct (name, path))) -> name, path
            | _ -> failwith line)
        |> Map.ofList

    let old = { slow with Rtt = -1; Options = 0u }

    let lines paths =
        PeerStatus.table 1090L paths [ own; beta; gamma; delta; old ]
        |> List.map (fun (struct (_, text)) -> text)

    Assert.Equal<string list>(
        [ "NODE   STATE  HOW         RTT    LOSS  PMTU  KEY  RX    TX    VERSION     SINCE  ADDRESS"
          "beta   up     direct UDP  1.234  3%    1452  61m  1.5k  2.5M  1.1 (17.7)  90s    192.0.2.2 port 655"
          "gamma  up     via beta    1.234  -     1452  5s   1.5k  2.5M  1.1 (17.7)  90s    192.0.2.3 port 655"
          "delta  down   -           -      -     -     -    1.5k  2.5M  -           never  unknown port 655"
          "slow   up     TCP         1.500  100%  -     -    1.5k  2.5M  1.0 (17.0)  90s    192.0.2.2 port 655" ],
        lines paths
    )

    // A stock daemon does not tell of paths.
    Assert.Contains(
        "beta   up     direct UDP  1.234  -     1452  -    1.5k  2.5M  1.1 (17.7)  90s    192.0.2.2 port 655",
        lines Map.empty
    )

    use json = JsonDocument.Parse(Json.print (PeerStatus.json 1090L paths [] [ own; beta ]))
    let peer = json.RootElement.GetProperty("peers")[0]
    Assert.Equal("direct UDP", peer.GetProperty("how").GetString())
    Assert.Equal(3, peer.GetProperty("loss_percent").GetInt32())
    Assert.Equal(3700, peer.GetProperty("key_age_seconds").GetInt32())
    Assert.Equal(0.9, peer.GetProperty("meta_rtt_ms").GetDouble())
    Assert.Equal(JsonValueKind.Null, peer.GetProperty("program").ValueKind)
    Assert.Equal("17.7", peer.GetProperty("protocol").GetString())

let private drops (lines: string list) =
    lines
    |> List.map (fun line ->
        match Control.parseItem Control.Request.DumpDrops line |> Result.map PeerStatus.parseDrop with
        | Ok(ValueSome drop) -> drop
        | _ -> failwith line)

[<Fact>]
let ``status tells what was dropped, the most frequent first, and nothing where nothing was`` () =
    let seen = drops [ "18 103 empty 0"; "18 103 strangers 34"; "18 103 wrong_tag 1200" ]
    Assert.Equal(ValueSome "dropped: 1,234 packets: 1,200 wrong tag, 34 strangers", PeerStatus.dropped seen)
    Assert.Equal(ValueSome "dropped: 1 packet: 1 empty", PeerStatus.dropped (drops [ "18 103 empty 1" ]))
    Assert.Equal(ValueNone, PeerStatus.dropped (drops [ "18 103 empty 0" ]))
    Assert.Equal(ValueNone, PeerStatus.dropped [])

    for bad in [ [ "empty" ]; [ "empty"; "-1" ]; [ "empty"; "x" ]; [] ] do
        Assert.True(ValueOption.isNone (PeerStatus.parseDrop bad))

    use json = JsonDocument.Parse(Json.print (PeerStatus.json 1090L Map.empty seen [ own; beta ]))
    let dropped = json.RootElement.GetProperty "dropped"
    Assert.Equal<string list>(
        [ "empty 0"; "strangers 34"; "wrong_tag 1200" ],
        [ for cause in dropped.EnumerateObject() -> cause.Name + " " + cause.Value.GetRawText() ]
    )

    // A stock daemon does not tell.
    use json = JsonDocument.Parse(Json.print (PeerStatus.json 1090L Map.empty [] [ own; beta ]))
    Assert.Equal(JsonValueKind.Null, (json.RootElement.GetProperty "dropped").ValueKind)

let private why address =
    match Why.explain address picture.Nodes picture.Subnets with
    | Ok steps -> Why.lines steps
    | Error message -> [ message ]

[<Fact>]
let ``why follows a packet from the subnet to the wire`` () =
    Assert.Equal<string list>(
        [ "subnet:       10.2.3.0/24 of delta, weight 10: passed over, delta is not reachable"
          "subnet:       10.2.0.0/16 of beta, weight 10"
          "owner:        beta"
          "next hop:     beta, 1 edge away"
          "relay:        none: straight to it"
          "transport:    UDP to beta at 192.0.2.2 port 655, confirmed by a reply"
          "mtu:          up to 1452 bytes by UDP; larger packets are fragmented, refused, or sent by TCP" ],
        why "10.2.3.4"
    )

    let relayed = why "10.9.0.1"
    Assert.Contains("relay:        beta passes it on: gamma cannot be contacted directly", relayed)
    Assert.Contains("next hop:     beta, 2 edges away", relayed)
    Assert.Contains("delivery:     it is ours: to our own device", why "10.1.0.1")
    Assert.Contains("delivery:     to every node", why "224.0.0.1")
    Assert.Contains("subnet:       no node has a subnet that contains 192.0.2.1", why "192.0.2.1")
    Assert.Equal<string list>([ "An address is needed, not the subnet '10.0.0.0/8'." ], why "10.0.0.0/8")
    Assert.Equal<string list>([ "Could not parse address 'beta'." ], why "beta")

[<Fact>]
let ``why says what keeps packets from UDP`` () =
    let transport nodes =
        match Why.explain "10.2.0.1" nodes [ owned "10.2.0.0/16" "beta" ] with
        | Ok steps -> steps |> List.find (fun step -> step.Topic = "transport") |> _.Finding
        | Error message -> message

    Assert.Equal("TCP: no UDP datagram to beta has been answered yet", transport [ own; { beta with MinMtu = 0 } ])
    Assert.Equal("TCP: TCPOnly is set for beta", transport [ own; { beta with Options = 0x0700000eu } ])
    Assert.Equal("TCP: TCPOnly is set here", transport [ { own with Options = 0x0700000eu }; beta ])

let private kinds before after = Events.between before after |> List.map _.Kind

[<Fact>]
let ``each change of the network's state is an event`` () =
    let withNodes nodes = { picture with Nodes = nodes }
    let changed beta = withNodes [ own; beta; gamma; delta ]
    Assert.Empty(Events.between picture picture)
    Assert.Equal<string list>([ "node-down" ], kinds picture (changed { beta with Status = 0u }))
    Assert.Equal<string list>([ "node-up" ], kinds (changed { beta with Status = 0u }) picture)
    Assert.Equal<string list>([ "route-changed" ], kinds picture (changed { beta with NextHop = "gamma" }))
    Assert.Equal<string list>([ "address-changed" ], kinds picture (changed { beta with Port = "1" }))
    Assert.Equal<string list>(
        [ "udp-lost"; "mtu-changed" ],
        kinds picture (changed { beta with Status = up ||| Status.validKey; MinMtu = 0 })
    )
    Assert.Equal<string list>([ "key-lost" ], kinds picture (changed { beta with Status = up ||| Status.udpConfirmed }))
    Assert.Equal<string list>([ "node-gone" ], kinds picture (withNodes [ own; beta; gamma ]))
    Assert.Equal<string list>([ "node-new"; "node-up" ], kinds (withNodes [ own; gamma; delta ]) picture)
    Assert.Equal<string list>([ "subnet-removed" ], kinds picture { picture with Subnets = picture.Subnets.Tail })

    let connection: Dump.Connection =
        { Name = "beta"
          Host = "192.0.2.2"
          Port = "1"
          Options = 0u
          Socket = 5
          Status = 0u }

    let client = { connection with Name = "<control>" }
    Assert.Equal<string list>(
        [ "connection-opened" ],
        kinds picture { picture with Connections = [ connection; client ] }
    )
    Assert.Equal<string list>(
        [ "connection-closed" ],
        kinds { picture with Connections = [ connection; client ] } picture
    )

    let edge: Dump.Edge =
        { From = "alpha"
          To = "beta"
          Host = "h"
          Port = "1"
          LocalHost = "h"
          LocalPort = "1"
          Options = 0u
          Weight = 7 }

    Assert.Equal<string list>([ "edge-added" ], kinds picture { picture with Edges = [ edge ] })

    match Events.between picture { picture with Edges = [ edge ] } with
    | [ event ] ->
        Assert.Equal("12:00:00 edge-added from=alpha to=beta weight=7", Events.line "12:00:00" event)
        use json = JsonDocument.Parse(Json.print (Events.json 5L event))
        Assert.Equal("edge-added", json.RootElement.GetProperty("event").GetString())
    | events -> failwith (string events.Length)

let private name text =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> failwith text

let private snapshot (files: (string * string) list) : Snapshot =
    { ConfBase = "/c"
      NetName = ValueNone
      Separator = "/"
      Options = []
      Environment = Map.empty
      HostName = Ok "host"
      Folders =
        Map.ofList
            [ "hosts",
              Ok
                  [ for path, _ in files do
                        if path.StartsWith "/c/hosts/" then
                            path.Substring 9 ] ]
      Files = Map.ofList [ for path, text in files -> path, Content(text, false) ] }

let private key = "Ed25519PublicKey = 0123456789012345678901234567890123456789abc\n"

let private facts: DoctorFacts.Facts =
    { Files =
        { Snapshot = snapshot [ "/c/tinc.conf", "Name = alpha\n"; "/c/hosts/alpha", "Subnet = 10.1.0.0/16\n" ]
          Own = name "alpha"
          Command = "tinc"
          Program = "tinc"
          Rights = Map.empty
          Scripts = Ok []
          HostScripts = Ok [] }
      TunNeeded = true
      TunFile = true
      TunDriver = ValueSome true
      PortProblem = ValueNone
      Now = 2000L
      Newest = 1000L
      Calls = []
      Uncalled = 0
      Links = Map.empty
      TincUp = ValueSome { Path = "/c/tinc-up"; Problem = ValueNone }
      Picture = ValueSome { picture with Nodes = [ own; beta ]; Subnets = [] }
      Log = [] }

let private found (facts: DoctorFacts.Facts) (part: string) =
    Doctor.examine facts |> List.tryFind (fun finding -> finding.What.Contains part)

let private isFound facts part =
    match found facts part with
    | Some finding ->
        Assert.NotEmpty finding.Cause
        Assert.NotEmpty finding.Remedy
    | None -> Assert.Fail(part + ": " + System.String.Join("; ", Doctor.examine facts |> List.map _.What))

[<Fact>]
let ``the doctor finds what users trip over, with cause and remedy`` () =
    let withFiles files = { facts with Files = { facts.Files with Snapshot = snapshot files } }
    let withPicture picture = { facts with Picture = ValueSome picture }
    isFound { facts with TunDriver = ValueSome false } "driver is not loaded"
    isFound { facts with TunFile = false } "/dev/net/tun"
    isFound facts "private key"
    isFound { facts with PortProblem = ValueSome "port 655: Address already in use" } "port cannot be opened"
    isFound (withFiles [ "/c/tinc.conf", "Name = alpha\n"; "/c/hosts/alpha", "Port = 0\n" ]) "Port is 0"
    isFound { facts with Newest = 90000L } "clock is behind"
    isFound
        (withFiles [ "/c/tinc.conf", "Name = alpha\n"; "/c/hosts/alpha", key; "/c/hosts/beta", key ])
        "same public key"
    isFound
        (withFiles [ "/c/tinc.conf", "ExperimentalProtocol = no\n"; "/c/hosts/alpha", "" ])
        "ExperimentalProtocol is off"
    isFound { facts with TincUp = ValueNone } "no tinc-up"
    isFound
        { facts with
            TincUp = ValueSome { Path = "/c/tinc-up"; Problem = ValueSome "Permission denied" } }
        "cannot be run"
    let narrow =
        withPicture
            { picture with
                Nodes = [ own; { beta with Mtu = 1389; MinMtu = 1389; MaxMtu = 1389 } ] }

    let byLink mtu = { narrow with Links = Map.ofList [ "beta", { Interface = "eth0"; Mtu = mtu } ] }
    isFound (byLink 1500) "1389 bytes pass, 1390 do not"
    Assert.True(
        (found (byLink 1500) "has a hole"
         |> Option.exists (fun finding -> finding.Cause.Contains "eth0 (MTU 1500) would carry 1439"))
    )
    // Our own link is narrow, as everybody can see, or nothing is known of it: no hole.
    Assert.True((found (byLink 1450) "has a hole").IsNone)
    Assert.True((found narrow "has a hole").IsNone)
    isFound
        (withPicture { picture with Nodes = [ own; beta; { beta with Name = "Beta" } ] })
        "beta and Beta differ only"
    isFound
        (withFiles [ "/c/tinc.conf", "Name = alpha\n"; "/c/hosts/alpha", ""; "/c/hosts/beta", ""; "/c/hosts/Beta", "" ])
        "host files Beta and beta differ only"
    isFound
        (withFiles
            [ "/c/tinc.conf", "Name = alpha\n"
              "/c/hosts/alpha", "Subnet = 10.1.0.0/16\n"
              "/c/hosts/beta", "Subnet = 10.1.0.0/16#10\n" ])
        "Subnet 10.1.0.0/16 stands in the host files of alpha and beta"
    isFound (withFiles [ "/c/tinc.conf", "Name = alpha\n"; "/c/hosts/alpha", "" ]) "has no Subnet"
    isFound (withFiles [ "/c/tinc.conf", "ConnectTo = beta\n"; "/c/hosts/alpha", "" ]) "no host file"
    isFound
        (withFiles [ "/c/tinc.conf", "ConnectTo = beta\n"; "/c/hosts/alpha", ""; "/c/hosts/beta", "" ])
        "has no Address"
    isFound { facts with Uncalled = 3 } "3 more addresses were not tried"
    isFound (withPicture { picture with Nodes = [ own; { beta with MinMtu = 0 } ] }) "No UDP to beta"
    isFound (withPicture picture) "10.2.3.0/24 belongs to delta"
    isFound
        (withPicture
            { picture with
                Subnets = [ owned "10.0.0.0/8" "beta"; owned "10.0.0.0/8" "gamma" ] })
        "claimed by beta and gamma"
    isFound { facts with Picture = ValueNone } "No daemon runs"

    let call: DoctorFacts.Call =
        { Node = "beta"
          Address = { Host = "192.0.2.9"; Port = "655" }
          Failure = ValueSome "Connection refused" }

    isFound { facts with Calls = [ call ] } "beta does not answer at 192.0.2.9 port 655"

    for words in
        [ "rolled back protocol version"
          "tries to roll back protocol version"
          "Possible node with same Name as us!"
          "invalid name"
          "Got REQ_KEY while we already started"
          "Handshake phase not finished yet" ] do
        isFound { facts with Log = [ "x"; "2026 ERROR " + words + " for beta" ] } words

[<Fact>]
let ``the doctor has all addresses called that the daemon may call, those of ConnectTo first`` () =
    let files conf =
        { facts.Files with
            Snapshot =
                snapshot
                    [ "/c/tinc.conf", conf
                      "/c/hosts/alpha", "Address = 192.0.2.1\n"
                      "/c/hosts/beta", "Address = 192.0.2.2\nAddress = beta.example 700\nPort = 656\n"
                      "/c/hosts/gamma", "Address = 192.0.2.3\n"
                      "/c/hosts/delta", "" ] }

    let called conf =
        DoctorFacts.toCall (files conf)
        |> List.map (fun (struct (node, address)) -> node + " " + address.Host + " " + address.Port)

    let beta = [ "beta 192.0.2.2 656"; "beta beta.example 700" ]
    Assert.Equal<string list>(beta @ [ "gamma 192.0.2.3 655" ], called "Name = alpha\n")
    Assert.Equal<string list>("gamma 192.0.2.3 655" :: beta, called "Name = alpha\nConnectTo = gamma\n")
    Assert.Equal<string list>(beta, called "Name = alpha\nAutoConnect = no\nConnectTo = beta\n")

[<Fact>]
let ``the doctor is silent about what is in order, and puts problems first`` () =
    for part in
        [ "tun"
          "Port"
          "clock"
          "same public key"
          "ExperimentalProtocol"
          "tinc-up"
          "UDP"
          "hole"
          "differ"
          "Subnet"
          "belongs"
          "answer" ] do
        Assert.True((found facts part).IsNone, part)

    let findings = Doctor.examine { facts with Picture = ValueNone; TunFile = false }
    Assert.Equal(DoctorFacts.Problem, findings.Head.Gravity)
    use json = JsonDocument.Parse(Json.print (Doctor.json findings))
    Assert.False(json.RootElement.GetProperty("ok").GetBoolean())
    Assert.Equal(findings.Length, json.RootElement.GetProperty("findings").GetArrayLength())
