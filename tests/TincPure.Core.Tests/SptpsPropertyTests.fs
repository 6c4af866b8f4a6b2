module TincPure.Core.Tests.SptpsPropertyTests

open System
open System.Collections.Generic
open TincPure.Primitives
open TincPure.Sptps
open TincPure.Core.Tests.SptpsParty
open Xunit

let private label = "a label"B

/// Two streams that send to each other through queues of bytes, cut into portions of any size.
type private StreamPair(random: Random) =
    let struct (a, b) = randomParameters random label
    let sessions = [| a; b |] |> Array.map (Stream.start (randomBytes random 64))
    let state = sessions |> Array.map (fun struct (_, session) -> session)
    let wire = [| List<byte>(); List<byte>() |]
    let received = [| List<byte * byte[]>(); List<byte * byte[]>() |]
    let mutable completed = 0

    do
        sessions
        |> Array.iteri (fun side struct (records, _) -> records |> List.iter (fun record -> wire[side].AddRange record))

    member _.Received(side: int) = List.ofSeq received[side]
    member _.Completed = completed

    member _.Send(side: int, recordType: byte, data: byte[]) =
        match Stream.send recordType (ReadOnlySpan data) state[side] with
        | Ok struct (record, next) ->
            state[side] <- next
            wire[side].AddRange record
            true
        | Error _ -> false

    member _.Rekey(side: int) =
        match Stream.forceRekey (randomBytes random 64) state[side] with
        | Ok struct (records, next) ->
            state[side] <- next
            records |> List.iter (fun record -> wire[side].AddRange record)
            true
        | Error _ -> false

    /// Moves up to `count` of the bytes that `side` has sent.
    member _.Move(side: int, count: int) =
        let count = min count wire[side].Count
        let other = 1 - side
        let mutable portion = wire[side].GetRange(0, count).ToArray()
        wire[side].RemoveRange(0, count)

        while portion.Length > 0 do
            match Stream.receive (randomBytes random 64) (ReadOnlySpan portion) state[other] with
            | Error error -> failwith (Error.text error)
            | Ok step ->
                state[other] <- step.Session
                step.Outgoing |> List.iter (fun record -> wire[other].AddRange record)
                portion <- Array.skip step.Consumed portion

                match step.Event with
                | ValueSome(Stream.Record(recordType, data)) -> received[other].Add((recordType, data))
                | ValueSome Stream.HandshakeComplete -> completed <- completed + 1
                | ValueNone -> ()

    member this.Settle() =
        while wire[0].Count + wire[1].Count > 0 do
            this.Move(0, Int32.MaxValue)
            this.Move(1, Int32.MaxValue)

