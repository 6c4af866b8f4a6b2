namespace TincPure.Config

open System
open TincPure.Primitives

/// Names of networks (spec 05 §3.2).
module NetName =

    let private unsafeChars = " $%<>:`\"|?*"

    /// May be used at all.
    let isValid (name: string) : bool =
        name <> ""
        && name[0] <> '.'
        && not (
            String.exists
                (fun c -> Char.IsAsciiLetterOrDigit c |> not && (c < ' ' || c = '\127' || c = '/' || c = '\\'))
                name
        )

    /// Means the same to every shell and file system, so that an invitation may carry it.
    let isSafe (name: string) : bool = isValid name && not (String.exists unsafeChars.Contains name)

/// The value of Name (spec 05 §3.3).
module OwnName =

    /// Longest host name that counts, in bytes.
    let private maxHostName = 64

    let private noAnswer (variable: string) = "Invalid Name: environment variable " + variable + " does not exist"

    /// The name that a value stands for: itself, or, after `$`, that of an environment variable, HOST standing for the
    /// host name where there is no such variable. The error is in the reference's words.
    let expand
        (environment: string -> string voption)
        (hostName: Result<string, string>)
        (value: string)
        : Result<NodeName, string> =
        let toName text =
            match NodeName.tryParse text with
            | ValueSome name -> Ok name
            | ValueNone -> Error "Invalid name for myself!"

        let substitute (text: string) =
            ByteText.encode text
            |> String.map (fun c -> if Char.IsAsciiLetterOrDigit c then c else '_')
            |> toName

        if not (value.StartsWith '$') then
            toName value
        else
            let variable = ByteText.decode (value.Substring 1)

            match environment variable, hostName with
            | ValueSome text, _ -> substitute text
            | ValueNone, Ok host when variable = "HOST" -> substitute (host.Substring(0, min host.Length maxHostName))
            | ValueNone, Error reason when variable = "HOST" -> Error("Could not get hostname: " + reason)
            | ValueNone, _ -> Error(noAnswer variable)
