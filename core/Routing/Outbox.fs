namespace TincPure.Routing

open System
open TincPure.Primitives

type EntryKind =
    /// A frame for the device.
    | Device = 0uy
    /// A UDP datagram.
    | Datagram = 1uy
    /// A frame that the sending half is to bring to a node.
    | Passed = 2uy

/// Something to be written: a piece of the outbox's arena, and where it goes.
[<Struct>]
type OutboxEntry =
    {
        Kind: EntryKind
        /// Where the bytes begin in the arena, and how many there are.
        Offset: int
        Length: int
        /// TOS or traffic class, 0 for the usual one.
        Priority: byte
        /// Datagrams: the listening socket to send from, and the address.
        Socket: int
        Target: Endpoint
        /// Datagrams: the node that it is handed to and the payload size to report as `PathTooSmall` if the path refuses it.
        /// Frames that are passed on: the node that they are for.
        Peer: int
        Payload: int
    }

/// What one batch of packets leads to. Everything is allocated once and used again after `Reset`. The host hands batches in
/// while `HasRoom`, then carries the entries out in order and `Reset`s. When there is no more room packets are lost and
/// counted, as on any full queue.
[<Sealed>]
type Outbox(arenaSize: int, maxEntries: int, maxPunts: int) =
    let arena = GC.AllocateUninitializedArray<byte>(arenaSize, pinned = true)
    let entries = Array.zeroCreate<OutboxEntry> maxEntries
    let punts = ResizeArray<Punt>(64)
    let passed = ResizeArray<PacketCommand>()
    let mutable used = 0
    let mutable count = 0
    let mutable dropped = 0L

    /// Room for a few hundred packets, or for the many small segments that one super-packet may consist of.
    new() = Outbox(1 <<< 20, 3072, 1024)

    /// Pinned, so that native calls can use addresses within it.
    member _.Arena: byte[] = arena
    member _.Entries: ReadOnlySpan<OutboxEntry> = ReadOnlySpan(entries, 0, count)
    member _.Punts: ResizeArray<Punt> = punts

    /// What the other half of the packet plane has to be told, before it gets the frames that are passed to it.
    member _.Commands: ResizeArray<PacketCommand> = passed

    /// Packets and punts that found no room since the outbox was made.
    member _.Dropped: int64 = dropped

    /// Half is free: whatever one more packet leads to will most likely fit.
    member _.HasRoom: bool = used <= arenaSize / 2 && count <= maxEntries / 2 && punts.Count <= maxPunts / 2

    member _.IsEmpty: bool = count = 0 && punts.Count = 0 && passed.Count = 0

    /// The next `size` bytes of the arena, for an entry about to be added; empty and counted as dropped if there is no room.
    member _.Reserve(size: int) : Span<byte> =
        if count < maxEntries && size <= arenaSize - used then
            Span(arena, used, size)
        else
            dropped <- dropped + 1L
            Span.Empty

    /// The first `length` bytes of what was reserved last are a frame for the device.
    member _.AddFrame(length: int, priority: byte) : unit =
        entries[count] <-
            { Kind = EntryKind.Device
              Offset = used
              Length = length
              Priority = priority
              Socket = 0
              Target = Unchecked.defaultof<Endpoint>
              Peer = -1
              Payload = 0 }

        used <- used + length
        count <- count + 1

    /// The first `length` bytes of what was reserved last are a frame for a node that the sending half brings it to.
    member _.AddPassed(length: int, priority: byte, node: int) : unit =
        entries[count] <-
            { Kind = EntryKind.Passed
              Offset = used
              Length = length
              Priority = priority
              Socket = 0
              Target = Unchecked.defaultof<Endpoint>
              Peer = node
              Payload = 0 }

        used <- used + length
        count <- count + 1

    /// The first `length` bytes of what was reserved last are a datagram.
    member _.AddDatagram(length: int, priority: byte, socket: int, target: Endpoint, peer: int, payload: int) : unit =
        entries[count] <-
            { Kind = EntryKind.Datagram
              Offset = used
              Length = length
              Priority = priority
              Socket = socket
              Target = target
              Peer = peer
              Payload = payload }

        used <- used + length
        count <- count + 1

    /// Tells the other half something.
    member _.Tell(command: PacketCommand) : unit = passed.Add command

    /// Room for one more punt that packets cause.
    member _.HasRoomForPunt: bool = punts.Count < maxPunts

    /// What the control plane asked for: always kept.
    member _.Answer(punt: Punt) : unit = punts.Add punt

    /// What a packet caused: lost and counted when there are too many.
    member _.Punt(punt: Punt) : unit = if punts.Count < maxPunts then punts.Add punt else dropped <- dropped + 1L

    member _.Reset() : unit =
        used <- 0
        count <- 0
        punts.Clear()
        passed.Clear()
