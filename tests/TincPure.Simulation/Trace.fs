namespace TincPure.Simulation

open System
open System.Runtime.InteropServices
open System.Text
open TincPure.Primitives

/// What happened, as text for people and as a number for comparing runs. The number covers every event, also when no text
/// is kept.
[<Sealed>]
type Trace(keepText: bool) =
    let text = StringBuilder()
    let mutable hash = 14695981039346656037UL

    let mix (value: int64) =
        hash <- (hash ^^^ uint64 value) * 1099511628211UL
        hash <- hash ^^^ (hash >>> 29)

    let mixBytes (bytes: ReadOnlySpan<byte>) =
        for b in bytes do
            hash <- (hash ^^^ uint64 b) * 1099511628211UL

    /// Stands for everything that happened up to now.
    member _.Hash: uint64 = hash

    /// One line per event, empty if no text is kept.
    member _.Text: string = text.ToString()

    member val Lines = 0L with get, set

    /// Something that machine `who` did or suffered, with a number that tells it from others of its kind.
    member this.Add(now: Instant, who: int, what: string, number: int64) : unit =
        this.Lines <- this.Lines + 1L
        mix now.Microseconds
        mix (int64 who)
        mixBytes (MemoryMarshal.AsBytes(what.AsSpan()))
        mix number

        if keepText then
            text
                .Append(now.Microseconds)
                .Append(" n")
                .Append(who)
                .Append(' ')
                .Append(what)
                .Append(' ')
                .Append(number)
                .Append('\n')
            |> ignore

    /// The same with the bytes that went over the wire.
    member this.Add(now: Instant, who: int, what: string, bytes: ReadOnlySpan<byte>) : unit =
        mixBytes bytes
        this.Add(now, who, what, int64 bytes.Length)
