/// Hands a new node its configuration in exchange for the cookie of an invitation, and takes its public key in return
/// (spec 02 §6.2, spec 06 §19).
module TincPure.Node.Invitations

open System
open System.Security.Cryptography
open System.Text
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Config
open TincPure.Sptps
open TincPure.Meta

/// Random bytes that only the invited node knows (spec 01 §14.2).
let cookieSize = 18

/// Bytes of hashes that go into names and URLs.
let idSize = 18

/// Largest record in which the file travels.
let private chunkSize = 1024

/// Longest first line of an invitation file.
let private longestFirstLine = 1023

/// Records of the invitation's session.
module private RecordType =
    let data = 0uy
    let fileEnd = 1uy
    let nodeKey = 1uy
    let accepted = 2uy

let private error (turn: Turn) (text: string) = turn.Log(DebugLevel.always, Priority.Error, text)

let private keyText (key: byte[]) = Base64.encode (ReadOnlySpan key)

/// Name of the file that the cookie opens.
let fileId (cookie: byte[]) (publicKey: byte[]) : string =
    let text = Encoding.ASCII.GetBytes(keyText publicKey)
    let hash = SHA512.HashData(Array.append cookie text)
    Base64.encodeUrl (ReadOnlySpan(hash, 0, idSize))

let private setStage (turn: Turn) (connection: Connection) (stage: Invitation) =
    turn.SetConnection { connection with Stage = Stage.Inviting stage }

let private send (turn: Turn) (id: ConnectionId) (recordType: byte) (data: byte[]) =
    Wire.sendRecordOf turn id recordType data

/// Somebody greeted with a key of their own making. Greeting, our invitation key and the first record leave in one
/// piece: stock clients look for the record only once (spec 01 §13.3).
let welcome (turn: Turn) (connection: Connection) (peerKey: byte[]) : unit =
    match turn.Node.Settings.InvitationKey with
    | ValueNone -> Termination.drop turn connection.Id
    | ValueSome key ->
        let minor = if turn.Node.Settings.ExperimentalProtocol then Protocol.minor else 0

        let parameters: Handshake.Parameters =
            { Role = Handshake.Responder
              Own = { Private = Secret key.Private; Public = key.Public }
              Peer = peerKey
              Label = Handshake.Label.invitation }

        let struct (records, session) = Stream.start (turn.RandomBytes Handshake.RandomSize) parameters

        let lines =
            [ Authentication.ownId turn.Node.Own minor; Message.AckInvitation(keyText key.Public) ]
            |> List.map (fun message -> Encoding.ASCII.GetBytes(Print.line message + "\n"))

        turn.SetConnection
            { connection with
                Stage = Stage.Inviting AwaitingCookie
                Session = ValueSome session
                Reader = Framing.startSptps connection.Reader }

        Wire.sendRaw turn connection.Id (Array.concat (lines @ records))

let private cookieReceived (turn: Turn) (connection: Connection) (cookie: byte[]) =
    match turn.Node.Settings.InvitationKey with
    | ValueSome key when cookie.Length = cookieSize ->
        let file = fileId cookie key.Public
        setStage turn connection (AwaitingFile file)
        turn.Emit(TakeInvitation(connection.Id, file))
    | _ -> Termination.drop turn connection.Id

/// The text up to the first line end, blanks at its end removed.
let private firstLine (text: byte[]) : string =
    let line = text |> Array.takeWhile (fun character -> character <> '\n'B)
    Encoding.UTF8.GetString(line, 0, min longestFirstLine line.Length).TrimEnd()

/// The node that an invitation is for: `Name = X` in its first line.
let private invitedName (own: NodeName) (text: byte[]) : NodeName voption =
    let struct (variable, value) = Syntax.split (firstLine text)

    match NodeName.tryParse value with
    | ValueSome name when variable.Equals("Name", StringComparison.OrdinalIgnoreCase) && name <> own -> ValueSome name
    | _ -> ValueNone

let private deliver (turn: Turn) (connection: Connection) (file: string) (text: byte[]) (name: NodeName) =
    let connection = { connection with Name = name.Text; Stage = Stage.Inviting(AwaitingKey name) }

    turn.SetConnection connection

    for chunk in Array.chunkBySize chunkSize text do
        send turn connection.Id RecordType.data chunk

    send turn connection.Id RecordType.fileEnd [||]
    turn.Emit(RemoveInvitation file)

    turn.Log(
        DebugLevel.connections,
        Priority.Info,
        "Invitation " + file + " successfully sent to " + Label.connection connection
    )

/// The host took the file of an invitation away, so that nobody else can, and read it.
let taken (turn: Turn) (id: ConnectionId) (file: InvitationFile) : unit =
    match turn.TryConnection id with
    | ValueSome({ Stage = Stage.Inviting(AwaitingFile name) } as connection) ->
        let peer = Label.remote connection.Remote

        let refuse text =
            error turn text
            Termination.drop turn id

        match file with
        | InvitationMissing -> refuse ("Peer " + peer + " tried to use non-existing invitation " + name)
        | InvitationUnusable reason -> refuse reason
        | InvitationText(_, modified) when turn.Now > Instant.addSeconds turn.Node.Settings.InvitationExpire modified ->
            refuse ("Peer " + peer + " tried to use expired invitation " + name)
        | InvitationText(text, _) ->
            match invitedName turn.Node.Own text with
            | ValueSome invited -> deliver turn connection name text invited
            | ValueNone when text.Length = 0 -> refuse ("Could not read invitation file " + name)
            | ValueNone -> refuse ("Invalid invitation file " + name)
    | _ -> ()

let private keyReceived (turn: Turn) (connection: Connection) (name: NodeName) (data: byte[]) =
    let text = Encoding.Latin1.GetString(Array.takeWhile (fun character -> character <> 0uy) data)

    match KeyFile.parsePublic text with
    | Error _ ->
        error turn ("Received invalid key from invited node " + Label.connection connection + "!")
        Termination.drop turn connection.Id
    | Ok _ ->
        setStage turn connection (AwaitingHostFile name)
        turn.Emit(CreateHostFile(connection.Id, name, "Ed25519PublicKey = " + text + "\n"))

/// The host file of the invited node was written, or could not be.
let hostFileCreated (turn: Turn) (id: ConnectionId) (problem: string voption) : unit =
    match turn.TryConnection id with
    | ValueSome({ Stage = Stage.Inviting(AwaitingHostFile name) } as connection) ->
        match problem with
        | ValueSome "" ->
            error turn ("Host config file for " + Label.connection connection + " already exists!")
            Termination.drop turn id
        | ValueSome reason ->
            error turn reason
            Termination.drop turn id
        | ValueNone ->
            turn.Log(
                DebugLevel.connections,
                Priority.Info,
                "Key successfully received from " + Label.connection connection
            )

            setStage turn connection (AwaitingKey name)
            turn.Emit(ReadHostFile name)

            match struct (Peers.intern turn name, connection.Remote) with
            | struct (ValueSome peer, Tcp remote) ->
                Peers.remember turn peer.Index remote
                Scripts.invitationAccepted turn peer.Name remote
            | _ -> ()

            send turn id RecordType.accepted [||]
    | _ -> ()

/// A record of the invitation's session. Anything out of turn ends it.
let recordReceived (turn: Turn) (connection: Connection) (stage: Invitation) (recordType: byte) (data: byte[]) : unit =
    match stage with
    | AwaitingCookie when recordType = RecordType.data -> cookieReceived turn connection data
    | AwaitingKey name when recordType = RecordType.nodeKey -> keyReceived turn connection name data
    | _ -> Termination.drop turn connection.Id
