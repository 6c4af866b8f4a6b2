namespace TincPure.Config

open System
open System.Text

/// Where a configuration entry was given.
[<RequireQualifiedAccess>]
type Place =
    /// The n-th `-o` option, from 1.
    | CommandLine of number: int
    | File of path: string * line: int

/// One setting as written.
type Entry = { Variable: string; Value: string; Place: Place }

type SyntaxError =
    | NoValue of variable: string * Place
    | TooLong of Place

/// Bytes as text. Configuration text holds one char per byte, so that files pass through unchanged whatever their
/// encoding; what people and the operating system read is UTF-8.
module ByteText =

    let decode (text: string) : string =
        if Ascii.IsValid(text.AsSpan()) then
            text
        else
            Encoding.UTF8.GetString(Encoding.Latin1.GetBytes text)

    let encode (text: string) : string =
        if Ascii.IsValid(text.AsSpan()) then
            text
        else
            Encoding.Latin1.GetString(Encoding.UTF8.GetBytes text)

    /// Equal without regard to the case of ASCII letters.
    let same (left: string) (right: string) : bool =
        left.Length = right.Length
        && Seq.forall2 (fun a b -> a = b || (Char.IsAsciiLetter a && (int a ^^^ int b) = 0x20)) left right

    let lower (text: string) : string =
        String.map (fun c -> if Char.IsAsciiLetterUpper c then Char.ToLowerInvariant c else c) text

module Place =

    /// `in FILE line N`, as log lines end.
    let toText (place: Place) : string =
        match place with
        | Place.CommandLine number -> "in command line option " + number.ToString()
        | Place.File(path, line) -> "in " + path + " line " + line.ToString()

/// The line grammar of configuration files and `-o` options (spec 05 §4.1, §4.5).
module Syntax =

    /// Longest line with a setting. The reference cuts longer ones to pieces and takes each for a line of its own.
    let maxLine = 2048

    let private isBlank (c: char) = c = ' ' || c = '\t'

    /// Variable and value of a line: the variable ends at the first blank or `=`; between them and the value stand
    /// blanks and at most one `=`. Trailing blanks are the caller's business (spec 06 §1, "liberal line split").
    let split (line: string) : struct (string * string) =
        let skipBlanks from =
            let mutable i = from

            while i < line.Length && isBlank line[i] do
                i <- i + 1

            i

        let nameEnd =
            match line.AsSpan().IndexOfAny(' ', '\t', '=') with
            | -1 -> line.Length
            | i -> i

        let afterBlanks = skipBlanks nameEnd

        let valueStart =
            if afterBlanks < line.Length && line[afterBlanks] = '=' then
                skipBlanks (afterBlanks + 1)
            else
                afterBlanks

        struct (line.Substring(0, nameEnd), line.Substring valueStart)

    /// The lines of a text with their line ends; together they are the text.
    let rawLines (text: string) : string list =
        let rec collect (from: int) lines =
            if from = text.Length then
                List.rev lines
            else
                match text.IndexOf('\n', from) with
                | -1 -> List.rev (text.Substring from :: lines)
                | newline -> collect (newline + 1) (text.Substring(from, newline + 1 - from) :: lines)

        collect 0 []

    /// A line without its end: LF, the CR before it, and everything from a NUL on.
    let private content (raw: string) =
        let body =
            if raw.EndsWith("\r\n", StringComparison.Ordinal) then
                raw.Substring(0, raw.Length - 2)
            elif raw.EndsWith '\n' then
                raw.Substring(0, raw.Length - 1)
            else
                raw

        match body.IndexOf '\000' with
        | -1 -> body
        | nul -> body.Substring(0, nul)

    let private entry (line: string) (place: Place) : Result<Entry, SyntaxError> =
        match split (line.TrimEnd(' ', '\t')) with
        | struct (variable, "") -> Error(NoValue(variable, place))
        | struct (variable, value) -> Ok { Variable = variable; Value = value; Place = place }

    let private starts (prefix: string) (line: string) = line.StartsWith(prefix, StringComparison.Ordinal)

    /// The settings of a file, in order, up to the first error. Comments, blank lines and PEM blocks are skipped.
    let parse (path: string) (text: string) : struct (Entry list * SyntaxError voption) =
        let rec lines number inBlock entries rest =
            match rest with
            | [] -> struct (List.rev entries, ValueNone)
            | raw :: rest ->
                let line = content raw
                let place = Place.File(path, number)

                if inBlock then
                    lines (number + 1) (not (starts "-----END" line)) entries rest
                elif starts "-----BEGIN" line then
                    lines (number + 1) true entries rest
                elif starts "#" line || String.forall isBlank line then
                    lines (number + 1) false entries rest
                elif line.Length > maxLine then
                    struct (List.rev entries, ValueSome(TooLong place))
                else
                    match entry line place with
                    | Ok entry -> lines (number + 1) false (entry :: entries) rest
                    | Error error -> struct (List.rev entries, ValueSome error)

        lines 1 false [] (rawLines text)

    /// The `number`-th `-o` option, from 1.
    let parseOption (number: int) (text: string) : Result<Entry, SyntaxError> = entry text (Place.CommandLine number)

    /// The line that `parse` reads back as this entry.
    let print (entry: Entry) : string = String.Concat(entry.Variable, " = ", entry.Value)

    /// The reference's words (spec 05 §1.1, §4.1).
    let errorText (error: SyntaxError) : string =
        match error with
        | NoValue(variable, Place.CommandLine number) ->
            "No value for variable `"
            + ByteText.decode variable
            + "' in command line option "
            + number.ToString()
        | NoValue(variable, Place.File(path, line)) ->
            "No value for variable `"
            + ByteText.decode variable
            + "' on line "
            + line.ToString()
            + " while reading config file "
            + path
        | TooLong place -> "Line longer than " + maxLine.ToString() + " bytes " + Place.toText place

/// The settings of one node, to be looked up by name. Of several values for one name, those of the command line come
/// first, then lower line numbers, then smaller paths: files compete by line number (spec 05 §4.3).
type ConfigTable = private ConfigTable of Map<string, Entry list>

module ConfigTable =

    let empty = ConfigTable Map.empty

    let private order (entry: Entry) =
        match entry.Place with
        | Place.CommandLine number -> struct (0, number, "")
        | Place.File(path, line) -> struct (1, line, path)

    let private compareEntries (left: Entry) (right: Entry) =
        let struct (kind, line, path) = order left
        let struct (otherKind, otherLine, otherPath) = order right

        match compare kind otherKind, compare line otherLine with
        | 0, 0 -> String.CompareOrdinal(path, otherPath)
        | 0, lines -> lines
        | kinds, _ -> kinds

    let ofEntries (entries: Entry list) : ConfigTable =
        entries
        |> List.groupBy (fun entry -> ByteText.lower entry.Variable)
        |> List.map (fun (name, group) -> name, List.sortWith compareEntries group)
        |> Map.ofList
        |> ConfigTable

    /// Every value of a variable, the one that counts first.
    let all (name: string) (ConfigTable table) : Entry list =
        match Map.tryFind (ByteText.lower name) table with
        | Some entries -> entries
        | None -> []

    let tryFirst (name: string) (table: ConfigTable) : Entry voption =
        match all name table with
        | entry :: _ -> ValueSome entry
        | [] -> ValueNone

    /// All entries, by name without regard to case, then by precedence.
    let entries (ConfigTable table) : Entry list = table |> Map.toList |> List.collect snd
