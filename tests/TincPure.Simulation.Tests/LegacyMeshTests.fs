/// Meshes in which some nodes, or all, know only the legacy protocol.
module TincPure.Simulation.Tests.LegacyMeshTests

open System
open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Topology
open TincPure.Config
open TincPure.Node
open TincPure.Simulation
open TincPure.Core.Tests
open Xunit

/// Four RSA key pairs, which the nodes share in turn.
let private rsaKeys: Lazy<RsaPrivateKey[]> =
    lazy
        (let keys = (Vectors.load "08-legacy-handshakes.json").GetProperty "rsa_keys"

         [| for name in [ "1024_A"; "2048_A"; "1024_B"; "2048_B" ] do
                match RsaText.parsePrivate (Vectors.text "private_pem" (keys.GetProperty name)) with
                | ValueSome key -> key
                | ValueNone -> failwith name |])

let private rsaKey (index: int) = rsaKeys.Value[index % rsaKeys.Value.Length]

let private settings seed =
    { WorldSettings.ofSeed seed with
        KeepText = true
        DebugLevel = DebugLevel.traffic }

/// Nodes in a row, each connected to the one before it. `knows a b`: the host file that a has of b holds its Ed25519 key.
let private row (seed: uint64) (names: string list) (isLegacy: int -> bool) (knows: int -> int -> bool) change : World =
    let plan = Mesh.named names [ for index in 1 .. names.Length - 1 -> index, index - 1 ]

    Mesh.create (settings seed) plan (fun own settings ->
        let host name (host: HostSettings) =
            let index = Array.IndexOf(plan.Names, name)

            { host with
                RsaKey = ValueSome (rsaKey index).PublicHalf
                RsaKeyProblems = []
                PublicKey = if isLegacy index || not (knows own index) then ValueNone else host.PublicKey }

        let settings =
            { settings with
                RsaKey = ValueSome(rsaKey own)
                Hosts = Map.map host settings.Hosts }

        change
            own
            (if isLegacy own then
                 { settings with
                     ExperimentalProtocol = false
                     PrivateKey = ValueNone
                     PublicKey = ValueNone }
             else
                 settings))

let private everyPair (world: World) =
    [ for a in world.Machines do
          for b in world.Machines do
              if a.Index <> b.Index then
                  a, b ]

let private logged (machine: Machine) (text: string) =
    machine.Log
    |> Seq.exists (fun (struct (_, line)) -> line.Text.Contains(text, StringComparison.Ordinal))

let private assertTalks (world: World) (limit: float) =
    let silent = Mesh.silent world (everyPair world) 0.5 limit
    Assert.Empty(silent |> List.map (fun (from, target) -> from.Name.Text + " to " + target.Name.Text))

let private peerOf (machine: Machine) (name: NodeName) : PeerState =
    match machine.Node with
    | ValueSome node ->
        match Topology.tryFind name node.Topology with
        | ValueSome index -> node.Peers[index]
        | ValueNone -> failwith (name.Text + " is not known")
    | ValueNone -> failwith (machine.Name.Text + " is off")

/// UDP between these two carries data: the MTU was found.
let private hasUdp (from: Machine) (target: Machine) =
    let peer = peerOf from target.Name
    peer.Discovery.Confirmed && peer.PathMtu.MinMtu > 1400

let private always _ _ = true

let private unchanged _ (settings: Settings) = settings

[<Fact>]
let ``two legacy nodes talk, and find the path MTU by UDP`` () =
    let world = row 1UL [ "a"; "b" ] (fun _ -> true) always unchanged
    Mesh.start world
    assertTalks world 10.0
    let a, b = world.Machines[0], world.Machines[1]

    for _ in 1..60 do
        world.Send(a, b, 200) |> ignore
        world.Send(b, a, 200) |> ignore
        world.RunFor 0.25

    Assert.True(hasUdp a b)
    Assert.True(hasUdp b a)
    // 1500 - 20 - 8 - 4 of MAC, in whole blocks, less padding and number.
    Assert.Equal(1451, (peerOf a b.Name).PathMtu.Mtu)
    Assert.False (peerOf a b.Name).Sptps

[<Theory>]
[<InlineData("LEL")>]
[<InlineData("ELE")>]
[<InlineData("LLE")>]
[<InlineData("ELLE")>]
[<InlineData("LEELE")>]
let ``legacy nodes and others in any order reach each other`` (kinds: string) =
    let names = [ for index in 0 .. kinds.Length - 1 -> "n" + string index ]
    let world = row 2UL names (fun index -> kinds[index] = 'L') always unchanged
    Mesh.start world
    assertTalks world 30.0

    for machine in world.Machines do
        Assert.False(logged machine "Unauthorized request", machine.Name.Text)
        Assert.False(logged machine "Error while processing", machine.Name.Text)

