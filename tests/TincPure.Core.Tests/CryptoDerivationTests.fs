module TincPure.Core.Tests.CryptoDerivationTests

open System
open System.Security.Cryptography
open System.Text
open TincPure.Crypto
open TincPure.Primitives
open Xunit

[<Fact>]
let ``the PRF is that of the vectors`` () =
    for case in Vectors.items "cases" (Vectors.load "01-prf.json") do
        let output =
            Prf.derive
                (ReadOnlySpan(Vectors.bytes "secret" case))
                (ReadOnlySpan(Vectors.bytes "seed" case))
                (Vectors.number "length" case)

        Assert.Equal<byte[]>(Vectors.bytes "output" case, output)

[<Fact>]
let ``invitation texts are those of the vectors`` () =
    let first18 (bytes: byte[]) = Array.truncate 18 (SHA512.HashData bytes)

    let urlSafe (bytes: byte[]) = Base64.encodeUrl (ReadOnlySpan bytes)

    for case in Vectors.items "cases" (Vectors.load "01-invitation.json") do
        let publicText = Base64.encode (ReadOnlySpan(Vectors.bytes "invitation_public" case))

        let cookie = Vectors.bytes "cookie" case
        let keyHash = first18 (Encoding.ASCII.GetBytes publicText)

        let nameHash = first18 (Array.append cookie (Encoding.ASCII.GetBytes publicText))

        Assert.Equal(Vectors.text "invitation_public_base64" case, publicText)
        Assert.Equal<byte[]>(Vectors.bytes "key_hash" case, keyHash)
        Assert.Equal(Vectors.text "key_hash_text" case, urlSafe keyHash)
        Assert.Equal(Vectors.text "cookie_text" case, urlSafe cookie)
        Assert.Equal(Vectors.text "url_tail" case, urlSafe keyHash + urlSafe cookie)
        Assert.Equal<byte[]>(Vectors.bytes "file_name_hash" case, nameHash)
        Assert.Equal(Vectors.text "file_name" case, urlSafe nameHash)

[<Fact>]
let ``the generator repeats itself for one seed and never otherwise`` () =
    FsCheck.Check.QuickThrowOnFailure(fun (seed: byte[]) (FsCheck.NonNegativeInt length) ->
        let length = length * 37
        let start = Drbg.create (Array.append seed (Array.zeroCreate 32))
        let struct (first, after) = Drbg.next (length + 16) start
        let struct (again, _) = Drbg.next (length + 16) start
        let struct (second, _) = Drbg.next (length + 16) after
        let struct (reseeded, _) = Drbg.next (length + 16) (Drbg.reseed [| 1uy |] start)
        let struct (number, _) = Drbg.below (length + 1) after

        first.Length = length + 16
        && first = again
        && first <> second
        && first <> reseeded
        && number >= 0
        && number <= length)

[<Fact>]
let ``a secret shows nothing and can be wiped`` () =
    let secret = Secret [| 1uy; 2uy; 3uy |]
    Assert.Equal("(secret)", string secret)
    Assert.Equal<byte[]>([| 1uy; 2uy; 3uy |], secret.Span.ToArray())
    secret.Wipe()
    Assert.Equal<byte[]>(Array.zeroCreate 3, secret.Span.ToArray())
