namespace TincPure.Primitives

open System
open System.Security.Cryptography

/// The first 6 bytes of SHA-512 of a node's name, big endian in the low 48 bits; zero as a destination means
/// "sent directly" (spec 01 §14.1, spec 03 §4).
[<Struct>]
type NodeId = NodeId of value: uint64

module NodeId =

    let size = 6

    let none = NodeId 0UL

    let read (source: ReadOnlySpan<byte>) : NodeId =
        let mutable value = 0UL

        for i in 0 .. size - 1 do
            value <- (value <<< 8) ||| uint64 source[i]

        NodeId value

    let write (NodeId value) (target: Span<byte>) : unit =
        for i in 0 .. size - 1 do
            target[i] <- byte (value >>> (8 * (size - 1 - i)))

    let ofName (name: NodeName) : NodeId = read (ReadOnlySpan(SHA512.HashData(Text.Encoding.ASCII.GetBytes name.Text)))
