/// The command line of `tincd` (spec 05 §1.1).
module TincPure.Commands.TincdOptions

open System
open TincPure.Commands.Getopt

type LogTarget =
    /// Standard error in the foreground, syslog when detached.
    | Usual
    | Syslog
    /// The named file, or the default one.
    | LogFile of path: string voption

type Show =
    | Nothing
    | Version
    | Help

/// What the program is to do; the values are those of the options, as given.
type Task =
    | RunDaemon
    /// As tinc 1.0: signal the daemon that runs.
    | SignalDaemon of signal: string voption
    /// As tinc 1.0: make a pair of RSA keys.
    | GenerateKeys of bits: string voption

type Options =
    {
        Config: string voption
        /// As given: `.` and the empty string mean none, but count as given.
        Net: string voption
        Detach: bool
        DebugLevel: int
        LockMemory: bool
        Chroot: bool
        User: string voption
        Log: LogTarget
        /// The values of -o, in order.
        Entries: string list
        PidFile: string voption
        BypassSecurity: bool
        Show: Show
        Task: Task
    }

let private initial =
    { Config = ValueNone
      Net = ValueNone
      Detach = true
      DebugLevel = 0
      LockMemory = false
      Chroot = false
      User = ValueNone
      Log = Usual
      Entries = []
      PidFile = ValueNone
      BypassSecurity = false
      Show = Nothing
      Task = RunDaemon }

/// The integer that a text begins with, as atoi reads it; 0 if there is none.
let private leadingInteger (text: string) : int =
    let text = text.TrimStart(' ', '\t')
    let negative = text.StartsWith '-'
    let digits = if negative || text.StartsWith '+' then text.Substring 1 else text
    let length = digits |> Seq.takeWhile Char.IsAsciiDigit |> Seq.length

    match Int32.TryParse(digits.Substring(0, length)) with
    | true, value -> if negative then -value else value
    | _ -> 0

let private debugLevel (value: string voption) options =
    match value with
    | ValueSome text -> { options with DebugLevel = leadingInteger text }
    | ValueNone -> { options with DebugLevel = options.DebugLevel + 1 }

/// Short name, long name, argument, column of the help text, and what the option does.
let private addEntry (value: string voption) options =
    match value with
    | ValueSome entry -> { options with Entries = options.Entries @ [ entry ] }
    | ValueNone -> options

/// --version wins over --help.
let private showHelp _ options =
    match options.Show with
    | Version -> options
    | Nothing
    | Help -> { options with Show = Help }

/// -k wins over -K.
let private generateKeys (value: string voption) options =
    match options.Task with
    | SignalDaemon _ -> options
    | RunDaemon
    | GenerateKeys _ -> { options with Task = GenerateKeys value }

/// The options and what each does, in the order in which getopt lists the possibilities of an abbreviation.
let private table: (Rule * (string voption -> Options -> Options)) array =
    let option short long argument apply = { Short = short; Long = long; Argument = argument }, apply

    let letter c = ValueSome c

    [| option (letter 'c') "config" Required (fun v o -> { o with Config = v })
       option (letter 'n') "net" Required (fun v o -> { o with Net = v })
       option (letter 'D') "no-detach" NoArgument (fun _ o -> { o with Detach = false })
       option (letter 'd') "debug" Optional debugLevel
       option (letter 'L') "mlock" NoArgument (fun _ o -> { o with LockMemory = true })
       option (letter 'R') "chroot" NoArgument (fun _ o -> { o with Chroot = true })
       option (letter 'U') "user" Required (fun v o -> { o with User = v })
       option (letter 's') "syslog" NoArgument (fun _ o -> { o with Log = Syslog })
       option (letter 'o') "option" Required addEntry
       option (letter 'k') "kill" Optional (fun v o -> { o with Task = SignalDaemon v })
       option (letter 'K') "generate-keys" Optional generateKeys
       option ValueNone "logfile" Optional (fun v o -> { o with Log = LogFile v })
       option ValueNone "pidfile" Required (fun v o -> { o with PidFile = v })
       option ValueNone "bypass-security" NoArgument (fun _ o -> { o with BypassSecurity = true })
       option ValueNone "help" NoArgument showHelp
       option ValueNone "version" NoArgument (fun _ o -> { o with Show = Version }) |]

let private rules = table |> Array.map fst

/// The usage text, without a newline at its end.
let help (argv0: string) : string =
    String.Join(
        "\n",
        [ "Usage: " + argv0 + " [option]..."
          ""
          "  -c, --config=DIR               Read configuration options from DIR."
          "  -D, --no-detach                Don't fork and detach."
          "  -d, --debug[=LEVEL]            Increase debug level or set it to LEVEL."
          "  -k, --kill[=SIGNAL]            Attempt to kill a running tincd and exit."
          "  -n, --net=NETNAME              Connect to net NETNAME."
          "  -K, --generate-keys[=BITS]     Generate public/private RSA key pair."
          "  -L, --mlock                    Lock tinc into main memory."
          "      --logfile[=FILENAME]       Write log entries to a logfile."
          "  -s, --syslog                   Use syslog instead of stderr with --no-detach."
          "      --pidfile=FILENAME         Write PID and control socket cookie to FILENAME."
          "      --bypass-security          Disables meta protocol security, for debugging."
          "  -o, --option=[HOST.]KEY=VALUE  Set global/host configuration value."
          "  -R, --chroot                   chroot to NET dir at startup."
          "  -U, --user=USER                setuid to given USER at startup."
          "      --help                     Display this help and exit."
          "      --version                  Output version information and exit." ]
    )

/// The last line of every complaint about the command line.
let hint (argv0: string) = "Try `" + argv0 + " --help' for more information."

/// The options, or the lines for standard error before leaving with exit code 1.
let parse (argv0: string) (words: string list) : Result<Options, string list> =
    let apply options found =
        match found with
        | Option(rule, value) ->
            let _, change = table[rule]
            change value options
        | Word _ -> options

    match Getopt.parse argv0 rules words with
    | Result.Error message -> Result.Error [ message; hint argv0 ]
    | Ok found ->
        let stray =
            found
            |> List.tryPick (fun item ->
                match item with
                | Word word -> Some word
                | Option _ -> None)

        match stray with
        | Some word -> Result.Error [ argv0 + ": unrecognized argument '" + word + "'"; hint argv0 ]
        | None -> Ok(List.fold apply initial found)
