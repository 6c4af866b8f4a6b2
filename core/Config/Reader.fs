namespace TincPure.Config

open System
open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Topology

/// A value that a daemon cannot start with.
type ConfigProblem =
    {
        Variable: string
        /// As written; empty if the variable is missing.
        Value: string
        Place: Place voption
        /// The reference's words.
        Message: string
        /// What would be right.
        Allowed: string
    }

/// Lines that say what is to be done about the one before.
module Remedy =

    let prefix = "Remedy: "

/// The forms of single values (spec 05 §4.2).
module Value =

    let yesNo (text: string) : bool voption =
        if ByteText.same text "yes" then ValueSome true
        elif ByteText.same text "no" then ValueSome false
        else ValueNone

    /// Leading white space, a sign, decimal digits; the rest is ignored. What does not fit 32 bits is not a number.
    let whole (text: string) : int voption =
        let isSpace c = c = ' ' || (c >= '\t' && c <= '\r')
        let text = text.AsSpan()
        let mutable start = 0

        while start < text.Length && isSpace text[start] do
            start <- start + 1

        let mutable stop = start

        if stop < text.Length && (text[stop] = '-' || text[stop] = '+') then
            stop <- stop + 1

        while stop < text.Length && Char.IsAsciiDigit text[stop] do
            stop <- stop + 1

        match
            Int32.TryParse(
                text.Slice(start, stop - start),
                Globalization.NumberStyles.AllowLeadingSign,
                Globalization.CultureInfo.InvariantCulture
            )
        with
        | true, number -> ValueSome number
        | _ -> ValueNone

    /// Digits, maybe with a sign, that may be too many.
    let isNumber (text: string) : bool =
        let digits = text.TrimStart('-', '+')
        digits.Length > 0 && Char.IsAsciiDigit digits[0]

    /// The first of `choices` that the text is, whatever the case.
    let oneOf (choices: string list) (text: string) : string voption =
        match List.tryFind (ByteText.same text) choices with
        | Some choice -> ValueSome choice
        | None -> ValueNone

    /// Host and port, split at the first blank.
    let hostAndPort (text: string) : struct (string * string voption) =
        match text.IndexOf ' ' with
        | -1 -> struct (ByteText.decode text, ValueNone)
        | blank ->
            struct (ByteText.decode (text.Substring(0, blank)), ValueSome(ByteText.decode (text.Substring(blank + 1))))

    /// The daemon can work with this value of the variable (spec 05 §5): the tests that need nothing but the table.
    let accepts (variable: Variable) (text: string) : bool =
        match variable.Kind with
        | Kind.YesNo -> (yesNo text).IsSome
        | Kind.Whole _ ->
            match whole text with
            | ValueSome number -> number >= variable.Minimum && number <= variable.Maximum
            | ValueNone -> false
        | Kind.OneOf choices when variable.Refusal <> "" ->
            // Proxy has arguments, ciphers and digests have further names.
            (oneOf choices (text.Split(' ')[0])).IsSome
            || (variable.Name = "Cipher" && (Cipher.ofName text).IsSome)
            || (variable.Name = "Digest" && (Digest.ofName text).IsSome)
        | _ -> true

