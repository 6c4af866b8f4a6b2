/// `tinc ping`: what the daemon measured of each leg of the way to a node, and how that is told.
module TincPure.Commands.Ping

open System
open System.Globalization

/// One part of the way: `meta`, `hop`, `udp` or `relay`, and the node at its end.
type Leg = { Kind: string; Node: string }

/// What the daemon says in a round.
type Answer =
    | Sent of Leg
    | NotSent of Leg * reason: string
    | RoundTrip of Leg * microseconds: int64
    /// All legs are told.
    | Started
    /// There is nothing to measure: no such node, ourselves, or not reachable.
    | Refused of reason: string

/// What became of a leg in one round.
type Outcome =
    | Waiting
    | Answered of microseconds: int64
    | NotMeasured of reason: string

/// A round: its number and the legs in the order in which the daemon named them.
type Round = { Number: int; Started: bool; Legs: (Leg * Outcome) list }

/// All rounds of one leg. Times in microseconds.
type Tally =
    {
        Leg: Leg
        Sent: int
        Answered: int
        Sum: int64
        Least: int64
        Most: int64
        /// Why the last round did not measure it.
        Reason: string voption
    }

let private int64Of (text: string) =
    match Int64.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
    | true, number -> ValueSome number
    | _ -> ValueNone

/// A line of the daemon, without what says that it is about measurements: `NUMBER WORDS...`, and the round that it belongs to.
let parse (fields: string list) : struct (int64 * Answer) voption =
    match fields with
    | number :: words ->
        match struct (int64Of number, words) with
        | struct (ValueSome number, [ "started" ]) -> ValueSome(struct (number, Started))
        | struct (ValueSome number, [ ("unknown" | "myself" | "unreachable") as reason ]) ->
            ValueSome(struct (number, Refused reason))
        | struct (ValueSome number, [ kind; node; "sent" ]) ->
            ValueSome(struct (number, Sent { Kind = kind; Node = node }))
        | struct (ValueSome number, [ kind; node; "no"; reason ]) ->
            ValueSome(struct (number, NotSent({ Kind = kind; Node = node }, reason)))
        | struct (ValueSome number, [ kind; node; "rtt"; time ]) ->
            int64Of time
            |> ValueOption.map (fun time -> struct (number, RoundTrip({ Kind = kind; Node = node }, time)))
        | _ -> ValueNone
    | [] -> ValueNone

let start (number: int) : Round = { Number = number; Started = false; Legs = [] }

let private update (leg: Leg) (outcome: Outcome) (round: Round) =
    { round with
        Legs = round.Legs |> List.map (fun (known, old) -> known, (if known = leg then outcome else old)) }

/// Takes in what the daemon says of this round. A quick answer may come before the daemon says what it has sent.
let receive (answer: Answer) (round: Round) : Round =
    let isKnown leg = round.Legs |> List.exists (fun (known, _) -> known = leg)
    let add leg outcome = { round with Legs = round.Legs @ [ leg, outcome ] }

    match answer with
    | Sent leg when isKnown leg -> round
    | Sent leg -> add leg Waiting
    | NotSent(leg, reason) -> add leg (NotMeasured reason)
    | RoundTrip(leg, time) when isKnown leg -> update leg (Answered time) round
    | RoundTrip(leg, time) -> add leg (Answered time)
    | Started -> { round with Started = true }
    | Refused _ -> round

/// Nothing more is to come.
let isOver (round: Round) : bool = round.Started && round.Legs |> List.forall (fun (_, outcome) -> outcome <> Waiting)

let private fresh leg =
    { Leg = leg
      Sent = 0
      Answered = 0
      Sum = 0L
      Least = Int64.MaxValue
      Most = 0L
      Reason = ValueNone }

let private count (outcome: Outcome) (tally: Tally) =
    match outcome with
    | NotMeasured reason -> { tally with Reason = ValueSome reason }
    | Waiting -> { tally with Sent = tally.Sent + 1; Reason = ValueNone }
    | Answered time ->
        { tally with
            Sent = tally.Sent + 1
            Answered = tally.Answered + 1
            Sum = tally.Sum + time
            Least = min tally.Least time
            Most = max tally.Most time
            Reason = ValueNone }

/// Adds a round that is over to what is known of all legs.
let tally (round: Round) (tallies: Tally list) : Tally list =
    round.Legs
    |> List.fold
        (fun tallies (leg, outcome) ->
            if tallies |> List.exists (fun tally -> tally.Leg = leg) then
                tallies |> List.map (fun tally -> if tally.Leg = leg then count outcome tally else tally)
            else
                tallies @ [ count outcome (fresh leg) ])
        tallies

/// The node itself has answered, in whatever way.
let hasAnswered (tallies: Tally list) : bool =
    tallies
    |> List.exists (fun tally -> (tally.Leg.Kind = "meta" || tally.Leg.Kind = "udp") && tally.Answered > 0)

