/// Every line of the meta vectors, said to a whole node.
module TincPure.Core.Tests.NodeLineTests

open System
open System.Text
open System.Text.RegularExpressions
open TincPure.Primitives
open TincPure.Config
open TincPure.Routing
open TincPure.Node
open TincPure.Core.Tests
open TincPure.Core.Tests.MetaVectors
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit
open Xunit.Abstractions

let private ownPort = 17655

let private switchedOn (config: string) (variable: string) =
    config.Contains(variable + " = yes", StringComparison.Ordinal)

let private alpha (config: string) : Settings =
    let tunnelServer = switchedOn config "TunnelServer"
    let withSubnet name text = { hostOf name with Subnets = [ subnet text ] }

    { settingsOf "alpha" [] with
        Own =
            { HostSettings.empty (nodeName "alpha") with
                Subnets = [ subnet "10.0.1.0/24" ] }
        Hosts =
            Map.ofList
                [ nodeName "fake", withSubnet "fake" "10.0.2.0/24"; nodeName "obs", withSubnet "obs" "10.0.3.0/24" ]
        TunnelServer = tunnelServer
        StrictSubnets = tunnelServer || switchedOn config "StrictSubnets" }

/// A packet plane that never had a session: what it would report about a command.
let private sessionless (rig: Rig) (command: PacketCommand) =
    match command with
    | OpenDatagram(source, carrier, _) -> rig.Feed(Punted(OpenFailed(source, ValueSome carrier, OpenFailure.NoSession)))
    | _ -> ()

/// The state that the vectors' description tells of.
let private playground (config: string) : struct (Rig * FakePeer * FakePeer) =
    let rig = Rig(alpha config)
    rig.Start ownPort

    let arrive name port weight =
        rig.Arrive(name, { manner with Address = endpoint "127.0.0.1" port; AckWeight = weight })

    let fake = arrive "fake" 40001 50
    let obs = arrive "obs" 40002 50
    rig.Say(fake, "12 a1 fake alpha 127.0.0.1 655 700000c 10")
    rig.Say(obs, "12 a2 obs alpha 127.0.0.1 655 700000c 10")
    rig.Say(obs, "12 a3 obs third 192.0.2.3 655 700000c 20")
    rig.Say(obs, "12 a4 third obs 192.0.2.4 655 700000c 20")
    rig.Say(obs, "10 a5 third 10.0.4.0/24")
    rig.Forget()
    struct (rig, fake, obs)

/// What came of a case, in the words of the vectors.
type private Outcome =
    { Verdict: Verdict
      Reply: string list
      Forwarded: string list
      Log: Logged list }

let private shown (delivery: Delivery) =
    match delivery with
    | Text line -> withoutNonce line
    | Frame bytes -> "<record of " + string bytes.Length + " bytes>"
    | Block bytes -> "<block of " + string bytes.Length + " bytes>"

let private anyOf (starts: string list) (text: string) =
    starts |> List.exists (fun start -> text.StartsWith(start, StringComparison.Ordinal))

/// The vectors' logs leave out the requests themselves, and what follows from reachability and addresses.
let private isTold (line: LogLine) =
    not (
        line.Priority = Priority.Debug
        && (Regex.IsMatch(line.Text, "^(Got|Sending|Forwarding) [A-Z_]+ (from|to) ")
            || anyOf [ "Node "; "UDP address of" ] line.Text)
    )

let private logged (line: LogLine) : Logged =
    { Priority = line.Priority
      Text =
        Regex.Replace(
            line.Text,
            @"127\.0\.0\.1 port 4\d+|MYSELF port \d+",
            fun found -> if found.Value.StartsWith "MYSELF" then "MYSELF port N" else "127.0.0.1 port N"
        ) }

/// Host files are read by the host, which logs about them.
let private isOfFiles (line: Logged) = anyOf [ "Cannot open config file" ] line.Text

