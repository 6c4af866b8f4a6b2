/// Command lines read by the rules of GNU getopt_long (spec 05 §1.1): options and other words mixed or options first,
/// `--` ends the options, long names may be shortened while unambiguous.
module TincPure.Commands.Getopt

open System

type Argument =
    | NoArgument
    | Required
    /// In the same word, or in the next one if that does not begin with `-`.
    | Optional

/// One option of a program. Options are told apart by their place in the program's table.
type Rule = { Short: char voption; Long: string; Argument: Argument }

/// What was found, in order. `rule` is the index into the table.
type Found =
    | Option of rule: int * value: string voption
    | Word of string

let private error (argv0: string) (text: string) : Result<'a, string> = Result.Error(argv0 + ": " + text)

/// Indexes of the rules whose long name begins with `name`, or only that which equals it.
let private candidates (rules: Rule array) (name: string) : int list =
    let matching =
        [ for i in 0 .. rules.Length - 1 do
              if rules[i].Long.StartsWith(name, StringComparison.Ordinal) then
                  i ]

    match matching |> List.tryFind (fun i -> rules[i].Long = name) with
    | Some exact -> [ exact ]
    | None -> matching

/// The value of an option that may take the next word, and the words that remain.
let private nextWord (rest: string list) : struct (string voption * string list) =
    match rest with
    | next :: others when not (next.StartsWith('-')) -> struct (ValueSome next, others)
    | _ -> struct (ValueNone, rest)

let private longOption argv0 (rules: Rule array) (text: string) rest : Result<struct (Found * string list), string> =
    let equals = text.IndexOf '='
    let name = if equals < 0 then text else text.Substring(0, equals)

    let value = if equals < 0 then ValueNone else ValueSome(text.Substring(equals + 1))

    match candidates rules name with
    | [] -> error argv0 ("unrecognized option '--" + text + "'")
    | [ i ] ->
        match rules[i].Argument, value, rest with
        | NoArgument, ValueSome _, _ -> error argv0 ("option '--" + rules[i].Long + "' doesn't allow an argument")
        | Required, ValueNone, [] -> error argv0 ("option '--" + rules[i].Long + "' requires an argument")
        | Required, ValueNone, next :: others -> Ok(struct (Option(i, ValueSome next), others))
        | Optional, ValueNone, _ ->
            let struct (next, others) = nextWord rest
            Ok(struct (Option(i, next), others))
        | _ -> Ok(struct (Option(i, value), rest))
    | several ->
        let names = several |> List.map (fun i -> " '--" + rules[i].Long + "'")
        error argv0 ("option '--" + text + "' is ambiguous; possibilities:" + String.Concat names)

/// One short option at the head of `letters`; what is left of the cluster comes back in front of the remaining words.
let private shortOption
    argv0
    (rules: Rule array)
    (letters: string)
    rest
    : Result<struct (Found * string list), string> =
    let letter = letters[0]
    let attached = letters.Substring 1

    match rules |> Array.tryFindIndex (fun rule -> rule.Short = ValueSome letter) with
    | None -> error argv0 ("invalid option -- '" + string letter + "'")
    | Some i ->
        match rules[i].Argument, attached, rest with
        | NoArgument, "", _ -> Ok(struct (Option(i, ValueNone), rest))
        // It would be taken for a long option, or for the end of the options.
        | NoArgument, _, _ when attached[0] = '-' -> error argv0 "invalid option -- '-'"
        | NoArgument, _, _ -> Ok(struct (Option(i, ValueNone), ("-" + attached) :: rest))
        | Required, "", [] -> error argv0 ("option requires an argument -- '" + string letter + "'")
        | Required, "", next :: others -> Ok(struct (Option(i, ValueSome next), others))
        | Optional, "", _ ->
            let struct (next, others) = nextWord rest
            Ok(struct (Option(i, next), others))
        | _ -> Ok(struct (Option(i, ValueSome attached), rest))

let private walk (stopAtWord: bool) argv0 rules words : Result<struct (Found list * string list), string> =
    let rec go found rest =
        match rest with
        | [] -> Ok(struct (List.rev found, []))
        | "--" :: others when stopAtWord -> Ok(struct (List.rev found, others))
        | "--" :: others -> Ok(struct (List.rev found @ List.map Word others, []))
        | (word: string) :: others when word.StartsWith("--", StringComparison.Ordinal) ->
            longOption argv0 rules (word.Substring 2) others |> continueWith found
        | word :: others when word.Length > 1 && word[0] = '-' ->
            shortOption argv0 rules (word.Substring 1) others |> continueWith found
        | _ when stopAtWord -> Ok(struct (List.rev found, rest))
        | word :: others -> go (Word word :: found) others

    and continueWith found step =
        match step with
        | Ok(struct (option, rest)) -> go (option :: found) rest
        | Result.Error message -> Result.Error message

    go [] words

/// Everything on a command line, in order, or getopt's message about the first thing wrong with an option.
let parse (argv0: string) (rules: Rule array) (words: string list) : Result<Found list, string> =
    walk false argv0 rules words |> Result.map (fun (struct (found, _)) -> found)

/// The options before the first other word, and that word with all that follow.
let parseLeading (argv0: string) (rules: Rule array) (words: string list) = walk true argv0 rules words