[<Fact>]
let ``a stream delivers what was sent, in order, cut anywhere and through rekeys of either or both sides`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (FsCheck.NonNegativeInt actions) ->
        let random = Random seed
        let pair = StreamPair random
        let sent = [| List<byte * byte[]>(); List<byte * byte[]>() |]
        let mutable rekeys = 0

        for _ in 1 .. actions * 3 do
            let side = random.Next 2

            match random.Next 12 with
            | 0 ->
                if pair.Rekey side then
                    rekeys <- rekeys + 1
            | n when n < 6 ->
                let record = byte (random.Next 128), randomBytes random (random.Next 600)

                if pair.Send(side, fst record, snd record) then
                    sent[side].Add record
            | _ -> pair.Move(side, random.Next 200)

        pair.Settle()

        pair.Received 1 = List.ofSeq sent[0]
        && pair.Received 0 = List.ofSeq sent[1]
        && pair.Completed >= 2
        && (rekeys = 0 || pair.Completed > 2))

[<Fact>]
let ``input in single bytes costs about as much as input in one piece`` () =
    let struct (a, b) = randomParameters (Random 3) label
    let random = Random 4
    let struct (_, session) = Stream.start (randomBytes random 64) a
    ignore b
    // The longest record there is, in the clear, and not one that is valid: what counts is how it is collected.
    let record = Array.append [| 0xffuy; 0xffuy |] (Array.create 65536 0x81uy)
    let before = GC.GetAllocatedBytesForCurrentThread()
    let mutable current = session
    let mutable failure = ValueNone

    for i in 0 .. record.Length - 1 do
        match Stream.receive [||] (ReadOnlySpan(record, i, 1)) current with
        | Ok received -> current <- received.Session
        | Error error -> failure <- ValueSome(i, error)

    let allocated = GC.GetAllocatedBytesForCurrentThread() - before
    Assert.Equal(ValueSome(record.Length - 1, InvalidRecordType 0x81uy), failure)
    // Quadratic would be two gigabytes.
    Assert.True(allocated < 50_000_000L, allocated.ToString())

[<Fact>]
let ``a stream has an answer for arbitrary bytes at any time`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (established: bool) (garbage: byte[]) ->
        let random = Random seed
        let struct (a, b) = randomParameters random label
        let struct (fromA, sessionA) = Stream.start (randomBytes random 64) a
        let struct (fromB, sessionB) = Stream.start (randomBytes random 64) b

        let feed (records: byte[] list) (session: Stream.Session) =
            records
            |> List.fold
                (fun struct (out, session) (record: byte[]) ->
                    match Stream.receive (randomBytes random 64) (ReadOnlySpan record) session with
                    | Ok step -> struct (out @ step.Outgoing, step.Session)
                    | Error error -> failwith (Error.text error))
                struct ([], session)

        let struct (_, sessionB) =
            if established then
                let struct (sigA, sessionA) = feed fromB sessionA
                let struct (sigB, sessionB) = feed (fromA @ sigA) sessionB
                let struct (none, _) = feed sigB sessionA
                struct (none, sessionB)
            else
                struct ([], sessionB)

        // Long enough lengths never complete, so shorten some.
        if garbage.Length > 1 && garbage[0] > 128uy then
            garbage[0] <- 0uy

        let rec all (input: byte[]) session =
            match Stream.receive (randomBytes random 64) (ReadOnlySpan input) session with
            | Error _ -> true
            | Ok step when step.Consumed = input.Length -> true
            | Ok step -> step.Consumed > 0 && all (Array.skip step.Consumed input) step.Session

        all garbage sessionB)

/// Two datagram parties with an established session each.
let private establish (random: Random) (window: int) =
    let struct (a, b) = randomParameters random label
    let bytes () = randomBytes random 64
    let struct (a, kexA) = startDatagrams (bytes ()) a
    let struct (b, kexB) = startDatagrams (bytes ()) b
    let a = { a with ReplayWindow = window }
    let b = { b with ReplayWindow = window }

    let feed (datagrams: (byte * byte[]) list) party =
        datagrams
        |> List.fold
            (fun struct (party, answers) (_, datagram) ->
                let struct (party, answer) = receiveDatagram (bytes ()) datagram party
                Assert.Equal("", answer.Log)
                struct (party, answers @ answer.Outgoing))
            struct (party, [])

    let struct (b, _) = feed kexA.Outgoing b
    let struct (a, sigA) = feed kexB.Outgoing a
    let struct (b, sigB) = feed sigA b
    let struct (a, _) = feed sigB a
    struct (a, b)

/// A datagram under way. `After` counts the handshake records, ACKs aside, that its sender had sent before it.
[<Struct>]
type private UnderWay = { Datagram: byte[]; After: int }

/// What the network does to the datagrams of one run.
type private Network =
    {
        Loss: float
        /// How many datagrams back in the queue the next one to arrive may be.
        Reach: int
        /// No datagram arrives before a KEX or SIG sent before it (it could not be opened: its key comes from them), and
        /// none of the key before the last is still under way when a rekey begins.
        Orderly: bool
        Window: int
    }

