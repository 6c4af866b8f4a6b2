module TincPure.Core.Tests.NodeIdTests

open System
open Xunit
open TincPure.Primitives
open TincPure.Core.Tests.NodeFakePeer

[<Fact>]
let ``a node's ID is what the reference derives from its name`` () =
    let ids =
        [ for id in (Vectors.load "01-node-id.json").GetProperty("ids").EnumerateArray() ->
              struct (id.GetProperty("name").GetString(), id.GetProperty("id").GetString()) ]

    Assert.NotEmpty ids

    for struct (name, expected) in ids do
        match name with
        | null -> Assert.Fail "a name is missing"
        | name ->
            let bytes = Array.zeroCreate<byte> NodeId.size
            NodeId.write (NodeId.ofName (nodeName name)) (Span bytes)
            Assert.Equal(expected, Convert.ToHexStringLower bytes)
            Assert.Equal(NodeId.ofName (nodeName name), NodeId.read (ReadOnlySpan bytes))
