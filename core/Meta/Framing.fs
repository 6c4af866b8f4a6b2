namespace TincPure.Meta

open System
open TincPure.Primitives

/// Bytes that came in and were not used yet. What is left over when more comes is part of a line or a block, so at most
/// `Protocol.maxBufferSize` bytes are ever copied to join them.
[<Struct>]
type ByteQueue =
    private
        { Bytes: byte[]
          Start: int }

    member this.Count = this.Bytes.Length - this.Start

module ByteQueue =

    let empty: ByteQueue = { Bytes = [||]; Start = 0 }

    /// Everything that is there.
    let peek (queue: ByteQueue) : ReadOnlyMemory<byte> = ReadOnlyMemory(queue.Bytes, queue.Start, queue.Count)

    /// The queue with `bytes` behind it. They must not be changed afterwards.
    let append (bytes: byte[]) (queue: ByteQueue) : ByteQueue =
        if queue.Count = 0 then
            { Bytes = bytes; Start = 0 }
        else
            let joined = Array.zeroCreate (queue.Count + bytes.Length)
            (peek queue).Span.CopyTo(Span joined)
            bytes.CopyTo(joined, queue.Count)
            { Bytes = joined; Start = 0 }

    /// Without the first `count` bytes (or as many as there are).
    let advance (count: int) (queue: ByteQueue) : ByteQueue =
        { queue with Start = queue.Start + max 0 (min count queue.Count) }

    /// The first line, LF excluded, if its LF is among the first `limit` bytes.
    let tryTakeLine (limit: int) (queue: ByteQueue) : struct (string * ByteQueue) voption =
        let bytes = (peek queue).Span.Slice(0, min limit queue.Count)

        match bytes.IndexOf '\n'B with
        | -1 -> ValueNone
        | length -> ValueSome(struct (Line.ofBytes (bytes.Slice(0, length)), advance (length + 1) queue))

    /// The first `length` bytes, if they are all there.
    let tryTakeBlock (length: int) (queue: ByteQueue) : struct (byte[] * ByteQueue) voption =
        if length < 0 || queue.Count < length then
            ValueNone
        else
            ValueSome(struct ((peek queue).Span.Slice(0, length).ToArray(), advance length queue))

/// How requests travel on the stream (spec 02 §3.1).
type StreamMode =
    /// Lines as they are. Also what a legacy cipher yields when bytes pass through it before they come here.
    | Plain
    /// SPTPS records, each with one request, and raw blocks between them.
    | Sptps

/// What must come next.
type private Expected =
    | Request
    /// The block of PACKET: in the stream, or in a record of its own.
    | PacketOf of length: int
    /// The block of SPTPS_PACKET: always in the stream.
    | SptpsPacketOf of length: int

/// What a stream or a record turned out to hold.
type Framed =
    | Line of string
    /// The frame that a PACKET line announced.
    | PacketBlock of byte[]
    /// The block that a SPTPS_PACKET line announced.
    | SptpsPacketBlock of byte[]
    /// SPTPS mode: bytes for the session. Give them to it, then say with `consumed` how many it took.
    | ForSession of ReadOnlyMemory<byte>
    /// Nothing more until more is received.
    | Starved
    /// 2176 bytes and no end of line or block in sight: close.
    | BufferFull
    /// A record that had to be a frame has another length than announced: close.
    | WrongPacketLength

/// Takes apart what comes in on one meta connection. After each line that announces a block the owner says so (`expectPacket`,
/// `expectSptpsPacket`) before it asks for the next piece.
type Framing = private { Queue: ByteQueue; Mode: StreamMode; Expected: Expected }

module Framing =

    /// A new connection: plain lines.
    let start: Framing = { Queue = ByteQueue.empty; Mode = Plain; Expected = Request }

    /// More bytes from the socket; they must not be changed afterwards.
    let receive (bytes: byte[]) (framing: Framing) : Framing =
        { framing with Queue = ByteQueue.append bytes framing.Queue }

    /// Bytes that have come but were not used yet.
    let unread (framing: Framing) : int = framing.Queue.Count

    /// The bytes that have come but were not used yet.
    let peek (framing: Framing) : ReadOnlyMemory<byte> = ByteQueue.peek framing.Queue

    /// From the next byte on the stream is SPTPS.
    let startSptps (framing: Framing) : Framing = { framing with Mode = Sptps }

    /// Passes what has come but was not used yet through `change`: how a legacy cipher takes over behind METAKEY.
    let mapRest (change: byte[] -> byte[]) (framing: Framing) : Framing =
        { framing with
            Queue = ByteQueue.append (change ((ByteQueue.peek framing.Queue).ToArray())) ByteQueue.empty }

    /// The line `17 LENGTH` came. 0 announces nothing (spec 02 §3.3).
    let expectPacket (length: int) (framing: Framing) : Framing =
        if length <= 0 then framing else { framing with Expected = PacketOf length }

    /// The line `21 LENGTH` came. 0 announces nothing.
    let expectSptpsPacket (length: int) (framing: Framing) : Framing =
        if length <= 0 then
            framing
        else
            { framing with Expected = SptpsPacketOf length }

    let private full (framing: Framing) : Framed =
        if framing.Queue.Count >= Protocol.maxBufferSize then BufferFull else Starved

    let private block length (wrap: byte[] -> Framed) (framing: Framing) : struct (Framed * Framing) =
        match ByteQueue.tryTakeBlock length framing.Queue with
        // A longer one would never fit into a stock daemon's buffer.
        | ValueSome(struct (block, rest)) when length <= Protocol.maxBufferSize ->
            struct (wrap block, { framing with Queue = rest; Expected = Request })
        | _ -> struct (full framing, framing)

    /// The next piece of the stream.
    let next (framing: Framing) : struct (Framed * Framing) =
        match struct (framing.Expected, framing.Mode) with
        | struct (SptpsPacketOf length, _) -> block length SptpsPacketBlock framing
        | struct (PacketOf length, Plain) -> block length PacketBlock framing
        | struct (Request, Plain) ->
            match ByteQueue.tryTakeLine Protocol.maxBufferSize framing.Queue with
            | ValueSome(struct (line, rest)) -> struct (Line line, { framing with Queue = rest })
            | ValueNone -> struct (full framing, framing)
        | struct ((Request | PacketOf _), Sptps) ->
            if framing.Queue.Count = 0 then
                struct (Starved, framing)
            else
                struct (ForSession(ByteQueue.peek framing.Queue), framing)

    /// The session took the first `count` bytes of `ForSession`.
    let consumed (count: int) (framing: Framing) : Framing =
        { framing with Queue = ByteQueue.advance count framing.Queue }

    /// What an application record of the session holds: the expected frame, or one request.
    let record (payload: byte[]) (framing: Framing) : struct (Framed * Framing) =
        match framing.Expected with
        | PacketOf length ->
            if payload.Length = length then
                struct (PacketBlock payload, { framing with Expected = Request })
            else
                struct (WrongPacketLength, framing)
        | Request
        | SptpsPacketOf _ -> struct (Line(Line.ofBytes (ReadOnlySpan payload)), framing)

    /// What a stock daemon logs at `BufferFull`; `peer` is `NAME (HOSTNAME)` (spec 02 §3.2).
    let fullLog (peer: string) : LogLine =
        { Level = DebugLevel.always
          Priority = Priority.Error
          Text = "Input buffer full for " + peer }

    /// What it logs when `Line.toBytes` refuses a line.
    let overflowLog (peer: string) : LogLine =
        { Level = DebugLevel.always
          Priority = Priority.Error
          Text = "Output buffer overflow while sending request to " + peer }
