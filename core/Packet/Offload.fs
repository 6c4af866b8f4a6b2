namespace TincPure.Packet

open System
open System.Runtime.InteropServices

/// What a super-packet is to be cut into: the numbers of `struct virtio_net_hdr`, without its ECN bit.
module Segments =

    [<Literal>]
    let none = 0uy

    [<Literal>]
    let tcpV4 = 1uy

    [<Literal>]
    let tcpV6 = 4uy

    [<Literal>]
    let udp = 5uy

/// What was left to whoever takes a frame from a device, or what is left to the device that is given one: cutting it and
/// computing its transport checksum (spec 07 §15.2). Places count from the start of what stands behind it.
[<Struct>]
type Offload =
    {
        /// One of `Segments`.
        Segments: byte
        /// The checksum field holds the sum of the pseudo header alone.
        NeedsChecksum: bool
        /// Bytes of all headers of a super-packet.
        HeaderLength: int
        /// Payload bytes per segment.
        SegmentSize: int
        /// Where summing starts, and where the checksum stands from there.
        ChecksumStart: int
        ChecksumOffset: int
    }

/// The form that Linux gives it in front of a packet; its integers are in the machine's own order.
module Offload =

    [<Literal>]
    let size = 10

    [<Literal>]
    let private needsChecksum = 1uy

    /// Set beside the kind when the first segment of a TCP super-packet carries CWR.
    [<Literal>]
    let private ecn = 0x80uy

    /// Nothing is left to do.
    let none: Offload =
        { Segments = Segments.none
          NeedsChecksum = false
          HeaderLength = 0
          SegmentSize = 0
          ChecksumStart = 0
          ChecksumOffset = 0 }

    /// The same for a frame with so many more bytes in front.
    let behind (bytes: int) (offload: Offload) : Offload =
        { offload with
            HeaderLength = offload.HeaderLength + bytes
            ChecksumStart = offload.ChecksumStart + bytes }

    let isNone (offload: Offload) : bool = offload.Segments = Segments.none && not offload.NeedsChecksum

    let private word (source: Span<byte>) (offset: int) =
        int (MemoryMarshal.Read<uint16>(Span.op_Implicit (source.Slice(offset, 2)): ReadOnlySpan<byte>))

    /// From at least ten bytes.
    let read (source: Span<byte>) : Offload =
        { Segments = source[1] &&& ~~~ecn
          NeedsChecksum = source[0] &&& needsChecksum <> 0uy
          HeaderLength = word source 2
          SegmentSize = word source 4
          ChecksumStart = word source 6
          ChecksumOffset = word source 8 }

    let private writeWord (target: Span<byte>) (offset: int) (value: int) =
        let value = uint16 value
        MemoryMarshal.Write(target.Slice(offset, 2), &value)

    let write (offload: Offload) (target: Span<byte>) : unit =
        target[0] <- if offload.NeedsChecksum then needsChecksum else 0uy
        target[1] <- offload.Segments
        writeWord target 2 offload.HeaderLength
        writeWord target 4 offload.SegmentSize
        writeWord target 6 offload.ChecksumStart
        writeWord target 8 offload.ChecksumOffset