let private play (case: ActiveCase) : Outcome =
    let struct (rig, fake, obs) = playground case.Config

    for sent in case.Sent do
        match sent with
        | SentLine line -> fake.Say line
        | SentRecord data -> fake.SayRecord data
        | SentRaw bytes -> fake.SayRaw bytes

    rig.Flush fake
    List.iter (sessionless rig) rig.Commands
    let reply = fake.Deliveries
    let logs = rig.Logs
    let gone = fake.Closed || fake.Tarpitted

    // The vectors' own test of the verdict.
    if not gone then
        rig.Say(fake, "8")
        Assert.Equal(Text "9", List.last fake.Deliveries)

    let withdrawn (line: string) = gone && line.StartsWith("13 ", StringComparison.Ordinal)

    { Verdict = if gone then Closed else Kept
      Reply = reply |> List.map shown |> List.filter (fun line -> line <> "9")
      Forwarded = obs.Deliveries |> List.map shown |> List.filter (withdrawn >> not)
      Log = logs |> List.filter isTold |> List.map logged }

/// Where we deliberately do otherwise: what, and why.
type private Difference = { Title: string; Reason: string; Ours: Outcome -> Outcome }

let private unauthorized (outcome: Outcome) =
    { outcome with
        Verdict = Closed
        Log =
            [ { Priority = Priority.Error
                Text = "Unauthorized request from fake (127.0.0.1 port N)" }
              { Priority = Priority.Notice
                Text = "Closing connection with fake (127.0.0.1 port N)" } ] }

let private withoutLog (text: string) (outcome: Outcome) =
    { outcome with
        Log = outcome.Log |> List.filter (fun line -> line.Text <> text) }

let private authenticationAgain =
    "requests of the authentication phase are not let through to handlers that crash (spec 02 §22.1)"

let private noSession = "no session is there that could complain about its state"

let private differences: Difference list =
    [ { Title = "plain request for the receiver from a node that uses SPTPS"
        Reason = "stock daemons abort; ours ignores it (spec 02 §22.2)"
        Ours =
          fun outcome ->
              { outcome with
                  Verdict = Kept
                  Log =
                      [ { Priority = Priority.Warning
                          Text = "Got REQ_KEY for a legacy key from fake (127.0.0.1 port 655), ignoring" } ] } }
      { Title = "MTU_INFO from a node that is not reachable, routed"
        Reason = "stock daemons crash; ours ignores it (spec 02 §22.3)"
        Ours =
          fun outcome ->
              { outcome with
                  Verdict = Kept
                  Forwarded = [ "12 NONCE fake ghost 192.0.2.9 655 700000c 30" ]
                  Log = [] } }
      { Title = "SPTPS start with data that is no valid handshake"
        Reason = "a session that cannot begin is not begun: what was there before stays, and no KEX goes out"
        Ours = fun outcome -> { outcome with Reply = [] } }
      for title in
          [ "SPTPS_PACKET sub-request, no session yet"
            "compression level 12"
            "bad handshake data without a session"
            "SPTPS_PACKET for the receiver, no session" ] do
          { Title = title
            Reason = noSession
            Ours = withoutLog "Invalid session state zero" }
      { Title = "PACKET with a matching record"
        Reason = "the packet plane routes it, and logs"
        Ours = fun outcome -> { outcome with Log = [] } }
      { Title = "SPTPS_PACKET for a third node without a key: not relayed"
        Reason = "the packet plane relays without a key of its own; what it sent then sets off the maintenance"
        Ours = fun outcome -> { outcome with Forwarded = []; Log = [] } }
      for title in [ "ID"; "METAKEY"; "CHALLENGE"; "CHAL_REPLY"; "ACK" ] do
          { Title = title; Reason = authenticationAgain; Ours = unauthorized } ]

