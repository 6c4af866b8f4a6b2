/// Compression: every level reads what stock tinc's libraries write, and writes what they read (spec 03 §19).
module TincPure.Core.Tests.CompressionTests

open System
open System.IO
open System.IO.Compression
open System.Runtime.InteropServices
open FsCheck
open FsCheck.FSharp
open TincPure.Packet.Compression
open TincPure.Primitives
open Xunit
open Xunit.Abstractions

let private levels = [ 1..12 ]

let private compress (level: int) (packet: byte array) : byte array =
    let target = Array.zeroCreate (Compressor.Bound packet.Length)
    let size = Compressor().Compress(level, packet, target.AsSpan())
    Assert.InRange(size, 0, target.Length)
    Array.sub target 0 size

/// None: refused.
let private decompressInto (room: int) (level: int) (packet: byte array) : byte array option =
    let target = Array.zeroCreate room

    match Compressor().Decompress(level, packet, target.AsSpan()) with
    | -1 -> None
    | size -> Some(Array.sub target 0 size)

let private decompress = decompressInto Protocol.maxSize

/// What running code allocates.
module Allocations =

    /// Bytes per call once everything is compiled. The runtime itself may allocate in between: the best of several counts.
    let ofOne (action: unit -> unit) : int64 =
        let count () =
            let before = GC.GetAllocatedBytesForCurrentThread()
            action ()
            GC.GetAllocatedBytesForCurrentThread() - before

        Seq.init 20 (fun _ -> count ()) |> Seq.min

// ---- Packets to try

/// Packets like real ones: runs, copies of what came before, and noise, in any mixture.
let private packets: Gen<byte array> =
    let piece =
        Gen.oneof
            [ Gen.map2
                  (fun value length -> fun _ -> Array.create length value)
                  (Gen.choose (0, 255) |> Gen.map byte)
                  (Gen.choose (1, 400))
              Gen.choose (1, 300)
              |> Gen.bind (fun n -> Gen.arrayOfLength n (Gen.choose (0, 255)))
              |> Gen.map (fun noise -> fun _ -> Array.map byte noise)
              Gen.choose (1, 60)
              |> Gen.bind (fun n -> Gen.arrayOfLength n (Gen.choose (97, 104)))
              |> Gen.map (fun text -> fun _ -> Array.map byte text)
              Gen.map2
                  (fun back length ->
                      fun (before: byte array) ->
                          if before.Length = 0 then
                              [||]
                          else
                              let from = before.Length - 1 - back % before.Length
                              Array.init length (fun i -> before[from + i % (before.Length - from)]))
                  (Gen.choose (0, 2000))
                  (Gen.choose (1, 300)) ]

    gen {
        let! size = Gen.frequency [ 1, Gen.choose (0, 40); 3, Gen.choose (0, Compressor.MaxInput) ]
        let! pieces = Gen.listOfLength 24 piece
        let packet = pieces |> List.fold (fun packet piece -> Array.append packet (piece packet)) [||]
        return Array.truncate size packet
    }

let private forPackets (property: byte array -> bool) =
    Check.QuickThrowOnFailure(Prop.forAll (Arb.fromGen packets) property)

// ---- The libraries themselves

/// .NET's zlib, as everybody has it.
module private Zlib =

    let compress (level: int) (packet: byte array) =
        use target = new MemoryStream()

        do
            use stream = new ZLibStream(target, ZLibCompressionOptions(CompressionLevel = level), true)
            stream.Write(packet, 0, packet.Length)

        target.ToArray()

    let decompress (packet: byte array) =
        use stream = new ZLibStream(new MemoryStream(packet), CompressionMode.Decompress)
        use target = new MemoryStream()
        stream.CopyTo target
        target.ToArray()

type private Lz4Compress = delegate of byte array * byte array * int * int -> int
type private Lz4Decompress = delegate of byte array * byte array * int * int -> int
type private LzoCompress = delegate of byte array * unativeint * byte array * byref<unativeint> * byte array -> int
type private LzoDecompress = delegate of byte array * unativeint * byte array * byref<unativeint> * nativeint -> int

