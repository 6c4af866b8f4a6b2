/// Vector and HashTrie against the models that they stand for.
module TincPure.Core.Tests.TopologyCollectionsTests

open System
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open Xunit

/// Keys whose hashes collide wholly (few values) or in their lower bits only.
[<Struct; CustomEquality; NoComparison>]
type Key =
    { Value: int }

    override this.GetHashCode() = this.Value % 7

    override this.Equals(other) =
        match other with
        | :? Key as key -> key.Value = this.Value
        | _ -> false

    interface IEquatable<Key> with
        member this.Equals(other) = other.Value = this.Value

type Change<'k> =
    | Add of 'k * int
    | Remove of 'k

let private changes (keys: Gen<'k>) : Gen<Change<'k> list> =
    Gen.listOf (
        Gen.oneof [ Gen.map2 (fun key value -> Add(key, value)) keys (Gen.choose (0, 1000)); Gen.map Remove keys ]
    )

let private agreesWithMap (number: 'k -> int) (keys: 'k list) (changes: Change<'k> list) =
    let step (trie, map) change =
        match change with
        | Add(key, value) -> HashTrie.add key value trie, Map.add (number key) value map
        | Remove key -> HashTrie.remove key trie, Map.remove (number key) map

    let trie, map = List.fold step (HashTrie.empty, Map.empty) changes
    let contents = HashTrie.fold (fun found key value -> Map.add (number key) value found) Map.empty trie

    HashTrie.count trie = map.Count
    && contents = map
    && keys
       |> List.forall (fun key -> HashTrie.tryFind key trie = (Map.tryFind (number key) map |> ValueOption.ofOption))

[<Fact>]
let ``a hash trie holds what a map holds`` () =
    let keys = Gen.choose (0, 300)

    Check.One(
        Config.QuickThrowOnFailure.WithEndSize 400,
        Prop.forAll (Arb.fromGen (changes keys)) (agreesWithMap id [ 0..300 ])
    )

[<Fact>]
let ``a hash trie holds what a map holds even if hashes collide`` () =
    let keys = Gen.choose (0, 60) |> Gen.map (fun value -> { Value = value })

    Check.One(
        Config.QuickThrowOnFailure.WithEndSize 200,
        Prop.forAll (Arb.fromGen (changes keys)) (agreesWithMap _.Value [ for i in 0..60 -> { Value = i } ])
    )

[<Fact>]
let ``a changed hash trie leaves the one it came from alone`` () =
    let before = HashTrie.empty |> HashTrie.add 1 "one" |> HashTrie.add 2 "two"
    let after = before |> HashTrie.add 1 "eins" |> HashTrie.remove 2
    Assert.Equal(ValueSome "one", HashTrie.tryFind 1 before)
    Assert.Equal(ValueSome "two", HashTrie.tryFind 2 before)
    Assert.Equal(ValueSome "eins", HashTrie.tryFind 1 after)
    Assert.Equal(1, HashTrie.count after)

[<Fact>]
let ``finding an endpoint or a node id allocates nothing`` () =
    let endpoint i = Endpoint.create (Ip.v6 0x20010db8UL (uint64 i)) (uint16 i)

    let byEndpoint = Seq.fold (fun trie i -> HashTrie.add (endpoint i) i trie) HashTrie.empty [ 0..999 ]

    let byId = Seq.fold (fun trie i -> HashTrie.add (NodeId(uint64 i)) i trie) HashTrie.empty [ 0..999 ]

    let run () =
        let mutable found = 0

        for i in 0..1999 do
            match HashTrie.tryFind (endpoint i) byEndpoint with
            | ValueSome _ -> found <- found + 1
            | ValueNone -> ()

            match HashTrie.tryFind (NodeId(uint64 i)) byId with
            | ValueSome _ -> found <- found + 1
            | ValueNone -> ()

        found

    run () |> ignore
    let before = GC.GetAllocatedBytesForCurrentThread()
    let found = run ()
    Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread())
    Assert.Equal(2000, found)

[<Fact>]
let ``a vector holds what an array holds`` () =
    let scenario =
        gen {
            let! size = Gen.elements [ 0; 1; 5; 31; 32; 33; 100; 1023; 1024; 1025; 2000; 33000 ]
            let! more = Gen.choose (0, 70)
            let! changed = Gen.listOf (Gen.choose (0, max 0 (size + more - 1)))
            return size, more, changed
        }

    Check.QuickThrowOnFailure(
        Prop.forAll (Arb.fromGen scenario) (fun (size, more, changed) ->
            let model = Array.init (size + more) id
            let mutable vector = Vector.ofSeq (Seq.init size id)

            for i in size .. size + more - 1 do
                vector <- Vector.add i vector

            let original = vector

            for i in changed |> List.filter (fun i -> i < model.Length) do
                model[i] <- -i
                vector <- Vector.set i -i vector

            Vector.length vector = model.Length
            && Vector.toArray vector = model
            && Array.forall (fun i -> vector[abs i] = i) model
            && Vector.fold (+) 0 vector = Array.sum model
            && Vector.toArray original = Array.init (size + more) id)
    )

[<Fact>]
let ``a vector grown one by one is the vector made at once`` () =
    let grown = Seq.fold (fun vector i -> Vector.add i vector) Vector.empty [ 0..40000 ]
    Assert.Equal<int array>([| 0..40000 |], Vector.toArray grown)
    Assert.Equal<int array>([| 0..40000 |], Vector.toArray (Vector.ofSeq [ 0..40000 ]))
    Assert.Equal(ValueNone, Vector.tryGet 40001 grown)
    Assert.Equal(ValueNone, Vector.tryGet -1 grown)
