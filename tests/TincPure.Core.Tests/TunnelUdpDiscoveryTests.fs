module TincPure.Core.Tests.TunnelUdpDiscoveryTests

open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Tunnel.UdpDiscovery
open Xunit

let private settings =
    { Label = "peer (192.0.2.1 port 655)"
      Enabled = true
      Interval = 2
      KeepaliveInterval = 10
      Timeout = 30
      LocalDiscovery = true
      PeerMinor = 7 }

let private at (milliseconds: int) = Instant(1_000_000_000_000L + int64 milliseconds * Instant.millisecond)

let private actions outputs =
    outputs
    |> List.filter (function
        | Log _ -> false
        | _ -> true)

let private run inputs =
    let mutable state = initial

    [ for milliseconds, input in inputs do
          let struct (next, outputs) = step settings (at milliseconds) input state
          state <- next
          yield! actions outputs |> List.map (fun output -> milliseconds, output) ],
    state

[<Fact>]
let ``an unconfirmed peer is pinged every interval, nearby too`` () =
    let outputs, _ =
        run [ 0, Maintain(0, true); 1000, Maintain(0, true); 1999, Maintain(0, true); 2000, Maintain(0, true) ]

    Assert.Equal<(int * Output) list>(
        [ 0, SendPing false; 0, SendPing true; 2000, SendPing false; 2000, SendPing true ],
        outputs
    )

[<Fact>]
let ``a confirmed peer is pinged as often as keeps the way open, and told what arrived`` () =
    let outputs, state =
        run
            [ 0, Maintain(0, true)
              40, ReplyReceived(Statement, 18)
              1000, Maintain(1400, true)
              2000, Maintain(900, true)
              9999, Maintain(0, true)
              10000, Maintain(0, true) ]

    Assert.Equal<(int * Output) list>(
        [ 0, SendPing false
          0, SendPing true
          40, Confirmed
          1000, SendGratuitous 1400
          10000, SendGratuitous 900
          10000, SendPing false ],
        outputs
    )

    Assert.Equal(ValueSome 40_000L, state.RoundTrip)
    Assert.Equal(at 30040, deadline state)

[<Fact>]
let ``an old peer is not sent what it does not understand`` () =
    let settings = { settings with PeerMinor = 2 }
    let struct (state, _) = step settings (at 0) (ReplyReceived(Echo, 18)) initial
    let struct (_, outputs) = step settings (at 20000) (Maintain(1400, false)) state
    Assert.Equal<Output list>([ SendPing false ], actions outputs)

[<Fact>]
let ``without any reply UDP is given up in time`` () =
    let outputs, state =
        run
            [ 0, Maintain(0, false)
              100, ReplyReceived(Statement, 18)
              20000, ReplyReceived(Statement, 1400)
              30100, TimeoutCheck
              49999, TimeoutCheck
              50000, TimeoutCheck
              50001, TimeoutCheck ]

    Assert.Equal<(int * Output) list>([ 0, SendPing false; 100, Confirmed; 50000, TimedOut ], outputs)
    Assert.False state.Confirmed
    Assert.Equal(ValueNone, state.RoundTrip)

[<Fact>]
let ``pings are counted as answered or lost, the last 32 of them, and other probes are not counted`` () =
    let ping number answered =
        [ number * 20000, Maintain(0, false)
          number * 20000 + 5, ReplyReceived(Statement, 1400)
          if answered then
              number * 20000 + 10, ReplyReceived(Statement, 18) ]

    let outcomesOf pattern =
        let _, state = pattern |> List.mapi ping |> List.concat |> run
        let struct (ended, answered) = outcomes state
        ended, answered

    Assert.Equal((0, 0), outcomesOf [])
    // The last one may still be answered.
    Assert.Equal((3, 2), outcomesOf [ true; false; true; false ])
    Assert.Equal((32, 32), outcomesOf (List.replicate 40 false @ List.replicate 40 true))
    Assert.Equal((32, 16), outcomesOf (List.init 80 (fun number -> number % 2 = 0) @ [ true ]))

