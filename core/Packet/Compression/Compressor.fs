namespace TincPure.Packet.Compression

open System

/// The levels of the option Compression (spec 03 §19.1).
module Level =

    [<Literal>]
    let none = 0

    /// 1 to this are zlib's.
    [<Literal>]
    let lastZlib = 9

    [<Literal>]
    let lzoFast = 10

    [<Literal>]
    let lzoThorough = 11

    [<Literal>]
    let lz4 = 12

    /// Can packets of this level be made and read?
    let isKnown (level: int) : bool = level >= none && level <= lz4

/// Compresses packets and reads compressed ones. Its tables are allocated once; one packet at a time.
[<Sealed>]
type Compressor() =
    let repetitions = Repetitions()
    let deflater = Deflater()
    let inflater = Inflater()

    /// The longest packet that is compressed.
    static member MaxInput: int = Repetitions.MaxInput

    /// What a packet of this length can grow to at most, at any level.
    static member Bound(length: int) : int = length + length / 16 + 67

    /// Bytes written to the target, which may be more than the source has. -1 if the level is not one that compresses, the source
    /// is longer than `MaxInput` or the target shorter than its `Bound`.
    member _.Compress(level: int, source: ReadOnlySpan<byte>, target: Span<byte>) : int =
        if source.Length > Compressor.MaxInput || target.Length < Compressor.Bound source.Length then
            -1
        else
            match level with
            | Level.lzoFast -> Lzo.encode Lzo.fast repetitions source target
            | Level.lzoThorough -> Lzo.encode Lzo.thorough repetitions source target
            | Level.lz4 -> Lz4.encode repetitions source target
            | level when level > Level.none && level <= Level.lastZlib ->
                deflater.Run(level, repetitions, source, target)
            | _ -> -1

    /// Bytes written to the target; -1 if the source is no packet of that level or does not fit. Reads any bytes.
    member _.Decompress(level: int, source: ReadOnlySpan<byte>, target: Span<byte>) : int =
        match level with
        | Level.lzoFast
        | Level.lzoThorough -> Lzo.decode source target
        | Level.lz4 -> Lz4.decode source target
        | level when level > Level.none && level <= Level.lastZlib -> inflater.Run(source, target)
        | _ -> -1
