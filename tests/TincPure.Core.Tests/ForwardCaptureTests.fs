/// Looking at what is routed (spec 06 §15.6).
module TincPure.Core.Tests.ForwardCaptureTests

open System
open TincPure.Core.Tests.ForwardFixture
open TincPure.Routing
open Xunit

let private table =
    fib 0 [ peer 0 "own"; { peer 1 "near" with ValidKey = false } ] [ ownedBy 1 "near" "10.0.0.0/24" ] settings

let private frame =
    Convert.FromHexString(
        "0000000000000000000000000800" + "4500001c00010000401100000a0000020a000001" + "0000000000080000"
    )

let private captured (outcome: Outcome) =
    [ for punt in outcome.Punts do
          match punt with
          | Captured frame -> frame
          | _ -> () ]

let private forwarder () =
    let forwarder, outbox = Forwarder(), Outbox()
    apply forwarder outbox (at 0) (Publish table) |> ignore
    forwarder, outbox

[<Fact>]
let ``nothing is captured unless somebody looks`` () =
    let forwarder, outbox = forwarder ()
    Assert.Empty(captured (fromDevice forwarder outbox (at 0) frame))
    apply forwarder outbox (at 0) (CaptureFrames 0) |> ignore
    apply forwarder outbox (at 0) (CaptureFrames -1) |> ignore
    Assert.Empty(captured (fromDevice forwarder outbox (at 0) frame))

[<Fact>]
let ``what the device and what peers send is captured once, as it comes to be routed`` () =
    let forwarder, outbox = forwarder ()
    apply forwarder outbox (at 0) (CaptureFrames 0) |> ignore
    Assert.Equal<byte[] list>([ frame ], captured (fromDevice forwarder outbox (at 0) frame))
    Assert.Equal<byte[] list>([ frame ], captured (apply forwarder outbox (at 0) (RouteFrame(1, Array.copy frame))))

[<Fact>]
let ``no more is captured than was asked for`` () =
    let forwarder, outbox = forwarder ()
    apply forwarder outbox (at 0) (CaptureFrames 20) |> ignore
    Assert.Equal<byte[] list>([ Array.truncate 20 frame ], captured (fromDevice forwarder outbox (at 0) frame))
