/// UDP datagrams of SPTPS sessions: two node IDs if the receiver reads them, then the sealed record (spec 03 §4).
module TincPure.Packet.Datagram

open System
open TincPure.Primitives

/// Both node IDs.
[<Literal>]
let idsSize = 12

/// Whether a node puts IDs in front of datagrams and reads them: then it can relay datagrams, too.
let hasIds (options: uint32) : bool = Options.minor options >= MinorVersion.udpRelay

/// Record types of data; `Record.Handshake` is above them all (spec 03 §4).
module RecordType =

    /// A compressed packet: added to the other types.
    [<Literal>]
    let compressed = 1uy

    /// An IP packet without Ethernet header.
    [<Literal>]
    let packet = 0uy

    /// A whole frame.
    [<Literal>]
    let frame = 2uy

    [<Literal>]
    let probe = 4uy

/// The node that a datagram with IDs is meant for; `NodeId.none` if it came straight from its source.
let inline destination (datagram: Span<byte>) : NodeId = NodeId.read (Span.op_Implicit datagram)

/// The node that sealed a datagram with IDs.
let inline source (datagram: Span<byte>) : NodeId = NodeId.read (Span.op_Implicit (datagram.Slice NodeId.size))

let inline writeIds (destination: NodeId) (source: NodeId) (datagram: Span<byte>) : unit =
    NodeId.write destination datagram
    NodeId.write source (datagram.Slice NodeId.size)
