/// Edges that a neighbour has still to be told, perhaps.
///
/// Floods take many ways: who hears of a removal on one way and of the return on another, faster one ends up without the
/// edge, and nobody tells it again, since everybody else has heard both (stock meshes stay like that until something
/// changes). A neighbour shows it by what it passes on to us. When it has said nothing else for a second, it is told what
/// we know.
///
/// A new neighbour is not told of edges between nodes that we do not reach: they are what is left of a mesh that was cut or
/// restarted, and each of them would be flooded, contradicted and flooded again. It is told when we reach them.
module TincPure.Node.Doubts

open TincPure.Primitives
open TincPure.Meta

/// How a neighbour seems to differ from us.
type Doubt =
    /// It has no such edge, or another one.
    | SeesOtherwise
    /// It has an edge that we have not.
    | Has of AddEdge

[<Struct>]
type Entry = { At: Instant; Doubt: Doubt }

/// By connection and ends of the edge.
type State = Map<struct (ConnectionId * int * int), Entry>

let empty: State = Map.empty

/// Most doubts go away by themselves within this time: the neighbour's next lines were on their way.
let patience = Instant.second

/// More than these are not kept.
let maxEntries = 4096

let hasRoom (state: State) : bool = state.Count < maxEntries

/// What the neighbour said last about the edge does not agree with what we know.
let raise' (now: Instant) (connection: ConnectionId) (from: int) (target: int) (doubt: Doubt) (state: State) : State =
    let key = struct (connection, from, target)

    if hasRoom state || state.ContainsKey key then
        state.Add(key, { At = Instant.add patience now; Doubt = doubt })
    else
        state

/// The neighbour sees the edge as we do.
let settle (connection: ConnectionId) (from: int) (target: int) (state: State) : State =
    if state.IsEmpty then state else state.Remove(struct (connection, from, target))

/// The doubts that did not go away, and what is left.
let due (now: Instant) (state: State) : struct ((struct (ConnectionId * int * int) * Entry) list * State) =
    if state.IsEmpty then
        struct ([], state)
    else
        let ready, waiting = state |> Map.partition (fun _ entry -> entry.At <= now)
        struct (Map.toList ready, waiting)

/// The connection is gone.
let forget (connection: ConnectionId) (state: State) : State =
    if state.IsEmpty then
        state
    else
        state |> Map.filter (fun struct (owner, _, _) _ -> owner <> connection)
