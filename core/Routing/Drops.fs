namespace TincPure.Routing

/// Why something that came in was let go: input that makes no sense, or is not ours to open.
type DropCause =
    /// A packet of the device whose offload does not fit it: super-packets and unfinished checksums.
    | BadOffload = 0
    /// A frame of the device, or a piece of its super-packet, that is longer than any frame.
    | LongFrame = 1
    /// A datagram without bytes.
    | Empty = 2
    /// One that is too short to be sealed.
    | Short = 3
    /// One that is longer than any that a node sends, or that the kernel cut off.
    | Long = 4
    /// Datagrams that came glued together in pieces of a size that cannot be.
    | BadGluing = 5
    /// A datagram that no node could be found for.
    | Stranger = 6
    /// One of a known node that no key opens.
    | BadTag = 7
    /// Late, received before, or of the far future.
    | Replayed = 8
    /// Authentic, but what was in it makes no sense.
    | Senseless = 9
    /// There was no room for what would have come of it.
    | NoRoom = 10

module DropCause =

    let count = 11

    /// A word of the control protocol, which people read with spaces in place of underscores. `18 103` lists them in order.
    let name (cause: DropCause) : string =
        match cause with
        | DropCause.BadOffload -> "bad_offload"
        | DropCause.LongFrame -> "long_frame"
        | DropCause.Empty -> "empty"
        | DropCause.Short -> "too_short"
        | DropCause.Long -> "too_long"
        | DropCause.BadGluing -> "bad_gluing"
        | DropCause.Stranger -> "strangers"
        | DropCause.BadTag -> "wrong_tag"
        | DropCause.Replayed -> "replayed_or_late"
        | DropCause.Senseless -> "senseless"
        | _ -> "no_room"

    /// What was dropped, for people.
    let text (cause: DropCause) : string =
        match cause with
        | DropCause.BadOffload -> "packets with impossible offloads"
        | DropCause.LongFrame -> "frames too long"
        | DropCause.Empty -> "empty datagrams"
        | DropCause.Short -> "datagrams too short"
        | DropCause.Long -> "datagrams too long"
        | DropCause.BadGluing -> "datagrams glued impossibly"
        | DropCause.Stranger -> "datagrams of strangers"
        | DropCause.BadTag -> "datagrams not authentic"
        | DropCause.Replayed -> "datagrams replayed or late"
        | DropCause.Senseless -> "packets without sense"
        | _ -> "packets without room"

/// How often each happened since the daemon started. Owned by the thread of the packet plane.
[<Sealed>]
type internal Drops() =
    let counts = Array.zeroCreate<int64> DropCause.count

    member _.Add(cause: DropCause) : unit = counts[int cause] <- counts[int cause] + 1L

    /// By cause, with the packets that found no room besides.
    member _.Counts(noRoom: int64) : int64[] =
        let copy = Array.copy counts
        copy[int DropCause.NoRoom] <- noRoom
        copy
