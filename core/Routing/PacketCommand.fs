namespace TincPure.Routing

open TincPure.Primitives
open TincPure.Crypto.Legacy

/// How a datagram of a session reached us, other than by UDP.
[<Struct>]
type Carrier =
    /// SPTPS_PACKET, a raw block on the meta connection.
    | RawTcp
    /// REQ_KEY with sub-request 21.
    | KeyRequest
    /// ANS_KEY: a handshake record.
    | KeyAnswer

/// Packets and bytes (frame lengths) of one node (spec 03 §21).
[<Struct>]
type TrafficCount =
    { Peer: int
      InPackets: int64
      InBytes: int64
      OutPackets: int64
      OutBytes: int64 }

/// What the control plane tells the packet plane. Commands are carried out in order, between packets, by the thread
/// that owns the packet plane. Peers are numbers of the Fib.
type PacketCommand =
    | Publish of Fib
    /// A session was established: send and receive keys (64 bytes each, of which the first 32 count), replay window in
    /// bytes. Both counters start at 2, behind KEX and SIG. A previous session goes on receiving for 30 s.
    | StartSession of peer: int * sendKey: byte[] * receiveKey: byte[] * replayWindow: int
    /// The peer was told to begin anew, or begins anew: nothing more is sealed; what is in flight can still be opened.
    | RetireSession of peer: int
    /// The session is gone, in flight or not (reachability changed).
    | DropSession of peer: int
    /// From now on seal with this key.
    | UseSendKey of peer: int * key: byte[]
    /// The next receive key: tried beside the current one until it is activated.
    | OfferReceiveKey of peer: int * key: byte[]
    /// The offered key becomes current; the old one is kept for some seconds.
    | ActivateReceiveKey of peer: int
    /// Seal a handshake body (record type 128) in the established session; comes back as `HandshakeSealed`.
    | SealHandshake of peer: int * body: byte[]
    /// A legacy node gave us a key: what we send to it is sealed under this from now on, with numbers from 1 on.
    | UseLegacyKey of peer: int * PacketKey
    /// We give a legacy node a key: what it sends is opened with this from now on; replay window in bytes.
    | GiveLegacyKey of peer: int * PacketKey * replayWindow: int
    /// A legacy node's key is void: nothing more is sealed for it.
    | DropLegacySendKey of peer: int
    /// Our key for a legacy node is void: nothing more of it is opened.
    | DropLegacyReceiveKey of peer: int
    /// Seal a probe (record type 4) and send it to this address from this socket.
    | SendProbe of peer: int * target: Endpoint * socket: int * payload: byte[]
    /// A datagram of `source`'s session with us that came over a meta connection.
    | OpenDatagram of source: int * carrier: Carrier * datagram: byte[]
    /// A datagram between two other nodes that came over a meta connection: move it on (spec 03 §7.3).
    | RelayDatagram of source: int * destination: int * datagram: byte[]
    /// A whole frame from a neighbour (PACKET): route it as received from that node.
    | RouteFrame of source: int * frame: byte[]
    /// An ICMP time exceeded for this frame, sent from this address of ours.
    | SendTimeExceeded of source: int * frame: byte[] * from: Ip
    /// Frames for an Ethernet device that routes IP are for this address, 48 bits, until its host asks for a neighbour itself.
    | UseHostAddress of address: uint64
    /// Report the frames that are routed as `Captured`, so many bytes of each, all if 0; none if negative.
    | CaptureFrames of snapLength: int
    /// Count out packets and bytes per peer, and what was dropped; comes back as `Traffic`.
    | ReportTraffic of token: int
    /// From the receiving half to the sending one: what it has counted; the report has the sum.
    | AddTraffic of token: int * TrafficCount[] * drops: int64[]
    /// From the receiving half to the sending one: the longest record payload that came straight from the peer lately.
    | NoteReceived of peer: int * length: int

