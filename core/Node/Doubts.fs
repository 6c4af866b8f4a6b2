/// Neighbours that may have been left with an old view of an edge. Floods take many ways: who hears of a removal on one way
/// and of the return on another, faster one ends up without the edge, and nobody tells it again, since everybody else has
/// heard both (stock meshes stay like that until something changes). A neighbour shows it by what it passes on to us.
/// When it has said nothing else for a second, it is told what we know.
module TincPure.Node.Doubts

open TincPure.Primitives

/// By connection and ends of the edge: when the neighbour is to be told.
type State = Map<struct (ConnectionId * int * int), Instant>

let empty: State = Map.empty

/// Most doubts go away by themselves within this time: the neighbour's next lines were on their way.
let patience = Instant.second

/// More than these are not kept.
let maxEntries = 4096

/// The neighbour seems to see this edge otherwise.
let raise' (now: Instant) (connection: ConnectionId) (from: int) (target: int) (state: State) : State =
    let key = struct (connection, from, target)

    if state.Count < maxEntries && not (state.ContainsKey key) then
        state.Add(key, Instant.add patience now)
    else
        state

/// The neighbour sees the edge as we do.
let settle (connection: ConnectionId) (from: int) (target: int) (state: State) : State =
    if state.IsEmpty then state else state.Remove(struct (connection, from, target))

/// Whom to tell of which edge now, and what is left.
let due (now: Instant) (state: State) : struct (struct (ConnectionId * int * int) list * State) =
    if state.IsEmpty then
        struct ([], state)
    else
        let ready, waiting = state |> Map.partition (fun _ at -> at <= now)
        struct (ready |> Map.toList |> List.map fst, waiting)

/// The connection is gone.
let forget (connection: ConnectionId) (state: State) : State =
    if state.IsEmpty then
        state
    else
        state |> Map.filter (fun struct (owner, _, _) _ -> owner <> connection)
