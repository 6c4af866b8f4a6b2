/// The daemon's side of an invitation, against an invited node that does what stock's `join` does (spec 06 §19).
module TincPure.Core.Tests.NodeInvitationTests

open System
open System.Security.Cryptography
open System.Text
open Xunit
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Config
open TincPure.Sptps
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture

let private invitationKey = keyOf "invitation"

let private joinersKey = keyOf "joiner"

let private cookie = Array.init 18 byte

let private publicText (key: Ed25519.KeyPair) = Base64.encode (ReadOnlySpan key.Public)

/// The name of the file that the cookie opens.
let private file =
    let text = Encoding.ASCII.GetBytes(publicText invitationKey)
    Base64.encodeUrl (ReadOnlySpan(SHA512.HashData(Array.append cookie text), 0, 18))

let private invitation =
    Encoding.ASCII.GetBytes("Name = gamma\nConnectTo = alpha\n" + String('x', 3000) + "\n")

let private settings =
    { settingsOf "alpha" [] with
        InvitationKey =
            ValueSome
                { Private = invitationKey.Private.Span.ToArray()
                  Public = invitationKey.Public } }

/// An invited node, and the daemon that it talks to, with the daemon's disk.
type private Dialogue(settings: Settings, invitationKey: Ed25519.KeyPair, disk: string -> InvitationFile) =
    let id = ConnectionId.Incoming 1
    let mutable node = Node.create settings launch startOfTime
    let mutable session: Stream.Session voption = ValueNone
    let effects = ResizeArray<Effect>()
    let hosts = System.Collections.Generic.HashSet<NodeName>()
    let records = ResizeArray<struct (byte * byte[])>()

    let rec feed (input: Input) : unit =
        let struct (next, wanted) = Node.step startOfTime input node
        node <- next
        effects.AddRange wanted

        for effect in wanted do
            match effect with
            | TakeInvitation(asker, name) -> feed (InvitationTaken(asker, disk name))
            | CreateHostFile(asker, name, _) when hosts.Add name -> feed (HostFileCreated(asker, ValueNone))
            | CreateHostFile(asker, _, _) -> feed (HostFileCreated(asker, ValueSome "File exists"))
            | _ -> ()

    let sentBytes () =
        effects
        |> Seq.collect (fun effect ->
            match effect with
            | Send(_, bytes) -> bytes
            | _ -> [||])
        |> Array.ofSeq

    let rec read (bytes: byte[]) =
        match session with
        | ValueSome running when bytes.Length > 0 ->
            match Stream.receive (Array.zeroCreate 64) (ReadOnlySpan bytes) running with
            | Error error -> failwith (Error.text error)
            | Ok received ->
                session <- ValueSome received.Session

                for answer in received.Outgoing do
                    feed (Received(id, answer))

                match received.Event with
                | ValueSome(Stream.Record(recordType, data)) -> records.Add(struct (recordType, data))
                | _ -> ()

                read bytes[received.Consumed ..]
        | _ -> ()

    let mutable seen = 0

    /// Reads what the daemon has sent since.
    let catchUp () =
        let mutable before = -1

        while before <> seen do
            before <- seen
            let bytes = sentBytes ()
            let fresh = bytes[seen..]
            seen <- bytes.Length
            read fresh

    new(settings: Settings, disk: string -> InvitationFile) = Dialogue(settings, invitationKey, disk)

    member _.Effects = List.ofSeq effects

    member _.Records = List.ofSeq records

    member _.Logs =
        effects
        |> Seq.choose (fun effect ->
            match effect with
            | Log line -> Some line.Text
            | _ -> None)
        |> List.ofSeq

    /// There is a host file of this node.
    member _.HasHost(name: NodeName) = hosts.Add name |> ignore

    /// A line, and nothing else.
    member _.Hear(line: string) =
        feed (Accepted(id, ValueNone, Tcp(endpoint "192.0.2.9" 40000)))
        effects.Clear()
        feed (Received(id, Encoding.ASCII.GetBytes line))

    member _.SentBytes = sentBytes ()

    member this.Greet() : int list = this.Greet "17.1"

    /// Greets; the sizes of the pieces in which the answer came.
    member this.Greet(version: string) : int list =
        this.Hear("0 ?" + publicText joinersKey + " " + version + "\n")

        let pieces =
            effects
            |> Seq.choose (fun effect ->
                match effect with
                | Send(_, bytes) -> Some bytes.Length
                | _ -> None)
            |> List.ofSeq

        let greeting = "0 alpha 17.7\n4 " + publicText invitationKey + "\n"
        Assert.StartsWith(greeting, Encoding.Latin1.GetString(sentBytes ()))
        seen <- greeting.Length

        let struct (kex, started) =
            Stream.start
                (Array.init 64 (fun i -> byte (i + 1)))
                { Role = Handshake.Initiator
                  Own = joinersKey
                  Peer = invitationKey.Public
                  Label = Handshake.Label.invitation }

        session <- ValueSome started

        for record in kex do
            feed (Received(id, record))

        catchUp ()
        pieces

    member _.Say(recordType: byte, data: byte[]) =
        match session with
        | ValueNone -> failwith "no session"
        | ValueSome running ->
            match Stream.send recordType (ReadOnlySpan data) running with
            | Error error -> failwith (Error.text error)
            | Ok struct (bytes, next) ->
                session <- ValueSome next
                feed (Received(id, bytes))
                catchUp ()

