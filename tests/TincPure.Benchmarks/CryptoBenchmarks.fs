/// How fast records are sealed and opened, and what a handshake costs.
module TincPure.Benchmarks.CryptoBenchmarks

open System
open TincPure.Crypto
open TincPure.Sptps

/// Measures once for the JIT, which replaces its first code about 100 ms later, and once for the report.
let private measure (calls: int) (call: unit -> unit) =
    Measure.measure calls (fun _ -> call ()) |> ignore
    Threading.Thread.Sleep 300
    Measure.measure calls (fun _ -> call ())

let private row (what: string) (size: int) (call: unit -> unit) =
    let struct (nanoseconds, bytes) = measure 2000 call
    let rate = float size / nanoseconds * 1e3

    Measure.report (what + ", " + size.ToString() + " B: " + rate.ToString "N0" + " MB/s") (struct (nanoseconds, bytes))

let private timed (what: string) (call: unit -> unit) = Measure.report what (measure 100 call)

/// Sealing with each kernel that this processor has, for stream and tag alike.
let private kernels (key: byte[]) (size: int) =
    let data = Array.init size byte
    let sealed' = Array.zeroCreate<byte>(size + ChaChaPoly.TagSize)
    let mutable seqno = 1UL

    for kernel in [ Kernel.Scalar; Kernel.Narrow; Kernel.Middle; Kernel.Wide ] do
        if Kernels.has kernel then
            row ("ChaChaPoly.seal, " + kernel.ToString()) size (fun () ->
                seqno <- seqno + 1UL
                ChaChaPoly.sealWith kernel kernel (ReadOnlySpan key) seqno (ReadOnlySpan data) (Span sealed'))

/// Prints a table, OpenSSL beside ours.
let run () =
    let key = Array.init 64 byte

    for size in [ 64; 256; 1400; 9000 ] do
        match OpenSsl.sealing key size with
        | Some call -> row "OpenSSL, seal" size call
        | None -> Console.WriteLine "OpenSSL, seal: there is no libcrypto.so.3 here"

        let data = Array.init size byte
        let sealed' = Array.zeroCreate<byte>(size + ChaChaPoly.TagSize)
        let opened = Array.zeroCreate<byte> size

        // A new number each time: the processor must not learn the bits.
        let mutable seqno = 1UL

        row "ChaChaPoly.seal" size (fun () ->
            seqno <- seqno + 1UL
            ChaChaPoly.seal (ReadOnlySpan key) seqno (ReadOnlySpan data) (Span sealed'))

        row "ChaChaPoly.tryOpen" size (fun () ->
            if not (ChaChaPoly.tryOpen (ReadOnlySpan key) seqno (ReadOnlySpan sealed') (Span opened)) then
                failwith "a sealed record does not open")

        let sender = Session(key, key, ReplayWindow.defaultSize)
        let receiver = Session(key, key, ReplayWindow.defaultSize)
        let datagram = Array.zeroCreate<byte>(size + Record.DatagramOverhead)
        let mutable recordType = 0uy
        let mutable length = 0

        row "Session, seal and open" size (fun () ->
            sender.Seal(0uy, ReadOnlySpan data, Span datagram) |> ignore

            if receiver.Open(Span datagram, &recordType, &length) <> OpenResult.Opened then
                failwith "a datagram does not open")

    kernels key 1400
    let seed = Array.init 32 byte
    let pair = Ed25519.generate (ReadOnlySpan seed)
    let message = Array.init 164 byte
    let signature = Ed25519.sign pair.Private.Span (ReadOnlySpan pair.Public) (ReadOnlySpan message)
    timed "Ed25519.generate" (fun () -> Ed25519.generate (ReadOnlySpan seed) |> ignore)

    timed "Ed25519.sign" (fun () ->
        Ed25519.sign pair.Private.Span (ReadOnlySpan pair.Public) (ReadOnlySpan message) |> ignore)

    timed "Ed25519.verify" (fun () ->
        if not (Ed25519.verify (ReadOnlySpan pair.Public) (ReadOnlySpan message) (ReadOnlySpan signature)) then
            failwith "a signature does not verify")

    timed "Ecdh.sharedSecret" (fun () -> Ecdh.sharedSecret pair.Private.Span (ReadOnlySpan pair.Public) |> ignore)
