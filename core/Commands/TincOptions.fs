/// The options of `tinc` before its command (spec 06 §2).
module TincPure.Commands.TincOptions

open TincPure.Commands.Getopt

type Show =
    | Nothing
    | Version
    | Help

type Options =
    {
        Config: string voption
        Net: string voption
        PidFile: string voption
        /// Never ask.
        Batch: bool
        Force: bool
        Show: Show
        /// The command and its arguments.
        Words: string list
    }

let private initial =
    { Config = ValueNone
      Net = ValueNone
      PidFile = ValueNone
      Batch = false
      Force = false
      Show = Nothing
      Words = [] }

/// The options and what each does, in the order in which getopt lists the possibilities of an abbreviation.
let private table: (Rule * (string voption -> Options -> Options)) array =
    let option short long argument apply = { Short = short; Long = long; Argument = argument }, apply

    [| option (ValueSome 'b') "batch" NoArgument (fun _ o -> { o with Batch = true })
       option (ValueSome 'c') "config" Required (fun v o -> { o with Config = v })
       option (ValueSome 'n') "net" Required (fun v o -> { o with Net = v })
       option ValueNone "help" NoArgument (fun _ o -> if o.Show = Version then o else { o with Show = Help })
       option ValueNone "version" NoArgument (fun _ o -> { o with Show = Version })
       option ValueNone "pidfile" Required (fun v o -> { o with PidFile = v })
       option ValueNone "force" NoArgument (fun _ o -> { o with Force = true }) |]

/// The options, or getopt's message about the first bad one.
let parse (argv0: string) (words: string list) : Result<Options, string> =
    let apply options found =
        match found with
        | Option(rule, value) -> snd table[rule] value options
        | Word _ -> options

    parseLeading argv0 (Array.map fst table) words
    |> Result.map (fun (struct (found, rest)) -> { List.fold apply initial found with Words = rest })

/// The words that tell a daemon the same: it has no use for --batch and --force.
let forDaemon (options: Options) : string list =
    let given name value =
        match value with
        | ValueSome text -> [ name; text ]
        | ValueNone -> []

    List.concat [ given "-c" options.Config; given "-n" options.Net; given "--pidfile" options.PidFile ]
