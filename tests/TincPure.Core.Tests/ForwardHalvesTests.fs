/// Two halves of the packet plane do together what a whole one does.
module TincPure.Core.Tests.ForwardHalvesTests

open System
open FsCheck
open FsCheck.FSharp
open TincPure.Config
open TincPure.Core.Tests.ForwardFixture
open TincPure.Primitives
open TincPure.Routing
open TincPure.Sptps
open Xunit

/// Both halves in one thread: what one leaves for the other is handed over at once.
type private Halves() =
    let sending, receiving = Forwarder Duty.Sending, Forwarder Duty.Receiving
    let other (half: Forwarder) = if obj.ReferenceEquals(half, sending) then receiving else sending

    let join one next =
        { Frames = one.Frames @ next.Frames
          Datagrams = one.Datagrams @ next.Datagrams
          Punts = one.Punts @ next.Punts }

    let rec run (half: Forwarder) (now: Instant) (act: Forwarder -> Outbox -> unit) : Outcome =
        let outbox = Outbox()
        let outcome = collect outbox (act half)
        let next = other half
        let commands = List.ofSeq outbox.Commands

        let passed =
            [ for entry in outbox.Entries.ToArray() do
                  if entry.Kind = EntryKind.Passed then
                      entry, Array.sub outbox.Arena entry.Offset entry.Length ]

        let bring (entry: OutboxEntry, frame: byte[]) (next: Forwarder) (outbox: Outbox) =
            next.Bring(entry.Peer, Span frame, entry.Priority, now, outbox)

        [ for command in commands do
              Assert.True(next.Takes command, string command)
              run next now (fun next outbox -> next.Apply(command, now, outbox))
          for frame in passed do
              run next now (bring frame) ]
        |> List.fold join outcome

    member _.Apply(now: Instant, command: PacketCommand) : Outcome =
        [ for half in [ receiving; sending ] do
              if half.Takes command then
                  run half now (fun half outbox -> half.Apply(command, now, outbox)) ]
        |> List.reduce join

    member _.FromDevice(now: Instant, frame: byte[]) : Outcome =
        run sending now (fun half outbox -> half.FromDevice(Span(Array.copy frame), now, outbox))

    member _.FromSocket(now: Instant, source: Endpoint, datagram: byte[]) : Outcome =
        run receiving now (fun half outbox -> half.FromSocket(0, source, Span(Array.copy datagram), now, outbox))

type private Move =
    | Device of byte[]
    | Noise of from: int * byte[]
    /// A record that the peer seals: its type, and what is in it.
    | Sealed of peer: int * from: int * recordType: byte * byte[]
    | Told of PacketCommand

let private moves: Gen<Move> =
    let frames, datagrams = ForwardPropertyTests.frames, ForwardPropertyTests.datagrams
    let key = Gen.choose (0, 250) |> Gen.map ForwardPropertyTests.key
    let peers = Gen.choose (1, 4)

    let records =
        gen {
            let! peer = Gen.choose (1, 3)
            let! from = Gen.frequency [ 4, Gen.constant peer; 1, Gen.choose (1, 5) ]
            let! recordType = Gen.elements [ 0uy; 1uy; 2uy; 3uy; 4uy; 128uy; 200uy ]
            let! payload = frames
            // Routers seal packets without the header.
            let! cut = Gen.elements [ 0; 14 ]
            return Sealed(peer, from, recordType, Array.skip (min cut payload.Length) payload)
        }

    let commands =
        Gen.oneof
            [ Gen.map2 (fun peer frame -> RouteFrame(peer, frame)) (Gen.choose (0, 4)) frames
              Gen.map2 (fun peer bytes -> OpenDatagram(peer, RawTcp, bytes)) peers datagrams
              Gen.map3
                  (fun source target bytes -> RelayDatagram(source, target, bytes))
                  (Gen.choose (0, 4))
                  (Gen.choose (0, 4))
                  datagrams
              Gen.map2 (fun peer bytes -> SendProbe(peer, endpoint peer, 0, bytes)) peers frames
              Gen.map2 (fun peer key -> UseSendKey(peer, key)) peers key
              Gen.map2 (fun peer key -> OfferReceiveKey(peer, key)) peers key
              Gen.map ActivateReceiveKey peers
              Gen.map2 (fun peer body -> SealHandshake(peer, body)) peers frames
              Gen.map RetireSession peers
              Gen.map DropSession peers
              Gen.map
                  (fun peer ->
                      StartSession(peer, ForwardPropertyTests.key peer, ForwardPropertyTests.key (peer + 10), 16))
                  peers
              Gen.map ReportTraffic (Gen.choose (0, 9))
              Gen.map CaptureFrames (Gen.choose (-1, 60))
              Gen.map (uint64 >> UseHostAddress) (Gen.choose (0, Int32.MaxValue)) ]

    Gen.frequency
        [ 4, Gen.map Device frames
          1, Gen.map2 (fun from bytes -> Noise(from, bytes)) (Gen.choose (1, 6)) datagrams
          6, records
          3, Gen.map Told commands ]

