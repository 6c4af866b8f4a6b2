/// Spans of bytes: the form in which everything enters and leaves the core.
module TincPure.Primitives.Bytes

open System

/// True when both spans hold the same bytes. Takes time that depends on the contents: not for secrets.
let equal (left: ReadOnlySpan<byte>) (right: ReadOnlySpan<byte>) : bool = left.SequenceEqual right
