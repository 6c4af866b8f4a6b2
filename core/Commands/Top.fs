/// `tinc top`: the traffic of all nodes as a table (spec 06 §8.3).
module TincPure.Commands.Top

open System
open System.Globalization

/// What the daemon has counted of one node.
[<Struct>]
type Counters = { InPackets: uint64; InBytes: uint64; OutPackets: uint64; OutBytes: uint64 }

type Sample = { Name: string; Counters: Counters }

/// Packets and bytes, per second.
[<Struct>]
type Rates = { InPackets: float; InBytes: float; OutPackets: float; OutBytes: float }

type Row =
    {
        Name: string
        Total: Counters
        Rate: Rates
        /// The daemon still lists it.
        Known: bool
    }

type Sort =
    | ByName
    | InBytes
    | InPackets
    | OutBytes
    | OutPackets
    | TotalBytes
    | TotalPackets

type Unit = { Packets: string; PacketScale: float; Bytes: string; ByteScale: float }

type State =
    {
        /// In the order of the last picture.
        Rows: Row list
        Sort: Sort
        Cumulative: bool
        Unit: Unit
        /// Seconds between two polls.
        Delay: float
        /// What was typed so far in answer to the question for the delay, while it is asked.
        Answer: string voption
    }

/// How a line is shown.
type Style =
    | Plain
    | Reverse
    | Bold
    | Dim

let private unit packets packetScale bytes byteScale =
    { Packets = packets
      PacketScale = packetScale
      Bytes = bytes
      ByteScale = byteScale }

let private plainUnit = unit "pkts" 1.0 "bytes" 1.0

let start: State =
    { Rows = []
      Sort = ByName
      Cumulative = false
      Unit = plainUnit
      Delay = 1.0
      Answer = ValueNone }

let private noRate = { InPackets = 0.0; InBytes = 0.0; OutPackets = 0.0; OutBytes = 0.0 }

let private nothing: Counters = { InPackets = 0UL; InBytes = 0UL; OutPackets = 0UL; OutBytes = 0UL }

/// Counters go down only if the daemon was started anew.
let private rate (elapsed: float) (before: Counters) (now: Counters) : Rates =
    let per (before: uint64) (now: uint64) =
        if elapsed <= 0.0 then 0.0
        elif now < before then float now / elapsed
        else float (now - before) / elapsed

    { InPackets = per before.InPackets now.InPackets
      InBytes = per before.InBytes now.InBytes
      OutPackets = per before.OutPackets now.OutPackets
      OutBytes = per before.OutBytes now.OutBytes }

let private sortName (sort: Sort) =
    match sort with
    | ByName -> "name"
    | InBytes -> "in bytes"
    | InPackets -> "in pkts"
    | OutBytes -> "out bytes"
    | OutPackets -> "out pkts"
    | TotalBytes -> "tot bytes"
    | TotalPackets -> "tot pkts"

/// The numbers that are shown of a row.
let private shown (state: State) (row: Row) : Rates =
    if state.Cumulative then
        { InPackets = float row.Total.InPackets
          InBytes = float row.Total.InBytes
          OutPackets = float row.Total.OutPackets
          OutBytes = float row.Total.OutBytes }
    else
        row.Rate

/// Equal rows keep their order.
let private sorted (state: State) : State =
    let by (value: Rates -> float) = List.sortBy (fun row -> -(value (shown state row))) state.Rows

    let rows =
        match state.Sort with
        | ByName -> List.sortWith (fun (left: Row) right -> String.CompareOrdinal(left.Name, right.Name)) state.Rows
        | InBytes -> by _.InBytes
        | InPackets -> by _.InPackets
        | OutBytes -> by _.OutBytes
        | OutPackets -> by _.OutPackets
        | TotalBytes -> by (fun rates -> rates.InBytes + rates.OutBytes)
        | TotalPackets -> by (fun rates -> rates.InPackets + rates.OutPackets)

    { state with Rows = rows }

/// The daemon was asked again, `elapsed` seconds after the last time. Nodes that it no longer lists stay.
let poll (elapsed: float) (samples: Sample list) (state: State) : State =
    let current = samples |> List.map (fun sample -> sample.Name, sample.Counters) |> Map.ofList
    let old = state.Rows |> List.map _.Name |> Set.ofList

    let known =
        state.Rows
        |> List.map (fun row ->
            match current.TryFind row.Name with
            | Some counters ->
                { row with
                    Total = counters
                    Rate = rate elapsed row.Total counters
                    Known = true }
            | None -> { row with Rate = noRate; Known = false })

    let added =
        samples
        |> List.filter (fun sample -> not (old.Contains sample.Name))
        |> List.map (fun sample ->
            { Name = sample.Name
              Total = sample.Counters
              Rate = rate elapsed nothing sample.Counters
              Known = true })

    sorted { state with Rows = known @ added }

let private shortestDelay = 0.1