/// Why a datagram of a session could not be opened.
type OpenFailure =
    /// The tag did not verify under any key: the `inARow`th of the session since one that did (1 is the first), of which the first
    /// came at `since`. A session restarts only after a long enough run of them (spec 03 §11.6). Not all of a run are told, so
    /// that nobody but the packet plane knows when it began.
    | BadTag of inARow: int * since: Instant
    /// Late, replayed or too far in the future.
    | Replayed
    | TooShort
    | NoSession
    /// It opened, but what was inside made no sense: record type, MAC header, IP version, size, compression.
    | BadPayload of reason: string

/// Which packets a forwarder looks after. Two can share the work, each on a thread of its own: sessions are sealed by the one and
/// opened by the other, so that they have nothing in common.
[<Struct; RequireQualifiedAccess>]
type Duty =
    /// All of them.
    | Whole
    /// Frames from the device; everything that is sealed.
    | Sending
    /// Datagrams from the sockets; everything that is opened.
    | Receiving

module Duty =

    /// Is this command for a forwarder with that duty?
    let takes (duty: Duty) (command: PacketCommand) : bool =
        match command with
        | Publish _
        | StartSession _
        | RetireSession _
        | DropSession _
        | UseHostAddress _
        | CaptureFrames _ -> true
        | OfferReceiveKey _
        | ActivateReceiveKey _
        | GiveLegacyKey _
        | DropLegacyReceiveKey _
        | OpenDatagram _
        | RelayDatagram _ -> not duty.IsSending
        // Counted by both: the receiving half begins, the sending one reports.
        | ReportTraffic _ -> not duty.IsSending
        | UseSendKey _
        | SealHandshake _
        | UseLegacyKey _
        | DropLegacySendKey _
        | SendProbe _
        | RouteFrame _
        | SendTimeExceeded _
        | AddTraffic _
        | NoteReceived _ -> not duty.IsReceiving

/// What the packet plane cannot settle with the Fib alone; becomes an input of the control plane.
type Punt =
    /// Something was sent to the peer and its maintenance is due. `largestReceived` is the longest record payload that
    /// came from it by UDP since the last report, 0 if none (spec 03 §14.2).
    | Transmitted of peer: int * largestReceived: int
    /// A probe record by UDP; `payload` is the whole probe.
    | ProbeReceived of peer: int * payload: byte[] * source: Endpoint * socket: int
    | HandshakeSealed of peer: int * datagram: byte[]
    /// A handshake record (type 128) that came over a meta connection, opened.
    | HandshakeOpened of peer: int * body: byte[]
    /// A data record came over a meta connection and was delivered.
    | DataOpened of peer: int * carrier: Carrier
    /// By UDP (no carrier) or over a meta connection.
    | OpenFailed of peer: int * carrier: Carrier voption * failure: OpenFailure
    /// An authentic datagram straight from the peer came from another address than we know.
    | SourceMoved of peer: int * source: Endpoint * socket: int
    /// An authentic relayed datagram from `source` came through `hop`; the origin may want MTU_INFO.
    | RelayedDataReceived of source: int * hop: int
    /// We were the static relay, or the end, of a datagram that `hop` passed on for `source`: it may want UDP_INFO.
    | DetourSeen of source: int * hop: int
    /// To be sent as PACKET to the neighbour `peer`.
    | FrameOverTcp of peer: int * frame: byte[]
    /// To be sent as SPTPS_PACKET (or REQ_KEY 21) towards `destination`.
    | DatagramOverTcp of source: int * destination: int * datagram: byte[]
    /// The path refuses datagrams that carry `size` bytes of payload to the peer.
    | PathTooSmall of peer: int * size: int
    /// TTL or hop limit of a frame from `source` ran out: which address of ours would answer?
    | TimeExceeded of source: int * frame: byte[] * sender: Ip
    /// Switch mode: a source address seen on our device, 48 bits.
    | MacSeen of mac: uint64
    /// The numbers under the key that we gave a legacy node are nearly used up.
    | LegacyKeyWornOut of peer: int
    /// A datagram that no node could be found for.
    | UnknownSource of source: Endpoint * length: int
    /// A frame that is about to be routed, or the beginning of it.
    | Captured of frame: byte[]
    /// The nodes that had any traffic, and how much was dropped by `DropCause`.
    | Traffic of token: int * TrafficCount[] * drops: int64[]
    | PacketLog of LogLine
