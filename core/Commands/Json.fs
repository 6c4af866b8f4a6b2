/// Values as JSON texts, for `--json`.
module TincPure.Commands.Json

open System
open System.Globalization
open System.Text
open TincPure.Config

type Json =
    | Null
    | Bool of bool
    | Number of int64
    | Count of uint64
    | Real of float
    /// Byte text, as file contents and what daemons say is.
    | Text of string
    | List of Json list
    | Object of (string * Json) list

/// Everything outside ASCII is escaped, so that the result is the same in every encoding.
let private writeText (builder: StringBuilder) (text: string) =
    builder.Append '"' |> ignore

    for c in ByteText.decode text do
        match c with
        | '"' -> builder.Append "\\\"" |> ignore
        | '\\' -> builder.Append "\\\\" |> ignore
        | '\n' -> builder.Append "\\n" |> ignore
        | c when c < ' ' || c > '~' ->
            builder.Append("\\u").Append((int c).ToString("x4", CultureInfo.InvariantCulture)) |> ignore
        | c -> builder.Append c |> ignore

    builder.Append '"' |> ignore

let rec private write (builder: StringBuilder) (json: Json) : unit =
    let sequence (first: char) (last: char) (items: 'a list) (writeItem: 'a -> unit) =
        builder.Append first |> ignore

        items
        |> List.iteri (fun i item ->
            if i > 0 then
                builder.Append ", " |> ignore

            writeItem item)

        builder.Append last |> ignore

    match json with
    | Null -> builder.Append "null" |> ignore
    | Bool value -> builder.Append(if value then "true" else "false") |> ignore
    | Number value -> builder.Append(value.ToString CultureInfo.InvariantCulture) |> ignore
    | Count value -> builder.Append(value.ToString CultureInfo.InvariantCulture) |> ignore
    | Real value when Double.IsFinite value ->
        builder.Append(value.ToString("0.###", CultureInfo.InvariantCulture)) |> ignore
    | Real _ -> builder.Append "null" |> ignore
    | Text text -> writeText builder text
    | List items -> sequence '[' ']' items (write builder)
    | Object members ->
        sequence '{' '}' members (fun (name, value) ->
            writeText builder name
            builder.Append ": " |> ignore
            write builder value)

/// On one line.
let print (json: Json) : string =
    let builder = StringBuilder()
    write builder json
    builder.ToString()

/// A list with each item on a line of its own.
let printLines (items: Json list) : string =
    match items with
    | [] -> "[]"
    | _ -> "[\n" + String.Join(",\n", items |> List.map (fun item -> "  " + print item)) + "\n]"
