/// The vector files of tests/vectors, wherever the tests run.
module TincPure.Core.Tests.Vectors

open System
open System.IO
open System.Text.Json

let rec private findRoot (directory: DirectoryInfo | null) : string =
    match directory with
    | null -> failwith "no folder above the tests holds TincPure.sln"
    | directory when File.Exists(Path.Combine(directory.FullName, "TincPure.sln")) -> directory.FullName
    | directory -> findRoot directory.Parent

/// The folder that holds TincPure.sln.
let root: Lazy<string> = lazy (findRoot (DirectoryInfo AppContext.BaseDirectory))

/// The contents of a file of tests/vectors.
let load (name: string) : JsonElement =
    let text = File.ReadAllText(Path.Combine(root.Value, "tests", "vectors", name))
    JsonDocument.Parse(text).RootElement

/// A text property. Fails the test when it is missing.
let text (name: string) (element: JsonElement) : string =
    match element.GetProperty(name).GetString() with
    | null -> failwith ("no text in " + name)
    | text -> text

let number (name: string) (element: JsonElement) : int = element.GetProperty(name).GetInt32()

/// The elements of an array property, in order.
let items (name: string) (element: JsonElement) : JsonElement list =
    List.ofSeq (element.GetProperty(name).EnumerateArray())

/// An array property of numbers.
let numbers (name: string) (element: JsonElement) : int list = items name element |> List.map _.GetInt32()

/// A property of hexadecimal digits, as bytes.
let bytes (name: string) (element: JsonElement) : byte array = Convert.FromHexString(text name element)
