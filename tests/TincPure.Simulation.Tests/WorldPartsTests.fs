module TincPure.Simulation.Tests.WorldPartsTests

open TincPure.Primitives
open TincPure.Node
open TincPure.Simulation
open Xunit

[<Fact>]
let ``what is planned happens in order of time, then of planning`` () =
    let clock = Clock(Instant 1000L)
    let seen = ResizeArray<string>()
    clock.After(20L, (fun () -> seen.Add "late"))
    clock.After(10L, (fun () -> seen.Add "first"))
    clock.After(10L, (fun () -> seen.Add "second"))
    clock.After(30L, (fun () -> seen.Add "too late"))
    clock.RunUntil(Instant 1020L)
    Assert.Equal<string seq>([ "first"; "second"; "late" ], seen)
    Assert.Equal(Instant 1020L, clock.Now)

[<Theory>]
[<InlineData(0.0)>]
[<InlineData(0.3)>]
let ``a stream delivers every byte in order, whatever the network loses`` (loss: float) =
    let clock = Clock(Instant 1_000_000L)
    let underlay = Underlay()

    underlay.Everywhere <- { Conditions.usual with Loss = loss }

    let streams = Streams(clock, underlay, Dice 1UL)
    let received = ResizeArray<byte>()
    let mutable ended = false

    let near = StreamEnd(0, Outgoing 0, ignore)

    let far =
        StreamEnd(
            1,
            Incoming 0,
            fun input ->
                match input with
                | Received(_, bytes) -> received.AddRange bytes
                | Lost _ -> ended <- true
                | _ -> ()
        )

    streams.Join(near, far)
    let sent = [| for i in 0..199_999 -> byte (i * 7) |]

    for part in Array.chunkBySize 1777 sent do
        streams.Write(near, part)

    // The network is cut for a while in the middle of it.
    clock.After(5L * Instant.millisecond, (fun () -> underlay.Partition [ [ 0 ]; [ 1 ] ]))
    clock.After(5L * Instant.second, (fun () -> underlay.Heal()))
    clock.RunUntil(Instant.addSeconds 4 (Instant 1_000_000L))
    let soFar = received.Count
    streams.Close near
    clock.RunUntil(Instant.addSeconds 600 (Instant 1_000_000L))
    Assert.True(soFar < sent.Length)
    Assert.Equal<byte seq>(sent, received)
    Assert.True ended

[<Fact>]
let ``a NAT lets in only those whom its machine has spoken to`` () =
    let outside = Ip.v4 0xc6336401u
    let nat = Nat outside
    let friend = Endpoint.create (Ip.v4 0xc0000201u) 655us
    let stranger = Endpoint.create (Ip.v4 0xc0000202u) 655us
    let seen = nat.Leave(7, 655us, friend)
    Assert.Equal(outside, seen.Ip)
    Assert.Equal(ValueSome(struct (7, 655us)), nat.Enter(seen.Port, friend))
    Assert.Equal(ValueNone, nat.Enter(seen.Port, stranger))
    Assert.Equal(seen, nat.Leave(7, 655us, stranger))
    Assert.Equal(ValueSome(struct (7, 655us)), nat.Enter(seen.Port, stranger))

[<Fact>]
let ``a packet that was made can be read`` () =
    let source = Ip.v4 0x0a000001u
    let frame = Frames.ipv4 source (Ip.v4 0x0a000101u) 123456789L 100
    Assert.Equal(100, frame.Length)
    Assert.Equal(ValueSome(struct (source, 123456789L)), Frames.tryRead (System.ReadOnlySpan frame))