[<Theory>]
[<InlineData("LEL")>]
[<InlineData("ELE")>]
let ``they do so when nothing gets through by UDP`` (kinds: string) =
    let names = [ for index in 0 .. kinds.Length - 1 -> "n" + string index ]
    let world = row 3UL names (fun index -> kinds[index] = 'L') always unchanged
    world.Underlay.Everywhere <- { world.Underlay.Everywhere with UdpPasses = false }
    Mesh.start world
    assertTalks world 30.0

[<Fact>]
let ``nodes that know only each other's RSA keys upgrade to SPTPS`` () =
    let world = row 4UL [ "a"; "b" ] (fun _ -> false) (fun _ _ -> false) unchanged
    Mesh.start world
    assertTalks world 30.0
    let a, b = world.Machines[0], world.Machines[1]
    Assert.True(logged a "Got Ed25519 public key from b")
    Assert.True(logged b "Got Ed25519 public key from a")
    Assert.True (peerOf a b.Name).Sptps
    Assert.True (peerOf b a.Name).Sptps

[<Theory>]
[<InlineData(0)>]
[<InlineData(1)>]
let ``if only one side knows the other's Ed25519 key they upgrade, too`` (knowing: int) =
    let world = row 5UL [ "a"; "b" ] (fun _ -> false) (fun own _ -> own = knowing) unchanged
    Mesh.start world
    assertTalks world 30.0
    let a, b = world.Machines[0], world.Machines[1]
    Assert.True (peerOf a b.Name).Sptps
    Assert.False(logged a "during authentication")
    Assert.False(logged b "during authentication")

[<Fact>]
let ``a node whose Ed25519 key is known may not fall back to the legacy protocol`` () =
    let world =
        row 6UL [ "a"; "b" ] (fun _ -> false) always (fun own settings ->
            if own = 1 then
                { settings with
                    ExperimentalProtocol = false
                    PrivateKey = ValueNone
                    PublicKey = ValueNone }
            else
                settings)

    Mesh.start world
    world.RunFor 10.0
    Assert.True(logged world.Machines[0] "tries to roll back protocol version to 17.0")
    Assert.Empty((peerOf world.Machines[1] world.Machines[0].Name).Connection |> ValueOption.toList)

[<Fact>]
let ``a node without RSA key, or that switched the legacy protocol off, refuses legacy nodes`` () =
    let world =
        row 7UL [ "a"; "b" ] (fun index -> index = 1) always (fun own settings ->
            if own = 0 then
                { settings with RsaKey = ValueNone; LegacyProtocol = false }
            else
                settings)

    Mesh.start world
    world.RunFor 10.0
    Assert.True(logged world.Machines[0] "uses legacy protocol which we don't support")
    Assert.False((peerOf world.Machines[0] world.Machines[1].Name).Reachable)

[<Fact>]
let ``wrong RSA keys end the login with a hint and leave nothing behind`` () =
    let world =
        row 8UL [ "a"; "b" ] (fun _ -> true) always (fun own settings ->
            if own = 1 then { settings with RsaKey = ValueSome(rsaKey 3) } else settings)

    Mesh.start world
    world.RunFor 4.0
    Assert.True(logged world.Machines[1] "do not belong to the private keys in use")
    Assert.False((peerOf world.Machines[0] world.Machines[1].Name).Reachable)

[<Fact>]
let ``legacy keys expire under traffic without a loss`` () =
    let world =
        row 9UL [ "a"; "b"; "c" ] (fun _ -> true) always (fun _ settings -> { settings with KeyExpire = 20 })

    Mesh.start world
    assertTalks world 10.0
    let a, c = world.Machines[0], world.Machines[2]

    // The search for addresses and MTUs has its losses.
    for _ in 1..100 do
        world.Send(a, c, 200) |> ignore
        world.RunFor 0.1

    let sent =
        [ for _ in 1..600 do
              world.Send(a, c, 200)
              world.RunFor 0.1 ]

    world.RunFor 1.0
    let lost = sent |> List.filter (fun number -> not (c.HasReceived number)) |> List.length
    Assert.True(logged c "Expiring symmetric keys")
    Assert.True(lost <= 3, string lost + " of 600 lost")
