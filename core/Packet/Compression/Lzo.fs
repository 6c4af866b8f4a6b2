/// LZO1X streams (levels 10 and 11): instructions that copy literals or repeat earlier bytes, closed by a mark. The two
/// low bits of a repetition's distance say how many literals, up to three, follow it at once.
module internal TincPure.Packet.Compression.Lzo

open System

/// The first byte of a stream may stand for so many literals more than it.
[<Literal>]
let private firstLiterals = 17

/// Most literals that the first byte can stand for.
let private maxFirstLiterals = 255 - firstLiterals

/// Distances that an instruction of two bytes reaches, and the longest repetition that it expresses.
[<Literal>]
let private nearDistance = 2048

[<Literal>]
let private nearLength = 8

/// Repetitions this long have their length in the first byte of an instruction of three.
[<Literal>]
let private mediumLength = 33

/// The level-10 encoder looks at few places, the level-11 one at many.
let fast: Search =
    { Depth = 4
      Lazy = false
      Hasty = true
      Shortest = 3
      Longest = Int32.MaxValue
      Tail = 0
      LastStart = 3 }

let thorough: Search = { fast with Depth = 256; Lazy = true; Hasty = false }

/// Bytes that say the rest of a length that its instruction could not hold, at least 1.
let private writeRest (target: Span<byte>) (place: int) (rest: int) : int =
    let mutable at = place
    let mutable left = rest

    while left > 255 do
        target[at] <- 0uy
        at <- at + 1
        left <- left - 255

    target[at] <- byte left
    at + 1

let private writeLiterals (literals: ReadOnlySpan<byte>) (target: Span<byte>) (place: int) : int =
    let count = literals.Length

    let at =
        if count = 0 then
            place
        elif place = 0 && count <= maxFirstLiterals then
            target[0] <- byte (firstLiterals + count)
            1
        elif place > 0 && count <= 3 then
            // In every instruction the byte before the last has room for them.
            target[place - 2] <- target[place - 2] ||| byte count
            place
        elif count <= 18 then
            target[place] <- byte (count - 3)
            place + 1
        else
            target[place] <- 0uy
            writeRest target (place + 1) (count - 18)

    literals.CopyTo(target.Slice at)
    at + count

let private writeRepetition (length: int) (distance: int) (target: Span<byte>) (place: int) : int =
    let back = distance - 1

    if length <= nearLength && distance <= nearDistance then
        target[place] <- byte (((length - 1) <<< 5) ||| ((back &&& 7) <<< 2))
        target[place + 1] <- byte (back >>> 3)
        place + 2
    else
        let at =
            if length <= mediumLength then
                target[place] <- byte (32 ||| (length - 2))
                place + 1
            else
                target[place] <- 32uy
                writeRest target (place + 1) (length - mediumLength)

        target[at] <- byte (back <<< 2)
        target[at + 1] <- byte (back >>> 6)
        at + 2

/// Bytes written. The target has room for whatever the source grows to; the source is short enough that instructions of
/// three bytes reach all of it.
let encode (search: Search) (repetitions: Repetitions) (source: ReadOnlySpan<byte>) (target: Span<byte>) : int =
    repetitions.Parse(source, search)
    let mutable from = 0
    let mutable at = 0

    for i in 0 .. repetitions.Count - 1 do
        let literals = repetitions.Literals[i]
        let length = repetitions.Lengths[i]
        at <- writeLiterals (source.Slice(from, literals)) target at
        at <- writeRepetition length repetitions.Distances[i] target at
        from <- from + literals + length

    at <- writeLiterals (source.Slice from) target at
    target[at] <- 0x11uy
    target[at + 1] <- 0uy
    target[at + 2] <- 0uy
    at + 3

/// How the last instruction ended, which is what the small instruction numbers depend on.
[<Literal>]
let private AfterRepetition = 0

[<Literal>]
let private AfterLiterals = 4