/// What must be the same: frames and datagrams in their order, and what the control plane and the log are told in any.
let private essence (outcome: Outcome) : string =
    let punt (punt: Punt) =
        match punt with
        // By whichever half sends first; the longest payload reaches it a moment later.
        | Transmitted _ -> ""
        | Captured frame -> "captured " + Convert.ToHexString frame
        | punt -> string punt

    let lines =
        [ for frame in outcome.Frames do
              "frame " + Convert.ToHexString frame
          for entry, bytes in outcome.Datagrams do
              "datagram " + string (entry.Priority, entry.Peer) + " " + Convert.ToHexString bytes
          yield! outcome.Punts |> List.map punt |> List.filter (fun text -> text <> "") |> List.sort ]

    String.Join('\n', lines)

/// Frames and datagrams are changed where they are.
let private copied (command: PacketCommand) : PacketCommand =
    match command with
    | RouteFrame(peer, frame) -> RouteFrame(peer, Array.copy frame)
    | OpenDatagram(peer, carrier, datagram) -> OpenDatagram(peer, carrier, Array.copy datagram)
    | RelayDatagram(source, target, datagram) -> RelayDatagram(source, target, Array.copy datagram)
    | SendProbe(peer, target, socket, payload) -> SendProbe(peer, target, socket, Array.copy payload)
    | command -> command

let private agree (mode: Mode) (level: int) (script: Move list) : bool =
    let whole, box, halves = Forwarder(), Outbox(), Halves()
    let remotes =
        [| for peer in 0..4 -> Session(ForwardPropertyTests.key (peer + 10), ForwardPropertyTests.key peer, 16) |]

    let both now move =
        match move with
        | Told command -> apply whole box now (copied command), halves.Apply(now, command)
        | Device frame -> fromDevice whole box now frame, halves.FromDevice(now, frame)
        | Noise(from, bytes) ->
            fromSocket whole box now 0 (endpoint from) bytes, halves.FromSocket(now, endpoint from, bytes)
        | Sealed(peer, from, recordType, payload) ->
            let datagram = Array.zeroCreate<byte>(12 + payload.Length + Record.DatagramOverhead)
            remotes[peer].Seal(recordType, ReadOnlySpan payload, datagram.AsSpan 12) |> ignore
            NodeId.write (NodeId.ofName (name ForwardPropertyTests.names[peer])) (datagram.AsSpan(6, 6))
            let datagram = if peer = 2 then Array.skip 12 datagram else datagram
            fromSocket whole box now 0 (endpoint from) datagram, halves.FromSocket(now, endpoint from, datagram)

    let beginning =
        Told(Publish(ForwardPropertyTests.table mode level))
        :: [ for peer in 1..3 ->
                 Told(StartSession(peer, ForwardPropertyTests.key peer, ForwardPropertyTests.key (peer + 10), 16)) ]

    // Two seconds lie between any two moves, so that no ration is shared by them.
    beginning @ script
    |> List.indexed
    |> List.forall (fun (i, move) ->
        let one, other = both (at (2000 * i)) move
        // A property that throws is shrunk, too, and says what was different.
        Assert.Equal(essence one, essence other)
        true)