let private fresh =
    fun name ->
        if name = file then
            InvitationText(invitation, startOfTime)
        else
            InvitationMissing

let private isTarpitted (dialogue: Dialogue) = dialogue.Effects |> List.exists (fun effect -> effect.IsTarpit)

[<Fact>]
let ``an invited node gets its file, tells its key and is accepted`` () =
    let dialogue = Dialogue(settings, fresh)
    Assert.Equal(1, dialogue.Greet().Length)
    dialogue.Say(0uy, cookie)

    let data =
        dialogue.Records
        |> List.filter (fun (struct (recordType, _)) -> recordType = 0uy)
        |> List.map (fun (struct (_, data)) -> data)

    Assert.Equal<byte>(invitation, Array.concat data)
    Assert.All(data, (fun chunk -> Assert.InRange(chunk.Length, 1, 1024)))
    Assert.Equal(struct (1uy, 0), List.last dialogue.Records |> fun (struct (kind, data)) -> struct (kind, data.Length))
    Assert.Contains(RemoveInvitation file, dialogue.Effects)

    dialogue.Say(1uy, Encoding.ASCII.GetBytes(publicText joinersKey))
    let line = "Ed25519PublicKey = " + publicText joinersKey + "\n"
    Assert.Contains(CreateHostFile(ConnectionId.Incoming 1, nodeName "gamma", line), dialogue.Effects)
    Assert.Equal(struct (2uy, 0), List.last dialogue.Records |> fun (struct (kind, data)) -> struct (kind, data.Length))

    Assert.Contains(
        dialogue.Effects,
        fun effect ->
            match effect with
            | RunScript script ->
                script.Name = "invitation-accepted" && List.contains ("NODE", "gamma") script.Environment
            | _ -> false
    )

    Assert.Contains("Key successfully received from gamma (192.0.2.9 port 40000)", dialogue.Logs)

[<Fact>]
let ``a wrong, expired or unreadable invitation ends in silence and a log line`` () =
    let old = Instant.addSeconds -(settings.InvitationExpire + 1) startOfTime

    let cases =
        [ InvitationMissing, "Peer 192.0.2.9 port 40000 tried to use non-existing invitation " + file
          InvitationText(invitation, old), "Peer 192.0.2.9 port 40000 tried to use expired invitation " + file
          InvitationText([||], startOfTime), "Could not read invitation file " + file
          InvitationText(Encoding.ASCII.GetBytes "Name = alpha\n", startOfTime), "Invalid invitation file " + file
          InvitationUnusable "Error trying to open invitation X", "Error trying to open invitation X" ]

    for answer, text in cases do
        let dialogue = Dialogue(settings, (fun _ -> answer))
        dialogue.Greet() |> ignore
        dialogue.Say(0uy, cookie)
        Assert.Contains(text, dialogue.Logs)
        Assert.True(isTarpitted dialogue, text)

[<Theory; Trait("Variable", "InvitationExpire")>]
[<InlineData(3600, true)>]
[<InlineData(60, false)>]
let ``an invitation is honoured for InvitationExpire seconds`` (expiry: int, honoured: bool) =
    let made = Instant.addSeconds -120 startOfTime

    let dialogue =
        Dialogue({ settings with InvitationExpire = expiry }, (fun _ -> InvitationText(invitation, made)))

    dialogue.Greet() |> ignore
    dialogue.Say(0uy, cookie)
    Assert.Equal(not honoured, isTarpitted dialogue)

[<Fact>]
let ``records out of turn end an invitation`` () =
    for before, recordType, data in
        [ [], 1uy, cookie
          [], 0uy, cookie[1..]
          [ struct (0uy, cookie) ], 0uy, cookie
          [ struct (0uy, cookie) ], 1uy, Encoding.ASCII.GetBytes "no key" ] do
        let dialogue = Dialogue(settings, fresh)
        dialogue.Greet() |> ignore

        for struct (kind, bytes) in before do
            dialogue.Say(kind, bytes)

        Assert.False(isTarpitted dialogue)
        dialogue.Say(recordType, data)
        Assert.True(isTarpitted dialogue)

/// Recorded sessions that are not played, with the reason.
let private notPlayed = Map.ofList [ "key is not checked otherwise", "we take only what is a key" ]

let private ofPem (pem: string) : Ed25519.KeyPair =
    match KeyFile.parsePrivate pem with
    | struct (ValueSome pair, _) -> { Private = Secret pair.Private; Public = pair.Public }
    | _ -> failwith "no key"