let private matches (expected: string) (actual: string) =
    let pattern = Regex.Escape(expected).Replace("<base64>", "[A-Za-z0-9+/]*")

    Regex.IsMatch(actual, "^" + Regex.Replace(pattern, @" P$", " " + string ownPort) + "$")

let private sameLines (expected: string list) (actual: string list) =
    expected.Length = actual.Length && List.forall2 matches expected actual

let private agrees (expected: Outcome) (actual: Outcome) =
    expected.Verdict = actual.Verdict
    && sameLines expected.Reply actual.Reply
    && sameLines expected.Forwarded actual.Forwarded
    && expected.Log = actual.Log

let private told (outcome: Outcome) =
    String.concat
        "\n    "
        [ string outcome.Verdict
          for line in outcome.Reply do
              "<- " + line
          for line in outcome.Forwarded do
              "-> " + line
          for line in outcome.Log do
              string line.Priority + ": " + line.Text ]

let private failure (title: string) (expected: Outcome) (actual: Outcome) =
    title + "\n  expected\n    " + told expected + "\n  but got\n    " + told actual

/// Applies the difference for a case, if there is one, and says so. It must make a difference.
let private expectedOf (output: ITestOutputHelper) (known: Difference list) (title: string) (stock: Outcome) =
    match known |> List.tryFind (fun difference -> difference.Title = title) with
    | Some difference ->
        output.WriteLine(title + ": " + difference.Reason)
        let ours = difference.Ours stock
        Assert.False((ours = stock), title + " is no difference")
        ours
    | None -> stock

let private invitationKey: TincPure.Config.KeyPair =
    let pair = keyOf "invitation"
    { Private = pair.Private.Span.ToArray(); Public = pair.Public }

// ---- Before authentication

let private preauthDifferences: Difference list =
    let closing name =
        { Priority = Priority.Notice
          Text = "Closing connection with " + name + " (127.0.0.1 port N)" }

    let refused (outcome: Outcome) (reply: string list) (name: string) =
        { outcome with
            Verdict = Closed
            Reply = reply
            Log =
                [ { Priority = Priority.Error
                    Text = "Peer " + name + " (127.0.0.1 port N) uses legacy protocol which we don't support" }
                  { Priority = Priority.Error
                    Text = "Error while processing ID from " + name + " (127.0.0.1 port N)" }
                  closing name ] }

    let legacy = "legacy authentication comes with the legacy protocol (spec 08)"

    [ { Title = "minor 1 with a known Ed25519 key, RSA key unknown"
        Reason = legacy
        Ours = fun outcome -> refused outcome [ "0 alpha 17.7" ] "fake" }
      for title, minor in
          [ "Ed25519 key unknown, RSA key known, minor 7: legacy METAKEY follows", "7"
            "RSA key only, no minor (1.0 node)", "7"
            "ExperimentalProtocol off, RSA key known", "0" ] do
          { Title = title
            Reason = legacy
            Ours = fun outcome -> refused outcome [ "0 alpha 17." + minor ] "nokey" }
      { Title = "control ID with minor 7: the answer would need SPTPS"
        Reason = "refused before it becomes a control connection, so tarpitted like any stranger"
        Ours =
          fun outcome ->
              { outcome with
                  Reply = []
                  Log = List.take 2 outcome.Log @ [ closing "<unknown>" ] } }
      { Title = "invitation, key loaded"
        Reason = "the private key of the recording is not known: another one stands in"
        Ours =
          fun outcome ->
              { outcome with
                  Reply =
                      outcome.Reply
                      |> List.map (fun line ->
                          if line.StartsWith("4 ", StringComparison.Ordinal) then
                              "4 " + Base64.encode (ReadOnlySpan invitationKey.Public)
                          else
                              line) } } ]