/// Why a leg was not measured, in words.
let reasonText (leg: Leg) (reason: string) : string =
    match reason with
    | "relayed" ->
        leg.Node
        + " cannot be contacted directly: a relay passes on what is for it, and what lies beyond answers no probe"
    | "no-key" -> "no keys have been exchanged with " + leg.Node + " yet; that begins now"
    | "tcp-only" -> "TCPOnly is set here or there"
    | "no-address" -> "no UDP address of " + leg.Node + " is known"
    | "no-connection" -> "the meta connection with " + leg.Node + " has gone"
    | "legacy" -> leg.Node + " is no neighbour and speaks the protocol of tinc 1.0, which has no answer to this"
    | "busy" -> "too many measurements are under way"
    | other -> other

/// Why there is nothing to measure.
let refusalText (node: string) (reason: string) : string =
    match reason with
    | "unknown" -> "Unknown node " + node + "."
    | "myself" -> node + " is this node itself."
    | "unreachable" -> node + " is not reachable."
    | other -> other

/// A daemon that does not know the request.
let unsupported: string =
    "The running tincd cannot measure: it is not TincPure's. `tinc status' tells what it knows of round trips."

let private milliseconds (microseconds: int64) =
    (float microseconds / 1000.0).ToString("0.000", CultureInfo.InvariantCulture)

let private legText (target: string) (leg: Leg) = if leg.Node = target then leg.Kind else leg.Kind + " " + leg.Node

/// One line about a round that is over.
let line (target: string) (round: Round) : string =
    let text (leg: Leg, outcome) =
        legText target leg
        + (match outcome with
           | Answered time -> " " + milliseconds time + " ms"
           | Waiting -> " no answer"
           | NotMeasured reason -> " (" + reason + ")")

    String.Join("  ", ("seq=" + round.Number.ToString()) :: List.map text round.Legs)

let private lossPercent (tally: Tally) = if tally.Sent = 0 then 0 else 100 * (tally.Sent - tally.Answered) / tally.Sent

/// What is told in the end, a line for each leg.
let summary (target: string) (tallies: Tally list) : string list =
    let text (tally: Tally) =
        let name = legText target tally.Leg + ": "

        match tally.Reason with
        | ValueSome reason when tally.Sent = 0 -> name + "not measured: " + reasonText tally.Leg reason
        | _ ->
            name
            + tally.Sent.ToString()
            + " sent, "
            + tally.Answered.ToString()
            + " answered, "
            + (lossPercent tally).ToString()
            + "% lost"
            + (if tally.Answered = 0 then
                   ""
               else
                   ", min/avg/max "
                   + milliseconds tally.Least
                   + "/"
                   + milliseconds (tally.Sum / int64 tally.Answered)
                   + "/"
                   + milliseconds tally.Most
                   + " ms")

    "--- " + target + " ---" :: List.map text tallies

let private real (microseconds: int64) = Json.Real(float microseconds / 1000.0)

/// A round that is over.
let json (target: string) (round: Round) : Json.Json =
    let leg (leg: Leg, outcome) =
        Json.Object
            [ "leg", Json.Text leg.Kind
              "node", Json.Text leg.Node
              "rtt_ms",
              (match outcome with
               | Answered time -> real time
               | _ -> Json.Null)
              match outcome with
              | NotMeasured reason -> "reason", Json.Text(reasonText leg reason)
              | _ -> () ]

    Json.Object
        [ "node", Json.Text target
          "seq", Json.Number(int64 round.Number)
          "legs", Json.List(List.map leg round.Legs) ]

/// All rounds together.
let jsonSummary (target: string) (tallies: Tally list) : Json.Json =
    let leg (tally: Tally) =
        Json.Object
            [ "leg", Json.Text tally.Leg.Kind
              "node", Json.Text tally.Leg.Node
              "sent", Json.Number(int64 tally.Sent)
              "answered", Json.Number(int64 tally.Answered)
              if tally.Answered > 0 then
                  "min_ms", real tally.Least
                  "avg_ms", real (tally.Sum / int64 tally.Answered)
                  "max_ms", real tally.Most
              match tally.Reason with
              | ValueSome reason when tally.Sent = 0 -> "reason", Json.Text(reasonText tally.Leg reason)
              | _ -> () ]

    Json.Object [ "node", Json.Text target; "summary", Json.List(List.map leg tallies) ]

/// The number of rounds: 1 and more.
let parseCount (text: string) : int voption =
    match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
    | true, count when count > 0 -> ValueSome count
    | _ -> ValueNone

/// Seconds between rounds, in milliseconds: no less than 10 ms and no more than an hour.
let parseInterval (text: string) : int voption =
    match Double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) with
    | true, seconds when seconds >= 0.01 && seconds <= 3600.0 -> ValueSome(int (seconds * 1000.0))
    | _ -> ValueNone
