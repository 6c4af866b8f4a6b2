/// Damps the answers to messages that contradict what we know of ourselves. Stock nodes answer each one at once, and
/// answers to answers multiply until a restarted mesh drowns. Here the first contradiction about a subject is answered
/// at once, further ones are answered together, with what is true by then, after a pause that doubles from 1 s to 30 s.
module TincPure.Node.Corrections

open TincPure.Primitives

/// What the neighbour got wrong about us.
type Subject =
    /// The edge from us to this node.
    | OwnEdge of other: NodeName
    /// A subnet of ours, in its canonical text.
    | OwnSubnet of text: string

type Entry = { AllowedAt: Instant; Pause: int64; Waiting: bool }

type State = { Entries: Map<struct (ConnectionId * Subject), Entry>; Waiting: int }

let empty = { Entries = Map.empty; Waiting = 0 }

/// More subjects than this are not remembered, and contradictions about them not answered until others are forgotten.
let maxEntries = 4096

let firstPause = Instant.second

let longestPause = 30L * Instant.second

/// A subject that was not contradicted for this long after its pause starts anew.
let forgetAfter = 60L * Instant.second

let private isForgotten (now: Instant) (entry: Entry) =
    not entry.Waiting && Instant.between entry.AllowedAt now > forgetAfter

/// A contradiction arrived: whether it is to be answered now.
let request (now: Instant) (connection: ConnectionId) (subject: Subject) (state: State) : struct (bool * State) =
    let key = struct (connection, subject)

    match state.Entries.TryFind key with
    | Some entry when entry.Waiting -> struct (false, state)
    | Some entry when not (isForgotten now entry) && Instant.between entry.AllowedAt now < 0L ->
        struct (false,
                { Entries = state.Entries.Add(key, { entry with Waiting = true })
                  Waiting = state.Waiting + 1 })
    | Some entry when not (isForgotten now entry) ->
        let pause = min longestPause (entry.Pause * 2L)

        let next = { AllowedAt = Instant.add pause now; Pause = pause; Waiting = false }

        struct (true, { state with Entries = state.Entries.Add(key, next) })
    | None when state.Entries.Count >= maxEntries -> struct (false, state)
    | _ ->
        let next = { AllowedAt = Instant.add firstPause now; Pause = firstPause; Waiting = false }

        struct (true, { state with Entries = state.Entries.Add(key, next) })

/// The subjects whose answers have waited long enough, and the state in which they are counted as answered. Cheap when
/// nothing waits; also forgets what has been quiet.
let due (now: Instant) (state: State) : struct (struct (ConnectionId * Subject) list * State) =
    if state.Entries.IsEmpty then
        struct ([], state)
    else
        let kept = state.Entries |> Map.filter (fun _ entry -> not (isForgotten now entry))

        let ready =
            kept |> Map.filter (fun _ entry -> entry.Waiting && Instant.between entry.AllowedAt now >= 0L)

        let answered =
            ready
            |> Map.fold
                (fun (entries: Map<_, _>) key entry ->
                    let pause = min longestPause (entry.Pause * 2L)

                    entries.Add(key, { AllowedAt = Instant.add pause now; Pause = pause; Waiting = false }))
                kept

        struct (ready |> Map.toList |> List.map fst, { Entries = answered; Waiting = state.Waiting - ready.Count })

/// The connection is gone, and with it everything that was to be said on it.
let forget (connection: ConnectionId) (state: State) : State =
    let kept = state.Entries |> Map.filter (fun (struct (owner, _)) _ -> owner <> connection)

    { Entries = kept
      Waiting = kept |> Map.fold (fun count _ entry -> if entry.Waiting then count + 1 else count) 0 }
