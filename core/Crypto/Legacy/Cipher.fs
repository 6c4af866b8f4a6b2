namespace TincPure.Crypto.Legacy

open System
open System.Security.Cryptography

type CipherFamily =
    | AesFamily
    | TripleDesFamily
    | BlowfishFamily
    | CamelliaFamily

/// Modes of operation. CFB feeds whole blocks back, as OpenSSL's plain "cfb" does.
type ChainMode =
    | Ecb
    | Cbc
    | Cfb
    | Ofb

/// A cipher of the legacy protocol (spec 01 §15.4, spec 08 §14).
type Cipher =
    {
        /// OpenSSL's name and number.
        Name: string
        Nid: int
        Family: CipherFamily
        Mode: ChainMode
        /// Bytes.
        KeyLength: int
        IvLength: int
        /// Bytes of the block that the cipher works on, whatever the mode.
        InnerBlock: int
    }

    /// Lengths of what it puts out are multiples of this: 1 unless it pads.
    member this.BlockSize: int =
        match this.Mode with
        | Ecb
        | Cbc -> this.InnerBlock
        | Cfb
        | Ofb -> 1

    /// Key and IV together.
    member this.MaterialLength: int = this.KeyLength + this.IvLength

module Cipher =

    /// What stands for "no cipher" on the wire.
    let none = 0

    let private cipher family inner keyLength name mode nid : Cipher =
        { Name = name
          Nid = nid
          Family = family
          Mode = mode
          KeyLength = keyLength
          IvLength = (if mode = Ecb then 0 else inner)
          InnerBlock = inner }

    /// The four modes of one cipher and key length; numbers in the order ECB, CBC, CFB, OFB.
    let private modes family inner keyLength (name: string) (ecb, cbc, cfb, ofb) =
        let cipher mode nid suffix = cipher family inner keyLength (name + suffix) mode nid
        [ cipher Ecb ecb "-ecb"; cipher Cbc cbc "-cbc"; cipher Cfb cfb "-cfb"; cipher Ofb ofb "-ofb" ]

    /// Everything that is supported.
    let all: Cipher list =
        List.concat
            [ modes AesFamily 16 16 "aes-128" (418, 419, 421, 420)
              modes AesFamily 16 24 "aes-192" (422, 423, 425, 424)
              modes AesFamily 16 32 "aes-256" (426, 427, 429, 428)
              modes TripleDesFamily 8 24 "des-ede3" (33, 44, 61, 63)
              modes TripleDesFamily 8 16 "des-ede" (32, 43, 60, 62)
              modes BlowfishFamily 8 16 "bf" (92, 91, 93, 94)
              modes CamelliaFamily 16 16 "camellia-128" (754, 751, 757, 766)
              modes CamelliaFamily 16 24 "camellia-192" (755, 752, 758, 767)
              modes CamelliaFamily 16 32 "camellia-256" (756, 753, 759, 768) ]

    let private find (test: Cipher -> bool) : Cipher voption =
        match List.tryFind test all with
        | Some cipher -> ValueSome cipher
        | None -> ValueNone

    let ofNid (nid: int) : Cipher voption = find (fun cipher -> cipher.Nid = nid)

    /// By OpenSSL's names and their shorter forms, in any case.
    let ofName (name: string) : Cipher voption =
        let name =
            match name.ToLowerInvariant() with
            | "aes128" -> "aes-128-cbc"
            | "aes192" -> "aes-192-cbc"
            | "aes256" -> "aes-256-cbc"
            | "camellia128" -> "camellia-128-cbc"
            | "camellia192" -> "camellia-192-cbc"
            | "camellia256" -> "camellia-256-cbc"
            | "des3" -> "des-ede3-cbc"
            | "des-ede3" -> "des-ede3-ecb"
            | "des-ede" -> "des-ede-ecb"
            | "bf"
            | "blowfish" -> "bf-cbc"
            | name -> name

        find (fun cipher -> cipher.Name = name)

    let private triple (key: byte[]) : SymmetricAlgorithm =
        let algorithm = TripleDES.Create()
        algorithm.Key <- key
        algorithm

    let private aes (key: byte[]) : SymmetricAlgorithm =
        let algorithm = Aes.Create()
        algorithm.Key <- key
        algorithm

    /// The block cipher under this key of `KeyLength` bytes. None for a triple DES key that is in effect a simple one: such a
    /// key is no accident.
    let keyed (cipher: Cipher) (key: byte[]) : BlockCipher voption =
        match cipher.Family with
        | _ when key.Length <> cipher.KeyLength -> ValueNone
        | AesFamily -> ValueSome(PlatformBlockCipher(aes key))
        | TripleDesFamily when TripleDES.IsWeakKey key -> ValueNone
        | TripleDesFamily -> ValueSome(PlatformBlockCipher(triple key))
        | BlowfishFamily -> ValueSome(Blowfish key)
        | CamelliaFamily -> ValueSome(Camellia key)
