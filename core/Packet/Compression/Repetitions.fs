namespace TincPure.Packet.Compression

open System
open TincPure.Primitives

/// How thoroughly repetitions are looked for, and which of them a format can express.
type internal Search =
    {
        /// Earlier places that are compared at each position.
        Depth: int
        /// A repetition gives way to a longer one that begins a byte later.
        Lazy: bool
        /// The longer nothing is found, the more places are passed over.
        Hasty: bool
        Shortest: int
        Longest: int
        /// So many bytes at the end belong to no repetition.
        Tail: int
        /// No repetition begins within so many bytes of the end.
        LastStart: int
    }

/// Takes a packet apart into literals and repetitions of what came before, by chains of the places that begin with the
/// same three bytes. Used again for packet after packet, without allocation.
[<Sealed>]
type internal Repetitions() =
    /// The longest packet that is taken apart.
    static let maxInput = Protocol.maxSize

    /// What is hashed; no format repeats less.
    static let prefix = 3

    static let hashBits = 12

    /// A hasty search begins to pass over places after 2 to the power of this in vain.
    static let patience = 5

    /// The last place with each hash, and for each place the one before it with the same hash. Places are counted on from
    /// packet to packet, so that those of earlier packets are known by being below `origin`.
    let heads = Array.zeroCreate<int>(1 <<< hashBits)

    let chain = Array.zeroCreate<int> maxInput
    let mutable origin = 1

    /// The first place that is not in the chains yet.
    let mutable indexed = 0

    let literals = Array.zeroCreate<int>(maxInput / prefix + 1)
    let lengths = Array.zeroCreate<int>(maxInput / prefix + 1)
    let distances = Array.zeroCreate<int>(maxInput / prefix + 1)
    let mutable count = 0

    /// How far before the place the repetition that was found last begins.
    let mutable distance = 0

    static member MaxInput = maxInput

    /// Repetitions found; each follows `Literals` and repeats `Lengths` bytes from `Distances` bytes before.
    member _.Count = count
    member _.Literals = literals
    member _.Lengths = lengths
    member _.Distances = distances

    static member private Hash(source: ReadOnlySpan<byte>, place: int) : int =
        let bytes =
            uint32 source[place] ||| (uint32 source[place + 1] <<< 8) ||| (uint32 source[place + 2] <<< 16)

        int ((bytes * 506832829u) >>> (32 - hashBits))

    member private _.Index(source: ReadOnlySpan<byte>, place: int) : unit =
        let hash = Repetitions.Hash(source, place)
        chain[place] <- heads[hash]
        heads[hash] <- origin + place

    /// The length of the longest repetition at a place, 0 if there is none. Places are asked for in ascending order.
    member private this.Find(source: ReadOnlySpan<byte>, place: int, search: Search) : int =
        let limit = min search.Longest (source.Length - search.Tail - place)
        let mutable best = 0

        if place + prefix <= source.Length then
            while indexed < place do
                this.Index(source, indexed)
                indexed <- indexed + 1

            let hash = Repetitions.Hash(source, place)
            let here = source.Slice(place, max 0 limit)
            let mutable candidate = heads[hash] - origin
            let mutable tries = search.Depth

            if indexed = place then
                chain[place] <- heads[hash]
                heads[hash] <- origin + place
                indexed <- place + 1

            while candidate >= 0 && tries > 0 && best < limit do
                if source[candidate + best] = source[place + best] then
                    let length = here.CommonPrefixLength(source.Slice candidate)

                    if length > best then
                        best <- length
                        distance <- place - candidate

                candidate <- chain[candidate] - origin
                tries <- tries - 1

        if best >= search.Shortest then best else 0

    /// Takes apart a packet of at most `MaxInput` bytes.
    member this.Parse(source: ReadOnlySpan<byte>, search: Search) : unit =
        if origin > Int32.MaxValue - 2 * maxInput then
            Array.Clear heads
            origin <- 1
        else
            origin <- origin + maxInput

        indexed <- 0
        count <- 0
        let last = source.Length - search.LastStart
        let mutable place = 0
        let mutable anchor = 0
        let mutable misses = 0

        while place <= last do
            let mutable length = this.Find(source, place, search)

            if length = 0 && search.Hasty then
                misses <- misses + 1
                place <- place + 1 + (misses >>> patience)
                // What is passed over is not indexed, either.
                indexed <- place
            elif length = 0 then
                place <- place + 1
            else
                misses <- 0
                let mutable found = distance
                let mutable waiting = search.Lazy

                while waiting do
                    let later = if place < last then this.Find(source, place + 1, search) else 0

                    if later > length then
                        place <- place + 1
                        length <- later
                        found <- distance
                    else
                        waiting <- false

                literals[count] <- place - anchor
                lengths[count] <- length
                distances[count] <- found
                count <- count + 1
                place <- place + length
                anchor <- place

module internal Copy =

    /// Repeats `length` bytes that stand `distance` bytes before `place`; they may overlap. The caller has checked that
    /// both lie within the target.
    let repetition (target: Span<byte>) (place: int) (distance: int) (length: int) : unit =
        if distance >= length then
            target.Slice(place - distance, length).CopyTo(target.Slice place)
        elif distance = 1 then
            target.Slice(place, length).Fill(target[place - 1])
        else
            for i in place .. place + length - 1 do
                target[i] <- target[i - distance]
