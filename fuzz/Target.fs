namespace TincPure.Fuzz

open System

/// What a target promises did not hold.
exception Broken of reason: string

/// One thing that is fuzzed.
type Target =
    {
        /// Also the name of its folder in fuzz/corpus.
        Name: string
        /// What must hold for every input, beside that nothing is thrown.
        Promise: string
        /// Inputs to start from.
        Seeds: unit -> byte[] list
        /// Words of its language, to be put into inputs.
        Words: string list
        MaxSize: int
        /// Bytes that one run may allocate.
        MaxAllocated: int64
        /// Runs an input. Raises `Broken`.
        Run: Behaviour -> byte[] -> unit
    }

module Target =

    /// A target without words of its own, for inputs of up to 4096 bytes, which cost up to 64 MB.
    let create
        (name: string)
        (promise: string)
        (seeds: unit -> byte[] list)
        (run: Behaviour -> byte[] -> unit)
        : Target =
        { Name = name
          Promise = promise
          Seeds = seeds
          Words = []
          MaxSize = 4096
          MaxAllocated = 64L <<< 20
          Run = run }

    let broken (reason: string) : 'a = raise (Broken reason)

    /// States a promise.
    let check (holds: bool) (reason: string) : unit =
        if not holds then
            broken reason

/// Reads an input as a list of choices. Behind its end everything is zero.
[<Sealed>]
type Tape(input: byte[]) =
    let mutable at = 0

    member _.AtEnd = at >= input.Length

    member _.Byte() : byte =
        if at < input.Length then
            at <- at + 1
            input[at - 1]
        else
            0uy

    /// From 0 to `bound` - 1, which is 256 at most.
    member this.Below(bound: int) : int = int (this.Byte()) % bound

    member this.Flag() : bool = this.Byte() &&& 1uy = 1uy

    member this.Word() : int = (int (this.Byte()) <<< 8) ||| int (this.Byte())

    member this.Int32() : int = (this.Word() <<< 16) ||| this.Word()

    /// So many bytes, or as many as are left.
    member _.Bytes(count: int) : byte[] =
        let taken = Array.sub input at (min count (input.Length - at))
        at <- at + taken.Length
        taken

    /// Bytes with their number, a byte, in front.
    member this.Block() : byte[] = this.Bytes(int (this.Byte()))

    member this.Rest() : byte[] = this.Bytes input.Length
