module TincPure.Core.Tests.MetaAuthenticationTests

open System
open TincPure.Config
open TincPure.Core.Tests.MetaVectors
open TincPure.Meta
open TincPure.Meta.Authentication
open TincPure.Primitives
open Xunit

let private name (text: string) : NodeName =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> failwith text

let private alpha = Settings.defaults (name "alpha") "CONFDIR"

let private cookie = String('A', 64)

let private key = Array.init 32 byte

let private withKey (node: string) = { HostSettings.empty (name node) with PublicKey = ValueSome key }

/// The host files of the vectors' alpha.
let private hostFile (node: NodeName) : HostSettings voption =
    match node.Text with
    | "fake"
    | "obs" -> ValueSome(withKey node.Text)
    | "nokey" -> ValueSome(HostSettings.empty node)
    | _ -> ValueNone

let private unknown: Label = { Name = "<unknown>"; Host = "127.0.0.1 port N" }

/// The settings of a vector case: the invitation key is loaded in three of them.
let private settingsOf (case: PreauthCase) : Settings =
    let invitations = [ "invitation, key loaded"; "invitation, bad key"; "invitation with minor 7" ]

    { alpha with
        ExperimentalProtocol = not (case.Config.Contains "ExperimentalProtocol = no")
        InvitationKey =
            if List.contains case.Title invitations then
                ValueSome { Private = [||]; Public = key }
            else
                ValueNone }

/// What the log says about the ID, without the lines of OpenSSL, of the file reader and of the end.
let private reasons (case: PreauthCase) : string list =
    let others = [ "OpenSSL error"; "Reading RSA"; "Cannot open config file"; "Closing connection" ]

    case.Log
    |> List.map _.Text
    |> List.filter (fun text -> not (List.exists (fun (other: string) -> text.StartsWith other) others))

let private texts (lines: LogLine list) = lines |> List.map _.Text

let private startsSptps (case: PreauthCase) = case.ReplyRest.StartsWith("00418000", StringComparison.Ordinal)

let private judge (case: PreauthCase) (line: string) =
    let settings = settingsOf case

    let replies =
        [ Print.line (ownId settings.Name (ownMinor settings.ExperimentalProtocol Role.Responder true)) ]

    match Parse.line Permitted.Id line with
    | Ok(Message.Id(name, major, minor)) ->
        match greet settings cookie Role.Responder unknown (name.Replace("<cookie>", cookie)) major minor with
        | Refused lines -> Assert.Equal<string list>(reasons case, texts lines)
        | ControlClient -> Assert.Equal<string list>(replies @ [ "4 0 PID" ], List.take 2 case.ReplyLines)
        | Invited _ ->
            Assert.Equal<string list>(replies, List.take 1 case.ReplyLines)
            Assert.True(startsSptps case)
        | Node peer ->
            match decide settings Role.Responder unknown.Host peer (hostFile peer.Name) with
            | Reject lines -> Assert.Equal<string list>(reasons case, texts lines)
            | StartSptps(label, peerKey) ->
                Assert.Equal<string list>(replies, case.ReplyLines)
                Assert.True(startsSptps case)
                Assert.Equal<byte[]>(key, peerKey)
                Assert.Equal("tinc TCP key expansion fake alpha\000", Text.Encoding.ASCII.GetString label)
            | StartLegacy _ when case.Verdict = Closed ->
                // The stock daemon has no RSA key for this peer; the lines about the key file are its own.
                Assert.Equal<string list>(reasons case, texts (List.tail (noLegacy unknown.Host peer)))
            | StartLegacy _ ->
                Assert.Equal<string list>(replies, List.take 1 case.ReplyLines)
                Assert.StartsWith("1 ", case.ReplyLines[1])
    | _ -> ()

[<Fact>]
let ``an ID is judged as by the stock daemon`` () =
    for case in MetaVectors.preauthCases.Value do
        let struct (framed, _) = Framing.start |> Framing.receive case.Sent |> Framing.next

        match framed with
        | Line line -> judge case line
        | other -> Assert.Equal(BufferFull, other)

let private target = Role.Initiator(name "fake")

let private label: Label = { Name = "fake"; Host = "192.0.2.1 port 655" }

let private refusal (greeting: Greeting) =
    match greeting with
    | Refused(first :: _) -> first.Text
    | other -> string other

[<Fact>]
let ``the node that we call must be the node that answers`` () =
    Assert.Equal(
        "Peer 192.0.2.1 port 655 is obs instead of fake",
        refusal (greet alpha cookie target label "obs" 17 (ValueSome 7))
    )

    Assert.Equal(
        "Got bad ID from fake (192.0.2.1 port 655): invalid name",
        refusal (greet alpha cookie target label "alpha" 17 (ValueSome 7))
    )

    Assert.Equal(
        "Got bad ID from fake (192.0.2.1 port 655): invalid name",
        refusal (greet alpha cookie target label ("^" + cookie) 0 ValueNone)
    )

    Assert.Equal(Node { Name = name "fake"; Minor = 7 }, greet alpha cookie target label "fake" 17 (ValueSome 7))

