/// Two nodes with one name (spec 04).
module TincPure.Core.Tests.NodeGuardTests

open System
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Meta
open TincPure.Tunnel
open TincPure.Routing
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open TincPure.Core.Tests.NodeGossipTests
open Xunit

let private contradict (rig: Rig) (fake: FakePeer) (times: int) =
    for _ in 1..times do
        rig.FloodInBatch(fake, "12", "alpha third 192.0.2.33 655 700000c 10")
        rig.FloodInBatch(fake, "13", "alpha fake")

    rig.Settle()

[<Fact>]
let ``a node that is contradicted all the time leaves the mesh for a while`` () =
    let struct (rig, fake, obs) = mesh settings
    rig.WaitSeconds 6
    contradict rig fake 101
    rig.WaitSeconds 6
    Assert.Contains("Possible node with same Name as us! Sleeping 10 seconds.", rig.LogTexts)
    Assert.True(fake.Closed && obs.Closed)

    // Nobody is let in.
    let refused = rig.Arrive("fake", { manner with Address = endpoint "192.0.2.77" 1 })
    Assert.True refused.Tarpitted

    rig.WaitSeconds 10
    let again = rig.Neighbour "fake"
    Assert.False again.Tarpitted
    Assert.True(isReachable rig "fake")

    // The next time takes longer.
    rig.WaitSeconds 1
    rig.Forget()
    contradict rig again 101
    rig.WaitSeconds 6

    Assert.Contains(rig.LogTexts, (fun text -> starting "Possible node with same Name as us! Sleeping " text))

[<Fact>]
let ``contradictions of one kind only are no other node of our name`` () =
    let struct (rig, fake, _) = mesh settings

    for _ in 1..300 do
        rig.FloodInBatch(fake, "12", "alpha third 192.0.2.33 655 700000c 10")

    rig.Settle()
    rig.WaitSeconds 6
    Assert.DoesNotContain(rig.LogTexts, starting "Possible node")
    Assert.False fake.Closed

[<Fact>]
let ``while a node is silent it does not connect to anybody`` () =
    let target = endpoint "198.51.100.1" 655

    let hosts =
        settings.Hosts.Add(
            nodeName "zeta",
            { hostOf "zeta" with Addresses = [ { Host = "198.51.100.1"; Port = "655" } ] }
        )

    let rig = Rig({ settings with Hosts = hosts; ConnectTo = [ nodeName "zeta" ] })
    rig.Doors <- fun _ -> Opened("zeta", { manner with Address = target })
    rig.Start 655
    let fake = rig.Neighbour "fake"
    rig.WaitSeconds 6
    contradict rig fake 101
    rig.Forget()
    rig.WaitSeconds 6
    Assert.True(rig.Now < rig.Node.SilentUntil)
    let connects () =
        rig.Effects
        |> List.filter (fun effect ->
            match effect with
            | Connect _ -> true
            | _ -> false)

    Assert.Empty(connects ())
    let wakes =
        rig.Effects
        |> List.filter (fun effect ->
            match effect with
            | WakeAt _ -> true
            | _ -> false)
    Assert.True(wakes.Length < 40, "it wakes all the time")
    rig.WaitSeconds 20
    Assert.NotEmpty(connects ())
    Assert.True(rig.Node.Connections.Count > 0)
