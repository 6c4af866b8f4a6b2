/// Makes a failing input small and plain.
module TincPure.Fuzz.Minimise

open System.Diagnostics

/// Time that this may take.
let private seconds = 20.0

/// The smallest input found that `fails` in the same way.
let run (fails: byte[] -> bool) (input: byte[]) : byte[] =
    let clock = Stopwatch.StartNew()
    let mutable best = input

    let tries (candidate: byte[]) =
        let better = clock.Elapsed.TotalSeconds < seconds && fails candidate

        if better then
            best <- candidate

        better

    /// Takes pieces of this size out, from the end to the start.
    let rec shorten size =
        let mutable start = best.Length - size
        let mutable found = false

        while start >= 0 do
            if tries (Array.append (Array.sub best 0 start) (Array.skip (start + size) best)) then
                found <- true

            start <- start - size

        if found && size = 1 then
            shorten 1
        elif size > 1 then
            shorten (size / 2)

    /// Puts plain bytes in the place of others.
    let simplify () =
        for i in 0 .. best.Length - 1 do
            let plain = [ 0uy; '0'B; 'a'B ]

            if not (List.contains best[i] plain) then
                plain
                |> List.exists (fun b ->
                    let candidate = Array.copy best
                    candidate[i] <- b
                    tries candidate)
                |> ignore

    shorten (max 1 (best.Length / 2))
    simplify ()
    shorten (max 1 (best.Length / 2))
    best
