namespace TincPure.Crypto.Legacy

open System
open System.Security.Cryptography

/// A keyed hash (HMAC). Allocates nothing per message; owned by one thread at a time.
[<AbstractClass>]
type Mac() =
    /// Writes as many bytes as the digest has.
    abstract Compute: message: ReadOnlySpan<byte> * target: Span<byte> -> unit

[<Sealed>]
type private PlatformMac(name: HashAlgorithmName, key: ReadOnlySpan<byte>) =
    inherit Mac()

    let hash = IncrementalHash.CreateHMAC(name, key)

    override _.Compute(message, target) =
        hash.AppendData message
        hash.GetHashAndReset target |> ignore

/// HMAC (RFC 2104) over a hash that the platform lacks.
[<Sealed>]
type private OwnMac(hash: BlockHash, key: byte[]) =
    inherit Mac()

    let block =
        let block = Array.zeroCreate<byte> hash.BlockSize

        if key.Length > hash.BlockSize then
            hash.Append(ReadOnlySpan key)
            hash.Finish(Span block)
        else
            key.CopyTo(block, 0)

        block

    let inner = Array.map (fun b -> b ^^^ 0x36uy) block
    let outer = Array.map (fun b -> b ^^^ 0x5cuy) block

    override _.Compute(message, target) =
        hash.Append(ReadOnlySpan inner)
        hash.Append message
        hash.Finish target
        hash.Append(ReadOnlySpan outer)
        hash.Append(Span.op_Implicit (target.Slice(0, hash.Size)))
        hash.Finish target

/// A digest of the legacy protocol (spec 01 §15.4).
type Digest =
    {
        /// OpenSSL's name and number.
        Name: string
        Nid: int
        /// Bytes.
        Size: int
    }

module Digest =

    /// What stands for "no digest" on the wire.
    let none = 0

    let private digest name nid size : Digest = { Name = name; Nid = nid; Size = size }

    /// Everything that is supported.
    let all: Digest list =
        [ digest "md5" 4 16
          digest "sha1" 64 20
          digest "ripemd160" 117 20
          digest "sha224" 675 28
          digest "sha256" 672 32
          digest "sha384" 673 48
          digest "sha512" 674 64 ]

    let sha256: Digest = digest "sha256" 672 32

    /// Largest digest of `all`, in bytes.
    let maxSize = 64

    let ofNid (nid: int) : Digest voption =
        match List.tryFind (fun digest -> digest.Nid = nid) all with
        | Some digest -> ValueSome digest
        | None -> ValueNone

    /// By OpenSSL's names, in any case.
    let ofName (name: string) : Digest voption =
        let name =
            match name.ToLowerInvariant() with
            | "ripemd"
            | "rmd160" -> "ripemd160"
            | name when name.StartsWith("sha2-", StringComparison.Ordinal) -> "sha" + name.Substring 5
            | "sha-1" -> "sha1"
            | name -> name

        match List.tryFind (fun digest -> digest.Name = name) all with
        | Some digest -> ValueSome digest
        | None -> ValueNone

    let private own (digest: Digest) : BlockHash voption =
        match digest.Name with
        | "sha224" -> ValueSome(Sha224())
        | "ripemd160" -> ValueSome(Ripemd160())
        | _ -> ValueNone

    let private platform (digest: Digest) : HashAlgorithmName =
        match digest.Name with
        | "md5" -> HashAlgorithmName.MD5
        | "sha1" -> HashAlgorithmName.SHA1
        | "sha384" -> HashAlgorithmName.SHA384
        | "sha512" -> HashAlgorithmName.SHA512
        | _ -> HashAlgorithmName.SHA256

    /// The plain hash.
    let hash (digest: Digest) (data: ReadOnlySpan<byte>) : byte[] =
        match own digest with
        | ValueSome hash ->
            let result = Array.zeroCreate<byte> digest.Size
            hash.Append data
            hash.Finish(Span result)
            result
        | ValueNone -> CryptographicOperations.HashData(platform digest, data)

    /// The hash keyed with `key`, of any length.
    let mac (digest: Digest) (key: byte[]) : Mac =
        match own digest with
        | ValueSome hash -> OwnMac(hash, key)
        | ValueNone -> PlatformMac(platform digest, ReadOnlySpan key)
