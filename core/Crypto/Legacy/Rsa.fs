namespace TincPure.Crypto.Legacy

open System
open System.Numerics
open System.Security.Cryptography

/// An RSA public key. `Size` is the length of the modulus, and of everything that is encrypted, in bytes.
type RsaPublicKey =
    { Modulus: BigInteger
      Exponent: BigInteger }

    member this.Size: int = int ((this.Modulus.GetBitLength() + 7L) / 8L)

    member this.Bits: int = int (this.Modulus.GetBitLength())

/// An RSA key pair. Its text shows nothing.
[<CustomEquality; NoComparison>]
type RsaPrivateKey =
    {
        PublicHalf: RsaPublicKey
        /// The private exponent.
        SecretExponent: BigInteger
    }

    override _.ToString() = "<RSA private key>"

    override this.Equals(other) =
        match other with
        | :? RsaPrivateKey as other -> this.PublicHalf = other.PublicHalf && this.SecretExponent = other.SecretExponent
        | _ -> false

    override this.GetHashCode() = this.PublicHalf.GetHashCode()

/// Textbook RSA, as the legacy protocol uses it: blocks as long as the modulus, no padding (spec 01 §15.2).
module Rsa =

    /// Sizes that are accepted, in bits (spec 08 §18). What is larger does not fit a request line.
    let minimumBits = 512

    let maximumBits = 8192

    /// Shorter keys are warned about.
    let recommendedBits = 2048

    let private number (bytes: ReadOnlySpan<byte>) = BigInteger(bytes, isUnsigned = true, isBigEndian = true)

    /// Big endian, with zeros in front.
    let private block (size: int) (value: BigInteger) : byte[] =
        let result = Array.zeroCreate<byte> size
        let mutable written = 0

        if value.TryWriteBytes(Span result, &written, isUnsigned = true, isBigEndian = true) then
            Array.Copy(result, 0, result, size - written, written)
            Array.Clear(result, 0, size - written)

        result

    /// A large modulus with a large exponent takes seconds for each use. The limits are OpenSSL's.
    let private longestExponent (modulusBits: int64) : int64 = if modulusBits > 3072L then 64L else modulusBits

    /// A public key, if these numbers can be one.
    let publicKey (modulus: BigInteger) (exponent: BigInteger) : RsaPublicKey voption =
        let bits = modulus.GetBitLength()

        if
            modulus.Sign > 0
            && not modulus.IsEven
            && bits >= int64 minimumBits
            && bits <= int64 maximumBits
            && exponent > BigInteger.One
            && exponent < modulus
            && exponent.GetBitLength() <= longestExponent bits
        then
            ValueSome { Modulus = modulus; Exponent = exponent }
        else
            ValueNone

    /// A key pair, if `d` undoes what the public key does to some number.
    let privateKey (key: RsaPublicKey) (d: BigInteger) : RsaPrivateKey voption =
        let probe = BigInteger 0x5eed

        if
            d.Sign > 0
            && d < key.Modulus
            && BigInteger.ModPow(BigInteger.ModPow(probe, key.Exponent, key.Modulus), d, key.Modulus) = probe
        then
            ValueSome { PublicHalf = key; SecretExponent = d }
        else
            ValueNone

    /// Random bytes made into a block below the modulus: as many leading bits as needed are cleared, one for common sizes
    /// (spec 08 §5).
    let clearTop (key: RsaPublicKey) (random: byte[]) : byte[] =
        let result = Array.copy random
        result[0] <- result[0] &&& byte ((1 <<< ((key.Bits - 1) % 8)) - 1)
        result

    /// A block, as long as the modulus, encrypted. None if it is not below the modulus.
    let encrypt (key: RsaPublicKey) (plain: ReadOnlySpan<byte>) : byte[] voption =
        let value = number plain

        if plain.Length <> key.Size || value >= key.Modulus then
            ValueNone
        else
            ValueSome(block key.Size (BigInteger.ModPow(value, key.Exponent, key.Modulus)))

    /// Bytes of randomness for one `decrypt`.
    let blindingSize (key: RsaPrivateKey) : int = key.PublicHalf.Size + 8

    let rec private inverse
        (r: BigInteger)
        (next: BigInteger)
        (t: BigInteger)
        (nextT: BigInteger)
        : struct (BigInteger * BigInteger) =
        if next.IsZero then
            struct (r, t)
        else
            let quotient = r / next
            inverse next (r - quotient * next) nextT (t - quotient * nextT)

    /// A block decrypted; none if it is not below the modulus. The private operation works on the block multiplied by a random number
    /// (`blinding`, of `blindingSize` bytes), so that its duration tells nothing about the block.
    let decrypt (key: RsaPrivateKey) (blinding: ReadOnlySpan<byte>) (cipher: ReadOnlySpan<byte>) : byte[] voption =
        let modulus = key.PublicHalf.Modulus
        let value = number cipher

        if cipher.Length <> key.PublicHalf.Size || value >= modulus then
            ValueNone
        else
            let factor = number blinding % (modulus - BigInteger.One) + BigInteger.One
            let struct (divisor, unblinding) = inverse modulus factor BigInteger.Zero BigInteger.One
            // A factor that is not invertible would factor the modulus.
            let factor, unblinding = if divisor.IsOne then factor, unblinding else BigInteger.One, BigInteger.One
            let blinded = value * BigInteger.ModPow(factor, key.PublicHalf.Exponent, modulus) % modulus
            let words = int ((modulus.GetBitLength() + 63L) / 64L)
            let raised = Montgomery.power modulus (Montgomery.toWords words key.SecretExponent) blinded
            let plain = raised * unblinding % modulus
            ValueSome(block key.PublicHalf.Size (if plain.Sign < 0 then plain + modulus else plain))

    /// Zeroes what was decrypted or is to be encrypted.
    let wipe (plain: byte[]) : unit = CryptographicOperations.ZeroMemory(Span plain)
