/// Other programs, and network namespaces: what end-to-end runs are made of.
module TincPure.Benchmarks.Processes

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO

/// What a run needs and does not have; the text says what to do.
exception Missing of string

/// Processes that were started and namespaces that were made, the newest first: gone when we are.
let private cleanUp = Stack<unit -> unit>()

/// Ends and removes all that was started and made since the mark.
let backTo (mark: int) : unit =
    lock cleanUp (fun () ->
        while cleanUp.Count > mark do
            try
                cleanUp.Pop () ()
            with _ ->
                ())

let mark () : int = lock cleanUp (fun () -> cleanUp.Count)

/// What is to be done when all is cleaned up, before what was said earlier.
let later (action: unit -> unit) : unit = lock cleanUp (fun () -> cleanUp.Push action)

let private start (input: string) (program: string) (arguments: string list) : Process =
    let info =
        ProcessStartInfo(
            program,
            arguments,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    match Process.Start info with
    | null -> raise (Missing(program + " does not start"))
    | started ->
        started.StandardInput.Write input
        started.StandardInput.Close()
        started

/// Exit code and output, both streams.
let private outcomeOf (input: string) (program: string) (arguments: string list) : int * string =
    use started = start input program arguments
    let errors = started.StandardError.ReadToEndAsync()
    let output = started.StandardOutput.ReadToEnd()
    started.WaitForExit()
    started.ExitCode, output + errors.Result

/// Runs a program that has to succeed; its output.
let runWith (input: string) (program: string) (arguments: string list) : string =
    match outcomeOf input program arguments with
    | 0, output -> output
    | code, output ->
        let command = String.Join(' ', program :: arguments)
        raise (Missing("`" + command + "` exited with " + string code + ": " + output.Trim()))

let run (program: string) (arguments: string list) : string = runWith "" program arguments

/// The output of a program that may fail.
let attempt (program: string) (arguments: string list) : string = snd (outcomeOf "" program arguments)

/// The command line of a program in a namespace.
let inside (space: string) (program: string) (arguments: string list) : string * string list =
    "ip", "netns" :: "exec" :: space :: program :: arguments

/// A program that runs until it is stopped. What it writes goes to a file.
let spawn
    (log: string)
    (environment: (string * string) list)
    (space: string)
    (program: string)
    (arguments: string list)
    : int =
    let program, arguments = inside space program arguments
    let info =
        ProcessStartInfo(program, arguments, RedirectStandardOutput = true, RedirectStandardError = true)

    for name, value in environment do
        info.Environment[name] <- value

    match Process.Start info with
    | null -> raise (Missing(program + " does not start"))
    | started ->
        let writer = TextWriter.Synchronized(new StreamWriter(log, AutoFlush = true))

        let keep (line: DataReceivedEventArgs) =
            match line.Data with
            | null -> ()
            | text -> writer.WriteLine text

        started.OutputDataReceived.Add keep
        started.ErrorDataReceived.Add keep
        started.BeginOutputReadLine()
        started.BeginErrorReadLine()

        later (fun () ->
            started.Kill()
            started.WaitForExit())

        started.Id

/// Two namespaces that a veth pair joins, with these addresses of a /24.
let joinedSpaces (first: string, firstAddress: string) (second: string, secondAddress: string) : unit =
    for space in [ first; second ] do
        attempt "ip" [ "netns"; "del"; space ] |> ignore
        run "ip" [ "netns"; "add"; space ] |> ignore
        later (fun () -> run "ip" [ "netns"; "del"; space ] |> ignore)
        run "ip" [ "-n"; space; "link"; "set"; "lo"; "up" ] |> ignore

    let ends = [ "netns"; first; "type"; "veth"; "peer"; "name"; "wire"; "netns"; second ]
    run "ip" ([ "link"; "add"; "wire" ] @ ends) |> ignore

    for space, address in [ first, firstAddress; second, secondAddress ] do
        run "ip" [ "-n"; space; "address"; "add"; address + "/24"; "dev"; "wire" ] |> ignore
        run "ip" [ "-n"; space; "link"; "set"; "wire"; "up" ] |> ignore

/// Waits for something that takes a moment.
let waitFor (what: string) (isDone: unit -> bool) : unit =
    let deadline = DateTime.UtcNow + TimeSpan.FromSeconds 20.

    while not (isDone ()) do
        if DateTime.UtcNow > deadline then
            raise (Missing(what + " is not there after 20 s"))

        Threading.Thread.Sleep 100

/// Is there such a device in the namespace?
let isThere (space: string) (device: string) : bool =
    fst (outcomeOf "" "ip" [ "-n"; space; "link"; "show"; device ]) = 0

/// A folder that goes with everything else.
let temporaryFolder () : string =
    let folder = Directory.CreateTempSubdirectory("pairs-").FullName
    later (fun () -> Directory.Delete(folder, true))
    folder

let private field (file: string) (name: string) : float =
    File.ReadLines file
    |> Seq.tryFind (fun line -> line.StartsWith(name, StringComparison.Ordinal))
    |> Option.map (fun line -> float (line.Split([| ' '; '\t' |], StringSplitOptions.RemoveEmptyEntries)[1]))
    |> Option.defaultValue 0.

/// The most memory that a process has taken, MB.
let mostMemory (pid: int) : float = field ("/proc/" + string pid + "/status") "VmHWM:" / 1024.

/// Seconds of processor time of a process.
let processorTime (pid: int) : float =
    use counted = Process.GetProcessById pid
    counted.TotalProcessorTime.TotalSeconds
