/// What only control clients of ours ask for: measurements of the way to a node, and events as they happen.
module TincPure.Core.Tests.NodeWatchTests

open System
open System.Text
open TincPure.Primitives
open TincPure.Config
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit

let private begun () : Rig =
    let rig = Rig(settingsOf "alpha" [ "fake"; "far"; "obs" ])
    rig.Start 655
    rig

let private client (rig: Rig) : ConnectionId =
    rig.Open(UnixSocket, Encoding.ASCII.GetBytes("0 ^" + launch.Cookie + " 0\n"))

let private say (rig: Rig) (id: ConnectionId) (line: string) =
    rig.Feed(Received(id, Encoding.ASCII.GetBytes(line + "\n")))

let private linesOn (rig: Rig) (id: ConnectionId) : string list =
    let text = Encoding.UTF8.GetString(rig.SentOn id)
    text.Split('\n', StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

let private ask (rig: Rig) (id: ConnectionId) (line: string) : string list =
    rig.Forget()
    say rig id line
    linesOn rig id

// ---- Measurements

[<Fact>]
let ``a neighbour's meta connection is measured by PING, beside the PING that keeps it alive`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    fake.AnswersPings <- false
    let id = client rig

    Assert.Equal<string list>(
        [ "18 101 7 meta fake sent"; "18 101 7 udp fake no no-key"; "18 101 7 started" ],
        ask rig id "18 101 fake 7"
    )

    Assert.Contains("8", fake.Lines)
    rig.Forget()
    rig.Wait(5L * Instant.millisecond)
    rig.Say(fake, "9")
    Assert.Equal<string list>([ "18 101 7 meta fake rtt 5000" ], linesOn rig id)

    // Two clients' PINGs and their answers keep their order; a PONG that nobody waits for says nothing.
    let other = client rig
    ask rig id "18 101 fake 8" |> ignore
    ask rig other "18 101 fake 1" |> ignore
    rig.Forget()
    rig.Wait(2L * Instant.millisecond)
    rig.Say(fake, "9")
    Assert.Equal<string list>([ "18 101 8 meta fake rtt 2000" ], linesOn rig id)
    Assert.Empty(linesOn rig other)
    rig.Say(fake, "9")
    Assert.Equal<string list>([ "18 101 1 meta fake rtt 2000" ], linesOn rig other)
    rig.Forget()
    rig.Say(fake, "9")
    Assert.Empty(linesOn rig id @ linesOn rig other)

[<Fact>]
let ``a node further away is measured over all meta connections, and so are those on the way`` () =
    let rig = begun ()
    let obs = rig.Neighbour "obs"
    rig.Flood(obs, "12", "obs far 192.0.2.33 655 700000c 10")
    rig.Flood(obs, "12", "far obs 192.0.2.2 655 700000c 10")
    let id = client rig
    let told = ask rig id "18 101 far 3"
    Assert.Equal<string list>([ "18 101 3 meta far sent"; "18 101 3 hop obs sent" ], List.truncate 2 told)
    Assert.Contains("18 101 3 relay obs no no-key", told)
    Assert.Contains("15 alpha far 19", obs.Lines)
    rig.Forget()
    rig.Wait(9L * Instant.millisecond)
    rig.Say(obs, "15 far alpha 20 " + Base64.encode (ReadOnlySpan (keyOf "far").Public))
    Assert.Contains("18 101 3 meta far rtt 9000", linesOn rig id)

    // Its key was known before: asked for, it is no surprise.
    Assert.DoesNotContain(rig.LogTexts, (fun text -> text.Contains "already have"))
    rig.Say(obs, "15 far alpha 20 " + Base64.encode (ReadOnlySpan (keyOf "far").Public))
    Assert.Contains(rig.LogTexts, (fun text -> text.Contains "already have"))

[<Fact>]
let ``a node that cannot be contacted directly is measured up to its relay`` () =
    let rig = begun ()
    let obs = rig.Neighbour "obs"
    rig.Flood(obs, "12", "obs far 192.0.2.33 655 700000d 10")
    rig.Flood(obs, "12", "far obs 192.0.2.2 655 700000c 10")
    let told = ask rig (client rig) "18 101 far 3"

    Assert.Equal<string list>(
        [ "18 101 3 meta far sent"
          "18 101 3 hop obs sent"
          "18 101 3 udp far no relayed"
          "18 101 3 relay obs no no-key"
          "18 101 3 started" ],
        told |> List.filter (fun line -> not (line.Contains " rtt "))
    )

[<Fact>]
let ``what cannot be measured is told, and nothing is kept without end`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    fake.AnswersPings <- false
    let id = client rig
    rig.Flood(fake, "10", "ghost 10.9.0.0/16")
    Assert.Equal<string list>([ "18 101 1 unknown" ], ask rig id "18 101 nobody 1")
    Assert.Equal<string list>([ "18 101 1 unknown" ], ask rig id "18 101 no-name 1")
    Assert.Equal<string list>([ "18 101 1 myself" ], ask rig id "18 101 alpha 1")
    Assert.Equal<string list>([ "18 101 1 unreachable" ], ask rig id "18 101 ghost 1")
    Assert.Equal<string list>([ "18 -1" ], ask rig id "18 101 fake")
    Assert.Equal<string list>([ "18 -1" ], ask rig id "18 101 fake x")

    for number in 1..100 do
        say rig id ("18 101 fake " + string number)

    Assert.Contains("18 101 200 meta fake no busy", ask rig id "18 101 fake 200")
    let waiting = rig.Node.Connections |> Map.toList |> List.sumBy (fun (_, c) -> c.AwaitedPongs.Length)
    Assert.InRange(waiting, 1, 17)

[<Fact>]
let ``what a dump of nodes has no place for is told of each node`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    fake.AnswersPings <- false
    let id = client rig
    ask rig id "18 101 fake 1" |> ignore
    rig.Wait(4L * Instant.millisecond)
    rig.Say(fake, "9")

    Assert.Equal<string list>(
        [ "18 100 alpha 0 0 -1 -1"
          "18 100 fake 0 0 -1 4000"
          "18 100 far 0 0 -1 -1"
          "18 100 obs 0 0 -1 -1"
          "18 100" ],
        ask rig id "18 100"
    )

// ---- Events

let private kinds (lines: string list) =
    lines
    |> List.choose (fun line ->
        match line.Split ' ' with
        | words when words.Length > 3 && words[1] = "102" -> Some words[3]
        | _ -> None)

[<Fact>]
let ``changes are told as they happen, and only to those who asked`` () =
    let rig = begun ()
    let silent, watching = client rig, client rig
    let seconds = (Instant.seconds rig.Now).ToString()
    Assert.Equal<string list>([ "18 102 " + seconds + " subscribed" ], ask rig watching "18 102")
    rig.Forget()
    let fake = rig.Neighbour "fake"
    let told = linesOn rig watching
    Assert.Contains("18 102 " + seconds + " connection-opened node=fake host=192.0.2.3 port=40000", told)
    Assert.Contains("18 102 " + seconds + " edge-added from=alpha to=fake weight=25", told)
    Assert.Contains("18 102 " + seconds + " node-up node=fake host=192.0.2.3 port=655 nexthop=fake", told)
    rig.Forget()
    rig.Flood(fake, "10", "fake 10.2.0.0/16#5")
    rig.Flood(fake, "11", "fake 10.2.0.0/16#5")
    rig.Flood(fake, "12", "fake far 192.0.2.33 655 700000c 10")
    rig.Flood(fake, "12", "far fake 192.0.2.1 655 700000c 10")
    rig.Flood(fake, "13", "fake far")

    Assert.Equal<string list>(
        [ "subnet-added"
          "subnet-removed"
          "edge-added"
          "edge-added"
          "node-up"
          "edge-removed"
          "node-down" ],
        kinds (linesOn rig watching)
    )

    rig.Forget()
    rig.Feed(Lost(fake.Id, ValueNone))
    let kindsNow = kinds (linesOn rig watching)
    Assert.Contains("connection-closed", kindsNow)
    Assert.Contains("node-down", kindsNow)
    Assert.Empty(linesOn rig silent)

[<Fact>]
let ``who does not read misses events, and learns how many`` () =
    let rig = begun ()
    let fake = rig.Neighbour "fake"
    let id = client rig
    ask rig id "18 102" |> ignore
    rig.Forget()

    // Bytes that nobody reports as sent wait for the client.
    for number in 0..8000 do
        rig.Flood(fake, (if number % 2 = 0 then "10" else "11"), "fake 10.9.0.0/16")

    let told = kinds (linesOn rig id) |> List.length
    Assert.InRange(told, 1000, 7500)
    let queued = rig.Node.Connections[id].Queued
    Assert.InRange(queued, 1, 300 * 1024)
    rig.Forget()
    rig.Feed(Sent(id, queued))
    let missed = linesOn rig id
    Assert.Contains("events-missed count=" + (8001 - told).ToString(), Assert.Single missed)
    rig.Flood(fake, "10", "fake 10.8.0.0/16")
    Assert.Equal<string list>([ "events-missed"; "subnet-added" ], kinds (linesOn rig id))

[<Fact>]
let ``nothing is kept for clients that have gone`` () =
    let rig = begun ()
    let id = client rig
    ask rig id "18 102" |> ignore
    rig.Feed(Lost(id, ValueNone))
    rig.Neighbour "fake" |> ignore
    Assert.True rig.Node.Watch.Clients.IsEmpty
    Assert.Equal(0, Vector.length rig.Node.Watch.Peers)
