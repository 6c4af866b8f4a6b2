/// Switch mode: addresses behind our device, from the first frame to the last (spec 04 §6.4, §6.7, §7.6).
module TincPure.Core.Tests.NodeLearningTests

open System
open System.Text.Json
open TincPure.Packet
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Routing
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

let private switching (name: string) : Settings =
    { settingsOf name [ "fake"; "obs" ] with
        Mode = Mode.Switch
        DeviceType = DeviceType.Tap }

let private host = 0x02aabbccdd01UL
let private hostSubnet = subnet "02:aa:bb:cc:dd:01"

/// alpha with the neighbours fake and obs.
let private mesh (settings: Settings) : struct (Rig * FakePeer * FakePeer) =
    let rig = Rig settings
    rig.Start 655
    let fake = rig.Neighbour "fake"
    let obs = rig.Neighbour "obs"
    rig.Forget()
    struct (rig, fake, obs)

let private see (rig: Rig) (address: uint64) = rig.Feed(Punted(MacSeen address))

let private scripts (rig: Rig) =
    rig.Effects
    |> List.choose (fun effect ->
        match effect with
        | RunScript script -> Some script
        | _ -> None)

let private has (rig: Rig) (owner: string) =
    Topology.hasSubnet (peerState rig owner).Value.Index hostSubnet rig.Node.Topology

let private said (peer: FakePeer) = List.map withoutNonce peer.Lines

[<Fact>]
let ``addresses are learned as the vectors say`` () =
    let cases = Vectors.items "cases" (Vectors.load "04-route-switch-hub.json")
    let mutable learned = 0

    for case in cases do
        let packets =
            match case.TryGetProperty "packets" with
            | true, packets -> List.ofSeq (packets.EnumerateArray())
            | _ -> [ case ]

        if (Vectors.text "name" case).StartsWith "learn" then
            let rig =
                Rig
                    { switching "me" with
                        Hosts = Map.ofList [ for name in [ "peer"; "other" ] -> nodeName name, hostOf name ] }
            rig.Start 655
            let neighbours = [ for name in [ "peer"; "other" ] -> name, rig.Neighbour name ]

            for packet in packets do
                rig.Forget()
                see rig (Ethernet.readAddress (Span(Vectors.bytes "frame" packet).Slice Ethernet.addressSize))

                for out in Vectors.items "out" packet do
                    match out.TryGetProperty "event" with
                    | true, event ->
                        learned <- learned + 1
                        let words = [ for word in event.EnumerateArray() -> string (word.GetString()) ]

                        match words with
                        | "script" :: name :: environment ->
                            let script = List.exactlyOne (scripts rig)
                            Assert.Equal(name, script.Name)
                            // The reference ran at debug level 0.
                            let ours =
                                [ for key, value in script.Environment ->
                                      key + "=" + (if key = "DEBUG" then "0" else value) ]
                            Assert.Equal<string list>(environment, ours)
                        | [ "addsubnet"; target; owner; text ] ->
                            let peer = neighbours |> List.find (fun (name, _) -> name = target) |> snd
                            Assert.Equal<string list>([ "10 NONCE " + owner + " " + text ], said peer)
                        | other -> failwith (string other)
                    | _ -> ()

                let texts = [ for line in Vectors.items "log" packet -> string (line[2].GetString()) ]
                Assert.Equal<string list>(texts, rig.LogTexts |> List.filter (fun text -> text.StartsWith "Learned"))

    Assert.Equal(5, learned)

[<Fact>]
let ``an address that is not heard of any more is given up`` () =
    let struct (rig, fake, obs) = mesh { switching "alpha" with MacExpire = 30 }
    see rig host
    rig.Forget()
    rig.WaitSeconds 29
    Assert.True(has rig "alpha")
    rig.WaitSeconds 13
    Assert.False(has rig "alpha")
    Assert.Contains("Subnet 02:aa:bb:cc:dd:01 expired", rig.LogTexts)

    for peer in [ fake; obs ] do
        Assert.Contains("11 NONCE alpha 02:aa:bb:cc:dd:01", said peer)

    Assert.Equal<string list>([ "subnet-down" ], scripts rig |> List.map _.Name)
    Assert.Equal(Instant.distant, rig.Node.Timers.Ageing)

[<Fact>]
let ``an address that is heard of again and again is kept and said once`` () =
    let struct (rig, fake, _) = mesh { switching "alpha" with MacExpire = 15 }

    for _ in 1..20 do
        see rig host
        rig.WaitSeconds 5

    Assert.True(has rig "alpha")
    Assert.Equal<string list>(
        [ "10 NONCE alpha 02:aa:bb:cc:dd:01" ],
        said fake |> List.filter (fun line -> line.StartsWith "10 ")
    )

