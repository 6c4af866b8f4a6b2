namespace TincPure.Primitives

open System
open System.Buffers.Binary
open System.Net

/// An IPv4 or IPv6 address by value. IPv4 sits in the low 32 bits of `Low`.
[<Struct>]
type Ip = { IsV6: bool; High: uint64; Low: uint64 }

/// An address and port that a socket can use. `Scope` is the IPv6 scope id, 0 for none.
[<Struct>]
type Endpoint = { Ip: Ip; Port: uint16; Scope: uint32 }

/// What an edge or a node says about where it is: numeric, text kept as received so that it can be passed on
/// unchanged, or nothing (spec 02 §16, spec 04 §2.2).
type Address =
    | Unspecified
    | Inet of Endpoint
    | Textual of host: string * port: string

module Ip =

    let v4 (value: uint32) = { IsV6 = false; High = 0UL; Low = uint64 value }

    let v6 (high: uint64) (low: uint64) = { IsV6 = true; High = high; Low = low }

    /// The 4 bytes at the start of `source`, network order.
    let readV4 (source: ReadOnlySpan<byte>) = v4 (BinaryPrimitives.ReadUInt32BigEndian source)

    /// The 16 bytes at the start of `source`, network order.
    let readV6 (source: ReadOnlySpan<byte>) =
        v6 (BinaryPrimitives.ReadUInt64BigEndian source) (BinaryPrimitives.ReadUInt64BigEndian(source.Slice 8))

    /// Bytes written by `write`: 4 or 16.
    let size (ip: Ip) = if ip.IsV6 then 16 else 4

    let write (ip: Ip) (target: Span<byte>) =
        if ip.IsV6 then
            BinaryPrimitives.WriteUInt64BigEndian(target, ip.High)
            BinaryPrimitives.WriteUInt64BigEndian(target.Slice 8, ip.Low)
        else
            BinaryPrimitives.WriteUInt32BigEndian(target, uint32 ip.Low)

    /// An IPv4-mapped IPv6 address becomes the IPv4 address it stands for (spec 02 §16).
    let inline unmap (ip: Ip) =
        if ip.IsV6 && ip.High = 0UL && (ip.Low >>> 32) = 0xffffUL then
            v4 (uint32 ip.Low)
        else
            ip

    let toIPAddress (ip: Ip) : IPAddress =
        let bytes = Array.zeroCreate<byte>(size ip)
        write ip (Span bytes)
        IPAddress bytes

    let ofIPAddress (address: IPAddress) : Ip =
        let bytes = address.GetAddressBytes()

        if bytes.Length = 4 then
            readV4 (ReadOnlySpan bytes)
        else
            readV6 (ReadOnlySpan bytes)

    /// Numeric text: dotted quad, or IPv6 as inet_ntop prints it.
    let toText (ip: Ip) =
        if ip.IsV6 then
            IpText.printV6 ip.High ip.Low
        else
            IpText.printV4 (uint32 ip.Low)

    /// Strict numeric text: four decimal numbers without leading zeros, or IPv6 without scope and brackets.
    let tryParse (text: string) : Ip voption =
        match IpText.tryParseV4 text with
        | ValueSome address -> ValueSome(v4 address)
        | ValueNone -> IpText.tryParseV6 text |> ValueOption.map (fun struct (high, low) -> v6 high low)

module Endpoint =

    /// Equality without detours, for packets.
    let inline same (left: Endpoint) (right: Endpoint) =
        left.Ip.Low = right.Ip.Low
        && left.Port = right.Port
        && left.Ip.High = right.Ip.High
        && left.Ip.IsV6 = right.Ip.IsV6
        && left.Scope = right.Scope

    let create (ip: Ip) (port: uint16) = { Ip = ip; Port = port; Scope = 0u }

    /// `ADDRESS port PORT`, the host text of logs and dumps, with the scope where there is one (spec 02 §16).
    let toText (endpoint: Endpoint) =
        let scope = if endpoint.Scope = 0u then "" else "%" + endpoint.Scope.ToString()

        Ip.toText endpoint.Ip + scope + " port " + endpoint.Port.ToString()

module Address =

    /// The two fields of a request line (spec 02 §16.2).
    let toWire (address: Address) : struct (string * string) =
        match address with
        | Unspecified -> struct ("unspec", "unspec")
        | Inet endpoint -> struct (Ip.toText endpoint.Ip, endpoint.Port.ToString())
        | Textual(host, port) -> struct (host, port)

    /// Reads the two fields: numeric where possible, else kept as text.
    let ofWire (host: string) (port: string) : Address =
        match Ip.tryParse host, UInt16.TryParse port with
        | ValueSome ip, (true, number) -> Inet(Endpoint.create ip number)
        | _ when host = "unspec" && port = "unspec" -> Unspecified
        | _ -> Textual(host, port)

    /// The host text of logs and dumps.
    let toText (address: Address) =
        match address with
        | Unspecified -> "unspec port unspec"
        | Inet endpoint -> Endpoint.toText endpoint
        | Textual(host, port) -> host + " port " + port
