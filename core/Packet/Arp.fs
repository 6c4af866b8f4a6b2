/// ARP, answered for the addresses of other nodes when a device carries Ethernet frames while we route (spec 04 §12).
module TincPure.Packet.Arp

open System
open System.Buffers.Binary

[<Literal>]
let frameSize = 42

[<Literal>]
let private operationOffset = 20

[<Literal>]
let private senderOffset = 22

[<Literal>]
let private targetOffset = 32

/// Hardware type Ethernet, protocol IPv4, their address lengths, operation request.
let private requestHeader = 0x0001080006040001UL

/// Whether a frame of at least `frameSize` bytes asks for an IPv4 address.
let isRequest (frame: Span<byte>) : bool =
    BinaryPrimitives.ReadUInt64BigEndian(frame.Slice Ethernet.headerSize) = requestHeader

/// The IPv4 address asked for.
let target (frame: Span<byte>) : uint32 = BinaryPrimitives.ReadUInt32BigEndian(frame.Slice(targetOffset + 6))

/// Turns a request into its reply: whoever is asked for has the asker's own Ethernet address, mangled.
let answer (frame: Span<byte>) : unit =
    let asked = target frame
    let asker = Ethernet.readAddress (frame.Slice 6)
    BinaryPrimitives.WriteUInt16BigEndian(frame.Slice operationOffset, 2us)
    frame.Slice(senderOffset, 10).CopyTo(frame.Slice targetOffset)
    Ethernet.writeAddress (Ethernet.mangle asker) (frame.Slice senderOffset)
    BinaryPrimitives.WriteUInt32BigEndian(frame.Slice(senderOffset + 6), asked)