/// Reads a stream. Everything is checked; positions never leave source and target.
[<Struct>]
type private Reader =
    val mutable At: int
    val mutable Written: int
    /// Literals that the last instruction copied: none, one to three, or `AfterLiterals`.
    val mutable State: int
    val mutable Failed: bool
    val mutable Ended: bool

    /// The next byte; 0 at the end, which is a failure.
    member this.Byte(source: ReadOnlySpan<byte>) : int =
        if this.At < source.Length then
            this.At <- this.At + 1
            int source[this.At - 1]
        else
            this.Failed <- true
            0

    /// A length of an instruction: `inBits` if that is not 0, else it goes on in the next bytes from `basis`.
    member this.Length(source: ReadOnlySpan<byte>, inBits: int, basis: int, limit: int) : int =
        if inBits <> 0 then
            inBits
        else
            let mutable length = basis
            let mutable value = this.Byte source

            while value = 0 && not this.Failed do
                length <- length + 255

                if length > limit then
                    this.Failed <- true

                value <- this.Byte source

            length + value

    member this.Literals(source: ReadOnlySpan<byte>, target: Span<byte>, count: int) : unit =
        if this.Failed || count > source.Length - this.At || count > target.Length - this.Written then
            this.Failed <- true
        else
            source.Slice(this.At, count).CopyTo(target.Slice this.Written)
            this.At <- this.At + count
            this.Written <- this.Written + count

    member this.Repeat(target: Span<byte>, distance: int, length: int) : unit =
        if this.Failed || distance > this.Written || length > target.Length - this.Written then
            this.Failed <- true
        else
            Copy.repetition target this.Written distance length
            this.Written <- this.Written + length

    /// Up to three literals right behind a repetition.
    member this.Trailing(source: ReadOnlySpan<byte>, target: Span<byte>, count: int) : unit =
        this.Literals(source, target, count)
        this.State <- count

    /// An instruction whose first byte is below 16: its meaning depends on the one before.
    member this.Small(source: ReadOnlySpan<byte>, target: Span<byte>, instruction: int) : unit =
        match this.State with
        | AfterRepetition ->
            let count = 3 + this.Length(source, instruction, 15, target.Length)
            this.Literals(source, target, count)
            this.State <- AfterLiterals
        | state ->
            let back = (this.Byte source <<< 2) + (instruction >>> 2)

            if state = AfterLiterals then
                this.Repeat(target, back + nearDistance + 1, 3)
            else
                this.Repeat(target, back + 1, 2)

            this.Trailing(source, target, instruction &&& 3)

    /// One instruction.
    member this.Step(source: ReadOnlySpan<byte>, target: Span<byte>) : unit =
        let instruction = this.Byte source

        if instruction < 16 then
            this.Small(source, target, instruction)
        elif instruction >= 64 then
            let back = (this.Byte source <<< 3) + ((instruction >>> 2) &&& 7)
            this.Repeat(target, back + 1, (instruction >>> 5) + 1)
            this.Trailing(source, target, instruction &&& 3)
        else
            let far = instruction < 32
            let mask = if far then 7 else 31
            let length = 2 + this.Length(source, instruction &&& mask, mask, target.Length)
            let low = this.Byte source
            let back = (low >>> 2) + (this.Byte source <<< 6)

            if not far then
                this.Repeat(target, back + 1, length)
                this.Trailing(source, target, low &&& 3)
            else
                let distance = 0x4000 + ((instruction &&& 8) <<< 11) + back

                if distance = 0x4000 then
                    this.Ended <- true
                else
                    this.Repeat(target, distance, length)
                    this.Trailing(source, target, low &&& 3)

/// Bytes written to the target, or -1 if the source is no stream, does not fit, or something follows its end.
let decode (source: ReadOnlySpan<byte>) (target: Span<byte>) : int =
    let mutable reader = Reader()

    if source.Length > 0 && int source[0] > firstLiterals then
        let count = int source[0] - firstLiterals
        reader.At <- 1
        reader.Literals(source, target, count)
        reader.State <- min count AfterLiterals

    while not reader.Failed && not reader.Ended do
        reader.Step(source, target)

    if reader.Failed || reader.At < source.Length then -1 else reader.Written