[<Fact>]
let ``recorded sessions with a stock daemon go the same way with ours, record by record`` () =
    let vectors = Vectors.load "06-invitation-server.json"
    let key = ofPem (Vectors.text "invitation_private_key_pem" vectors)
    Assert.Equal(Vectors.text "invitation_public_key" vectors, publicText key)

    let settings =
        { settings with
            InvitationKey = ValueSome { Private = key.Private.Span.ToArray(); Public = key.Public } }

    let mutable played = 0

    for case in Vectors.items "cases" vectors do
        let name = Vectors.text "name" case

        if not (notPlayed.ContainsKey name) then
            let fileName = Vectors.text "invitation_file_name" case
            let expired =
                if name = "expired" then
                    Instant.addSeconds -1_000_000 startOfTime
                else
                    startOfTime

            let disk (asked: string) =
                match case.TryGetProperty "invitation_file" with
                | true, text when asked = fileName && text.ValueKind = System.Text.Json.JsonValueKind.String ->
                    InvitationText(Encoding.Latin1.GetBytes(string (text.GetString())), expired)
                | _ -> InvitationMissing

            let records (direction: string) =
                [ for step in Vectors.items "steps" case do
                      match step.TryGetProperty "dir", step.TryGetProperty "type" with
                      | (true, dir), (true, recordType) when dir.GetString() = direction && recordType.GetInt32() < 128 ->
                          struct (byte (recordType.GetInt32()), Vectors.bytes "data_hex" step)
                      | _ -> () ]

            let settings =
                if name = "no invitation key" then
                    { settings with InvitationKey = ValueNone }
                else
                    settings

            let dialogue = Dialogue(settings, key, disk)

            if name = "host file appeared meanwhile" then
                dialogue.HasHost(nodeName "gamma")

            let lines (direction: string) =
                [ for step in Vectors.items "steps" case do
                      match step.TryGetProperty "dir", step.TryGetProperty "text" with
                      | (true, dir), (true, text) when dir.GetString() = direction -> string (text.GetString())
                      | _ -> () ]

            let greeting = (lines "C->S").Head

            if (lines "S->C").IsEmpty then
                // It ends before there is a session.
                dialogue.Hear greeting
                Assert.Empty dialogue.SentBytes
                Assert.True(isTarpitted dialogue, name)
            else
                dialogue.Greet(greeting.TrimEnd('\n').Split(' ')[2]) |> ignore

                for struct (recordType, data) in records "C->S" do
                    dialogue.Say(recordType, data)

                let shown (items: struct (byte * byte[]) list) =
                    items
                    |> List.map (fun (struct (recordType, data)) -> string recordType + " " + Convert.ToHexString data)

                Assert.True((shown (records "S->C") = shown dialogue.Records), name)

            played <- played + 1

    Assert.Equal(Vectors.items "cases" vectors |> Seq.length, played + notPlayed.Count)

[<Fact>]
let ``a key that is none ends an invitation, where stock writes it down`` () =
    let dialogue = Dialogue(settings, fresh)
    dialogue.Greet() |> ignore
    dialogue.Say(0uy, cookie)
    Assert.False(isTarpitted dialogue)
    dialogue.Say(1uy, Encoding.ASCII.GetBytes "not a key")
    Assert.True(isTarpitted dialogue)

[<Fact>]
let ``texts of invitations are those of the vectors`` () =
    let vectors = Vectors.load "06-invitation-encoding.json"

    for case in Vectors.items "base64" vectors do
        let bytes = Vectors.bytes "hex" case
        Assert.Equal(Vectors.text "standard" case, Base64.encode (ReadOnlySpan bytes))
        Assert.Equal(Vectors.text "urlsafe" case, Base64.encodeUrl (ReadOnlySpan bytes))

        // Nothing is no text of anything.
        if bytes.Length > 0 then
            Assert.Equal(ValueSome bytes, Base64.decode (Vectors.text "standard" case))
            Assert.Equal(ValueSome bytes, Base64.decode (Vectors.text "urlsafe" case))

    let key = ofPem (Vectors.text "invitation_private_key_pem" vectors)
    Assert.Equal(Vectors.text "invitation_public_key" vectors, publicText key)
    let hash = TincPure.Commands.InvitationUrl.hashOfText (publicText key)
    Assert.Equal<byte[]>(Vectors.bytes "key_hash_hex" vectors, hash)
    Assert.Equal(Vectors.text "key_hash_urlsafe" vectors, Base64.encodeUrl (ReadOnlySpan hash))

    for case in Vectors.items "invitations" vectors do
        let cookie = Vectors.bytes "cookie_hex" case
        let url = Vectors.text "url" case
        Assert.Equal(Vectors.text "file_name" case, Invitations.fileId cookie key.Public)
        Assert.Equal(url, TincPure.Commands.InvitationUrl.print "127.0.0.1" "10655" key.Public cookie)

        match TincPure.Commands.InvitationUrl.tryParse url with
        | ValueSome parsed -> Assert.Equal<byte[]>(cookie, parsed.Cookie)
        | ValueNone -> Assert.Fail url