[<Fact>]
let ``a cookie lets in only whole`` () =
    let greet text = greet alpha cookie Role.Responder unknown text 0 ValueNone

    Assert.Equal(ControlClient, greet ("^" + cookie))
    Assert.NotEqual(ControlClient, greet ("^" + cookie.Substring 1))
    Assert.NotEqual(ControlClient, greet ("^" + cookie.ToLowerInvariant()))
    Assert.NotEqual(ControlClient, greet "^")

[<Fact>]
let ``the effective minor version follows from both sides' knowledge`` () =
    let decide settings minor hostFile =
        match
            decide settings Role.Responder unknown.Host { Name = name "fake"; Minor = minor } (ValueSome hostFile)
        with
        | StartSptps _ -> "SPTPS"
        | StartLegacy minor -> "legacy " + string minor
        | Reject _ -> "rejected"

    let noKey = HostSettings.empty (name "fake")

    let legacyOnly = { alpha with ExperimentalProtocol = false }

    Assert.Equal("SPTPS", decide alpha 7 (withKey "fake"))
    Assert.Equal("legacy 1", decide alpha 1 (withKey "fake"))
    Assert.Equal("rejected", decide alpha 0 (withKey "fake"))
    Assert.Equal("legacy 1", decide alpha 7 noKey)
    Assert.Equal("legacy 0", decide alpha 0 noKey)
    Assert.Equal("legacy 0", decide legacyOnly 7 (withKey "fake"))

[<Fact>]
let ``our own minor version tells what we need from the peer`` () =
    Assert.Equal(7, ownMinor true target true)
    Assert.Equal(1, ownMinor true target false)
    Assert.Equal(7, ownMinor true Role.Responder false)
    Assert.Equal(0, ownMinor false target true)

[<Fact>]
let ``a negative minor version does not roll back the protocol`` () =
    match greet alpha cookie Role.Responder unknown "fake" 17 (ValueSome -1) with
    | Node peer ->
        match decide alpha Role.Responder unknown.Host peer (ValueSome(withKey "fake")) with
        | Reject(first :: _) ->
            Assert.Equal("Peer fake (127.0.0.1 port N) tries to roll back protocol version to 17.0", first.Text)
        | other -> Assert.Fail(string other)
    | other -> Assert.Fail(string other)

[<Fact>]
let ``options before ACK are ours as the host file changes them`` () =
    let host = HostSettings.empty (name "fake")
    Assert.Equal(0xcu, connectionOptions alpha host)
    Assert.Equal(0xdu, connectionOptions alpha { host with IndirectData = true })
    Assert.Equal(0xbu, connectionOptions alpha { host with TcpOnly = true })
    Assert.Equal(0x4u, connectionOptions alpha { host with ClampMss = ValueSome false })
    Assert.Equal(0xbu, connectionOptions { alpha with TcpOnly = true } host)
    Assert.Equal("4 655 1 700000c", Print.line (ownAck alpha 655us 1 (connectionOptions alpha host)))

[<Fact>]
let ``PMTU discovery needs both sides, every other option one`` () =
    let host = HostSettings.empty (name "fake")
    Assert.Equal(0x0700000cu, combineOptions host 0xcu 0x0700000cu)
    Assert.Equal(0x0700000bu, combineOptions host 0xcu 0x0700000bu)
    Assert.Equal(0x0000000fu, combineOptions host 0xcu 0x00000007u)
    Assert.Equal(0x00000004u, combineOptions { host with ClampMss = ValueSome false } 0xcu 0xcu)
    Assert.Equal(0x0000000cu, combineOptions { host with ClampMss = ValueSome true } 0x4u 0x4u)
    Assert.Equal(0x0200000cu, combineOptions host 0x0700000cu 0x0200000cu)

[<Fact>]
let ``weights are halved as in C`` () =
    Assert.Equal(25, edgeWeight 1 50)
    Assert.Equal(-2, edgeWeight -5 0)
    Assert.Equal(Int32.MaxValue, edgeWeight Int32.MaxValue Int32.MaxValue)
    let host = HostSettings.empty (name "fake")
    Assert.Equal(1, ackWeight alpha host 1999L)
    Assert.Equal(5, ackWeight { alpha with Weight = ValueSome 5 } host 1999L)

    Assert.Equal(7, ackWeight { alpha with Weight = ValueSome 5 } { host with Weight = ValueSome 7 } 1999L)

[<Fact>]
let ``the edge leads to the port of the ACK if it is one`` () =
    let remote = Endpoint.create (Ip.v4 0x7f000001u) 40000us
    Assert.Equal(655us, (edgeAddress remote "655").Port)
    Assert.Equal(40000us, (edgeAddress remote "0").Port)
    Assert.Equal(40000us, (edgeAddress remote "tinc").Port)
    Assert.Equal(40000us, (edgeAddress remote "70000").Port)
