/// What somebody may have meant who misspelt a name.
module TincPure.Commands.Suggest

open System

/// Insertions, deletions, changes and swaps of neighbours that lead from one word to the other, whatever the case.
let distance (left: string) (right: string) : int =
    let a, b = left.ToLowerInvariant(), right.ToLowerInvariant()
    let rows = Array2D.zeroCreate (a.Length + 1) (b.Length + 1)

    for i in 0 .. a.Length do
        rows[i, 0] <- i

    for j in 0 .. b.Length do
        rows[0, j] <- j

    for i in 1 .. a.Length do
        for j in 1 .. b.Length do
            let cost = if a[i - 1] = b[j - 1] then 0 else 1
            let edited = min (min (rows[i - 1, j] + 1) (rows[i, j - 1] + 1)) (rows[i - 1, j - 1] + cost)

            rows[i, j] <-
                if i > 1 && j > 1 && a[i - 1] = b[j - 2] && a[i - 2] = b[j - 1] then
                    min edited (rows[i - 2, j - 2] + 1)
                else
                    edited

    rows[a.Length, b.Length]

/// Longer words are not worth the look.
let private longest = 64

/// The candidate nearest to a word, unless all are too far: one mistake in three letters, two at most.
let closest (candidates: string list) (word: string) : string voption =
    if word.Length < 2 || word.Length > longest then
        ValueNone
    else
        let tolerated = min 2 ((word.Length + 1) / 3)

        candidates
        |> List.map (fun candidate -> struct (distance candidate word, candidate))
        |> List.filter (fun (struct (distance, _)) -> distance <= tolerated)
        |> function
            | [] -> ValueNone
            | found ->
                let struct (_, candidate) = found |> List.minBy (fun (struct (distance, _)) -> distance)
                ValueSome candidate

/// The line that offers the nearest candidate, if there is one.
let line (candidates: string list) (word: string) : string voption =
    closest candidates word |> ValueOption.map (fun candidate -> "Did you mean `" + candidate + "'?")
