namespace TincPure.Crypto.Legacy

open System
open System.Security.Cryptography
open TincPure.Primitives

/// A block cipher with its key. The modes of operation are built from these three functions (spec 01 §15.5). Sources and targets are
/// whole blocks of equal length; they may be the same bytes. Owned by one thread at a time; results depend on the arguments alone.
[<AbstractClass>]
type BlockCipher(blockSize: int) =
    member _.BlockSize: int = blockSize

    /// Each block by itself.
    abstract Encrypt: source: ReadOnlySpan<byte> * target: Span<byte> -> unit

    /// Each block by itself.
    abstract Decrypt: source: ReadOnlySpan<byte> * target: Span<byte> -> unit

    /// Each block added to the encrypted one before it (the first one to `previous`), then encrypted.
    abstract EncryptChained: previous: ReadOnlySpan<byte> * source: ReadOnlySpan<byte> * target: Span<byte> -> unit

/// A block cipher written here: block by block.
[<AbstractClass>]
type OwnBlockCipher(blockSize: int) =
    inherit BlockCipher(blockSize)

    let sum = Array.zeroCreate<byte> blockSize

    abstract EncryptBlock: source: ReadOnlySpan<byte> * target: Span<byte> -> unit

    abstract DecryptBlock: source: ReadOnlySpan<byte> * target: Span<byte> -> unit

    override this.Encrypt(source, target) =
        for i in 0 .. source.Length / blockSize - 1 do
            this.EncryptBlock(source.Slice(i * blockSize, blockSize), target.Slice(i * blockSize, blockSize))

    override this.Decrypt(source, target) =
        for i in 0 .. source.Length / blockSize - 1 do
            this.DecryptBlock(source.Slice(i * blockSize, blockSize), target.Slice(i * blockSize, blockSize))

    override this.EncryptChained(previous, source, target) =
        for i in 0 .. source.Length / blockSize - 1 do
            let before =
                if i = 0 then
                    previous
                else
                    Span.op_Implicit (target.Slice((i - 1) * blockSize, blockSize))

            Bytes.xor (source.Slice(i * blockSize, blockSize)) before (Span sum)
            this.EncryptBlock(ReadOnlySpan sum, target.Slice(i * blockSize, blockSize))

/// A block cipher of the platform. Its contexts are made once and then allocate nothing. They cannot be told to start anew, so the
/// chained one runs on from what it put out last, and the first block is prepared so that this cancels out.
[<Sealed>]
type PlatformBlockCipher(algorithm: SymmetricAlgorithm) =
    inherit BlockCipher(algorithm.BlockSize / 8)

    /// Bytes that are worked on at a time: more than a packet.
    let capacity = 4096

    let blockSize = algorithm.BlockSize / 8

    let transform (mode: CipherMode) (encrypts: bool) =
        lazy
            (algorithm.Padding <- PaddingMode.None
             algorithm.Mode <- mode
             algorithm.IV <- Array.zeroCreate blockSize
             if encrypts then algorithm.CreateEncryptor() else algorithm.CreateDecryptor())

    let encryptor = transform CipherMode.ECB true
    let decryptor = transform CipherMode.ECB false
    let chain = transform CipherMode.CBC true

    let input = Array.zeroCreate<byte> capacity
    let output = Array.zeroCreate<byte> capacity
    let last = Array.zeroCreate<byte> blockSize

    let run (transform: ICryptoTransform) (source: ReadOnlySpan<byte>) (target: Span<byte>) =
        let mutable at = 0

        while at < source.Length do
            let count = min capacity (source.Length - at)
            source.Slice(at, count).CopyTo(Span input)
            transform.TransformBlock(input, 0, count, output, 0) |> ignore
            output.AsSpan(0, count).CopyTo(target.Slice at)
            at <- at + count

    override _.Encrypt(source, target) = run encryptor.Value source target

    override _.Decrypt(source, target) = run decryptor.Value source target

    override _.EncryptChained(previous, source, target) =
        let mutable at = 0

        while at < source.Length do
            let count = min capacity (source.Length - at)
            source.Slice(at, count).CopyTo(Span input)

            if at = 0 then
                let first = input.AsSpan(0, blockSize)
                Bytes.xor (Span.op_Implicit first) previous first
                Bytes.xor (Span.op_Implicit first) (ReadOnlySpan last) first

            chain.Value.TransformBlock(input, 0, count, output, 0) |> ignore
            output.AsSpan(count - blockSize, blockSize).CopyTo(Span last)
            output.AsSpan(0, count).CopyTo(target.Slice at)
            at <- at + count
