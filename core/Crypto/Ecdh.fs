/// The ephemeral Diffie-Hellman of SPTPS: key pairs are Ed25519 key pairs, the Edwards form travels, and both sides do
/// X25519 with it (spec 01 §5).
module TincPure.Crypto.Ecdh

open System

[<Literal>]
let SharedSecretSize = 32

/// X25519 of a scalar that is clamped already and the coordinate u (RFC 7748 §5), in constant time.
let private ladder (scalar: ReadOnlySpan<byte>) (u: Field25519.Element) : Field25519.Element =
    let mutable x2 = Field25519.one
    let mutable z2 = Field25519.zero
    let mutable x3 = u
    let mutable z3 = Field25519.one
    let mutable swapped = 0UL

    for bit in 254..-1..0 do
        let now = uint64 ((scalar[bit >>> 3] >>> (bit &&& 7)) &&& 1uy)
        let swap = swapped ^^^ now
        swapped <- now
        let p = Field25519.select swap x2 x3
        let q = Field25519.select swap z2 z3
        let r = Field25519.select swap x3 x2
        let s = Field25519.select swap z3 z2

        let a = Field25519.add p q
        let b = Field25519.sub p q
        let aa = Field25519.square a
        let bb = Field25519.square b
        let e = Field25519.sub aa bb
        let da = Field25519.mul (Field25519.sub r s) a
        let cb = Field25519.mul (Field25519.add r s) b
        x3 <- Field25519.square (Field25519.add da cb)
        z3 <- Field25519.mul u (Field25519.square (Field25519.sub da cb))
        x2 <- Field25519.mul aa bb
        z2 <- Field25519.mul e (Field25519.add aa (Field25519.mulSmall e 121665UL))

    let x = Field25519.select swapped x2 x3
    let z = Field25519.select swapped z2 z3
    Field25519.mul x (Field25519.invert z)

/// The shared secret (32 bytes) of an expanded private key and the peer's public key in Edwards form, of which only y
/// counts. Keys of small order give all zeros; what to do then is up to the caller.
let sharedSecret (privateKey: ReadOnlySpan<byte>) (peerPublicKey: ReadOnlySpan<byte>) : Secret =
    let y = Field25519.ofBytes peerPublicKey

    let u =
        Field25519.mul (Field25519.add Field25519.one y) (Field25519.invert (Field25519.sub Field25519.one y))

    let scalar = privateKey.Slice(0, 32).ToArray()
    scalar[0] <- scalar[0] &&& 0xf8uy
    scalar[31] <- (scalar[31] &&& 0x7fuy) ||| 0x40uy
    let shared = Array.zeroCreate<byte> SharedSecretSize
    Field25519.toBytes (ladder (ReadOnlySpan scalar) u) (Span shared)
    Array.Clear scalar
    Secret shared
