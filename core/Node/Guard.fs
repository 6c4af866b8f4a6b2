/// Two nodes with one name contradict each other without end. When that shows, we leave the field to the other for a
/// while, longer each time (spec 02 §10). Stock daemons sleep; we only close our connections and refuse new ones.
module TincPure.Node.Guard

open TincPure.Primitives

/// Contradictions of either kind within one run that give a conflict away.
let private threshold = 100

let private shortest = 10

let private longest = 3600

let isSilent (turn: Turn) : bool = turn.Now < turn.Node.SilentUntil

/// One run, every 5 s.
let run (turn: Turn) : unit =
    let node = turn.Node
    let isConflict = node.ContradictingAdds > threshold && node.ContradictingDeletes > threshold

    turn.Node <-
        { node with
            ContradictingAdds = 0
            ContradictingDeletes = 0
            GuardSeconds =
                if isConflict then
                    min longest (node.GuardSeconds * 2)
                else
                    max shortest (node.GuardSeconds / 2) }

    if isConflict then
        turn.Log(
            DebugLevel.always,
            Priority.Warning,
            "Possible node with same Name as us! Sleeping " + node.GuardSeconds.ToString() + " seconds."
        )

        let until = Instant.addSeconds node.GuardSeconds turn.Now
        turn.Node <- { turn.Node with SilentUntil = until }

        for KeyValue(id, connection) in turn.Node.Connections do
            match connection.Stage with
            | Stage.Control _ -> ()
            | _ -> Termination.close turn id Termination.Silent Termination.Closed
