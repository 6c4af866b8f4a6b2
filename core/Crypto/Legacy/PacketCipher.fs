namespace TincPure.Crypto.Legacy

open System
open TincPure.Primitives

/// Encrypts and decrypts packets, each by itself from the same IV (spec 01 §15.5). Allocates nothing per packet; owned by one thread.
/// `capacity` bounds the length of packets, in bytes.
[<Sealed>]
type PacketCipher(mode: ChainMode, block: BlockCipher, iv: byte[], capacity: int) =
    let size = block.BlockSize
    let blocks = capacity / size + 1
    let scratch = Array.zeroCreate<byte>(blocks * size)
    let work = Array.zeroCreate<byte>(blocks * size)
    let zero = Array.zeroCreate<byte> size
    let iv = if mode = Ecb then zero else iv

    /// The key stream of OFB, which is the same for every packet.
    let keyStream =
        lazy
            (let stream = Array.zeroCreate<byte>(blocks * size)
             block.EncryptChained(ReadOnlySpan iv, ReadOnlySpan(Array.zeroCreate<byte>(blocks * size)), Span stream)
             stream)

    /// Whole blocks for so many bytes.
    let padded (length: int) = (length + size - 1) / size * size

    /// What CFB adds to the plaintext: the IV and then each block of ciphertext, encrypted. Encrypting, these come one from the
    /// other, and are what CBC would make of the IV followed by the plaintext.
    let cfbEncrypt (source: Span<byte>) (target: Span<byte>) =
        let whole = padded source.Length
        iv.CopyTo(work, 0)
        source.Slice(0, max 0 (min source.Length (whole - size))).CopyTo(work.AsSpan size)
        block.EncryptChained(ReadOnlySpan zero, ReadOnlySpan(work, 0, whole), scratch.AsSpan(0, whole))
        Bytes.xor (Span.op_Implicit source) (ReadOnlySpan scratch) target

    let cfbDecrypt (source: Span<byte>) (target: Span<byte>) =
        let whole = padded source.Length
        iv.CopyTo(work, 0)
        source.Slice(0, max 0 (min source.Length (whole - size))).CopyTo(work.AsSpan size)
        block.Encrypt(ReadOnlySpan(work, 0, whole), scratch.AsSpan(0, whole))
        Bytes.xor (Span.op_Implicit source) (ReadOnlySpan scratch) target

    let cbcDecrypt (source: Span<byte>) (target: Span<byte>) =
        iv.CopyTo(work, 0)
        source.CopyTo(work.AsSpan size)
        block.Decrypt(Span.op_Implicit source, scratch.AsSpan(0, source.Length))
        Bytes.xor (ReadOnlySpan(scratch, 0, source.Length)) (ReadOnlySpan work) target

    let pads =
        match mode with
        | Ecb
        | Cbc -> true
        | Cfb
        | Ofb -> false

    /// Length of what encrypting so many bytes gives.
    member _.SealedLength(length: int) : int = if pads then length - length % size + size else length

    /// Encrypts the first `length` bytes of `packet` in place; what comes out is `SealedLength length` bytes long.
    member this.Encrypt(packet: Span<byte>, length: int) : unit =
        let total = this.SealedLength length
        let target = packet.Slice(0, total)

        if pads then
            target.Slice(length).Fill(byte (total - length))

        match mode with
        | Ecb -> block.Encrypt(Span.op_Implicit target, target)
        | Cbc -> block.EncryptChained(ReadOnlySpan iv, Span.op_Implicit target, target)
        | Cfb -> cfbEncrypt target target
        | Ofb -> Bytes.xor (Span.op_Implicit target) (ReadOnlySpan keyStream.Value) target

    /// The length of the plaintext in front of PKCS#7 padding, which must be right in every byte; -1 if it is not.
    member private _.Unpadded(packet: Span<byte>) : int =
        let count = int packet[packet.Length - 1]

        if count = 0 || count > size then
            -1
        else
            let mutable wrong = 0uy

            for i in packet.Length - count .. packet.Length - 1 do
                wrong <- wrong ||| (packet[i] ^^^ byte count)

            if wrong = 0uy then packet.Length - count else -1

    /// Decrypts in place; the length of the plaintext, or -1 if it cannot be one.
    member this.Decrypt(packet: Span<byte>) : int =
        if pads && (packet.Length = 0 || packet.Length % size <> 0) || packet.Length > capacity then
            -1
        else
            match mode with
            | Ecb ->
                block.Decrypt(Span.op_Implicit packet, packet)
                this.Unpadded packet
            | Cbc ->
                cbcDecrypt packet packet
                this.Unpadded packet
            | Cfb ->
                cfbDecrypt packet packet
                packet.Length
            | Ofb ->
                Bytes.xor (Span.op_Implicit packet) (ReadOnlySpan keyStream.Value) packet
                packet.Length

    /// Sets keystream and work areas to zero.
    member _.Wipe() : unit =
        Array.Clear work
        Array.Clear scratch

        if keyStream.IsValueCreated then
            Array.Clear keyStream.Value
