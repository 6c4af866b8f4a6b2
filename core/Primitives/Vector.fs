namespace TincPure.Primitives

open System

/// A node of the trie behind a vector: an inner one has children, a leaf has values. Arrays are only as long as needed.
[<Sealed>]
type internal VectorNode<'a>(children: VectorNode<'a>[], values: 'a[]) =
    member _.Children = children
    member _.Values = values

    static member Leaf(values: 'a[]) = VectorNode<'a>(Array.Empty(), values)
    static member Inner(children: VectorNode<'a>[]) = VectorNode<'a>(children, Array.Empty())

/// A persistent sequence with dense indices from 0. Reading costs a few array accesses and allocates nothing; changing
/// one element copies O(log n) small arrays and leaves the old vector as it was.
[<Sealed>]
type Vector<'a> internal (count: int, shift: int, root: VectorNode<'a>) =

    static let empty = Vector<'a>(0, 0, VectorNode<'a>.Leaf(Array.Empty()))

    static member Empty = empty

    /// Number of elements.
    member _.Count = count
    member internal _.Shift = shift
    member internal _.Root = root

    /// The element at `index`; an index outside 0 .. Count - 1 is a bug of the caller.
    member _.Item
        with get (index: int): 'a =
            if uint32 index >= uint32 count then
                raise (ArgumentOutOfRangeException(nameof index))

            let mutable node = root
            let mutable level = shift

            while level > 0 do
                node <- node.Children[(index >>> level) &&& 31]
                level <- level - 5

            node.Values[index &&& 31]

module Vector =

    let private bits = 5
    let private width = 1 <<< bits
    let private mask = width - 1

    let empty<'a> : Vector<'a> = Vector<'a>.Empty

    let length (vector: Vector<'a>) = vector.Count

    /// The element at `index`, which must exist. Allocates nothing.
    let get (index: int) (vector: Vector<'a>) : 'a = vector[index]

    /// The element at `index`, if there is one.
    let tryGet (index: int) (vector: Vector<'a>) : 'a voption =
        if uint32 index < uint32 vector.Count then
            ValueSome vector[index]
        else
            ValueNone

    /// A copy of `items` in which `slot` holds `item`; one longer if `slot` is just behind the end.
    let private withSlot (slot: int) (item: 'item) (items: 'item[]) =
        let copy = Array.zeroCreate (max items.Length (slot + 1))
        Array.Copy(items, copy, items.Length)
        copy[slot] <- item
        copy

    let rec private path level value : VectorNode<'a> =
        if level = 0 then
            VectorNode.Leaf [| value |]
        else
            VectorNode.Inner [| path (level - bits) value |]

    let rec private put level index value (node: VectorNode<'a>) : VectorNode<'a> =
        let slot = (index >>> level) &&& mask

        if level = 0 then
            VectorNode.Leaf(withSlot slot value node.Values)
        else
            let child =
                if slot < node.Children.Length then
                    put (level - bits) index value node.Children[slot]
                else
                    path (level - bits) value

            VectorNode.Inner(withSlot slot child node.Children)

    /// The vector with `value` at `index`, which must exist.
    let set (index: int) (value: 'a) (vector: Vector<'a>) : Vector<'a> =
        if uint32 index >= uint32 vector.Count then
            raise (ArgumentOutOfRangeException(nameof index))

        Vector(vector.Count, vector.Shift, put vector.Shift index value vector.Root)

    /// The vector with one more element at the end.
    let add (value: 'a) (vector: Vector<'a>) : Vector<'a> =
        let count = vector.Count

        if count = (width <<< vector.Shift) then
            let root = VectorNode.Inner [| vector.Root; path vector.Shift value |]
            Vector(count + 1, vector.Shift + bits, root)
        else
            Vector(count + 1, vector.Shift, put vector.Shift count value vector.Root)

    let ofArray (items: 'a[]) : Vector<'a> =
        let rec build (nodes: VectorNode<'a>[]) shift =
            if nodes.Length = 1 then
                Vector(items.Length, shift, nodes[0])
            else
                build (nodes |> Array.chunkBySize width |> Array.map VectorNode.Inner) (shift + bits)

        if items.Length = 0 then
            empty
        else
            build (items |> Array.chunkBySize width |> Array.map VectorNode.Leaf) 0

    let ofSeq (items: 'a seq) : Vector<'a> = ofArray (Array.ofSeq items)

    /// Applies `action` to every index and element in order.
    let iteri (action: int -> 'a -> unit) (vector: Vector<'a>) : unit =
        let rec visit first (node: VectorNode<'a>) level =
            if level = 0 then
                for i in 0 .. node.Values.Length - 1 do
                    action (first + i) node.Values[i]
            else
                for i in 0 .. node.Children.Length - 1 do
                    visit (first + (i <<< level)) node.Children[i] (level - bits)

        visit 0 vector.Root vector.Shift

    let iter (action: 'a -> unit) (vector: Vector<'a>) : unit = iteri (fun _ item -> action item) vector

    let fold (folder: 's -> 'a -> 's) (state: 's) (vector: Vector<'a>) : 's =
        let mutable state = state
        iteri (fun _ item -> state <- folder state item) vector
        state

    let toArray (vector: Vector<'a>) : 'a[] =
        let items = Array.zeroCreate vector.Count
        iteri (fun i item -> items[i] <- item) vector
        items