[<Fact>]
let ``a new address proves itself before it is used`` () =
    let _, state = run [ 0, ReplyReceived(Statement, 18); 1, AddressSet ]
    Assert.False state.Confirmed
    Assert.Equal(Instant.distant, deadline state)

[<Fact>]
let ``switched off, discovery does nothing and nothing times out`` () =
    let settings = { settings with Enabled = false }
    let struct (state, outputs) = step settings (at 0) (Maintain(1400, true)) initial
    Assert.Empty outputs
    Assert.Equal(Instant.distant, nextDue settings state)
    let struct (state, _) = step settings (at 0) (ReplyReceived(Statement, 18)) state
    let struct (_, outputs) = step settings (at 1_000_000) TimeoutCheck state
    Assert.Empty outputs

[<Fact>]
let ``the log speaks stock tinc's words`` () =
    let texts input state =
        let struct (state, outputs) = step settings (at 0) input state

        state,
        outputs
        |> List.choose (function
            | Log line -> Some line.Text
            | _ -> None)

    let state, pinged = texts (Maintain(0, false)) initial
    Assert.Equal<string list>([ "Sending UDP probe length 18 to peer (192.0.2.1 port 655)" ], pinged)
    let struct (answered, outputs) =
        step settings (Instant.add 12_034L (at 0)) (ReplyReceived(Statement, 18)) state

    Assert.Equal(
        Log
            { Level = 5
              Priority = Priority.Info
              Text = "Got type 2 UDP probe reply 18 from peer (192.0.2.1 port 655) rtt=12.034" },
        outputs.Head
    )

    let _, again = texts (ReplyReceived(Echo, 700)) answered
    Assert.Equal<string list>([ "Got type 1 UDP probe reply 700 from peer (192.0.2.1 port 655)" ], again)

let private endpoint port = Endpoint.create (Ip.v4 0xc0000201u) port

let private gen =
    let endpoints = Gen.choose (1, 60000) |> Gen.map (uint16 >> endpoint) |> Gen.arrayOf

    gen {
        let! known = Gen.elements [ ValueNone; ValueSome(endpoint 65000us) ]
        let! reverse = endpoints
        let! local = endpoints

        return { Known = known; Reverse = reverse; Local = local }
    }

[<Fact>]
let ``every candidate gets its turn while nothing is confirmed`` () =
    let property candidates =
        let random = System.Random 1
        let mutable state = initial
        let mutable tried = Set.empty

        for _ in 1 .. 60 * (candidates.Reverse.Length + 1) do
            let struct (next, target) = choose candidates false (uint32 (random.Next())) state
            state <- next

            match target with
            | ValueSome target -> tried <- tried.Add target.Port
            | ValueNone -> ()

        let all =
            [ yield! candidates.Reverse
              match candidates.Known with
              | ValueSome known -> known
              | ValueNone -> () ]

        tried = Set.ofList (all |> List.map _.Port)

    Prop.forAll (Arb.fromGen gen) property |> Check.QuickThrowOnFailure

[<Fact>]
let ``a confirmed address is kept, and a local send goes to a local address`` () =
    let property (candidates, random: uint32) =
        let struct (_, confirmed) = choose candidates false random { initial with Confirmed = true }
        let struct (_, local) = choose candidates true random { initial with Confirmed = true }

        confirmed = candidates.Known
        && (match local with
            | ValueSome target when candidates.Local.Length > 0 -> Array.contains target candidates.Local
            | target -> target = candidates.Known)

    Prop.forAll (Arb.fromGen (Gen.zip gen (ArbMap.generate<uint32> ArbMap.defaults))) property
    |> Check.QuickThrowOnFailure

[<Fact>]
let ``a socket of the target's family is used`` () =
    let v6 = Endpoint.create (Ip.v6 1UL 2UL) 655us
    let v4 = endpoint 655us
    Assert.Equal(ValueSome 1, socketFor [| v4; v6 |] 0 v6)
    Assert.Equal(ValueSome 2, socketFor [| v4; v6; v4 |] 2 v4)
    Assert.Equal(ValueSome 0, socketFor [| v4; v6 |] 7 v4)
    Assert.Equal(ValueNone, socketFor [| v4 |] 0 v6)
