/// Runs the fuzz targets. Usage: [--target NAME|all] [--seconds N] [--seed S] [--replay FILE] [--list]
module TincPure.Fuzz.Program

open System
open System.IO
open System.Threading

type private Options =
    { Target: string
      Seconds: float
      Seed: uint64
      Replay: string voption
      List: bool }

let private usage =
    "usage: [--target NAME|all] [--seconds N] [--seed S] [--replay FILE] [--list]\n"
    + "  --seconds   time for all targets together (60)\n"
    + "  --seed      what everything random follows from (drawn anew each time, and said)\n"
    + "  --replay    run one input, from a folder named like its target unless one is named"

let rec private parse (options: Options) (words: string list) : Options voption =
    match words with
    | [] -> ValueSome options
    | "--list" :: rest -> parse { options with List = true } rest
    | "--target" :: name :: rest -> parse { options with Target = name } rest
    | "--replay" :: path :: rest -> parse { options with Replay = ValueSome path } rest
    | "--seconds" :: number :: rest ->
        match Double.TryParse number with
        | true, seconds when seconds > 0.0 -> parse { options with Seconds = seconds } rest
        | _ -> ValueNone
    | "--seed" :: number :: rest ->
        match UInt64.TryParse number with
        | true, seed -> parse { options with Seed = seed } rest
        | _ -> ValueNone
    | _ -> ValueNone

/// Deep recursion shows early on a small stack.
let private onSmallStack (work: unit -> 'a) : 'a =
    let results = ResizeArray<'a>()
    let thread = Thread((fun () -> results.Add(work ())), 512 * 1024)
    thread.Start()
    thread.Join()
    results[0]

let private chosen (name: string) =
    if name = "all" then
        Targets.all
    else
        Targets.all |> List.filter (fun target -> target.Name = name)

let private say (line: string) = Console.WriteLine line

let private tell (target: Target) (found: Found) =
    let path = Corpus.save target.Name found.Input
    say ("FAILED " + target.Name + ": " + target.Promise)
    say found.Failure.Details
    say ("input:     " + path)
    say ("reproduce: ./build.sh fuzz --target " + target.Name + " --replay " + path)

let private report (target: Target) (result: Report) =
    let perSecond = float result.Runs / max 0.001 result.Seconds

    say (
        target.Name.PadRight 20
        + (result.Runs.ToString "N0").PadLeft 12
        + " runs"
        + (perSecond.ToString "N0").PadLeft 10
        + "/s"
        + (result.Kept.ToString "N0").PadLeft 7
        + " kept"
    )

    result.Found |> ValueOption.iter (tell target)

let private fuzz (options: Options) (targets: Target list) : int =
    let leftovers = Recorder.Leftovers()

    for name, input in leftovers do
        say ("FAILED " + name + ": the process died; the input is in " + Corpus.save name input)

    say ("seed " + options.Seed.ToString())
    let share = options.Seconds / float targets.Length

    let results =
        [ for target in targets do
              let result = onSmallStack (fun () -> Campaign.run target options.Seed share)
              report target result
              result ]

    if leftovers.IsEmpty && results |> List.forall _.Found.IsNone then 0 else 1

let private replay (options: Options) (path: string) : int =
    let name =
        if options.Target <> "all" then
            options.Target
        else
            match Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath path)) with
            | null -> ""
            | name -> name

    match chosen name with
    | [ target ] ->
        match onSmallStack (fun () -> Execution.run target (Behaviour(Listener = say)) (Corpus.read path)) with
        | ValueSome failure ->
            say ("FAILED " + target.Name + ": " + target.Promise)
            say failure.Details
            1
        | ValueNone ->
            say (target.Name + ": all is well")
            0
    | _ ->
        Console.Error.WriteLine("no target " + name)
        2

[<EntryPoint>]
let main words =
    let fresh =
        { Target = "all"
          Seconds = 60.0
          Seed = uint64 (Random.Shared.NextInt64())
          Replay = ValueNone
          List = false }

    match parse fresh (List.ofArray words) with
    | ValueSome { List = true } ->
        for target in Targets.all do
            say (target.Name.PadRight 20 + target.Promise)

        0
    | ValueSome({ Replay = ValueSome path } as options) -> replay options path
    | ValueSome options when not (chosen options.Target).IsEmpty -> fuzz options (chosen options.Target)
    | _ ->
        Console.Error.WriteLine usage
        2