let private question (state: State) =
    "Change delay from " + state.Delay.ToString("0.0", CultureInfo.InvariantCulture) + "s to: "

/// Longest answer that is kept.
let private longestAnswer = 20

let private answering (key: char) (answer: string) (state: State) : State =
    match key with
    | '\r'
    | '\n' ->
        let delay =
            match Double.TryParse(answer, NumberStyles.Float, CultureInfo.InvariantCulture) with
            | true, seconds when Double.IsFinite seconds && seconds > 0.0 -> max shortestDelay (min 3600.0 seconds)
            | _ -> state.Delay

        { state with Delay = delay; Answer = ValueNone }
    | '\u001b' -> { state with Answer = ValueNone }
    | '\b'
    | '\u007f' ->
        { state with
            Answer = ValueSome(answer.Substring(0, max 0 (answer.Length - 1))) }
    | c when c >= ' ' && c <= '~' && answer.Length < longestAnswer ->
        { state with Answer = ValueSome(answer + string c) }
    | _ -> state

/// A key was pressed; none: leave.
let press (key: char) (state: State) : State voption =
    let sort by = ValueSome(sorted { state with Sort = by })
    let units unit = ValueSome { state with Unit = unit }

    match state.Answer, key with
    | ValueSome answer, _ -> ValueSome(answering key answer state)
    | _, 'q' -> ValueNone
    | _, 'c' -> ValueSome(sorted { state with Cumulative = not state.Cumulative })
    | _, 's' -> ValueSome { state with Answer = ValueSome "" }
    | _, 'n' -> sort ByName
    | _, 'i' -> sort InBytes
    | _, 'I' -> sort InPackets
    | _, 'o' -> sort OutBytes
    | _, 'O' -> sort OutPackets
    | _, 't' -> sort TotalBytes
    | _, 'T' -> sort TotalPackets
    | _, 'b' -> units plainUnit
    | _, 'k' -> units (unit "pkts" 1.0 "kbyte" 1e-3)
    | _, 'M' -> units (unit "kpkt" 1e-3 "Mbyte" 1e-6)
    | _, 'G' -> units (unit "Mpkt" 1e-6 "Gbyte" 1e-9)
    | _ -> ValueSome state

let private whole (value: float) = value.ToString("0", CultureInfo.InvariantCulture).PadLeft 10

let private line (state: State) (row: Row) : struct (Style * string) =
    let numbers = shown state row

    let style =
        if not row.Known then Dim
        elif row.Rate.InPackets > 0.0 || row.Rate.OutPackets > 0.0 then Bold
        else Plain

    struct (style,
            String.Join(
                ' ',
                [ row.Name.PadRight 16
                  whole (numbers.InPackets * state.Unit.PacketScale)
                  whole (numbers.InBytes * state.Unit.ByteScale)
                  whole (numbers.OutPackets * state.Unit.PacketScale)
                  whole (numbers.OutBytes * state.Unit.ByteScale) ]
            ))

let private prompt (state: State) : string =
    match state.Answer with
    | ValueSome answer -> question state + answer
    | ValueNone -> ""

/// The column in the second line where the cursor belongs.
let promptLength (state: State) : int = (prompt state).Length

/// The picture, line by line, as much of it as fits.
let picture (netName: string) (height: int) (width: int) (state: State) : struct (Style * string) list =
    let heading =
        String.Concat(
            "Tinc " + netName.PadRight 16,
            "  Nodes: " + (List.length state.Rows).ToString(CultureInfo.InvariantCulture).PadLeft 4,
            "  Sort: " + (sortName state.Sort).PadRight 10,
            "  " + (if state.Cumulative then "Cumulative" else "Current")
        )

    let columns =
        String.Concat(
            "Node                IN " + state.Unit.Packets,
            "   IN " + state.Unit.Bytes,
            "   OUT " + state.Unit.Packets,
            "  OUT " + state.Unit.Bytes
        )

    struct (Plain, heading)
    :: struct (Plain, prompt state)
    :: struct (Reverse, columns)
    :: List.map (line state) state.Rows
    |> List.truncate height
    |> List.map (fun (struct (style, text)) -> struct (style, text.Substring(0, min width text.Length)))

/// The numbers of an item of the dump of traffic.
let parseSample (fields: string list) : Sample voption =
    let count (text: string) =
        match UInt64.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
        | true, number -> ValueSome number
        | _ -> ValueNone

    match fields with
    | name :: numbers when numbers.Length >= 4 ->
        match numbers |> List.take 4 |> List.map count with
        | [ ValueSome inPackets; ValueSome inBytes; ValueSome outPackets; ValueSome outBytes ] ->
            ValueSome
                { Name = name
                  Counters =
                    { InPackets = inPackets
                      InBytes = inBytes
                      OutPackets = outPackets
                      OutBytes = outBytes } }
        | _ -> ValueNone
    | _ -> ValueNone
