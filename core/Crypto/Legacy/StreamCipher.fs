namespace TincPure.Crypto.Legacy

open System

/// The cipher of one direction of a legacy meta connection: one key stream from METAKEY to the end (spec 08 §6).
type StreamCipher =
    private
        {
            Mode: ChainMode
            Block: BlockCipher
            /// CFB: the ciphertext of the current block so far, in front of what is left of the one before. OFB: the key stream.
            Register: byte[]
            KeyStream: byte[]
            /// How much of the key stream's block was used.
            Used: int
            /// Bytes that may still pass.
            Budget: uint64
        }

module StreamCipher =

    /// Bytes that one key may encrypt: 2^(4u - 1) for blocks or IVs of u bytes.
    let private budget (cipher: Cipher) : uint64 =
        let unit' = if cipher.BlockSize > 1 then cipher.BlockSize else cipher.IvLength
        let unit' = if unit' > 1 then unit' else 8
        1UL <<< min 63 (4 * unit' - 1)

    /// Can a meta connection run on it? Ciphers that pad cannot.
    let canStream (cipher: Cipher) : bool =
        match cipher.Mode with
        | Cfb
        | Ofb -> true
        | Ecb
        | Cbc -> false

    /// The ciphers that peers may use: AES, and Blowfish for those older than 1.0.30.
    let ofNid (nid: int) : Cipher voption =
        match Cipher.ofNid nid with
        | ValueSome cipher when canStream cipher && (cipher.Family = AesFamily || cipher.Family = BlowfishFamily) ->
            ValueSome cipher
        | _ -> ValueNone

    /// Key and IV are the tail of the block that METAKEY carried: the IV, then the key. None if the block is too short, or for ciphers
    /// that cannot stream.
    let create (cipher: Cipher) (block: byte[]) : StreamCipher voption =
        if block.Length < cipher.MaterialLength || not (canStream cipher) then
            ValueNone
        else
            let key = block[block.Length - cipher.KeyLength ..]
            let iv = block[block.Length - cipher.MaterialLength .. block.Length - cipher.KeyLength - 1]

            Cipher.keyed cipher key
            |> ValueOption.map (fun block ->
                { Mode = cipher.Mode
                  Block = block
                  Register = iv
                  KeyStream = Array.zeroCreate block.BlockSize
                  Used = block.BlockSize
                  Budget = budget cipher })

    /// When less than this is left, it is time for another key: more than a connection carries between two looks at it.
    let reserve = 1UL <<< 28

    /// Bytes that may still pass.
    let left (stream: StreamCipher) : uint64 = stream.Budget

    let private pass (encrypts: bool) (bytes: ReadOnlySpan<byte>) (stream: StreamCipher) =
        if uint64 bytes.Length > stream.Budget then
            ValueNone
        else
            let size = stream.Block.BlockSize
            let register = Array.copy stream.Register
            let keyStream = Array.copy stream.KeyStream
            let result = Array.zeroCreate<byte> bytes.Length
            let mutable used = stream.Used

            for i in 0 .. bytes.Length - 1 do
                if used = size then
                    stream.Block.Encrypt(ReadOnlySpan register, Span keyStream)
                    used <- 0

                    if stream.Mode = Ofb then
                        keyStream.CopyTo(register, 0)

                result[i] <- bytes[i] ^^^ keyStream[used]

                if stream.Mode = Cfb then
                    register[used] <- if encrypts then result[i] else bytes[i]

                used <- used + 1

            ValueSome(
                struct (result,
                        { stream with
                            Register = register
                            KeyStream = keyStream
                            Used = used
                            Budget = stream.Budget - uint64 bytes.Length })
            )

    /// None if that is more than the key may still encrypt.
    let encrypt (bytes: ReadOnlySpan<byte>) (stream: StreamCipher) : struct (byte[] * StreamCipher) voption =
        pass true bytes stream

    /// None if that is more than the key may still decrypt.
    let decrypt (bytes: ReadOnlySpan<byte>) (stream: StreamCipher) : struct (byte[] * StreamCipher) voption =
        pass false bytes stream
