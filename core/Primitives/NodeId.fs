namespace TincPure.Primitives

open System
open System.Buffers.Binary
open System.Security.Cryptography

/// The first 6 bytes of SHA-512 of a node's name, big endian in the low 48 bits; zero as a destination means
/// "sent directly" (spec 01 §14.1, spec 03 §4).
[<Struct>]
type NodeId =
    | NodeId of value: uint64

    member this.Value =
        let (NodeId value) = this
        value

module NodeId =

    let size = 6

    let none = NodeId 0UL

    let inline read (source: ReadOnlySpan<byte>) : NodeId =
        let high = BinaryPrimitives.ReadUInt16BigEndian source
        let low = BinaryPrimitives.ReadUInt32BigEndian(source.Slice 2)
        NodeId((uint64 high <<< 32) ||| uint64 low)

    let inline write (NodeId value) (target: Span<byte>) : unit =
        BinaryPrimitives.WriteUInt16BigEndian(target, uint16 (value >>> 32))
        BinaryPrimitives.WriteUInt32BigEndian(target.Slice 2, uint32 value)

    let ofName (name: NodeName) : NodeId = read (ReadOnlySpan(SHA512.HashData(Text.Encoding.ASCII.GetBytes name.Text)))
