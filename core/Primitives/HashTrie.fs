namespace TincPure.Primitives

open System
open System.Collections.Generic
open System.Numerics

/// Five bits of the hash choose a child; keys whose whole hash is equal share a bucket.
type internal HashNode<'k, 'v> =
    | Leaf of hash: uint32 * key: 'k * value: 'v
    | Bucket of hash: uint32 * items: KeyValuePair<'k, 'v>[]
    | Branch of bitmap: uint32 * children: HashNode<'k, 'v>[]

/// A persistent dictionary (hash array mapped trie). Finding costs a few steps and allocates nothing; changing one entry
/// copies O(log n) small arrays. Keys whose hashes collide are searched one by one, so that a collision that a peer
/// contrives slows down only the lookups of that very hash, by one comparison per colliding entry.
[<Sealed>]
type HashTrie<'k, 'v> internal (count: int, root: HashNode<'k, 'v>) =
    static let empty = HashTrie<'k, 'v>(0, Branch(0u, Array.Empty()))

    static member Empty = empty
    member _.Count = count
    member internal _.Root = root

module HashTrie =

    let private bits = 5

    /// The finalizer of MurmurHash3: every bit of the key's hash moves every bit of the result, because F#'s own hashes
    /// of small numbers differ in few bits.
    let private mix (hash: int) : uint32 =
        let h = uint32 hash
        let h = (h ^^^ (h >>> 16)) * 0x85ebca6bu
        let h = (h ^^^ (h >>> 13)) * 0xc2b2ae35u
        h ^^^ (h >>> 16)

    let inline private hashOf (key: 'k) = mix (EqualityComparer<'k>.Default.GetHashCode(key: 'k))

    let inline private same (left: 'k) (right: 'k) = EqualityComparer<'k>.Default.Equals(left, right)

    let inline private bitAt (shift: int) (hash: uint32) = 1u <<< int ((hash >>> shift) &&& 31u)

    /// The place among `children` of the child that `bit` stands for.
    let inline private slotOf (bitmap: uint32) (bit: uint32) = BitOperations.PopCount(bitmap &&& (bit - 1u))

    let empty<'k, 'v> : HashTrie<'k, 'v> = HashTrie<'k, 'v>.Empty

    let count (trie: HashTrie<'k, 'v>) = trie.Count

    let private indexInBucket (key: 'k) (items: KeyValuePair<'k, 'v>[]) =
        let mutable i = 0

        while i < items.Length && not (same items[i].Key key) do
            i <- i + 1

        if i < items.Length then i else -1

    let rec private find shift hash (key: 'k) (node: HashNode<'k, 'v>) : 'v voption =
        match node with
        | Branch(bitmap, children) ->
            let bit = bitAt shift hash

            if bitmap &&& bit = 0u then
                ValueNone
            else
                find (shift + bits) hash key children[slotOf bitmap bit]
        | Leaf(stored, itsKey, value) -> if stored = hash && same itsKey key then ValueSome value else ValueNone
        | Bucket(stored, items) ->
            match (if stored = hash then indexInBucket key items else -1) with
            | -1 -> ValueNone
            | i -> ValueSome items[i].Value

    /// The value stored under `key`, if any. Allocates nothing.
    let tryFind (key: 'k) (trie: HashTrie<'k, 'v>) : 'v voption = find 0 (hashOf key) key trie.Root

    let containsKey (key: 'k) (trie: HashTrie<'k, 'v>) = (tryFind key trie).IsSome

    /// A branch, at depth `shift`, over two nodes whose hashes differ.
    let rec private join shift (leftHash: uint32) left (rightHash: uint32) right : HashNode<'k, 'v> =
        let leftBit = bitAt shift leftHash
        let rightBit = bitAt shift rightHash

        if leftBit = rightBit then
            Branch(leftBit, [| join (shift + bits) leftHash left rightHash right |])
        elif leftBit < rightBit then
            Branch(leftBit ||| rightBit, [| left; right |])
        else
            Branch(leftBit ||| rightBit, [| right; left |])

    let rec private put shift hash (key: 'k) (value: 'v) (node: HashNode<'k, 'v>) : HashNode<'k, 'v> =
        match node with
        | Leaf(stored, itsKey, _) when stored = hash && same itsKey key -> Leaf(hash, key, value)
        | Leaf(stored, itsKey, itsValue) when stored = hash ->
            Bucket(hash, [| KeyValuePair(itsKey, itsValue); KeyValuePair(key, value) |])
        | Bucket(stored, items) when stored = hash ->
            match indexInBucket key items with
            | -1 -> Bucket(hash, Array.append items [| KeyValuePair(key, value) |])
            | i -> Bucket(hash, Array.updateAt i (KeyValuePair(key, value)) items)
        | Leaf(stored, _, _)
        | Bucket(stored, _) -> join shift stored node hash (Leaf(hash, key, value))
        | Branch(bitmap, children) ->
            let bit = bitAt shift hash
            let slot = slotOf bitmap bit

            if bitmap &&& bit = 0u then
                Branch(bitmap ||| bit, Array.insertAt slot (Leaf(hash, key, value)) children)
            else
                let child = put (shift + bits) hash key value children[slot]
                Branch(bitmap, Array.updateAt slot child children)

    /// The trie with `value` under `key`, in place of what was there.
    let add (key: 'k) (value: 'v) (trie: HashTrie<'k, 'v>) : HashTrie<'k, 'v> =
        let count = if containsKey key trie then trie.Count else trie.Count + 1

        HashTrie(count, put 0 (hashOf key) key value trie.Root)

    /// The node without `key`, which it contains; nothing if nothing else was in it.
    let rec private without shift hash (key: 'k) (node: HashNode<'k, 'v>) : HashNode<'k, 'v> voption =
        match node with
        | Leaf _ -> ValueNone
        | Bucket(_, items) ->
            let rest = Array.removeAt (indexInBucket key items) items

            if rest.Length = 1 then
                ValueSome(Leaf(hash, rest[0].Key, rest[0].Value))
            else
                ValueSome(Bucket(hash, rest))
        | Branch(bitmap, children) ->
            let bit = bitAt shift hash
            let slot = slotOf bitmap bit

            match without (shift + bits) hash key children[slot] with
            | ValueSome child ->
                match child with
                // A lone leaf moves up, so that the shape depends on the contents only.
                | Leaf _
                | Bucket _ when children.Length = 1 && shift > 0 -> ValueSome child
                | _ -> ValueSome(Branch(bitmap, Array.updateAt slot child children))
            | ValueNone ->
                let rest = Array.removeAt slot children

                if rest.Length = 0 && shift > 0 then
                    ValueNone
                else
                    match rest with
                    | [| (Leaf _ | Bucket _) as child |] when shift > 0 -> ValueSome child
                    | _ -> ValueSome(Branch(bitmap &&& ~~~bit, rest))

    /// The trie without `key`; itself if the key is not there.
    let remove (key: 'k) (trie: HashTrie<'k, 'v>) : HashTrie<'k, 'v> =
        if not (containsKey key trie) then
            trie
        else
            match without 0 (hashOf key) key trie.Root with
            | ValueSome root -> HashTrie(trie.Count - 1, root)
            | ValueNone -> empty

    /// Folds over the entries in the order of their hashes, which means nothing.
    let fold (folder: 's -> 'k -> 'v -> 's) (state: 's) (trie: HashTrie<'k, 'v>) : 's =
        let rec visit state node =
            match node with
            | Leaf(_, key, value) -> folder state key value
            | Bucket(_, items) -> items |> Array.fold (fun state item -> folder state item.Key item.Value) state
            | Branch(_, children) -> Array.fold visit state children

        visit state trie.Root
