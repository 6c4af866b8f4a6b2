namespace TincPure.Primitives

/// Microseconds since the Unix epoch on the host's clock. The host tells it with every input and never lets it go back.
[<Struct>]
type Instant =
    | Instant of microseconds: int64

    member this.Microseconds =
        let (Instant value) = this
        value

/// Times and the spans between them. Spans are microseconds unless a name says otherwise.
module Instant =

    let second = 1_000_000L

    let millisecond = 1_000L

    /// Before everything else: what "never yet" is compared as.
    let never = Instant 0L

    /// After everything else: the deadline that never comes.
    let distant = Instant System.Int64.MaxValue

    let add (span: int64) (Instant at) = Instant(at + span)

    let addSeconds (seconds: int) (Instant at) = Instant(at + int64 seconds * second)

    /// Microseconds from `earlier` to `later`, negative when they are the other way round.
    let between (Instant earlier) (Instant later) = later - earlier

    /// Whole seconds since the epoch.
    let seconds (Instant at) = at / second
