/// IPv4 fragmentation of frames that are too large for a path and may be taken apart (spec 04 §9).
module TincPure.Packet.Fragment

open System
open System.Buffers.Binary

type Check =
    | Possible = 0
    /// The header has options; such packets are dropped.
    | HasOptions = 1
    /// The frame is not as long as its IP header says.
    | LengthMismatch = 2

/// Whether a frame with an IPv4 header at `offset` can be fragmented.
let check (frame: Span<byte>) (offset: int) : Check =
    let packet = frame.Slice offset

    if packet[0] &&& 0x0fuy <> 5uy then Check.HasOptions
    elif offset + IpV4.totalLength packet <> frame.Length then Check.LengthMismatch
    else Check.Possible

/// IP payload bytes in each piece but the last, so that no piece's frame is longer than `limit`.
let pieceSize (limit: int) (offset: int) : int = (limit - offset - IpV4.headerSize) &&& ~~~7

/// Writes the frame of the piece that carries the IP payload from byte `start` on, `size` bytes or what is left, to `target`.
/// Gives the length of that frame. `start` is a multiple of 8.
let write (frame: Span<byte>) (offset: int) (start: int) (size: int) (target: Span<byte>) : int =
    let headers = offset + IpV4.headerSize
    let left = frame.Length - headers - start
    let piece = min size left
    let flags = IpV4.flags (frame.Slice offset)
    let more = if left > size then IpV4.moreFragments else 0
    let position = ((flags &&& IpV4.offsetMask) + start / 8) &&& IpV4.offsetMask
    let packet = target.Slice offset

    frame.Slice(0, headers).CopyTo target
    frame.Slice(headers + start, piece).CopyTo(target.Slice headers)
    BinaryPrimitives.WriteUInt16BigEndian(packet.Slice IpV4.lengthOffset, uint16 (IpV4.headerSize + piece))

    BinaryPrimitives.WriteUInt16BigEndian(
        packet.Slice IpV4.flagsOffset,
        uint16 ((flags &&& ~~~IpV4.offsetMask) ||| more ||| position)
    )

    IpV4.writeChecksum packet
    headers + piece
