/// Ed25519 with private keys in their expanded form, as tinc stores them: 32 bytes clamped scalar, 32 bytes nonce
/// prefix; the seed is not kept (spec 01 §3).
module TincPure.Crypto.Ed25519

open System
open System.Security.Cryptography

[<Literal>]
let SeedSize = 32

[<Literal>]
let PrivateKeySize = 64

[<Literal>]
let PublicKeySize = 32

[<Literal>]
let SignatureSize = 64

type KeyPair =
    {
        /// 64 bytes.
        Private: Secret
        /// 32 bytes.
        Public: byte[]
    }

/// The expanded private key of 32 random bytes.
let expand (seed: ReadOnlySpan<byte>) : Secret =
    let expanded = SHA512.HashData seed
    expanded[0] <- expanded[0] &&& 0xf8uy
    expanded[31] <- (expanded[31] &&& 0x3fuy) ||| 0x40uy
    Secret expanded

/// The public key (32 bytes) of an expanded private key.
let publicKey (privateKey: ReadOnlySpan<byte>) : byte[] =
    let encoded = Array.zeroCreate<byte> PublicKeySize
    Edwards25519.toBytes (Edwards25519.multiplyGenerator (privateKey.Slice(0, 32))) (Span encoded)
    encoded

/// The key pair of 32 random bytes. Wiping the seed is up to the caller.
let generate (seed: ReadOnlySpan<byte>) : KeyPair =
    let expanded = expand seed

    { Private = expanded; Public = publicKey expanded.Span }

/// SHA-512 of the pieces one after the other, modulo L.
let private hashToScalar (first: ReadOnlySpan<byte>) (second: ReadOnlySpan<byte>) (third: ReadOnlySpan<byte>) =
    let text = Array.zeroCreate<byte>(first.Length + second.Length + third.Length)
    first.CopyTo(Span text)
    second.CopyTo(Span(text).Slice first.Length)
    third.CopyTo(Span(text).Slice(first.Length + second.Length))
    let hash = SHA512.HashData text
    CryptographicOperations.ZeroMemory(Span text)
    let scalar = Array.zeroCreate<byte> 32
    Scalar25519.reduce (ReadOnlySpan hash) (Span scalar)
    CryptographicOperations.ZeroMemory(Span hash)
    scalar

/// The signature (64 bytes, deterministic) of `message` by an expanded private key and the public key that goes with
/// it.
let sign (privateKey: ReadOnlySpan<byte>) (publicKey: ReadOnlySpan<byte>) (message: ReadOnlySpan<byte>) : byte[] =
    let signature = Array.zeroCreate<byte> SignatureSize
    let r = hashToScalar (privateKey.Slice 32) message ReadOnlySpan.Empty
    Edwards25519.toBytes (Edwards25519.multiplyGenerator (ReadOnlySpan r)) (Span(signature, 0, 32))
    let k = hashToScalar (ReadOnlySpan(signature, 0, 32)) publicKey message
    Scalar25519.multiplyAdd (ReadOnlySpan k) (privateKey.Slice(0, 32)) (ReadOnlySpan r) (Span(signature, 32, 32))
    CryptographicOperations.ZeroMemory(Span r)
    signature

/// True if `signature` (64 bytes) is that of `message` by the holder of `publicKey` (32 bytes). Sizes other than these
/// verify nothing.
let verify (publicKey: ReadOnlySpan<byte>) (message: ReadOnlySpan<byte>) (signature: ReadOnlySpan<byte>) : bool =
    if publicKey.Length <> PublicKeySize || signature.Length <> SignatureSize || signature[63] > 0x1fuy then
        false
    else
        match Edwards25519.ofBytes publicKey with
        | ValueNone -> false
        | ValueSome point ->
            let k = hashToScalar (signature.Slice(0, 32)) publicKey message

            let difference =
                Edwards25519.add
                    (Edwards25519.multiplyGenerator (signature.Slice 32))
                    (Edwards25519.multiplyPublic (ReadOnlySpan k) (Edwards25519.negate point))

            let encoded = Array.zeroCreate<byte> 32
            Edwards25519.toBytes difference (Span encoded)
            signature.Slice(0, 32).SequenceEqual(ReadOnlySpan encoded)
