namespace TincPure.Fuzz

open System
open System.Diagnostics
open System.IO
open System.IO.MemoryMappedFiles
open System.Threading
open TincPure.Core.Tests

/// Knows which input is being run, also when the process does not survive it: the input lies in a mapped file that
/// outlives a stack overflow, and a watchdog ends a run that does not end.
[<Sealed>]
type Recorder(target: Target) =
    static let folder = Path.Combine(Vectors.root.Value, "artifacts", "fuzz")
    static let patience = 30.0

    let path = Path.Combine(folder, target.Name + "." + Environment.ProcessId.ToString() + ".running")
    let capacity = 4 + (target.MaxSize <<< 4)
    do Directory.CreateDirectory folder |> ignore
    let file = MemoryMappedFile.CreateFromFile(path, FileMode.Create, null, capacity)
    let view = file.CreateViewAccessor()
    let mutable current: byte[] = [||]
    let mutable since = 0L

    let watch _ =
        let started = Volatile.Read &since

        if started <> 0L && (Stopwatch.GetElapsedTime started).TotalSeconds > patience then
            let path = Corpus.save target.Name current
            Console.Error.WriteLine(target.Name + ": a run does not end; its input is in " + path)
            Environment.Exit 1

    let watchdog = new Timer(watch, null, 1000, 1000)

    /// Around every run.
    member _.Run(run: byte[] -> 'a, input: byte[]) : 'a =
        let length = min input.Length (capacity - 4)
        view.Write(0L, length)
        view.WriteArray(4L, input, 0, length)
        current <- input
        Volatile.Write(&since, Stopwatch.GetTimestamp())
        let result = run input
        Volatile.Write(&since, 0L)
        view.Write(0L, -1)
        result

    interface IDisposable with
        member _.Dispose() =
            watchdog.Dispose()
            view.Dispose()
            file.Dispose()
            File.Delete path

    /// Inputs that a process died of, with the names of their targets; each is told once.
    static member Leftovers() : (string * byte[]) list =
        let isDead (id: string) =
            try
                use owner = Process.GetProcessById(Int32.Parse id)
                owner.HasExited
            with :? ArgumentException ->
                true

        [ if Directory.Exists folder then
              for path in Directory.GetFiles(folder, "*.running") do
                  let name = FileInfo(path).Name.Split '.'

                  if isDead name[1] then
                      let bytes = File.ReadAllBytes path
                      let length = BitConverter.ToInt32(bytes, 0)
                      File.Delete path

                      if length >= 0 then
                          name[0], Array.sub bytes 4 length ]
