/// The deterministic generator behind everything random in the core. The host seeds it with entropy; after that the same
/// seed gives the same bytes. Every draw replaces the key, so that a state tells nothing about what was drawn before.
namespace TincPure.Crypto

open System
open System.Buffers.Binary
open System.Security.Cryptography

/// A state of the generator. Drawing twice from one state gives the same bytes twice: keep the new state.
[<Sealed>]
type Drbg internal (key: byte[]) =
    member internal _.Key = key
    override _.ToString() = "(generator)"

module Drbg =

    /// Bytes of entropy that `create` wants at least.
    let seedSize = 32

    let private ofHash (material: byte[]) = Drbg(Array.truncate ChaCha20.KeySize (SHA512.HashData material))

    /// A generator from entropy, 32 bytes or more.
    let create (entropy: byte[]) : Drbg = ofHash entropy

    /// Mixes fresh entropy into the state.
    let reseed (entropy: byte[]) (generator: Drbg) : Drbg = ofHash (Array.append generator.Key entropy)

    /// `count` random bytes, and the state to go on with.
    let next (count: int) (generator: Drbg) : struct (byte[] * Drbg) =
        let blocks = (ChaCha20.KeySize + count + ChaCha20.BlockSize - 1) / ChaCha20.BlockSize

        let perChunk = ChaCha20.ChunkSize / ChaCha20.BlockSize
        let stream = Array.zeroCreate<byte>((blocks + perChunk - 1) / perChunk * ChaCha20.ChunkSize)
        ChaCha20.keyStream (ReadOnlySpan generator.Key) 0UL 0UL blocks (Span stream)
        let key = Array.sub stream 0 ChaCha20.KeySize
        let bytes = Array.sub stream ChaCha20.KeySize count
        CryptographicOperations.ZeroMemory(Span stream)
        struct (bytes, Drbg key)

    /// A random number of 32 bits.
    let nextUInt32 (generator: Drbg) : struct (uint32 * Drbg) =
        let struct (bytes, generator) = next 4 generator
        struct (BinaryPrimitives.ReadUInt32BigEndian(ReadOnlySpan bytes), generator)

    /// A random number from 0 to `bound` - 1; the bound is positive. No number is likelier than another by more than one
    /// part in 2^32.
    let below (bound: int) (generator: Drbg) : struct (int * Drbg) =
        let struct (bytes, generator) = next 8 generator
        let wide = BinaryPrimitives.ReadUInt64BigEndian(ReadOnlySpan bytes) >>> 1
        struct (int (wide % uint64 bound), generator)
