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
    }

/// What stands before the command.
type private Leading = { Options: Options; Show: Show }

let private initial =
    { Options =
        { Config = ValueNone
          Net = ValueNone
          PidFile = ValueNone
          Batch = false
          Force = false }
      Show = Nothing }

/// The options and what each does, in the order in which getopt lists the possibilities of an abbreviation.
let private table: (Rule * (string voption -> Leading -> Leading)) array =
    let rule short long argument = { Short = short; Long = long; Argument = argument }

    let option short long argument apply =
        rule short long argument, (fun value leading -> { leading with Options = apply value leading.Options })

    let show long apply = rule ValueNone long NoArgument, (fun _ leading -> { leading with Show = apply leading.Show })

    [| option (ValueSome 'b') "batch" NoArgument (fun _ o -> { o with Batch = true })
       option (ValueSome 'c') "config" Required (fun v o -> { o with Config = v })
       option (ValueSome 'n') "net" Required (fun v o -> { o with Net = v })
       show "help" (fun shown -> if shown = Version then shown else Help)
       show "version" (fun _ -> Version)
       option ValueNone "pidfile" Required (fun v o -> { o with PidFile = v })
       option ValueNone "force" NoArgument (fun _ o -> { o with Force = true }) |]

/// The command and its words in one form; an unknown command is kept from being taken for anything else.
let private arrange (words: string list) : string list =
    match words with
    | [] -> []
    | name :: rest ->
        match Catalogue.tryFind name with
        | ValueSome command -> command.Name :: Catalogue.arrange command rest
        | ValueNone -> "--" :: words

/// The options of a command line, every one once, by its long name and with its value in the same word; and the words
/// behind them. The last of several values of an option counts.
let private leading (argv0: string) (words: string list) : Result<struct (string list * string list), string> =
    let apply leading found =
        match found with
        | Option(rule, value) -> snd table[rule] value leading
        | Word _ -> leading

    let flag name given = if given then [ name ] else []

    let valued (name: string) value =
        match value with
        // Behind `=` there must be something.
        | ValueSome "" -> [ name; "" ]
        | ValueSome text -> [ name + "=" + text ]
        | ValueNone -> []

    parseLeading argv0 (Array.map fst table) words
    |> Result.map (fun (struct (found, rest)) ->
        let { Options = options; Show = shown } = List.fold apply initial found

        let canonical =
            List.concat
                [ flag "--batch" options.Batch
                  valued "--config" options.Config
                  valued "--net" options.Net
                  valued "--pidfile" options.PidFile
                  flag "--force" options.Force
                  flag "--help" (shown = Help)
                  flag "--version" (shown = Version) ]

        struct (canonical, rest))

/// A command line in the one form that the command tree reads: the options, the command by its name, and behind it what
/// `Catalogue.arrange` makes of its words. The error is getopt's message about the first bad option.
let normalise (argv0: string) (words: string list) : Result<string list, string> =
    leading argv0 words |> Result.map (fun (struct (options, rest)) -> options @ arrange rest)

/// The same of a line that is still being written: what stands behind the command is left as it is.
let normaliseUnfinished (argv0: string) (words: string list) : Result<string list, string> =
    leading argv0 words |> Result.map (fun (struct (options, rest)) -> options @ rest)

/// The words of one line of the shell, as `normalise` arranges those of a command line.
let normaliseLine (words: string list) : string list = arrange words

/// The words that tell a daemon the same: it has no use for --batch and --force.
let forDaemon (options: Options) : string list =
    let given name value =
        match value with
        | ValueSome text -> [ name; text ]
        | ValueNone -> []

    List.concat [ given "-c" options.Config; given "-n" options.Net; given "--pidfile" options.PidFile ]
