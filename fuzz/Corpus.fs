/// Inputs as files in fuzz/corpus/TARGET: `.txt` as they are, `.hex` as hexadecimal digits. The vectors of the tests are
/// the other source of seeds; they are read where they are.
module TincPure.Fuzz.Corpus

open System
open System.IO
open System.Security.Cryptography
open System.Text
open System.Text.Json
open TincPure.Core.Tests

let private folder (target: string) = Path.Combine(Vectors.root.Value, "fuzz", "corpus", target)

/// An input from its file.
let read (path: string) : byte[] =
    if path.EndsWith ".hex" then
        let digits = File.ReadAllText path |> String.filter Char.IsAsciiHexDigit
        Convert.FromHexString digits
    else
        File.ReadAllBytes path

/// Every input that is kept for a target, with the path of its file.
let load (target: string) : (string * byte[]) list =
    if Directory.Exists(folder target) then
        Directory.GetFiles(folder target)
        |> Array.sort
        |> Array.filter (fun path -> path.EndsWith ".hex" || path.EndsWith ".txt")
        |> Array.map (fun path -> path, read path)
        |> List.ofArray
    else
        []

let private isText (input: byte[]) = input |> Array.forall (fun b -> b = '\n'B || b = '\t'B || (b >= ' 'B && b < 127uy))

/// Writes a failing input and returns the path of its file.
let save (target: string) (input: byte[]) : string =
    let hash = Convert.ToHexStringLower(SHA256.HashData input).Substring(0, 12)
    Directory.CreateDirectory(folder target) |> ignore

    let path extension = Path.Combine(folder target, "crash-" + hash + extension)

    if input.Length > 0 && isText input then
        File.WriteAllBytes(path ".txt", input)
        path ".txt"
    else
        let lines = Convert.ToHexStringLower(input).ToCharArray() |> Array.chunkBySize 100 |> Array.map String
        File.WriteAllText(path ".hex", String.Join('\n', lines) + "\n")
        path ".hex"

/// The texts in a file of vectors that stand under one of these names, alone or in lists.
let rec private textsOf (names: string list) (named: bool) (element: JsonElement) : string list =
    match element.ValueKind with
    | JsonValueKind.Object ->
        [ for property in element.EnumerateObject() do
              yield! textsOf names (List.contains property.Name names) property.Value ]
    | JsonValueKind.Array ->
        [ for item in element.EnumerateArray() do
              yield! textsOf names named item ]
    | JsonValueKind.String when named ->
        match element.GetString() with
        | null -> []
        | text -> [ text ]
    | _ -> []

let texts (file: string) (names: string list) : string list = textsOf names false (Vectors.load file) |> List.distinct

/// The same as bytes, one for each character.
let bytes (file: string) (names: string list) : byte[] list = texts file names |> List.map Encoding.Latin1.GetBytes

/// The same where they are hexadecimal digits.
let hex (file: string) (names: string list) : byte[] list =
    texts file names
    |> List.filter (fun text -> text.Length % 2 = 0 && String.forall Char.IsAsciiHexDigit text)
    |> List.map Convert.FromHexString
