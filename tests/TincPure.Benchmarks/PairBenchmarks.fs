/// End to end: pairs of daemons between network namespaces of this machine, TCP, UDP and pings through their tunnels.
module TincPure.Benchmarks.PairBenchmarks

open System
open System.Globalization
open System.Text.Json
open System.Text.RegularExpressions
open System.Threading
open TincPure.Benchmarks.Processes
open TincPure.Benchmarks.PairSubjects

let private usage =
    String.Join(
        "\n",
        [ "usage: ./build.sh bench pairs [--seconds N] [--rounds N] [SUBJECT...]"
          ""
          "Measures tunnels between two network namespaces of this machine, one after the other, and again in each round: TCP, one"
          "stream in both directions and four, UDP of 200 bytes, memory. At last all of them are up at once, and pings of 10 ms go through"
          "them in turn. Prints medians of the rounds, and how they relate to stock. It wants root, and an idle machine: each round takes"
          "about six times the seconds (5 if not set), and 8 more, for each subject; 3 rounds if not set. Subjects ("
          + String.Join(' ', usual)
          + " if not set):"
          "" ]
        @ [ for subject in all -> "  " + subject.Label.PadRight 14 + subject.What ]
    )

type private Options = { Seconds: int; Rounds: int; Subjects: Subject list }

let rec private parse (options: Options) (words: string list) : Options option =
    let number (text: string) =
        match Int32.TryParse text with
        | true, value when value > 0 -> Some value
        | _ -> None

    match words with
    | [] -> Some { options with Subjects = List.rev options.Subjects }
    | "--seconds" :: text :: rest ->
        number text |> Option.bind (fun value -> parse { options with Seconds = value } rest)
    | "--rounds" :: text :: rest -> number text |> Option.bind (fun value -> parse { options with Rounds = value } rest)
    | label :: rest ->
        all
        |> List.tryFind (fun subject -> subject.Label = label)
        |> Option.bind (fun subject -> parse { options with Subjects = subject :: options.Subjects } rest)

let private target = tunnel[1]

/// Pings through the tunnel: round trips, in microseconds.
let private ping (place: Place) (count: int) (interval: string) (size: int) : float list =
    let output =
        inside place.A "ping" [ "-n"; "-c"; string count; "-i"; interval; "-s"; string size; "-W"; "1"; target ]
        ||> attempt

    [ for found in Regex.Matches(output, @"time=([\d.]+) ms") ->
          1000. * Double.Parse(found.Groups[1].Value, CultureInfo.InvariantCulture) ]

/// Starts a subject in namespaces of its own, and waits until it carries packets of every size.
let private put (number: int) (subject: Subject) : Place * int list =
    let space side = "pairs" + string number + side
    let place = { Folder = temporaryFolder (); A = space "a"; B = space "b" }
    joinedSpaces (place.A, wire[0]) (place.B, wire[1])
    let processes = subject.Start place
    waitFor ("an answer through the tunnel of " + subject.Label) (fun () -> not (ping place 1 "1" 56).IsEmpty)
    ping place 60 "0.05" 1200 |> ignore
    place, processes

let private iperf (place: Place) (seconds: int) (arguments: string list) : JsonElement =
    let output =
        inside place.A "iperf3" ([ "-c"; target; "-J"; "-t"; string seconds ] @ arguments) ||> attempt
    let start = output.IndexOf '{'

    if start < 0 then
        raise (Missing("iperf3: " + output.Trim()))

    use document = JsonDocument.Parse(output.Substring start)

    match document.RootElement.TryGetProperty("error": string) with
    | true, error -> raise (Missing("iperf3: " + string error))
    | _ -> document.RootElement.GetProperty("end").Clone()

let private number (element: JsonElement) (path: string list) : float =
    (element, path) ||> List.fold (fun element name -> element.GetProperty name) |> _.GetDouble()

let private cpu (processes: int list) = List.sumBy processorTime processes

let private memory (processes: int list) = List.averageBy mostMemory processes

