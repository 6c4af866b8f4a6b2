/// The vector files 02-meta-*.json as typed records, for whoever plays them: syntax here, whole nodes elsewhere.
module TincPure.Core.Tests.MetaVectors

open System
open System.Text.Json
open System.Text.RegularExpressions
open TincPure.Primitives

/// What the fake peer did.
type Sent =
    /// One record of type 0 with this line and a LF.
    | SentLine of string
    /// One record of type 0 with this payload.
    | SentRecord of byte[]
    /// Bytes on the TCP stream, outside of records.
    | SentRaw of byte[]

type Verdict =
    | Kept
    | Closed
    /// A defect of the stock daemon: ours must do what spec 02 §22 says instead.
    | Crashed

/// A line of the log; the peer's port is written as `N`.
type Logged = { Priority: Priority; Text: string }

/// What 1.1pre18 does otherwise; only what differs is there. Its log has texts only.
type Pre18 =
    { Verdict: Verdict voption
      Reply: string list voption
      Forwarded: string list voption
      Log: string list voption }

/// A case of 02-meta-lines-active.json. `Reply` went back to the sender, `Forwarded` to the observer; in both NONCE stands for
/// a random number, `<base64>` for data, P for a port.
type ActiveCase =
    {
        Section: string
        Title: string
        /// Lines of tinc.conf beyond the usual, empty if none.
        Config: string
        Sent: Sent list
        Verdict: Verdict
        Reply: string list
        Forwarded: string list
        Log: Logged list
        Pre18: Pre18 voption
    }

/// A case of 02-meta-lines-preauth.json. `<cookie>` and PID stand for what they say.
type PreauthCase =
    {
        Title: string
        Config: string
        Sent: byte[]
        ReplyLines: string list
        /// What followed the lines, in hexadecimal, possibly abridged; empty if nothing did.
        ReplyRest: string
        Verdict: Verdict
        Log: Logged list
    }

/// A request line that a daemon's log shows.
type ShownRequest =
    {
        Direction: Direction
        Request: string
        /// Where it went or came from; `everyone (BROADCAST)` for a broadcast.
        Peer: string
        Line: string
    }

and Direction =
    | Sending
    | Got
    | Forwarding

/// A line of a daemon's log in 02-meta-transcripts.json; `Request` if it shows one.
type TranscriptLine = { Second: int; Log: Logged; Request: ShownRequest voption }

type Transcript =
    {
        Title: string
        /// By node.
        Logs: (string * TranscriptLine list) list
    }

let private strings (name: string) (element: JsonElement) : string list =
    Vectors.items name element
    |> List.map (fun item ->
        match item.GetString() with
        | null -> failwith ("no text in " + name)
        | text -> text)

let private optional (name: string) (read: string -> JsonElement -> 'a) (element: JsonElement) : 'a voption =
    match element.TryGetProperty name with
    | true, _ -> ValueSome(read name element)
    | _ -> ValueNone

let private verdict (name: string) (element: JsonElement) : Verdict =
    match Vectors.text name element with
    | "connection kept" -> Kept
    | "connection closed" -> Closed
    | "daemon crashed" -> Crashed
    | other -> failwith ("unknown verdict " + other)

let private priority (text: string) : Priority =
    match text with
    | "ERROR" -> Priority.Error
    | "WARNING" -> Priority.Warning
    | "NOTICE" -> Priority.Notice
    | "INFO" -> Priority.Info
    | "DEBUG" -> Priority.Debug
    | other -> failwith ("unknown priority " + other)

let private logged (separator: string) (text: string) : Logged =
    let at = text.IndexOf(separator, StringComparison.Ordinal)

    { Priority = priority (text.Substring(0, at))
      Text = text.Substring(at + separator.Length) }

let private sent (element: JsonElement) : Sent =
    match
        optional "line" Vectors.text element,
        optional "record_hex" Vectors.bytes element,
        optional "raw_stream_hex" Vectors.bytes element
    with
    | ValueSome "8 a repeated 2998 times", _, _ -> SentLine("8 " + String('a', 2998))
    | ValueSome line, _, _ -> SentLine line
    | _, ValueSome record, _ -> SentRecord record
    | _, _, ValueSome raw -> SentRaw raw
    | _ -> failwith "nothing sent"

let private pre18 (name: string) (element: JsonElement) : Pre18 =
    let element = element.GetProperty name

    { Verdict = optional "verdict" verdict element
      Reply = optional "reply" strings element
      Forwarded = optional "forwarded" strings element
      Log = optional "log" strings element }

let activeCases: Lazy<ActiveCase list> =
    lazy
        [ for section in Vectors.items "sections" (Vectors.load "02-meta-lines-active.json") do
              for case in Vectors.items "cases" section do
                  { Section = Vectors.text "section" section
                    Title = Vectors.text "title" case
                    Config = ValueOption.defaultValue "" (optional "config" Vectors.text case)
                    Sent = Vectors.items "send" case |> List.map sent
                    Verdict = verdict "verdict" case
                    Reply = strings "reply" case
                    Forwarded = strings "forwarded" case
                    Log = strings "log" case |> List.map (logged ": ")
                    Pre18 = optional "pre18_differs" pre18 case } ]

/// The file abridges two long texts, and leaves out what followed the greeting of two control connections.
let private preauthBytes (title: string) (text: string) : byte[] =
    let filled length = "0 " + String('a', length - 2)

    let whole =
        match title with
        | "2176 bytes without a newline" -> filled 2176
        | "2175 bytes and then a newline" -> filled 2175 + "\n"
        | "control connection over TCP" -> text + "18 10\n"
        | "control connection, other request than 18" -> text + "8\n"
        | _ -> text

    Text.Encoding.Latin1.GetBytes whole

let preauthCases: Lazy<PreauthCase list> =
    lazy
        [ for case in Vectors.items "cases" (Vectors.load "02-meta-lines-preauth.json") do
              let title = Vectors.text "title" case

              { Title = title
                Config = ValueOption.defaultValue "" (optional "config" Vectors.text case)
                Sent = preauthBytes title (Vectors.text "send_text" case)
                ReplyLines = strings "reply_lines" case
                ReplyRest = Vectors.text "reply_rest_hex" case
                Verdict = verdict "verdict" case
                Log = strings "log" case |> List.map (logged ": ") } ]

/// `Sending ACK to beta (192.0.2.2 port 655): 4 655 1 700000c` and its like.
let request (text: string) : ShownRequest voption =
    let found =
        Regex.Match(text, @"^(Sending|Got|Forwarding) ([A-Z_]+) (?:to|from) (\S+ \([^)]*\)): ([0-9].*)$")

    if not found.Success then
        ValueNone
    else
        ValueSome
            { Direction =
                (match found.Groups[1].Value with
                 | "Sending" -> Sending
                 | "Got" -> Got
                 | _ -> Forwarding)
              Request = found.Groups[2].Value
              Peer = found.Groups[3].Value
              Line = found.Groups[4].Value }

let private transcriptLine (text: string) : TranscriptLine =
    let at = text.IndexOf ' '
    let log = logged " " (text.Substring(at + 1))

    { Second = Int32.Parse(text.Substring(0, at))
      Log = log
      Request = request log.Text }

let transcripts: Lazy<Transcript list> =
    lazy
        [ for transcript in Vectors.items "transcripts" (Vectors.load "02-meta-transcripts.json") do
              { Title = Vectors.text "title" transcript
                Logs =
                  [ for node in transcript.GetProperty("logs").EnumerateObject() do
                        node.Name, strings node.Name (transcript.GetProperty "logs") |> List.map transcriptLine ] } ]
