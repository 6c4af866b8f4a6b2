namespace TincPure.Crypto.Legacy

open System
open TincPure.Primitives

/// How a node wants packets to be protected that legacy nodes send it.
type PacketAlgorithms =
    {
        Cipher: Cipher voption
        Digest: Digest voption
        /// Bytes of the digest that a packet carries.
        MacLength: int
    }

module PacketAlgorithms =

    /// What holds when nothing is configured.
    let defaultMacLength = 4

    let defaults: PacketAlgorithms =
        { Cipher = Cipher.ofName "aes-256-cbc"
          Digest = ValueSome Digest.sha256
          MacLength = defaultMacLength }

    /// Bytes of key material: key and IV, or a single byte where nothing is encrypted.
    let materialLength (algorithms: PacketAlgorithms) : int =
        match algorithms.Cipher with
        | ValueSome cipher -> cipher.MaterialLength
        | ValueNone -> 1

    let cipherNid (algorithms: PacketAlgorithms) : int =
        match algorithms.Cipher with
        | ValueSome cipher -> cipher.Nid
        | ValueNone -> Cipher.none

    let digestNid (algorithms: PacketAlgorithms) : int =
        match algorithms.Digest with
        | ValueSome digest -> digest.Nid
        | ValueNone -> Digest.none

    /// The MAC length to announce: without a digest stock 1.1 insists on 0 (spec 08 §13).
    let announcedMacLength (algorithms: PacketAlgorithms) : int =
        if algorithms.Digest.IsSome then algorithms.MacLength else 0

/// The key for the packets of one direction between two legacy nodes: chosen by the one that receives, told to the one that sends
/// (spec 08 §13). Its text shows nothing.
type PacketKey =
    {
        Algorithms: PacketAlgorithms
        /// Cipher key, then IV. All of it is the key of the MAC.
        Material: byte[]
        /// The level at which every packet under this key is compressed; 0 for none.
        Compression: int
    }

    override this.ToString() =
        "<packet key "
        + (PacketAlgorithms.cipherNid this.Algorithms).ToString()
        + " "
        + (PacketAlgorithms.digestNid this.Algorithms).ToString()
        + ">"

/// What may be wrong with a key that a peer sends; the text is what stock daemons log.
[<RequireQualifiedAccess>]
type PacketKeyError =
    | UnknownCipher
    | WrongKeyLength
    | UnknownDigest
    | BogusMacLength

module PacketKey =

    /// What logs say behind `Node NAME (HOST)`.
    let errorText (error: PacketKeyError) : string =
        match error with
        | PacketKeyError.UnknownCipher -> "uses unknown cipher!"
        | PacketKeyError.WrongKeyLength -> "uses wrong keylength!"
        | PacketKeyError.UnknownDigest -> "uses unknown digest!"
        | PacketKeyError.BogusMacLength -> "uses bogus MAC length!"

    /// A key made of `random`, as many bytes as `PacketAlgorithms.materialLength` says.
    let create (algorithms: PacketAlgorithms) (compression: int) (random: byte[]) : PacketKey =
        { Algorithms = algorithms; Material = random; Compression = compression }

    /// The block cipher of a key; none without cipher.
    let blockCipher (key: PacketKey) : BlockCipher voption =
        key.Algorithms.Cipher
        |> ValueOption.bind (fun cipher -> Cipher.keyed cipher (Array.truncate cipher.KeyLength key.Material))

    /// Reads the fields of ANS_KEY: hexadecimal key material, OpenSSL's numbers for cipher and digest, MAC length, compression. What a node
    /// without digest says of the MAC length does not matter (spec 08 §13).
    let ofWire
        (hex: string)
        (cipherNid: int)
        (digestNid: int)
        (macLength: int)
        (compression: int)
        : Result<PacketKey, PacketKeyError> =
        let cipher = Cipher.ofNid cipherNid
        let digest = Digest.ofNid digestNid

        let algorithms: PacketAlgorithms =
            { Cipher = cipher
              Digest = digest
              MacLength = if digest.IsSome then macLength else 0 }

        let size = PacketAlgorithms.materialLength algorithms

        if cipherNid <> Cipher.none && cipher.IsNone then
            Error PacketKeyError.UnknownCipher
        elif digestNid <> Digest.none && digest.IsNone then
            Error PacketKeyError.UnknownDigest
        else
            let material = Hex.decode size hex

            match digest with
            | _ when hex.Length <> 2 * size || material.Length <> size -> Error PacketKeyError.WrongKeyLength
            | ValueSome digest when macLength < 0 || macLength > digest.Size -> Error PacketKeyError.BogusMacLength
            | _ ->
                let key = create algorithms compression material

                // A weak triple DES key.
                if cipher.IsSome && (blockCipher key).IsNone then
                    Error PacketKeyError.WrongKeyLength
                else
                    Ok key
