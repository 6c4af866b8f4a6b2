/// `tinc ping`: from the daemon's words to what is shown.
module TincPure.Core.Tests.PingCommandTests

open System.Text.Json
open TincPure.Commands
open TincPure.Commands.Ping
open Xunit

let private heard (lines: string list) : Round =
    lines
    |> List.fold
        (fun round line ->
            match Control.parseItem Control.Request.Ping line |> Result.map Ping.parse with
            | Ok(ValueSome(struct (_, answer))) -> Ping.receive answer round
            | _ -> failwith line)
        (Ping.start 1)

let private relayed =
    [ "18 101 1 meta gamma sent"
      "18 101 1 hop beta sent"
      "18 101 1 udp gamma no relayed"
      "18 101 1 relay beta sent"
      "18 101 1 started"
      "18 101 1 hop beta rtt 812"
      "18 101 1 relay beta rtt 640" ]

[<Fact>]
let ``a round is over when every leg that was sent is answered`` () =
    Assert.False(Ping.isOver (heard []))
    Assert.False(Ping.isOver (heard relayed))
    Assert.True(Ping.isOver (heard (relayed @ [ "18 101 1 meta gamma rtt 2113" ])))
    Assert.True(Ping.isOver (heard [ "18 101 1 udp b no no-key"; "18 101 1 started" ]))
    // The answer may overtake the word that it was sent.
    Assert.True(Ping.isOver (heard [ "18 101 1 meta b rtt 5"; "18 101 1 meta b sent"; "18 101 1 started" ]))

[<Fact>]
let ``each leg is told by itself`` () =
    let lost = heard relayed
    let whole = heard (relayed @ [ "18 101 1 meta gamma rtt 2113" ])
    Assert.Equal("seq=1  meta 2.113 ms  hop beta 0.812 ms  udp (relayed)  relay beta 0.640 ms", Ping.line "gamma" whole)
    Assert.StartsWith("seq=1  meta no answer  hop beta 0.812 ms", Ping.line "gamma" lost)

    let tallies = [] |> Ping.tally whole |> Ping.tally lost

    Assert.Equal<string list>(
        [ "--- gamma ---"
          "meta: 2 sent, 1 answered, 50% lost, min/avg/max 2.113/2.113/2.113 ms"
          "hop beta: 2 sent, 2 answered, 0% lost, min/avg/max 0.812/0.812/0.812 ms"
          "udp: not measured: gamma cannot be contacted directly: a relay passes on what is for it, and what lies beyond answers no probe"
          "relay beta: 2 sent, 2 answered, 0% lost, min/avg/max 0.640/0.640/0.640 ms" ],
        Ping.summary "gamma" tallies
    )

    Assert.True(Ping.hasAnswered tallies)
    Assert.False(Ping.hasAnswered (Ping.tally lost []))
    use json = JsonDocument.Parse(Json.print (Ping.json "gamma" whole))
    let leg = json.RootElement.GetProperty("legs")[0]
    Assert.Equal(2.113, leg.GetProperty("rtt_ms").GetDouble())
    use summary = JsonDocument.Parse(Json.print (Ping.jsonSummary "gamma" tallies))
    let first = summary.RootElement.GetProperty("summary")[0]
    Assert.Equal(1, first.GetProperty("answered").GetInt32())

[<Fact>]
let ``every reason has its words`` () =
    for reason in [ "relayed"; "no-key"; "tcp-only"; "no-address"; "no-connection"; "legacy"; "busy" ] do
        Assert.NotEqual<string>(reason, Ping.reasonText { Kind = "udp"; Node = "b" } reason)

    for reason in [ "unknown"; "myself"; "unreachable" ] do
        Assert.NotEqual<string>(reason, Ping.refusalText "b" reason)

[<Fact>]
let ``nonsense of a daemon is none of ours`` () =
    for fields in
        [ []
          [ "x" ]
          [ "1" ]
          [ "1"; "meta"; "b" ]
          [ "1"; "meta"; "b"; "rtt"; "-5" ]
          [ "-1"; "started" ] ] do
        Assert.True((Ping.parse fields).IsNone)

[<Fact>]
let ``counts and intervals are numbers in bounds`` () =
    Assert.Equal(ValueSome 3, Ping.parseCount "3")
    Assert.Equal(ValueSome 500, Ping.parseInterval "0.5")

    for text in [ "0"; "-1"; "x"; "" ] do
        Assert.Equal(ValueNone, Ping.parseCount text)

    for text in [ "0"; "-1"; "x"; ""; "0.001"; "99999" ] do
        Assert.Equal(ValueNone, Ping.parseInterval text)
