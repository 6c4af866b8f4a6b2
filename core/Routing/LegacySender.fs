namespace TincPure.Routing

open System
open TincPure.Packet
open TincPure.Packet.Compression
open TincPure.Primitives
open TincPure.Legacy

/// Seals frames for nodes without SPTPS, straight into the outbox (spec 08 §14).
[<Sealed>]
type internal LegacySender(plane: Plane) =
    /// The frame as its receiver wants it compressed.
    let packed = Array.zeroCreate<byte>(Compressor.Bound Protocol.mtu)

    /// Every packet is compressed for a node that wants that, even if it grows: nothing in it would tell. Empty if it cannot be.
    member private _.Packed(target: Peer, level: int, frame: Span<byte>) : Span<byte> =
        if level = Level.none then
            frame
        else
            let size = plane.Compressor.Compress(level, Span.op_Implicit frame, packed.AsSpan())

            if size < 0 then
                plane.Log(DebugLevel.traffic, Priority.Error, "Error while compressing packet to " + target.Label)
                Span.Empty
            else
                packed.AsSpan(0, size)

    /// Sends a whole frame, or a probe, as a datagram.
    member this.Send(target: Peer, key: OutboundKey, frame: Span<byte>, address: Endpoint, socket: int) : unit =
        let content = this.Packed(target, key.Compression, frame)

        if content.Length > 0 then
            let length = key.DatagramLength content.Length
            let space = plane.Outbox.Reserve length

            if space.Length > 0 then
                key.Seal(Span.op_Implicit content, space)
                plane.Outbox.AddDatagram(length, plane.Priority, socket, address, target.Index, frame.Length)

/// Which way a frame for a node without SPTPS leaves (spec 03 §7.4).
module internal LegacyPath =

    type Path =
        /// As a datagram to the relay, or the node itself.
        | Udp
        /// By PACKET to the next hop.
        | Tcp
        /// It does not fit into a datagram: as if it were for the next hop, which is another node than the relay.
        | ByNextHop

    /// `keepOnTcp`: it came by PACKET and goes on by PACKET. Without PMTU discovery anything goes by UDP.
    let choose (keepOnTcp: bool) (ownOptions: uint32) (relay: Peer) (hasKey: bool) (length: int) : Path =
        let isTooLong = Options.has Options.pmtuDiscovery relay.Options && length > relay.MinMtu

        if keepOnTcp || Options.has Options.tcpOnly (ownOptions ||| relay.Options) then
            Tcp
        elif not hasKey || relay.Address.IsNone then
            Tcp
        elif isTooLong && relay.NextHop <> relay.Index then
            ByNextHop
        elif isTooLong then
            Tcp
        else
            Udp