/// A function of a library, if this machine has it.
let private tryNative<'f when 'f :> Delegate> (library: string) (name: string) : 'f option =
    // The stock daemons that the interop tests fetch bring LZO with them.
    let places =
        [ library; Path.Combine(Vectors.root.Value, "tests", ".stock", "tinc-1.0", "lib", library) ]

    let loaded =
        places
        |> List.tryPick (fun place ->
            match NativeLibrary.TryLoad place with
            | true, handle -> Some handle
            | _ -> None)

    match loaded with
    | Some handle -> Some(Marshal.GetDelegateForFunctionPointer<'f>(NativeLibrary.GetExport(handle, name)))
    | None -> None

type OracleTests(output: ITestOutputHelper) =

    let ``if`` (library: string) (found: 'f option) (test: 'f -> unit) =
        match found with
        | Some native -> test native
        | None -> output.WriteLine("not checked: this machine has no " + library)

    [<Fact>]
    member _.``every vector of the libraries decompresses to its packet``() =
        let root = Vectors.load "03-compression.json"
        let vectors = Vectors.items "vectors" root
        Assert.Equal(64, vectors.Length)

        for vector in vectors do
            let level = Vectors.number "level" vector
            let name = Vectors.text "input" vector
            let input = Vectors.bytes name (root.GetProperty "inputs")
            let theirs = Vectors.bytes "compressed" vector
            let ours = compress level input
            output.WriteLine(
                name
                + " level "
                + string level
                + ": "
                + string ours.Length
                + ", the library "
                + string theirs.Length
            )
            Assert.Equal(Some input, decompress level theirs)
            Assert.Equal(Some input, decompress level ours)
            // Close to the library: a tenth and a few bytes more at most.
            Assert.InRange(ours.Length, 1, theirs.Length + theirs.Length / 10 + 12)

    [<Fact>]
    member _.``zlib reads what we write and we read what it writes``() =
        forPackets (fun packet ->
            [ 1..9 ]
            |> List.forall (fun level ->
                Zlib.decompress (compress level packet) = packet
                // .NET's stream writes nothing, not even a header, when it was given nothing.
                && (packet.Length = 0 || decompress level (Zlib.compress level packet) = Some packet)))

    [<Fact>]
    member _.``the LZ4 library reads what we write and we read what it writes``() =
        let library = "liblz4.so.1"

        ``if`` library (tryNative<Lz4Compress> library "LZ4_compress_default") (fun write ->
            ``if`` library (tryNative<Lz4Decompress> library "LZ4_decompress_safe") (fun read ->
                forPackets (fun packet ->
                    let ours = compress Level.lz4 packet
                    let target = Array.zeroCreate Compressor.MaxInput
                    let size = read.Invoke(ours, target, ours.Length, target.Length)
                    let theirs = Array.zeroCreate (Compressor.Bound packet.Length)
                    let written = write.Invoke(packet, theirs, packet.Length, theirs.Length)

                    size = packet.Length
                    && Array.truncate size target = packet
                    && decompress Level.lz4 (Array.truncate written theirs) = Some packet)))

    [<Fact>]
    member _.``the LZO library reads what we write and we read what it writes``() =
        let library = "liblzo2.so.2"

        ``if`` library (tryNative<LzoDecompress> library "lzo1x_decompress_safe") (fun read ->
            for level, name in [ Level.lzoFast, "lzo1x_1_compress"; Level.lzoThorough, "lzo1x_999_compress" ] do
                ``if`` library (tryNative<LzoCompress> library name) (fun write ->
                    forPackets (fun packet ->
                        let ours = compress level packet
                        let target = Array.zeroCreate Compressor.MaxInput
                        let mutable size = unativeint target.Length
                        let ok = read.Invoke(ours, unativeint ours.Length, target, &size, 0n) = 0
                        let theirs = Array.zeroCreate (Compressor.Bound packet.Length)
                        let mutable written = unativeint theirs.Length
                        let work = Array.zeroCreate (1 <<< 20)
                        write.Invoke(packet, unativeint packet.Length, theirs, &written, work) |> ignore

                        ok
                        && Array.truncate (int size) target = packet
                        && decompress level (Array.truncate (int written) theirs) = Some packet)))

// ---- Properties

[<Fact>]
let ``what is compressed decompresses to the same packet at every level`` () =
    forPackets (fun packet ->
        levels |> List.forall (fun level -> decompress level (compress level packet) = Some packet))

[<Fact>]
let ``one compressor serves packet after packet`` () =
    let compressor = Compressor()

    forPackets (fun packet ->
        levels
        |> List.forall (fun level ->
            let packed = Array.zeroCreate (Compressor.Bound packet.Length)
            let size = compressor.Compress(level, packet, packed.AsSpan())
            let target = Array.zeroCreate Protocol.maxSize
            let length = compressor.Decompress(level, ReadOnlySpan(packed, 0, size), target.AsSpan())
            length = packet.Length && Array.truncate length target = packet))

[<Fact>]
let ``a packet that does not fit is refused, one that just fits is not`` () =
    forPackets (fun packet ->
        levels
        |> List.forall (fun level ->
            let packed = compress level packet

            decompressInto packet.Length level packed = Some packet
            && (packet.Length = 0 || decompressInto (packet.Length - 1) level packed = None)))

[<Fact>]
let ``any bytes decompress to something that fits, or to nothing`` () =
    let compressor = Compressor()
    let target = Array.zeroCreate<byte>(Protocol.maxSize + 1)

    let holds level (bytes: byte array) =
        target[Protocol.maxSize] <- 0x5auy
        let size = compressor.Decompress(level, bytes, target.AsSpan(0, Protocol.maxSize))
        size >= -1 && size <= Protocol.maxSize && target[Protocol.maxSize] = 0x5auy

    let bytes = Gen.choose (0, 255) |> Gen.map byte |> Gen.arrayOf |> Gen.resize 400

    // A zlib header in front lets more of them pass the first check.
    let withHeader = Gen.map (Array.append [| 0x78uy; 0x9cuy |]) bytes

    Check.One(
        Config.QuickThrowOnFailure.WithMaxTest 3000,
        Prop.forAll (Arb.fromGen (Gen.oneof [ bytes; withHeader ])) (fun bytes ->
            levels |> List.forall (fun level -> holds level bytes))
    )

[<Fact>]
let ``damaged packets are read as something that fits, and zlib's not as something else`` () =
    let damaged =
        gen {
            let! packet = packets
            let! level = Gen.elements levels
            let packed = compress level packet
            let! place = Gen.choose (0, packed.Length - 1)
            let! value = Gen.choose (1, 255)
            let! cut = Gen.choose (0, packed.Length)
            let broken = Array.copy packed
            broken[place] <- broken[place] ^^^ byte value
            return level, packet, broken, Array.truncate cut packed
        }

    Check.One(
        Config.QuickThrowOnFailure.WithMaxTest 3000,
        Prop.forAll (Arb.fromGen damaged) (fun (level, packet, broken, cut) ->
            decompress level cut |> ignore

            match decompress level broken with
            // Behind a checksum, only damage that changes nothing goes unnoticed.
            | Some read when level <= Level.lastZlib -> read = packet
            | _ -> true)
    )

[<Fact>]
let ``neither direction allocates once its tables are there`` () =
    let compressor = Compressor()
    let packet = Array.init 1400 (fun i -> byte (i * i >>> 5))
    let packed = Array.zeroCreate (Compressor.Bound packet.Length)
    let target = Array.zeroCreate Protocol.maxSize

    let both level =
        let size = compressor.Compress(level, packet, packed.AsSpan())
        compressor.Decompress(level, ReadOnlySpan(packed, 0, size), target.AsSpan()) |> ignore

    for level in levels do
        Assert.Equal(0L, Allocations.ofOne (fun () -> both level))

[<Fact>]
let ``only levels 1 to 12 compress`` () =
    let packet = Array.zeroCreate<byte> 100
    let target = Array.zeroCreate 1000

    for level in [ -1; 0; 13; 100 ] do
        Assert.Equal(-1, Compressor().Compress(level, packet, target.AsSpan()))
        Assert.Equal(-1, Compressor().Decompress(level, packet, target.AsSpan()))

[<Fact>]
let ``a packet that is too long or has no room to grow is not compressed`` () =
    let target = Array.zeroCreate 4000

    for level in levels do
        Assert.Equal(-1, Compressor().Compress(level, Array.zeroCreate<byte>(Compressor.MaxInput + 1), target.AsSpan()))
        Assert.Equal(
            -1,
            Compressor().Compress(level, Array.zeroCreate<byte> 100, target.AsSpan(0, Compressor.Bound 100 - 1))
        )