/// One round of one subject: figures by their names.
let private measure (seconds: int) (subject: Subject) : (string * float) list =
    let place, processes = put 0 subject
    let idle = memory processes
    let log = IO.Path.Combine(place.Folder, "iperf3.log")
    spawn log [] place.B "iperf3" [ "-s" ] |> ignore
    Thread.Sleep 500
    iperf place 1 [] |> ignore

    let tcp name arguments =
        let before = cpu processes
        let outcome = iperf place seconds arguments
        let used = cpu processes - before
        let received path = number outcome [ "sum_received"; path ]

        [ "TCP, " + name + ", Gbit/s", received "bits_per_second" / 1e9
          "CPU s per GB", used / (received "bytes" / 1e9) ]

    let udp () =
        let before = cpu processes
        let outcome = iperf place seconds [ "-u"; "-b"; "0"; "-l"; "200" ]
        let sum path = number outcome [ "sum"; path ]
        let arrived = sum "packets" - sum "lost_packets"

        [ "UDP of 200 bytes, thousand packets/s", arrived / sum "seconds" / 1e3
          "CPU us per such packet", (cpu processes - before) * 1e6 / arrived ]

    let carried =
        tcp "one stream" [] @ tcp "the other way" [ "-R" ] @ tcp "four streams" [ "-P"; "4" ] @ udp ()

    let trips = ping place 300 "0.01" 56

    carried
    @ [ "ping after that, mean us", List.average trips
        "memory, idle, MB", idle
        "memory, most, MB", memory processes ]

/// All tunnels at once, pings in turn: whatever the machine does meanwhile happens to all of them.
let private pingInTurn (rounds: int) (subjects: Subject list) : (float list) list =
    let places = subjects |> List.mapi (fun i subject -> fst (put i subject))

    // The JIT works when packets first come one by one.
    for place in places do
        ping place 500 "0.002" 56 |> ignore

    [ for _ in 1..rounds -> [ for place in places -> ping place 100 "0.01" 56 ] ]
    |> List.transpose
    |> List.map List.concat

let private median (values: float list) : float =
    let sorted = List.sort values
    let middle = sorted.Length / 2

    if sorted.Length % 2 = 1 then
        sorted[middle]
    else
        (sorted[middle - 1] + sorted[middle]) / 2.

let private format (value: float) : string =
    value.ToString(
        (if value < 10. then "F2"
         elif value < 100. then "F1"
         else "F0"),
        CultureInfo.InvariantCulture
    )

/// A line of the table; behind the figures how they relate to stock's.
let private row (what: string) (labels: string list) (values: float list) : string =
    let stock = List.tryFindIndex ((=) "stock") labels |> Option.map (fun index -> values[index])

    let cell (value: float) =
        let ratio =
            match stock with
            | Some base' when base' > 0. -> " (" + format (value / base') + ")"
            | _ -> ""

        (format value + ratio).PadLeft 16

    what.PadRight 38 + String.Join("", List.map cell values)

let private report (rounds: (string * float) list list list) (labels: string list) : unit =
    let names = List.map fst rounds.Head.Head
    Console.WriteLine("".PadRight 38 + String.Join("", labels |> List.map _.PadLeft(16)))

    for index, name in List.indexed names do
        [ for subject in List.transpose rounds -> median [ for figures in subject -> snd (List.item index figures) ] ]
        |> row name labels
        |> Console.WriteLine

let private compare (options: Options) : unit =
    let labels = options.Subjects |> List.map _.Label

    let rounds =
        [ for round in 1 .. options.Rounds ->
              [ for subject in options.Subjects do
                    Console.Error.WriteLine("round " + string round + ": " + subject.Label)
                    let before = mark ()

                    try
                        measure options.Seconds subject
                    finally
                        backTo before ] ]

    Console.Error.WriteLine "pings in turn"
    let before = mark ()
    let trips = pingInTurn (5 * options.Rounds) options.Subjects
    backTo before
    report rounds labels
    Console.WriteLine(row "ping, in turn, median us" labels (List.map median trips))
    Console.WriteLine(row "ping, in turn, mean us" labels (List.map List.average trips))

let run (words: string list) : int =
    let usual = all |> List.filter (fun subject -> List.contains subject.Label PairSubjects.usual)

    match parse { Seconds = 5; Rounds = 3; Subjects = [] } words with
    | None when words = [ "--help" ] ->
        Console.WriteLine usage
        0
    | None ->
        Console.Error.WriteLine usage
        2
    | Some _ when not Environment.IsPrivilegedProcess ->
        Console.Error.WriteLine "pairs: network namespaces and devices want root"
        1
    | Some options ->
        AppDomain.CurrentDomain.ProcessExit.Add(fun _ -> backTo 0)

        try
            compare
                { options with
                    Subjects = (if options.Subjects.IsEmpty then usual else options.Subjects) }
            0
        with Missing what ->
            Console.Error.WriteLine("pairs: " + what)
            1
