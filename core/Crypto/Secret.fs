namespace TincPure.Crypto

open System
open System.Security.Cryptography

/// Key material. Prints as nothing, compares by identity, and can be zeroed when it has done its duty (spec 01 §16).
/// Owns the array that it is made from.
[<Sealed>]
type Secret(bytes: byte[]) =

    member _.Span: ReadOnlySpan<byte> = ReadOnlySpan bytes

    member _.Length: int = bytes.Length

    /// From now on the secret is zeros.
    member _.Wipe() : unit = CryptographicOperations.ZeroMemory(Span bytes)

    override _.ToString() = "(secret)"