[<Fact>]
let ``Two halves bring the same frames, datagrams and news as a whole packet plane`` () =
    for mode in [ Mode.Router; Mode.Switch; Mode.Hub ] do
        for level in [ 0; 5 ] do
            Prop.forAll (Arb.fromGen (Gen.listOf moves)) (agree mode level) |> Check.QuickThrowOnFailure

[<Fact>]
let ``Every command is for a half, and a whole packet plane takes all`` () =
    let key = Array.zeroCreate<byte> 64

    let some =
        [ StartSession(1, key, key, 16)
          UseSendKey(1, key)
          OfferReceiveKey(1, key)
          SealHandshake(1, key)
          OpenDatagram(1, RawTcp, key)
          RouteFrame(1, key)
          ReportTraffic 1
          NoteReceived(1, 2) ]

    let takers command = [ Duty.Sending; Duty.Receiving ] |> List.filter (fun duty -> Duty.takes duty command)

    Assert.All(some, fun command -> Assert.True(Duty.takes Duty.Whole command))

    Assert.Equal<Duty list list>(
        [ [ Duty.Sending; Duty.Receiving ]
          [ Duty.Sending ]
          [ Duty.Receiving ]
          [ Duty.Sending ]
          [ Duty.Receiving ]
          [ Duty.Sending ]
          [ Duty.Receiving ]
          [ Duty.Sending ] ],
        List.map takers some
    )

[<Fact>]
let ``What either half has dropped is counted together`` () =
    let halves = Halves()
    halves.Apply(at 0, Publish(ForwardPropertyTests.table Mode.Router 0)) |> ignore
    halves.FromDevice(at 1, Array.zeroCreate 3000) |> ignore
    halves.FromSocket(at 1, endpoint 1, Array.zeroCreate 0) |> ignore
    halves.FromSocket(at 1, endpoint 77, Array.zeroCreate 500) |> ignore

    match (halves.Apply(at 2, ReportTraffic 5)).Punts with
    | [ Traffic(5, _, drops) ] ->
        let seen =
            [ for cause in [ DropCause.LongFrame; DropCause.Empty; DropCause.Stranger ] -> drops[int cause] ]
        Assert.Equal<int64 list>([ 1L; 1L; 1L ], seen)
        Assert.Equal(3L, Array.sum drops)
    | punts -> failwith (string punts)

[<Fact>]
let ``The longest payload that came of late is known to the half that tells of it`` () =
    let halves = Halves()
    let fib = ForwardPropertyTests.table Mode.Router 0
    let due =
        { fib with
            Peers = Vector.ofSeq [ for peer in Vector.toArray fib.Peers -> { peer with MaintenanceDue = at 0 } ] }
    halves.Apply(at 0, Publish due) |> ignore
    halves.Apply(at 0, StartSession(1, ForwardPropertyTests.key 1, ForwardPropertyTests.key 11, 16))
    |> ignore
    let remote = Session(ForwardPropertyTests.key 11, ForwardPropertyTests.key 1, 16)

    for size in [ 300; 900; 500 ] do
        let datagram = Array.zeroCreate<byte>(12 + size + Record.DatagramOverhead)
        let payload = Array.zeroCreate<byte> size
        payload[0] <- 0x45uy
        remote.Seal(0uy, ReadOnlySpan payload, datagram.AsSpan 12) |> ignore
        NodeId.write (NodeId.ofName (name "near")) (datagram.AsSpan(6, 6))
        halves.FromSocket(at 1, endpoint 1, datagram) |> ignore

    let outcome = halves.FromDevice(at 2, ForwardSessionTests.frame 0 1 (Array.zeroCreate 100))
    Assert.Contains(Transmitted(1, 900), outcome.Punts)
