/// Time to live and hop limit, as a router treats them (option DecrementTTL, spec 04 §10).
module TincPure.Packet.Ttl

open System
open System.Buffers.Binary

type Outcome =
    /// Decremented, or nothing that has a time to live.
    | Alive = 0
    | Expired = 1
    /// The IP header is not all there.
    | TooShort = 2

/// Takes one off the time to live of a frame of at least 14 bytes, with the checksum of an IPv4 header adjusted.
let decrement (frame: Span<byte>) : Outcome =
    let offset = Ethernet.payloadOffset frame
    let packet = frame.Slice offset

    match Ethernet.payloadType frame offset with
    | Ethernet.ipv4 when packet.Length < IpV4.headerSize -> Outcome.TooShort
    | Ethernet.ipv4 when packet[IpV4.ttlOffset] <= 1uy -> Outcome.Expired
    | Ethernet.ipv4 ->
        let field = packet.Slice(IpV4.ttlOffset, 2)
        let before = BinaryPrimitives.ReadUInt16BigEndian(field)
        let checksum = packet.Slice(IpV4.checksumOffset, 2)
        field[0] <- field[0] - 1uy

        BinaryPrimitives.WriteUInt16BigEndian(
            checksum,
            Checksum.adjust
                (BinaryPrimitives.ReadUInt16BigEndian(checksum))
                before
                (BinaryPrimitives.ReadUInt16BigEndian(field))
        )

        Outcome.Alive
    | Ethernet.ipv6 when packet.Length < IpV6.headerSize -> Outcome.TooShort
    | Ethernet.ipv6 when packet[IpV6.hopLimitOffset] <= 1uy -> Outcome.Expired
    | Ethernet.ipv6 ->
        packet[IpV6.hopLimitOffset] <- packet[IpV6.hopLimitOffset] - 1uy
        Outcome.Alive
    | _ -> Outcome.Alive
