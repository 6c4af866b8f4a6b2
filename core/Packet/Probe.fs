/// Probe packets: they find out whether, and how large, datagrams get through (spec 03 §6).
module TincPure.Packet.Probe

open System
open System.Buffers.Binary
open TincPure.Primitives

/// Shortest probe that is sent.
[<Literal>]
let minimumSize = 18

/// Length of a type 2 reply.
[<Literal>]
let shortReplySize = 18

/// What every probe begins with; shorter ones are ignored.
[<Literal>]
let private headerSize = 14

type Kind =
    | Malformed = 0
    | Request = 1
    /// Confirms the length that it has itself.
    | FullReply = 2
    /// Names the length that it confirms.
    | ShortReply = 3

let kind (payload: ReadOnlySpan<byte>) : Kind =
    if payload.Length < headerSize then
        Kind.Malformed
    else
        match payload[0] with
        | 0uy -> Kind.Request
        | 2uy -> Kind.ShortReply
        | _ -> Kind.FullReply

/// The length that a reply confirms.
let confirmed (payload: ReadOnlySpan<byte>) : int =
    if kind payload = Kind.ShortReply then
        int (BinaryPrimitives.ReadUInt16BigEndian(payload.Slice 1))
    else
        payload.Length

/// A request of the length of `random` (at least `minimumSize`), filled from it.
let request (random: ReadOnlySpan<byte>) : byte[] =
    let payload = random.ToArray()
    Array.Clear(payload, 0, min headerSize payload.Length)
    payload

let private shortReply (length: int) (tail: ReadOnlySpan<byte>) : byte[] =
    let payload = Array.zeroCreate<byte> shortReplySize
    tail.CopyTo(payload.AsSpan(shortReplySize - tail.Length))
    payload[0] <- 2uy
    BinaryPrimitives.WriteUInt16BigEndian(payload.AsSpan 1, uint16 (min length 0xffff))
    payload

/// The answer to a request, for a peer of this protocol minor version.
let reply (minor: int) (request: ReadOnlySpan<byte>) : byte[] =
    if minor >= MinorVersion.probeReplyType2 then
        let tail = request.Slice(0, min request.Length shortReplySize)
        let payload = shortReply request.Length ReadOnlySpan.Empty
        tail.Slice(min 3 tail.Length).CopyTo(payload.AsSpan 3)
        payload
    else
        let payload = request.ToArray()
        payload[0] <- 1uy
        payload

/// A type 2 reply that nobody asked for: it tells the peer that datagrams with this much payload arrive. `random` are 4 bytes.
let gratuitous (length: int) (random: ReadOnlySpan<byte>) : byte[] = shortReply length random
