/// tinc's ChaCha20-Poly1305: OpenSSH's construction, not that of RFC 8439 (spec 01 §6). The Poly1305 key is the start
/// of block 0 of the key stream, data is encrypted from block 1 on, and the tag covers the ciphertext alone.
module TincPure.Crypto.ChaChaPoly

#nowarn "9" // stackalloc
#nowarn "3391" // a span where a read-only one is wanted

open System
open System.Buffers.Binary
open System.Runtime.CompilerServices
open Microsoft.FSharp.NativeInterop
open TincPure.Crypto.Poly1305Lanes
open TincPure.Primitives

/// Keys are 64 bytes in the protocol, of which the first 32 are used.
[<Literal>]
let KeySize = 64

/// What sealing adds.
[<Literal>]
let TagSize = 16

let inline private stackBytes (size: int) = Span<byte>(NativePtr.toVoidPtr (NativePtr.stackalloc<byte> size), size)

/// The nonce is the sequence number as eight big-endian bytes.
let private nonce (seqno: uint64) = BinaryPrimitives.ReverseEndianness seqno

let private blocksFor (bytes: int) = (bytes + ChaCha20.BlockSize - 1) / ChaCha20.BlockSize

/// Data bytes that the first chunk of key stream is enough for, behind block 0: one pass goes over those. Longer records, of
/// meta connections only, are encrypted and authenticated one after the other.
[<Literal>]
let private FirstSize = 1472

/// Block 0 and as much of the stream behind it as `length` bytes want and one chunk holds.
let private firstChunk (kernel: Kernel) (key: ReadOnlySpan<byte>) (seqno: uint64) (length: int) (chunk: Span<byte>) =
    let blocks = min (1 + blocksFor length) (ChaCha20.ChunkSize / ChaCha20.BlockSize)
    ChaCha20.keyStreamWith kernel key (nonce seqno) 0UL blocks chunk

/// Xors the stream into the data. `chunk` holds the first chunk of the stream, block 0 included, and is used up.
let private encrypt
    (kernel: Kernel)
    (key: ReadOnlySpan<byte>)
    (seqno: uint64)
    (source: ReadOnlySpan<byte>)
    (target: Span<byte>)
    (chunk: Span<byte>)
    =
    let first = min source.Length FirstSize
    Bytes.xor (source.Slice(0, first)) (chunk.Slice ChaCha20.BlockSize) target
    let mutable at = first
    let mutable counter = uint64 (ChaCha20.ChunkSize / ChaCha20.BlockSize)

    while at < source.Length do
        let count = min (source.Length - at) ChaCha20.ChunkSize
        ChaCha20.keyStreamWith kernel key (nonce seqno) counter (blocksFor count) chunk
        Bytes.xor (source.Slice(at, count)) chunk (target.Slice at)
        at <- at + count
        counter <- counter + uint64 (ChaCha20.ChunkSize / ChaCha20.BlockSize)

/// `seal` with kernels of one's choice for key stream and tag, which the processor must have.
[<SkipLocalsInit>]
let sealWith
    (streamKernel: Kernel)
    (tagKernel: Kernel)
    (key: ReadOnlySpan<byte>)
    (seqno: uint64)
    (plaintext: ReadOnlySpan<byte>)
    (target: Span<byte>)
    : unit =
    let length = plaintext.Length
    let chunk = stackBytes ChaCha20.ChunkSize
    let tag = target.Slice(length, TagSize)
    firstChunk streamKernel key seqno length chunk

    if length <= FirstSize then
        let stream = chunk.Slice ChaCha20.BlockSize
        Poly1305.passOver tagKernel Pass.seal (chunk.Slice(0, Poly1305.KeySize)) plaintext stream target tag
    else
        let oneTimeKey = stackBytes Poly1305.KeySize
        chunk.Slice(0, Poly1305.KeySize).CopyTo oneTimeKey
        encrypt streamKernel key seqno plaintext target chunk
        Poly1305.tagWith tagKernel oneTimeKey (target.Slice(0, length)) tag

/// Encrypts `plaintext` into `target` and appends the tag: `plaintext.Length + 16` bytes are written. `key` is 32 bytes
/// or more. `target` may start where `plaintext` starts, but must not overlap it in any other way. Never seal twice
/// with one key and number.
let seal (key: ReadOnlySpan<byte>) (seqno: uint64) (plaintext: ReadOnlySpan<byte>) (target: Span<byte>) : unit =
    sealWith (Kernels.widest ()) (Kernels.widest ()) key seqno plaintext target

/// True if the tag at the end of `sealed` is right; decrypts nothing.
[<SkipLocalsInit>]
let verify (key: ReadOnlySpan<byte>) (seqno: uint64) (sealed': ReadOnlySpan<byte>) : bool =
    let length = sealed'.Length - TagSize

    if length < 0 then
        false
    else
        let chunk = stackBytes ChaCha20.ChunkSize
        let expected = stackBytes TagSize
        firstChunk (Kernels.widest ()) key seqno 0 chunk
        Poly1305.tag (chunk.Slice(0, Poly1305.KeySize)) (sealed'.Slice(0, length)) expected
        Bytes.sameTag expected (sealed'.Slice length)

/// `tryOpen` with kernels of one's choice for key stream and tag, which the processor must have.
[<SkipLocalsInit>]
let tryOpenWith
    (streamKernel: Kernel)
    (tagKernel: Kernel)
    (key: ReadOnlySpan<byte>)
    (seqno: uint64)
    (sealed': ReadOnlySpan<byte>)
    (target: Span<byte>)
    : bool =
    let length = sealed'.Length - TagSize

    if length < 0 then
        false
    else
        let chunk = stackBytes ChaCha20.ChunkSize
        let expected = stackBytes TagSize
        let tag = sealed'.Slice length
        let ciphertext = sealed'.Slice(0, length)
        let oneTimeKey = chunk.Slice(0, Poly1305.KeySize)
        firstChunk streamKernel key seqno length chunk

        if length <= FirstSize then
            let stream = chunk.Slice ChaCha20.BlockSize
            Poly1305.passOver tagKernel Pass.open' oneTimeKey ciphertext stream target expected
            let isRight = Bytes.sameTag expected tag

            if not isRight then
                // What came out is nobody's plaintext: back to what it was.
                Bytes.xor (target.Slice(0, length)) stream target

            isRight
        else
            Poly1305.tagWith tagKernel oneTimeKey ciphertext expected
            let isRight = Bytes.sameTag expected tag

            if isRight then
                encrypt streamKernel key seqno ciphertext target chunk

            isRight

/// Checks the tag at the end of `sealed` and decrypts what is before it into `target` (`sealed.Length - 16` bytes; may start
/// where `sealed` starts). False if the tag is wrong or `sealed` is too short; then `target` holds no plaintext, and is what it
/// was if it is where `sealed` is.
let tryOpen (key: ReadOnlySpan<byte>) (seqno: uint64) (sealed': ReadOnlySpan<byte>) (target: Span<byte>) : bool =
    tryOpenWith (Kernels.widest ()) (Kernels.widest ()) key seqno sealed' target
