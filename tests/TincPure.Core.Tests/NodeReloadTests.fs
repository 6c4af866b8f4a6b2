/// What a reload does to a running node (spec 05 §7.1).
module TincPure.Core.Tests.NodeReloadTests

open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

let private settings: Settings =
    { settingsOf "alpha" [ "fake"; "obs" ] with
        Own =
            { HostSettings.empty (nodeName "alpha") with
                Subnets = [ subnet "10.0.1.0/24"; subnet "10.0.1.1#5" ] } }

let private begun () : Rig =
    let rig = Rig settings
    rig.Start 655
    rig

let private reload (rig: Rig) (fresh: Settings) = rig.Feed(ConfigurationRead([], ValueSome fresh))

[<Fact>]
let ``own subnets that came and went are announced`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    rig.Forget()

    reload
        rig
        { settings with
            Own = { settings.Own with Subnets = [ subnet "10.0.1.0/24"; subnet "10.0.7.0/24" ] } }

    Assert.Equal<string list>(
        [ "10 NONCE alpha 10.0.7.0/24"; "11 NONCE alpha 10.0.1.1#5" ],
        List.map withoutNonce fake.Lines
    )

    Assert.Equal<(string * string) list>(
        [ "subnet-up", "10.0.7.0/24"; "subnet-down", "10.0.1.1" ],
        [ for effect in rig.Effects do
              match effect with
              | RunScript script -> script.Name, (Map.ofList script.Environment)["SUBNET"]
              | _ -> () ]
    )

[<Fact>]
let ``under StrictSubnets the subnets of all nodes follow their host files`` () =
    let withSubnets texts =
        { settings with
            StrictSubnets = true
            Hosts = settings.Hosts.Add(nodeName "obs", { hostOf "obs" with Subnets = List.map subnet texts }) }

    let rig = Rig(withSubnets [ "10.0.3.0/24"; "10.0.4.0/24" ])
    rig.Start 655
    let fake = rig.Neighbour "fake"
    Assert.Contains("10 NONCE obs 10.0.3.0/24", List.map withoutNonce fake.Lines)
    rig.Forget()
    reload rig (withSubnets [ "10.0.4.0/24"; "10.0.5.0/24" ])

    Assert.Equal<string list>(
        [ "10 NONCE obs 10.0.5.0/24"; "11 NONCE obs 10.0.3.0/24" ],
        List.map withoutNonce fake.Lines
    )

[<Fact>]
let ``connections of nodes whose host file changed are made anew, others stay`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    let obs = rig.Neighbour "obs"

    reload
        rig
        { settings with
            Hosts = settings.Hosts.Add(nodeName "fake", { hostOf "fake" with Weight = ValueSome 3 }) }

    Assert.True fake.Closed
    Assert.False obs.Closed
    Assert.Contains("Host config file of fake has been changed", rig.LogTexts)
    reload rig { settings with Hosts = Map.empty }
    Assert.True obs.Closed

[<Fact>]
let ``connections follow ConnectTo`` () =
    let hosts =
        Map.ofList
            [ for i, name in List.indexed [ "fake"; "obs" ] do
                  nodeName name,
                  { hostOf name with
                      Addresses = [ { Host = "198.51.100." + string i; Port = "655" } ] } ]

    let connecting names = { settings with Hosts = hosts; ConnectTo = List.map nodeName names }
    let rig = Rig(connecting [ "fake" ])

    rig.Doors <-
        fun target -> Opened((if target.Ip.Low &&& 1UL = 0UL then "fake" else "obs"), { manner with Address = target })

    rig.Start 655
    let fake = List.exactlyOne rig.Peers
    reload rig (connecting [ "obs" ])
    Assert.True fake.Closed
    Assert.Contains("No more outgoing connection to fake", rig.LogTexts)
    Assert.True((peerState rig "obs").Value.Connection.IsSome)
    reload rig (connecting [])
    Assert.True((peerState rig "obs").Value.Connection.IsNone)
    Assert.Equal(0, rig.Node.Outgoing.Count)

[<Fact>]
let ``a node that was called stays when it had come by itself`` () =
    let host = { hostOf "fake" with Addresses = [ { Host = "198.51.100.1"; Port = "655" } ] }
    let connecting names =
        { settings with
            Hosts = Map.ofList [ host.Name, host ]
            ConnectTo = List.map nodeName names }

    let rig = Rig(connecting [ "fake" ])
    rig.Doors <- fun _ -> Refused "Connection refused"
    rig.Start 655
    let fake = rig.Neighbour "fake"
    rig.WaitSeconds 8
    Assert.Contains("Already connected to fake", rig.LogTexts)
    reload rig (connecting [])
    Assert.False fake.Closed

[<Fact>]
let ``a reload cannot change who we are`` () =
    let rig = begun ()
    let key = keyOf "other"

    reload
        rig
        { settings with
            Name = nodeName "other"
            PrivateKey = ValueSome(key.Private.Span.ToArray())
            PublicKey = ValueSome key.Public
            TunnelServer = true }

    Assert.Equal("alpha", rig.Node.Settings.Name.Text)
    Assert.False rig.Node.Settings.TunnelServer
    rig.Neighbour "fake" |> ignore
    Assert.True(isReachable rig "fake")

[<Fact>]
let ``options are only ever added`` () =
    let rig = begun ()
    reload rig { settings with IndirectData = true; ClampMss = false }
    Assert.Equal(0x0700000du, rig.Node.OwnOptions)
    reload rig settings
    Assert.Equal(0x0700000du, rig.Node.OwnOptions)

[<Fact>]
let ``hosts that a reload finds are known`` () =
    let rig = begun ()
    reload rig { settings with Hosts = settings.Hosts.Add(nodeName "late", hostOf "late") }
    Assert.True((peerState rig "late").IsSome)
    Assert.Equal<byte[] voption>(ValueSome (keyOf "late").Public, (peerState rig "late").Value.PublicKey)

[<Fact>]
let ``what cannot be read is told once, and everything goes on`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    rig.Forget()
    let fault =
        { Level = DebugLevel.always
          Priority = Priority.Error
          Text = "line 3 is broken" }
    rig.Feed(ConfigurationRead([ fault ], ValueNone))
    Assert.Equal<string list>([ "line 3 is broken"; "Unable to reread configuration file." ], rig.LogTexts)
    Assert.False fake.Closed
    Assert.Equal(settings, rig.Node.Settings)
