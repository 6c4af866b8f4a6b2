namespace TincPure.Meta

open System
open System.Buffers.Binary
open System.Security.Cryptography
open System.Text
open TincPure.Primitives

/// 128 bits of a line's SHA-256. To make a node drop a line that it never saw, a peer would have to find another with
/// the same digest.
[<Struct; CustomEquality; NoComparison>]
type private LineDigest =
    { High: uint64
      Low: uint64 }

    override this.GetHashCode() = int this.Low

    override this.Equals(other) =
        match other with
        | :? LineDigest as other -> this.High = other.High && this.Low = other.Low
        | _ -> false

    interface IEquatable<LineDigest> with
        member this.Equals(other) = this.High = other.High && this.Low = other.Low

/// The flooded requests of late, so that each is processed once (spec 02 §8). Two generations: a line is remembered for one to two
/// lifetimes, whatever else arrives, and what is too old goes all at once. A generation that fills up ends early; a line
/// forgotten thus is still stopped by what it says being known already.
type Seen =
    private
        {
            Lifetime: int64
            /// When the younger generation began.
            Since: Instant
            Young: HashTrie<LineDigest, unit>
            Old: HashTrie<LineDigest, unit>
        }

module Seen =

    /// Lines per generation: 2 * 32768 digests, some 6 MB, are the most that a cache holds.
    let generationSize = 32768

    /// An empty cache that remembers lines for at least `lifetime` microseconds: PingInterval.
    let create (lifetime: int64) : Seen =
        { Lifetime = lifetime
          Since = Instant.never
          Young = HashTrie.empty
          Old = HashTrie.empty }

    /// Lines remembered now.
    let count (seen: Seen) : int = HashTrie.count seen.Young + HashTrie.count seen.Old

    let private digest (line: string) : LineDigest =
        let hash = ReadOnlySpan(SHA256.HashData(Encoding.Latin1.GetBytes line))

        { High = BinaryPrimitives.ReadUInt64BigEndian hash
          Low = BinaryPrimitives.ReadUInt64BigEndian(hash.Slice 8) }

    /// A new generation begins.
    let private turn (since: Instant) (seen: Seen) : Seen =
        { seen with Since = since; Young = HashTrie.empty; Old = seen.Young }

    /// Drops what is older than it may be.
    let expire (now: Instant) (seen: Seen) : Seen =
        let age = Instant.between seen.Since now

        if age >= 2L * seen.Lifetime then { create seen.Lifetime with Since = now }
        elif age >= seen.Lifetime then turn (Instant.add seen.Lifetime seen.Since) seen
        elif HashTrie.count seen.Young >= generationSize then turn now seen
        else seen

    /// Whether this very line was seen before, and the cache that has seen it now.
    let check (now: Instant) (line: string) (seen: Seen) : struct (bool * Seen) =
        let seen = expire now seen
        let key = digest line

        if HashTrie.containsKey key seen.Young || HashTrie.containsKey key seen.Old then
            struct (true, seen)
        else
            struct (false, { seen with Young = HashTrie.add key () seen.Young })
