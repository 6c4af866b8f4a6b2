/// The key derivation of SPTPS (spec 01 §7).
module TincPure.Crypto.Prf

open System
open System.Security.Cryptography

[<Literal>]
let private HashSize = 64

/// `length` bytes of O1 || O2 || ..., where A0 is 64 zero bytes, Ai = H(Ai-1 || seed), Oi = H(Ai || seed) and H is
/// HMAC-SHA-512 with `secret` as its key.
let derive (secret: ReadOnlySpan<byte>) (seed: ReadOnlySpan<byte>) (length: int) : byte[] =
    let output = Array.zeroCreate<byte> length
    let chain = Array.zeroCreate<byte>(HashSize + seed.Length)
    seed.CopyTo(Span(chain).Slice HashSize)
    let mutable at = 0

    while at < length do
        HMACSHA512.HashData(secret, ReadOnlySpan chain).CopyTo(chain, 0)
        let block = HMACSHA512.HashData(secret, ReadOnlySpan chain)
        Array.blit block 0 output at (min HashSize (length - at))
        CryptographicOperations.ZeroMemory(Span block)
        at <- at + HashSize

    CryptographicOperations.ZeroMemory(Span chain)
    output
