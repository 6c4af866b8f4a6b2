namespace TincPure.Simulation

/// Randomness of the virtual world, all of it from one seed (SplitMix64). Nodes have their own generators.
[<Sealed>]
type Dice(seed: uint64) =
    let mutable state = seed

    member _.Next() : uint64 =
        state <- state + 0x9E3779B97F4A7C15UL
        let z = (state ^^^ (state >>> 30)) * 0xBF58476D1CE4E5B9UL
        let z = (z ^^^ (z >>> 27)) * 0x94D049BB133111EBUL
        z ^^^ (z >>> 31)

    /// From 0 up to, but not including, `bound`.
    member this.Below(bound: int64) : int64 = if bound <= 0L then 0L else int64 (this.Next() % uint64 bound)

    member this.Below(bound: int) : int = int (this.Below(int64 bound))

    /// True with this probability. A probability of 0 uses up no randomness.
    member this.Chance(probability: float) : bool =
        probability > 0.0 && float (this.Next() >>> 11) * 1.1102230246251565e-16 < probability

    member this.Bytes(count: int) : byte array =
        let bytes = Array.zeroCreate count

        for i in 0 .. count - 1 do
            bytes[i] <- byte (this.Next())

        bytes

    /// A generator of its own, whose numbers do not depend on how often others roll.
    member this.Fork() : Dice = Dice(this.Next())