let private preauthSettings (case: PreauthCase) : Settings =
    let withKey =
        case.Title.StartsWith("invitation", StringComparison.Ordinal)
        && case.Title <> "invitation without an invitation key"

    { alpha "" with
        ExperimentalProtocol = not (case.Config.Contains "ExperimentalProtocol = no")
        InvitationKey = if withKey then ValueSome invitationKey else ValueNone
        Hosts =
            Map.ofList
                [ nodeName "fake", hostOf "fake"
                  nodeName "obs", hostOf "obs"
                  nodeName "nokey", HostSettings.empty (nodeName "nokey") ] }

/// A KEX record: length 65, type 128, version 0.
let private isKex (bytes: byte[]) = bytes.Length = 68 && bytes[0..3] = [| 0uy; 0x41uy; 0x80uy; 0uy |]

let private wasKex (hex: string) = hex.StartsWith("00418000", StringComparison.Ordinal)

let private endOfStream = Convert.ToHexStringLower(Encoding.ASCII.GetBytes "<EOF>")

/// What came back, and whether the socket was closed rather than tarpitted, as lines.
let private playFirst (case: PreauthCase) : Outcome =
    let rig = Rig(preauthSettings case)
    rig.Start ownPort
    rig.Forget()

    let said =
        Encoding.Latin1.GetBytes((Encoding.Latin1.GetString case.Sent).Replace("<cookie>", launch.Cookie))

    let id = rig.Open(Tcp(endpoint "127.0.0.1" 40001), said)
    let sent = rig.SentOn id

    let struct (text, kex) =
        if sent.Length >= 68 && isKex sent[sent.Length - 68 ..] then
            struct (sent[.. sent.Length - 69], [ "<kex>" ])
        else
            struct (sent, [])

    let lines =
        (Encoding.Latin1.GetString text).Split('\n', StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

    { Verdict =
        if rig.Effects |> List.exists (fun effect -> effect = Close id || effect = Tarpit id) then
            Closed
        else
            Kept
      Reply = lines @ kex @ (if List.contains (Close id) rig.Effects then [ "<end>" ] else [])
      Forwarded = []
      Log =
        rig.Logs
        |> List.filter (fun line -> isTold line && not (anyOf [ "Connection from" ] line.Text))
        |> List.map logged }

// ----

type Lines(output: ITestOutputHelper) =

    [<Fact>]
    member _.``every line on an active connection does what it does to a stock node``() =
        let failures =
            [ for case in activeCases.Value do
                  let expected =
                      { Verdict = case.Verdict
                        Reply = case.Reply
                        Forwarded = case.Forwarded
                        Log = case.Log |> List.filter (isOfFiles >> not) }
                      |> expectedOf output differences case.Title

                  let actual = play case

                  if not (agrees expected actual) then
                      failure (case.Section + ": " + case.Title) expected actual ]

        Assert.True(failures.IsEmpty, String.concat "\n" failures)

    [<Fact>]
    member _.``every first line does what it does to a stock node``() =
        let failures =
            [ for case in preauthCases.Value do
                  let rest =
                      if wasKex case.ReplyRest then [ "<kex>" ]
                      elif case.ReplyRest = endOfStream then [ "<end>" ]
                      else []

                  let expected =
                      { Verdict = case.Verdict
                        Reply =
                          [ for line in case.ReplyLines do
                                line.Replace("PID", string launch.ProcessId) ]
                          @ rest
                        Forwarded = []
                        Log = case.Log |> List.filter (isOfFiles >> not) }
                      |> expectedOf output preauthDifferences case.Title

                  let actual = playFirst case

                  if not (agrees expected actual) then
                      failure case.Title expected actual ]

        Assert.True(failures.IsEmpty, String.concat "\n" failures)

    [<Fact>]
    member _.``every deliberate difference belongs to a case``() =
        let titles =
            Set.ofList
                [ for case in activeCases.Value do
                      case.Title ]
            + Set.ofList
                [ for case in preauthCases.Value do
                      case.Title ]

        for difference in differences @ preauthDifferences do
            Assert.Contains(difference.Title, titles)
