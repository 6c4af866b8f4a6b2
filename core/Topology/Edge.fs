namespace TincPure.Topology

open TincPure.Primitives

/// A node's word that it has a meta connection to another node (spec 04 §2.2). Nodes are numbers.
type Edge =
    {
        From: int
        To: int
        /// Where `From` reaches `To`.
        Address: Address
        /// `From`'s own end; `Unspecified` if it was not told.
        LocalAddress: Address
        /// Option bits as in spec 02 §1; the top byte is the protocol minor version of `To`.
        Options: uint32
        Weight: int
    }

/// The edges between one node (out) and another (back). Only a pair of them counts for paths and the spanning tree.
type Link =
    | OutOnly of out: Edge
    | BackOnly of back: Edge
    | Both of out: Edge * back: Edge

module Link =

    let out (link: Link) : Edge voption =
        match link with
        | OutOnly out
        | Both(out, _) -> ValueSome out
        | BackOnly _ -> ValueNone

    let back (link: Link) : Edge voption =
        match link with
        | BackOnly back
        | Both(_, back) -> ValueSome back
        | OutOnly _ -> ValueNone

    /// Nothing when there is neither edge.
    let ofEdges (out: Edge voption) (back: Edge voption) : Link voption =
        match out, back with
        | ValueSome out, ValueSome back -> ValueSome(Both(out, back))
        | ValueSome out, ValueNone -> ValueSome(OutOnly out)
        | ValueNone, ValueSome back -> ValueSome(BackOnly back)
        | ValueNone, ValueNone -> ValueNone
