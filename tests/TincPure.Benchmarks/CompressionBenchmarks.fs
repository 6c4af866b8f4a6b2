/// What compressing and decompressing one packet costs: `dotnet run -c Release -- compression`.
module TincPure.Benchmarks.CompressionBenchmarks

open System
open System.Text
open TincPure.Benchmarks.Measure
open TincPure.Packet.Compression
open TincPure.Primitives

let private calls = 2_000

/// Lines of a log, which repeat themselves about as much as text does.
let private text =
    let random = Random 1
    let words =
        [| "connection"
           "from"
           "node"
           "reachable"
           "edge"
           "subnet"
           "10.0.3.7"
           "port"
           "655"
           "closed" |]
    let builder = StringBuilder()

    while builder.Length < 1400 do
        builder.Append(words[random.Next words.Length]).Append(' ').Append(random.Next 1000).Append('\n')
        |> ignore

    Encoding.ASCII.GetBytes(builder.ToString().Substring(0, 1400))

let private noise =
    let bytes = Array.zeroCreate<byte> 1400
    Random(2).NextBytes bytes
    bytes

let run () : unit =
    let compressor = Compressor()

    for name, packet in [ "text", text; "noise", noise ] do
        for level in [ 1; 6; 9; 10; 11; 12 ] do
            let packed = Array.zeroCreate<byte>(Compressor.Bound packet.Length)
            let target = Array.zeroCreate<byte> Protocol.maxSize
            let size = compressor.Compress(level, ReadOnlySpan packet, packed.AsSpan())

            let label what =
                "level " + level.ToString() + ", " + name + " of 1400 to " + size.ToString() + " bytes: " + what

            report
                (label "compress")
                (measure calls (fun _ -> compressor.Compress(level, ReadOnlySpan packet, packed.AsSpan()) |> ignore))

            report
                (label "decompress")
                (measure calls (fun _ ->
                    compressor.Decompress(level, ReadOnlySpan(packed, 0, size), target.AsSpan()) |> ignore))
