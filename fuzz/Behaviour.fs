namespace TincPure.Fuzz

open System
open System.Text

/// What a run does, seen from outside. Without instrumentation there is no coverage to go by; outcomes, error cases, log
/// lines and rough sizes, in their order, tell new behaviour from old nearly as well. Pairs of consecutive features
/// are counted in a map, as AFL counts branches.
[<Sealed>]
type Behaviour() =
    let counts = Array.zeroCreate<byte> 65536
    let touched = ResizeArray<int>()
    let known = Array.zeroCreate<byte> 65536
    let mutable previous = 0u
    let mutable input = Array.Empty<byte>()

    /// Bits for 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127 and more.
    let bucket (count: byte) =
        if count <= 3uy then 1uy <<< int count - 1
        elif count < 8uy then 8uy
        elif count < 16uy then 16uy
        elif count < 32uy then 32uy
        elif count < 128uy then 64uy
        else 128uy

    let hash (seed: uint32) (text: ReadOnlySpan<char>) =
        let mutable value = seed

        for c in text do
            value <- (value ^^^ uint32 c) * 16777619u

        value

    let isEcho (word: ReadOnlySpan<char>) =
        let bytes = Array.zeroCreate<byte> word.Length
        Encoding.Latin1.GetBytes(word, Span bytes) |> ignore
        ReadOnlySpan(input).IndexOf(ReadOnlySpan bytes) >= 0

    /// Told everything that is seen, when an input is replayed.
    member val Listener: string -> unit = ignore with get, set

    /// Forgets the run before.
    member _.Begin(bytes: byte[]) : unit =
        for slot in touched do
            counts[slot] <- 0uy

        touched.Clear()
        previous <- 0u
        input <- bytes

    /// What comes next has nothing to do with what came before.
    member _.Anew() : unit = previous <- 0u

    member _.Feature(feature: uint32) : unit =
        let slot = int ((feature ^^^ previous) % 65536u)
        previous <- feature >>> 1

        if counts[slot] = 0uy then
            touched.Add slot

        if counts[slot] < 255uy then
            counts[slot] <- counts[slot] + 1uy

    /// A fixed word: the name of an outcome.
    member this.Saw(word: string) : unit =
        this.Listener word
        this.Feature(hash 2166136261u (word.AsSpan()))

    /// A size, by its order of magnitude.
    member this.Saw(word: string, size: int) : unit =
        this.Listener word
        this.Feature(hash 2166136261u (word.AsSpan()) + uint32 (Int32.Log2(max 1 size)) * 2654435761u)

    /// A line for people, without what is different every time: words with digits, and words of the input.
    member this.SawText(text: string) : unit =
        this.Listener text
        let mutable value = 2166136261u
        let mutable rest = text.AsSpan()

        while rest.Length > 0 do
            let length =
                match rest.IndexOf ' ' with
                | -1 -> rest.Length
                | at -> at

            let word = rest.Slice(0, length)
            rest <- rest.Slice(min rest.Length (length + 1))

            value <-
                if word.ContainsAnyInRange('0', '9') then hash value ("#".AsSpan())
                elif word.Length > 2 && isEcho word then hash value ("@".AsSpan())
                else hash value word

        this.Feature value

    /// Whether this run did something that no run before did; from now on it is known.
    member _.IsNew() : bool =
        let mutable isNew = false

        for slot in touched do
            let bit = bucket counts[slot]

            if known[slot] &&& bit = 0uy then
                known[slot] <- known[slot] ||| bit
                isNew <- true

        isNew