[<Fact>]
let ``new addresses do not put off the look for old ones`` () =
    let struct (rig, _, _) = mesh { switching "alpha" with MacExpire = 20 }
    see rig host

    for i in 1..8 do
        rig.WaitSeconds 5
        see rig (0x020000000000UL + uint64 i)

    Assert.False(has rig "alpha")

[<Fact>]
let ``a host that moved to another node is given up soon`` () =
    let struct (rig, fake, obs) = mesh (switching "alpha")
    see rig host
    rig.Flood(fake, "10", "fake 02:aa:bb:cc:dd:01")
    Assert.True(has rig "alpha" && has rig "fake")
    rig.Forget()
    rig.WaitSeconds 11
    Assert.False(has rig "alpha")
    Assert.True(has rig "fake")
    Assert.Contains("11 NONCE alpha 02:aa:bb:cc:dd:01", said obs)

[<Fact>]
let ``a host that came back before it was given up is kept`` () =
    let struct (rig, fake, _) = mesh (switching "alpha")
    see rig host
    rig.Flood(fake, "10", "fake 02:aa:bb:cc:dd:01")
    rig.WaitSeconds 2
    see rig host
    rig.WaitSeconds 60
    Assert.True(has rig "alpha")

[<Fact>]
let ``another weight is another subnet and moves nothing`` () =
    let struct (rig, fake, _) = mesh (switching "alpha")
    see rig host
    rig.Flood(fake, "10", "fake 02:aa:bb:cc:dd:01#5")
    rig.WaitSeconds 60
    Assert.True(has rig "alpha")

[<Fact>]
let ``a configured address is not learned and does not age`` () =
    let own = { HostSettings.empty (nodeName "alpha") with Subnets = [ hostSubnet ] }
    let struct (rig, _, _) = mesh { switching "alpha" with Own = own; MacExpire = 1 }
    see rig host
    rig.WaitSeconds 60
    Assert.True(has rig "alpha")
    Assert.Empty(scripts rig)
    Assert.DoesNotContain("Learned new MAC address 2:aa:bb:cc:dd:1", rig.LogTexts)

[<Fact>]
let ``only a switch learns`` () =
    for mode in [ Mode.Router; Mode.Hub ] do
        let struct (rig, _, _) = mesh { switching "alpha" with Mode = mode }
        see rig host
        Assert.False(has rig "alpha")

[<Fact>]
let ``a flood of addresses fills no memory and no mesh`` () =
    let struct (rig, fake, _) = mesh (switching "alpha")

    for i in 1 .. Bounds.learnedAddresses + 100 do
        rig.Step(Punted(MacSeen(0x020000000000UL + uint64 i)))

    rig.Settle()
    Assert.Equal(Bounds.learnedAddresses, rig.Node.Learned.Count)
    Assert.Equal(Bounds.learnedAddresses, said fake |> List.filter (fun line -> line.StartsWith "10 ") |> List.length)

let private reload (rig: Rig) (fresh: Settings) = rig.Feed(ConfigurationRead([], ValueSome fresh))

[<Fact>]
let ``a reload keeps learned addresses`` () =
    let settings = switching "alpha"
    let struct (rig, _, obs) = mesh settings
    see rig host
    rig.Forget()
    reload rig settings
    Assert.True(has rig "alpha")
    Assert.Empty(said obs |> List.filter (fun line -> line.StartsWith "11 "))

[<Fact>]
let ``a learned address that a reload finds configured is permanent, and gone when it is configured no more`` () =
    let settings = { switching "alpha" with MacExpire = 20 }
    let struct (rig, _, _) = mesh settings
    see rig host
    reload rig { settings with Own = { settings.Own with Subnets = [ hostSubnet ] } }
    rig.WaitSeconds 60
    Assert.True(has rig "alpha")
    reload rig settings
    Assert.False(has rig "alpha")

[<Fact>]
let ``a reload under StrictSubnets takes learned addresses back`` () =
    let settings = { switching "alpha" with StrictSubnets = true }
    let struct (rig, _, _) = mesh settings
    see rig host
    reload rig settings
    Assert.False(has rig "alpha")
    Assert.Empty rig.Node.Learned

[<Fact>]
let ``a shutdown takes learned subnets down`` () =
    let struct (rig, _, _) = mesh (switching "alpha")
    see rig host
    rig.Forget()
    rig.Feed(Signalled Terminate)
    let names = scripts rig |> List.map _.Name |> List.filter (fun name -> not (name.Contains "host"))
    Assert.Equal<string list>([ "subnet-down"; "tinc-down" ], names)

[<Fact>]
let ``the packet plane is told the device's own address`` () =
    let rig = Rig(settingsOf "alpha" [], { launch with DeviceAddress = ValueSome host })
    rig.Start 655
    Assert.Contains(UseHostAddress host, rig.Commands)
    Assert.True rig.Node.Fib.Settings.OverwriteMac