/// Datagrams by UDP are lost, doubled and reordered; handshake records go by TCP, in order, but overtake and are
/// overtaken by datagrams. Returns the numbers sent and received by each side, and what was logged.
let private exchange (random: Random) (actions: int) (network: Network) =
    let struct (a, b) = establish random network.Window
    let party = [| a; b |]
    let udp = [| List<UnderWay>(); List<UnderWay>() |]
    let tcp = [| Queue<byte[]>(); Queue<byte[]>() |]
    let keyRecordsSent = [| 0; 0 |]
    let keyRecordsArrived = [| 0; 0 |]
    let sent = [| HashSet<int>(); HashSet<int>() |]
    let got = [| List<int>(); List<int>() |]
    let logs = List<string>()
    let mutable number = 0
    let isAck (datagram: byte[]) = datagram.Length = Record.DatagramOverhead

    let react (side: int) struct (next: Datagrams, reaction: Reaction) =
        party[side] <- next

        for _, datagram in reaction.Outgoing do
            tcp[side].Enqueue datagram

            if not (isAck datagram) then
                keyRecordsSent[side] <- keyRecordsSent[side] + 1

        if reaction.Log <> "" then
            logs.Add reaction.Log

        match reaction.Application with
        | ValueSome(_, data) -> got[side].Add(BitConverter.ToInt32(data, 0))
        | ValueNone -> ()

    let moveTcp side =
        if tcp[side].Count > 0 then
            let datagram = tcp[side].Dequeue()

            if not (isAck datagram) then
                keyRecordsArrived[side] <- keyRecordsArrived[side] + 1

            react (1 - side) (receiveDatagram (randomBytes random 64) datagram party[1 - side])

    let moveUdp side =
        if udp[side].Count > 0 then
            let at = random.Next(min network.Reach udp[side].Count)
            let next = udp[side][at]

            if not network.Orderly || next.After <= keyRecordsArrived[side] then
                // A copy may stay behind.
                if random.Next 10 > 0 then
                    udp[side].RemoveAt at

                if random.NextDouble() >= network.Loss then
                    react (1 - side) (receiveDatagram (randomBytes random 64) next.Datagram party[1 - side])

    let settle () =
        while udp[0].Count + udp[1].Count + tcp[0].Count + tcp[1].Count > 0 do
            moveUdp 0
            moveUdp 1
            moveTcp 0
            moveTcp 1

    let rekey side =
        match forceDatagramRekey (randomBytes random 64) party[side] with
        | Ok result -> react side result
        | Error _ -> ()

    for _ in 1..actions do
        let side = random.Next 2

        match random.Next 40 with
        | 0 ->
            if network.Orderly then
                settle ()

            rekey side

            if random.Next 2 = 0 then
                rekey (1 - side)
        | n when n < 20 ->
            number <- number + 1
            let data = Array.append (BitConverter.GetBytes number) (randomBytes random (random.Next 50))

            match sendDatagram 0uy data party[side] with
            | Ok datagram ->
                sent[side].Add number |> ignore
                udp[side].Add { Datagram = datagram; After = keyRecordsSent[side] }
            | Error error -> failwith (Error.text error)
        | n when n < 34 -> moveUdp side
        | _ -> moveTcp side

    settle ()
    struct (sent, got, List.ofSeq logs)

[<Fact>]
let ``datagrams arrive at most once, and only what was sent, under loss, reordering, duplication and rekeys`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (FsCheck.NonNegativeInt size) ->
        let random = Random seed

        let struct (sent, got, _) =
            exchange
                random
                (size * 20)
                { Loss = random.NextDouble() * 0.5
                  Reach = 1000
                  Orderly = false
                  Window = 1 + random.Next 32 }

        [ 0; 1 ]
        |> List.forall (fun side ->
            let arrived = got[1 - side]

            Seq.forall sent[side].Contains arrived && Seq.length (Seq.distinct arrived) = arrived.Count))

[<Fact>]
let ``rekeys of either or both sides lose nothing that was reordered with their ACKs`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (FsCheck.NonNegativeInt size) ->
        let struct (sent, got, logs) =
            exchange
                (Random seed)
                (size * 20)
                { Loss = 0.0
                  Reach = 8
                  Orderly = true
                  // Handshake records count in the same sequence and wait in their own queue.
                  Window = 4096 }

        [ 0; 1 ] |> List.forall (fun side -> sent[side].SetEquals got[1 - side])
        // Those that were doubled.
        && logs |> List.forall (fun log -> log.StartsWith "Received late or replayed packet"))

