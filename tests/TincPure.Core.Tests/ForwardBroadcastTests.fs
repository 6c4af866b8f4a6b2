/// Frames for everybody, in every mode of Broadcast, and frames through a switch (spec 03 §20, spec 04 §7.6, §13).
module TincPure.Core.Tests.ForwardBroadcastTests

open System
open TincPure.Config
open TincPure.Core.Tests.ForwardFixture
open TincPure.Packet
open TincPure.Primitives
open TincPure.Routing
open Xunit

let private key (seed: int) = Array.init 64 (fun i -> byte (i * 3 + seed))

let private own, near, other, relayed, behind, direct, gone = 0, 1, 2, 3, 4, 5, 6

/// Neighbours without sessions, so that whatever is sent to a node comes out as a whole frame for it.
let private table (change: FibSettings -> FibSettings) : Fib =
    let peers =
        [ peer own "own"
          peer near "near"
          peer other "other"
          // Behind an indirect edge of our own, and behind one of another node.
          { peer relayed "relayed" with NextHop = near; Via = own }
          { peer behind "behind" with NextHop = near; Via = near }
          { peer direct "direct" with NextHop = near }
          { peer gone "gone" with Reachable = false; NextHop = -1; Via = -1 } ]

    { fib
          own
          peers
          [ ownedBy -1 "" "ff:ff:ff:ff:ff:ff"
            ownedBy -1 "" "224.0.0.0/4"
            ownedBy near "near" "02:00:00:00:00:01" ]
          (change settings) with
        TreeNeighbours = [ near; other ] }

let private broadcastFrame =
    Convert.FromHexString(
        "ffffffffffff020000000005"
        + "0800"
        + "4500001c000000000111000"
        + "00a000005e0000001"
        + "0000000000000000"
    )

/// Who got a frame from `source`: nodes in order, -1 is the device.
let private reached (change: FibSettings -> FibSettings) (source: int) : int list =
    let forwarder, outbox = Forwarder(), Outbox()
    apply forwarder outbox (at 0) (Publish(table change)) |> ignore

    let outcome =
        if source = own then
            fromDevice forwarder outbox (at 0) broadcastFrame
        else
            apply forwarder outbox (at 0) (RouteFrame(source, broadcastFrame))

    [ for frame in outcome.Frames do
          Assert.Equal<byte array>(broadcastFrame, frame)
          -1
      for punt in outcome.Punts do
          match punt with
          | FrameOverTcp(node, frame) ->
              Assert.Equal<byte array>(broadcastFrame, frame)
              node
          | _ -> () ]

let private switching (settings: FibSettings) = { settings with Mode = Mode.Switch }

let private modes = [ switching; (fun settings -> { settings with Mode = Mode.Hub }); id ]

[<Fact>]
let ``along the spanning tree a frame goes to all neighbours but the one it came from`` () =
    for mode in modes do
        Assert.Equal<int list>([ near; other ], reached mode own)
        Assert.Equal<int list>([ -1; other ], reached mode near)
        // Who is not on the tree may reach us through a neighbour all the same.
        Assert.Equal<int list>([ -1; other ], reached mode direct)

[<Fact>]
let ``a direct broadcast goes to those who can be reached directly, and no further`` () =
    for mode in modes do
        let directly settings = { mode settings with Broadcast = Broadcast.Direct }
        Assert.Equal<int list>([ near; other; direct ], reached directly own)
        Assert.Equal<int list>([ -1 ], reached directly near)

[<Fact>]
let ``without broadcasts only the own device hears those of others`` () =
    for mode in modes do
        let silent settings = { mode settings with Broadcast = Broadcast.NoBroadcast }
        Assert.Empty(reached silent own)
        Assert.Equal<int list>([ -1 ], reached silent near)
        let server settings = { mode settings with TunnelServer = true }
        Assert.Empty(reached server own)
        Assert.Equal<int list>([ -1 ], reached server near)

[<Fact>]
let ``forwarding off does not stop broadcasts, forwarding by the kernel does`` () =
    for mode in modes do
        Assert.Equal<int list>(
            [ -1; other ],
            reached (fun settings -> { mode settings with Forwarding = Forwarding.Off }) near
        )
        Assert.Equal<int list>(
            [ -1 ],
            reached (fun settings -> { mode settings with Forwarding = Forwarding.Kernel }) near
        )

[<Fact>]
let ``a broadcast whose time to live is over goes nowhere`` () =
    for mode in modes do
        let expiring settings = { mode settings with DecrementTtl = true }
        Assert.Empty(reached expiring near)
        // It has not been forwarded yet.
        Assert.Equal<int list>([ near; other ], reached expiring own)

[<Fact>]
let ``only the device's copy of a broadcast has other addresses`` () =
    let forwarder, outbox = Forwarder(), Outbox()
    let overwriting settings = { settings with OverwriteMac = true }
    apply forwarder outbox (at 0) (Publish(table overwriting)) |> ignore
    apply forwarder outbox (at 0) (UseHostAddress 0x0200000000aaUL) |> ignore
    let outcome = apply forwarder outbox (at 0) (RouteFrame(near, broadcastFrame))
    let forDevice = List.exactlyOne outcome.Frames
    Assert.Equal("0200000000aa020000000055", Convert.ToHexStringLower(forDevice.AsSpan(0, 12)))

    match outcome.Punts with
    | [ FrameOverTcp(node, frame) ] ->
        Assert.Equal(other, node)
        Assert.Equal<byte array>(broadcastFrame, frame)
    | punts -> failwith (string punts)

let private frameFor (target: uint64) (source: uint64) : byte array =
    let frame = Array.zeroCreate<byte> 200
    Ethernet.writeAddress target (Span frame)
    Ethernet.writeAddress source (frame.AsSpan Ethernet.addressSize)
    frame[12] <- 0x88uy
    frame[13] <- 0xb5uy
    frame

[<Fact>]
let ``every host behind the device is told once a second, however many there are`` () =
    let forwarder, outbox = Forwarder(), Outbox()
    apply forwarder outbox (at 0) (Publish(table switching)) |> ignore

    let told (time: int) =
        [ for _ in 1..3 do
              for host in 1..2000 do
                  let outcome =
                      fromDevice forwarder outbox (at time) (frameFor 0x020000000001UL (0x020000010000UL + uint64 host))

                  for punt in outcome.Punts do
                      match punt with
                      | MacSeen address -> address
                      | _ -> () ]

    for time in [ 0; 1000; 2000 ] do
        Assert.Equal(2000, (told time).Length)

[<Fact>]
let ``a switch allocates nothing for frames between hosts that it knows`` () =
    let forwarder, outbox = Forwarder(), Outbox()
    let table = table switching

    let byUdp =
        { table.Peers[near] with
            Address = ValueSome(endpoint 1)
            UdpConfirmed = true
            MinMtu = 1400 }

    apply forwarder outbox (at 0) (Publish { table with Peers = Vector.set near byUdp table.Peers })
    |> ignore
    apply forwarder outbox (at 0) (StartSession(near, key 0, key 1, 16)) |> ignore
    let frame = frameFor 0x020000000001UL 0x020000000005UL

    let send () =
        outbox.Reset()
        forwarder.FromDevice(frame.AsSpan(), at 0, outbox)

    send ()
    Assert.Equal(1, outbox.Entries.Length)
    Assert.Equal(0L, CompressionTests.Allocations.ofOne send)
