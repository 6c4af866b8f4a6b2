/// How long the way to other nodes takes: what was sent to find out, and whom to tell when the answer comes (`tinc ping`).
module TincPure.Node.Measure

open System
open System.Text
open TincPure.Primitives
open TincPure.Meta

/// Beyond so many that are under way none is begun; older ones than a minute are given up.
let private maxMeasurements = 256

let private patience = 60L * Instant.second

/// PINGs that may be out on one connection at our clients' wish.
let private maxPings = 16

/// One line to the client: `18 101 NUMBER` and these words.
let tell (turn: Turn) (client: ConnectionId) (number: int) (words: string) : unit =
    let line = "18 " + ControlRequest.ping.ToString() + " " + number.ToString() + " " + words + "\n"
    Wire.sendRaw turn client (Encoding.ASCII.GetBytes line)

let private tellRoundTrip (turn: Turn) (asked: Asked) (sentAt: Instant) =
    let microseconds = Instant.between sentAt turn.Now
    tell turn asked.Client asked.Number (asked.Leg + " rtt " + microseconds.ToString())

/// PING, for ourselves or for a client. False if too many of clients are out already.
let ping (turn: Turn) (connection: Connection) (asked: Asked voption) : bool =
    if asked.IsSome && connection.AwaitedPongs.Length >= maxPings then
        false
    else
        let awaited = { PingedAt = turn.Now; ToTell = asked }
        turn.SetConnection { connection with AwaitedPongs = connection.AwaitedPongs @ [ awaited ] }
        Wire.send turn connection.Id Message.Ping
        true

/// PONG: it answers the oldest PING, as a stream keeps the order. The connection as it is then.
let ponged (turn: Turn) (connection: Connection) : Connection =
    match connection.AwaitedPongs with
    // Nobody has asked.
    | [] -> connection
    | awaited :: others ->
        awaited.ToTell |> ValueOption.iter (fun asked -> tellRoundTrip turn asked awaited.PingedAt)

        { connection with
            AwaitedPongs = others
            RoundTrip = ValueSome(Instant.between awaited.PingedAt turn.Now) }

/// Something is being sent whose answer will be this. False if too much is under way.
let expect (turn: Turn) (asked: Asked) (expected: Expected) : bool =
    let current =
        turn.Node.Measurements
        |> List.filter (fun measurement -> Instant.between measurement.SentAt turn.Now < patience)

    let hasRoom = current.Length < maxMeasurements
    let measurement = { Asked = asked; SentAt = turn.Now; Expected = expected }

    turn.Node <-
        { turn.Node with
            Measurements = if hasRoom then measurement :: current else current }

    hasRoom

/// An answer has come. True if it was expected: it ends the measurement that waited longest for it.
let answered (turn: Turn) (expected: Expected) : bool =
    match turn.Node.Measurements |> List.tryFindBack (fun measurement -> measurement.Expected = expected) with
    | None -> false
    | Some found ->
        turn.Node <-
            { turn.Node with
                Measurements =
                    turn.Node.Measurements
                    |> List.filter (fun measurement -> not (Object.ReferenceEquals(measurement, found))) }

        tellRoundTrip turn found.Asked found.SentAt
        true