[<Fact>]
let ``a session survives arbitrary datagrams`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (garbage: byte[]) (FsCheck.NonNegativeInt length) ->
        let random = Random seed
        let struct (a, b) = establish random 16

        let struct (b, _) = receiveDatagram (randomBytes random 64) garbage b
        let struct (b, _) = receiveDatagram (randomBytes random 64) (randomBytes random (length * 7)) b
        let struct (fresh, _) = startDatagrams (randomBytes random 64) b.Handshake.Parameters
        let struct (_, _) = receiveDatagram (randomBytes random 64) garbage fresh

        match sendDatagram 2uy [| 9uy |] a with
        | Ok datagram ->
            let struct (_, reaction) = receiveDatagram (randomBytes random 64) datagram b
            reaction.Application = ValueSome((2uy, [| 9uy |]))
        | Error _ -> false)

[<Fact>]
let ``a handshake has an answer for any body in any state`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: int) (FsCheck.NonNegativeInt steps) ->
        let random = Random seed
        let struct (a, b) = randomParameters random label
        let struct (stateA, outputsA) = Handshake.start (randomBytes random 64) a
        let struct (stateB, outputsB) = Handshake.start (randomBytes random 64) b
        let states = [| stateA; stateB |]
        let bodies = List<byte[]>()

        let keep outputs =
            for output in outputs do
                match output with
                | Handshake.Send body -> bodies.Add body
                | _ -> ()

        keep outputsA
        keep outputsB

        // Bodies said by anyone at any time, and garbage of the sizes that count.
        for _ in 1..steps do
            let side = random.Next 2

            let body =
                match random.Next 6 with
                | 0 -> randomBytes random (List.item (random.Next 4) [ 0; 64; 65; 7 ])
                | 1 -> [||]
                | _ -> bodies[random.Next bodies.Count]

            let struct (next, outputs) = Handshake.receive (randomBytes random 64) body states[side]
            states[side] <- next
            keep outputs

            if random.Next 8 = 0 then
                match Handshake.forceRekey (randomBytes random 64) states[side] with
                | Ok struct (next, outputs) ->
                    states[side] <- next
                    keep outputs
                | Error _ -> ()

        true)

[<Fact>]
let ``a session seals in place, allocates nothing, and stops before its numbers run out`` () =
    let random = Random 6
    let key = randomBytes random 64
    let session = Session(key, key, 16)
    let data = randomBytes random 1400
    let buffer = Array.zeroCreate<byte>(1400 + Record.DatagramOverhead)
    let mutable recordType = 0uy
    let mutable length = 0

    let once () =
        data.CopyTo(buffer, Record.DataOffset)
        let inPlace = ReadOnlySpan(buffer, Record.DataOffset, data.Length)
        let sealedLength = session.Seal(0uy, inPlace, Span buffer)
        let result = session.Open(Span(buffer, 0, sealedLength), &recordType, &length)
        result = OpenResult.Opened
        && ReadOnlySpan(buffer, Record.DataOffset, length).SequenceEqual(ReadOnlySpan data)

    Assert.True(once ())
    let before = GC.GetAllocatedBytesForCurrentThread()
    let mutable fine = true

    for _ in 1..100 do
        fine <- fine && once ()

    let allocated = GC.GetAllocatedBytesForCurrentThread() - before
    Assert.True fine
    Assert.Equal(0L, allocated)
    Assert.Equal(103L, session.NextSeqno)

[<Fact>]
let ``a previous receive key opens until its time has come`` () =
    let random = Random 7
    let oldKey = randomBytes random 64
    let newKey = randomBytes random 64
    let sender = Session(oldKey, oldKey, 16)
    let receiver = Session(oldKey, oldKey, 16)
    let first = sealWith sender 0uy [| 1uy |]
    let second = sealWith sender 0uy [| 2uy |]
    sender.UseSendKey newKey
    let third = sealWith sender 0uy [| 3uy |]
    let fourth = sealWith sender 0uy [| 4uy |]
    let now = Instant 1_000_000L

    Assert.Equal(NotOpened OpenResult.BadTag, openWith receiver third)
    receiver.OfferReceiveKey newKey
    Assert.Equal(Delivered(0uy, [| 3uy |]), openWith receiver third)
    Assert.Equal(Delivered(0uy, [| 1uy |]), openWith receiver first)
    receiver.ActivateReceiveKey now
    receiver.ExpirePreviousKey now
    Assert.True(receiver.TryCheck(ReadOnlySpan second))
    receiver.ExpirePreviousKey(Instant.add Session.PreviousKeyLifetime now)
    Assert.False(receiver.TryCheck(ReadOnlySpan second))
    Assert.Equal(NotOpened OpenResult.BadTag, openWith receiver second)
    Assert.Equal(Delivered(0uy, [| 4uy |]), openWith receiver fourth)
    Assert.Equal(NotOpened OpenResult.Replayed, openWith receiver third)
