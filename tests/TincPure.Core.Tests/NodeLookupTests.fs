/// Names that are looked up again while links are up, and look-ups that fail.
module TincPure.Core.Tests.NodeLookupTests

open TincPure.Primitives
open TincPure.Config
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

let private named (name: string) (hosts: string list) : HostSettings =
    { hostOf name with
        Addresses = [ for host in hosts -> { Host = host; Port = "655" } ] }

let private settingsWith (hosts: HostSettings list) : Settings =
    { settingsOf "alpha" [] with
        Hosts = Map.ofList [ for host in hosts -> host.Name, host ]
        ConnectTo = [ for host in hosts -> host.Name ] }

/// Look-ups that were asked for since the last look, as number and name.
let private lookups (rig: Rig) : (int * string) list =
    rig.Effects
    |> List.choose (fun effect ->
        match effect with
        | Resolve(request, _, host, _) -> Some(request, host)
        | _ -> None)

let private connects (rig: Rig) : string list =
    rig.Effects
    |> List.choose (fun effect ->
        match effect with
        | Connect(_, target) -> Some(Endpoint.toText target)
        | _ -> None)

let private answer (rig: Rig) (request: int) (addresses: string list) =
    rig.Feed(Resolved(request, Ok [ for address in addresses -> endpoint address 655 ]))

/// A node that is connected to fake, whose name stood for this address.
let private linked (address: string) : Rig =
    let rig = Rig(settingsWith [ named "fake" [ "fake.example" ] ])
    rig.Doors <- fun target -> Opened("fake", { manner with Address = target })
    rig.Start 655
    answer rig (fst (List.exactlyOne (lookups rig))) [ address ]
    Assert.Equal<string list>([ address + " port 655" ], connects rig)
    rig.Forget()
    rig

[<Fact>]
let ``the name of a node with a link is looked up again after five PingIntervals, once`` () =
    let rig = linked "198.51.100.1"
    rig.WaitSeconds 290
    Assert.Empty(lookups rig)
    rig.WaitSeconds 20
    let request, name = List.exactlyOne (lookups rig)
    Assert.Equal("fake.example", name)
    rig.WaitSeconds 1000
    Assert.Single(lookups rig) |> ignore
    rig.Forget()
    answer rig request [ "198.51.100.2" ]
    Assert.Contains("fake.example port 655 is now 198.51.100.2 port 655", rig.LogTexts)
    Assert.False (List.exactlyOne rig.Peers).Closed
    Assert.Empty(connects rig)

[<Fact>]
let ``a look-up that fails keeps the link and what the name stood for`` () =
    let rig = linked "198.51.100.1"
    rig.WaitSeconds 310
    rig.Feed(Resolved(fst (List.exactlyOne (lookups rig)), Error "Temporary failure in name resolution"))

    Assert.Contains(
        "Error looking up fake.example port 655: Temporary failure in name resolution, which changes nothing as long as the connections work",
        rig.LogTexts
    )

    let peer = List.exactlyOne rig.Peers
    Assert.False peer.Closed

    // The link breaks, and names still cannot be looked up.
    rig.Recent("fake") <- []
    rig.Forget()
    rig.Feed(Lost(peer.Id, ValueNone))
    let request, _ = List.exactlyOne (lookups rig)
    rig.Feed(Resolved(request, Error "Temporary failure in name resolution"))
    Assert.Contains("Error looking up fake.example port 655: Temporary failure in name resolution", rig.LogTexts)
    Assert.Contains("Trying what fake.example port 655 stood for before", rig.LogTexts)
    Assert.Equal<string list>([ "198.51.100.1 port 655" ], connects rig)
    Assert.True((peerState rig "fake").Value.Connection.IsSome)

[<Fact>]
let ``a node in a pause is called at once when its name has moved`` () =
    let rig =
        Rig(
            { settingsWith [ named "fake" [ "fake.example" ] ] with
                PingInterval = 2
                MinTimeout = 800 }
        )
    rig.Doors <- fun _ -> Refused "Connection refused"
    rig.Start 655
    answer rig (fst (List.exactlyOne (lookups rig))) [ "198.51.100.1" ]
    rig.Forget()
    rig.WaitSeconds 20
    let request, _ = List.exactlyOne (lookups rig)
    rig.Forget()
    answer rig request [ "198.51.100.1" ]
    Assert.Empty(connects rig)
    rig.WaitSeconds 20
    answer rig (fst (List.exactlyOne (lookups rig))) [ "198.51.100.2" ]
    let request, _ = List.last (lookups rig)
    answer rig request [ "198.51.100.2" ]
    Assert.Equal<string list>([ "198.51.100.2 port 655" ], connects rig)

[<Fact>]
let ``names are looked up again one at a time, whoever is longest overdue first`` () =
    let names = [ for i in 1..20 -> "n" + string i + ".example" ]
    let rig = Rig(settingsWith [ named "fake" names ])
    rig.Doors <- fun target -> Opened("fake", { manner with Address = target })
    rig.Start 655
    answer rig (fst (List.exactlyOne (lookups rig))) [ "198.51.100.1" ]
    rig.Forget()
    rig.WaitSeconds 60
    Assert.Single(lookups rig) |> ignore
    let mutable seen = Set.empty

    for _ in 1..19 do
        let request, name = List.exactlyOne (lookups rig)
        seen <- seen.Add name
        rig.Forget()
        answer rig request [ "198.51.100.9" ]
        rig.WaitSeconds 6

    Assert.Equal(19, seen.Count)
    Assert.Equal(20, rig.Node.Names.Count)

[<Fact>]
let ``names of nodes that are not wanted any more are forgotten`` () =
    let rig = linked "198.51.100.1"
    Assert.Equal(1, rig.Node.Names.Count)
    rig.Feed(ConfigurationRead([], ValueSome { settingsWith [ named "fake" [ "fake.example" ] ] with ConnectTo = [] }))
    rig.WaitSeconds 10
    Assert.Empty rig.Node.Names

[<Fact>]
let ``addresses are not looked up`` () =
    let rig = Rig(settingsWith [ named "fake" [ "198.51.100.1"; "2001:db8::1" ] ])
    rig.Doors <- fun target -> Opened("fake", { manner with Address = target })
    rig.Start 655
    rig.WaitSeconds 2000
    Assert.Empty(lookups rig)