/// Reads typed values from a table and collects what there is to say about bad ones, in order. What a value may be comes
/// from `Variables`.
[<Sealed>]
type internal Reader(table: ConfigTable) =

    let log = ResizeArray<LogLine>()
    let problems = ResizeArray<ConfigProblem>()

    let variable name =
        match Variables.tryFind name with
        | ValueSome variable -> variable
        | ValueNone -> invalidArg (nameof name) name

    let say priority text = log.Add { Level = DebugLevel.always; Priority = priority; Text = text }

    let expected (what: string) (entry: Entry) =
        say
            Priority.Error
            (what
             + " expected for configuration variable "
             + ByteText.decode entry.Variable
             + " "
             + Place.toText entry.Place)

    member _.Table = table

    member _.Log = List.ofSeq log

    member _.Problems = List.ofSeq problems

    member _.Say(priority, text) = say priority text

    member _.Entry(name: string) : Entry voption = ConfigTable.tryFirst (variable name).Name table

    member _.Entries(name: string) : Entry list = ConfigTable.all (variable name).Name table

    /// The value ends the start. The log says so in the reference's words, and then where and what would be right.
    member this.RefuseWith(name: string, entry: Entry voption, message: string) =
        this.RefuseWith(name, entry, message, Variables.allowed (variable name))

    /// The same, where more is known about what would be right than the table says.
    member _.RefuseWith(name: string, entry: Entry voption, message: string, allowed: string) =
        let variable = variable name

        let problem =
            { Variable = variable.Name
              Value =
                match entry with
                | ValueSome entry -> ByteText.decode entry.Value
                | ValueNone -> ""
              Place = entry |> ValueOption.map (fun entry -> entry.Place)
              Message = message
              Allowed = allowed }

        problems.Add problem
        say Priority.Error message

        match problem.Place with
        | ValueSome place when not (message.Contains(Place.toText place, StringComparison.Ordinal)) ->
            say
                Priority.Info
                (variable.Name
                 + " = "
                 + problem.Value
                 + " "
                 + Place.toText place
                 + " is not allowed; allowed: "
                 + problem.Allowed)
        | _ -> ()

    member this.Refuse(name: string, entry: Entry) =
        this.RefuseWith(name, ValueSome entry, (variable name).Refusal.Replace("{}", ByteText.decode entry.Value))

    /// The text as written.
    member this.Text(name: string) : string voption = this.Entry name |> ValueOption.map (fun entry -> entry.Value)

    /// The text as the operating system reads it.
    member this.SystemText(name: string) : string voption = this.Text name |> ValueOption.map ByteText.decode

    /// Present and well-formed, or nothing.
    member this.Flag(name: string) : bool voption =
        match this.Entry name with
        | ValueNone -> ValueNone
        | ValueSome entry ->
            match Value.yesNo entry.Value with
            | ValueNone ->
                expected "\"yes\" or \"no\"" entry
                ValueNone
            | flag -> flag

    /// Present, a number and within bounds, or nothing.
    member this.Number(name: string) : int voption =
        let variable = variable name

        match this.Entry name with
        | ValueNone -> ValueNone
        | ValueSome entry ->
            match Value.whole entry.Value with
            // What no machine word holds lies beyond any bound.
            | ValueNone when variable.Maximum < Int32.MaxValue && Value.isNumber entry.Value ->
                this.Refuse(name, entry)
                ValueNone
            | ValueNone ->
                expected "Integer" entry
                ValueNone
            | ValueSome number when number < variable.Minimum || number > variable.Maximum ->
                this.Refuse(name, entry)
                ValueNone
            | number -> number

    /// The value out of a list of pairs of a choice and its meaning.
    member this.Choice(name: string, meanings: (string * 'a) list) : 'a voption =
        match this.Entry name with
        | ValueNone -> ValueNone
        | ValueSome entry ->
            match List.tryFind (fun (choice, _) -> ByteText.same choice entry.Value) meanings with
            | Some(_, meaning) -> ValueSome meaning
            | None ->
                this.Refuse(name, entry)
                ValueNone

    member private _.Default(name: string) : string = (variable name).Default

    member this.FlagOrDefault(name: string) : bool =
        match this.Flag name with
        | ValueSome flag -> flag
        | ValueNone -> Value.yesNo (this.Default name) = ValueSome true

    member this.NumberOrDefault(name: string) : int =
        match this.Number name with
        | ValueSome number -> number
        | ValueNone -> ValueOption.defaultValue 0 (Value.whole (this.Default name))

    /// The subnets of a variable. Bad ones are skipped, or refused if `fatal`.
    member this.Subnets(name: string, fatal: bool) : Subnet list =
        let complain (entry: Entry) (message: string) =
            if fatal then
                this.RefuseWith(name, ValueSome entry, message)
            else
                say Priority.Error message

            None

        let message what (entry: Entry) =
            what
            + " for configuration variable "
            + ByteText.decode entry.Variable
            + " "
            + Place.toText entry.Place

        this.Entries name
        |> List.choose (fun entry ->
            match Subnet.tryParse entry.Value with
            | Error _ -> complain entry (message "Subnet expected" entry)
            | Ok subnet when not (Subnet.isNetwork subnet) ->
                complain entry (message "Network address and prefix length do not match" entry)
            | Ok subnet -> Some subnet)
