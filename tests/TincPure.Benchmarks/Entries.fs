/// The same measurements as entries of BenchmarkDotNet: `./build.sh bench --filter '*'`.
namespace TincPure.Benchmarks

open System
open BenchmarkDotNet.Attributes
open TincPure.Crypto
open TincPure.Node
open TincPure.Primitives
open TincPure.Routing
open TincPure.Topology

/// Key stream, tag, and both together. Numbers are new each time: the processor must not learn the bits.
[<MemoryDiagnoser>]
type CryptoEntries() =
    let key = Array.init 64 byte
    let mutable data: byte[] = [||]
    let mutable sealed': byte[] = [||]
    let mutable target: byte[] = [||]
    let mutable stream: byte[] = [||]
    let tag = Array.zeroCreate<byte> Poly1305.TagSize
    let mutable seqno = 0UL
    let mutable openSsl = ignore

    [<Params(64, 256, 1400, 9000)>]
    member val Size = 0 with get, set

    [<GlobalSetup>]
    member this.Setup() =
        data <- Array.init this.Size byte
        sealed' <- Array.zeroCreate (this.Size + ChaChaPoly.TagSize)
        target <- Array.zeroCreate (this.Size + ChaChaPoly.TagSize)
        stream <- Array.zeroCreate (this.Size + 2 * ChaCha20.ChunkSize)
        ChaChaPoly.seal (ReadOnlySpan key) 0UL (ReadOnlySpan data) (Span sealed')

    [<GlobalSetup(Target = "OpenSslSeal")>]
    member this.SetupOpenSsl() =
        match OpenSsl.sealing key this.Size with
        | Some call -> openSsl <- call
        | None -> invalidOp "there is no libcrypto.so.3 here"

    [<Benchmark(Baseline = true)>]
    member _.OpenSslSeal() = openSsl ()

    [<Benchmark>]
    member this.ChaCha20() =
        seqno <- seqno + 1UL
        let blocks = (this.Size + ChaCha20.BlockSize - 1) / ChaCha20.BlockSize
        ChaCha20.keyStream (ReadOnlySpan key) seqno 0UL blocks (Span stream)

    [<Benchmark>]
    member _.Poly1305() = Poly1305.tag (ReadOnlySpan(key, 0, Poly1305.KeySize)) (ReadOnlySpan data) (Span tag)

    [<Benchmark>]
    member _.Seal() =
        seqno <- seqno + 1UL
        ChaChaPoly.seal (ReadOnlySpan key) seqno (ReadOnlySpan data) (Span target)

    [<Benchmark>]
    member _.Open() = ChaChaPoly.tryOpen (ReadOnlySpan key) 0UL (ReadOnlySpan sealed') (Span stream)

/// A packet through the packet plane: from the device to a sealed datagram, and from there to a frame for the device.
[<MemoryDiagnoser>]
type ForwardEntries() =
    let pair = PacketBenchmarks.Pair()

    [<Params(64, 1400)>]
    member val Size = 0 with get, set

    [<Params(2, 1000)>]
    member val Nodes = 0 with get, set

    [<GlobalSetup>]
    member this.Setup() = pair.Begin(this.Nodes, this.Size)

    [<Benchmark>]
    member _.FromDevice() = pair.FromDevice()

    [<Benchmark>]
    member _.FromSocket() = pair.FromSocket()

[<MemoryDiagnoser>]
type LookupEntries() =
    let mutable table = SubnetTable.empty
    let mutable addresses: uint32[] = [||]
    let mutable next = 0

    [<Params(10, 1_000, 100_000)>]
    member val Subnets = 0 with get, set

    [<GlobalSetup>]
    member this.Setup() =
        let struct (made, known) = TopologyBenchmarks.subnets this.Subnets
        table <- made
        addresses <- known

    [<Benchmark>]
    member _.Lookup() =
        next <- (next + 1) &&& (addresses.Length - 1)
        SubnetTable.lookupV4 (fun _ -> true) addresses[next] table

/// What one line of a neighbour costs in a mesh of 1,000 nodes.
[<MemoryDiagnoser>]
type NodeEntries() =
    let mutable steps: (string * (unit -> Node)) list = []
    let mutable step: unit -> Node = fun () -> invalidOp "Setup comes first"

    [<Params("PING", "ADD_EDGE, known", "ADD_EDGE, other weight", "ADD_SUBNET, new")>]
    member val Line = "" with get, set

    [<GlobalSetup>]
    member this.Setup() =
        steps <- NodeBenchmarks.steps ()
        step <- List.find (fun (name, _) -> name = this.Line) steps |> snd

    [<Benchmark>]
    member _.Step() = step ()
