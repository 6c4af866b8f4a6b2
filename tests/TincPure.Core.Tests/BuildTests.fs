module TincPure.Core.Tests.BuildTests

open System
open FsCheck.FSharp
open TincPure.Primitives
open Xunit

[<Fact>]
let ``bytes are equal to themselves`` () =
    let property (bytes: byte array) = Bytes.equal (ReadOnlySpan bytes) (ReadOnlySpan(Array.copy bytes))

    FsCheck.Check.QuickThrowOnFailure property

[<Fact>]
let ``bytes differ when one is longer`` () =
    let property (bytes: byte array) =
        not (Bytes.equal (ReadOnlySpan bytes) (ReadOnlySpan(Array.append bytes [| 0uy |])))
        |> Prop.label "longer"

    FsCheck.Check.QuickThrowOnFailure property
