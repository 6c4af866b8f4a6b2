/// What a new node says to its inviter's daemon (spec 06 §20.2, spec 01 §13.3).
module TincPure.Commands.JoinDialogue

open System
open System.Security.Cryptography
open System.Text
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Config
open TincPure.Sptps

/// Records of the session; the other side of these is `TincPure.Node.Invitations`.
module private RecordType =
    let cookie = 0uy
    let data = 0uy
    let dataEnd = 1uy
    let nodeKey = 1uy
    let accepted = 2uy

/// Longest line before the session.
let private longestLine = 4096

/// Largest invitation that is taken in.
let private largestData = 16 * 1024 * 1024

type private Phase =
    | AwaitingId
    | AwaitingKey
    /// With the parts of the invitation, the newest first.
    | InSession of Stream.Session * parts: byte[] list * length: int

type Dialogue =
    private
        {
            Own: Ed25519.KeyPair
            Url: InvitationUrl.Url
            /// 64 secret random bytes for our first record.
            Random: byte[]
            /// The beginning of a line.
            Line: byte[]
            Phase: Phase
        }

/// What follows from what was received, in order.
type Step =
    | Send of byte[]
    /// The whole invitation. Our public key is the answer.
    | Invited of data: byte[]
    | Accepted

type Failure =
    /// It is no tinc daemon, or one that cannot invite.
    | NoGreeting
    /// It is not who the URL is from.
    | WrongKey of text: string
    /// The session failed; with what there is to say about it.
    | Broken of message: string

/// Starts with a key made for this dialogue only. The greeting comes with a minor version that has no session yet.
let start (random: byte[]) (own: Ed25519.KeyPair) (url: InvitationUrl.Url) : struct (byte[] * Dialogue) =
    let greeting = "0 ?" + KeyFile.publicText own.Public + " " + Protocol.major.ToString() + ".1\n"

    struct (Encoding.ASCII.GetBytes greeting, { Own = own; Url = url; Random = random; Line = [||]; Phase = AwaitingId })

/// True once what goes wrong is the end of the whole attempt.
let isInSession (dialogue: Dialogue) : bool =
    match dialogue.Phase with
    | InSession _ -> true
    | AwaitingId
    | AwaitingKey -> false

let private isId (line: string) =
    match line.Split(' ', StringSplitOptions.RemoveEmptyEntries) with
    | [| "0"; name; version |] -> (NodeName.tryParse name).IsSome && version.Split('.')[0] = Protocol.major.ToString()
    | _ -> false

/// The key was shown in the clear; it is who it should be if it has the hash in the URL.
let private keyShown (line: string) (dialogue: Dialogue) : Result<struct (Step list * Dialogue), Failure> =
    if not (line.StartsWith("4 ", StringComparison.Ordinal)) || line.Length < 3 then
        Error NoGreeting
    else
        let text = line.Substring 2
        let hash = InvitationUrl.hashOfText text

        if not (CryptographicOperations.FixedTimeEquals(ReadOnlySpan hash, ReadOnlySpan dialogue.Url.KeyHash)) then
            Error(WrongKey text)
        else
            match KeyFile.parsePublic text with
            | Error message -> Error(Broken message)
            | Ok key ->
                let parameters: Handshake.Parameters =
                    { Role = Handshake.Initiator
                      Own = dialogue.Own
                      Peer = key
                      Label = Handshake.Label.invitation }

                let struct (records, session) = Stream.start dialogue.Random parameters

                Ok struct (List.map Send records, { dialogue with Phase = InSession(session, [], 0) })

let private lineReceived (line: string) (dialogue: Dialogue) =
    match dialogue.Phase with
    | AwaitingId when isId line -> Ok struct ([], { dialogue with Phase = AwaitingKey })
    | AwaitingKey -> keyShown line dialogue
    | AwaitingId
    | InSession _ -> Error NoGreeting

let private sptps (result: Result<'t, TincPure.Sptps.Error>) : Result<'t, Failure> =
    result |> Result.mapError (fun error -> Broken(Handshake.errorText error))

/// Our new node's public key, in answer to the invitation.
let sendKey (publicKey: byte[]) (dialogue: Dialogue) : Result<struct (byte[] * Dialogue), Failure> =
    match dialogue.Phase with
    | InSession(session, parts, length) ->
        let text = Encoding.ASCII.GetBytes(KeyFile.publicText publicKey)

        Stream.send RecordType.nodeKey (ReadOnlySpan text) session
        |> sptps
        |> Result.map (fun (struct (record, session)) ->
            struct (record, { dialogue with Phase = InSession(session, parts, length) }))
    | AwaitingId
    | AwaitingKey -> Error NoGreeting

let private eventReceived (event: Stream.Event voption) session parts length (dialogue: Dialogue) =
    let go session parts length = { dialogue with Phase = InSession(session, parts, length) }

    match event with
    | ValueNone -> Ok struct ([], go session parts length)
    | ValueSome Stream.HandshakeComplete ->
        Stream.send RecordType.cookie (ReadOnlySpan dialogue.Url.Cookie) session
        |> sptps
        |> Result.map (fun (struct (record, session)) -> struct ([ Send record ], go session parts length))
    | ValueSome(Stream.Record(kind, data)) when kind = RecordType.data ->
        if length + data.Length > largestData then
            Error(Broken "The invitation is too large.")
        else
            Ok struct ([], go session (data :: parts) (length + data.Length))
    | ValueSome(Stream.Record(kind, _)) when kind = RecordType.dataEnd ->
        Ok struct ([ Invited(Array.concat (List.rev parts)) ], go session [] 0)
    | ValueSome(Stream.Record(kind, _)) when kind = RecordType.accepted ->
        Ok struct ([ Accepted ], go session parts length)
    | ValueSome(Stream.Record _) -> Error(Broken "")

/// Takes what came from the daemon: up to the end of one line or record, and says how much that was. The caller comes back
/// with the rest, if there is any, after it has taken the steps. `random` is 64 secret random bytes.
let receive
    (random: byte[])
    (input: byte[])
    (dialogue: Dialogue)
    : Result<struct (int * Step list * Dialogue), Failure> =
    match dialogue.Phase with
    | InSession(session, parts, length) ->
        match Stream.receive random (ReadOnlySpan input) session |> sptps with
        | Error failure -> Error failure
        | Ok received ->
            eventReceived received.Event received.Session parts length dialogue
            |> Result.map (fun (struct (steps, dialogue)) ->
                struct (received.Consumed, List.map Send received.Outgoing @ steps, dialogue))
    | AwaitingId
    | AwaitingKey ->
        match Array.IndexOf(input, '\n'B) with
        | -1 when dialogue.Line.Length + input.Length > longestLine -> Error NoGreeting
        | -1 -> Ok struct (input.Length, [], { dialogue with Line = Array.append dialogue.Line input })
        | newline ->
            let line = Array.append dialogue.Line (Array.truncate newline input)

            lineReceived (Encoding.Latin1.GetString line) { dialogue with Line = [||] }
            |> Result.map (fun (struct (steps, dialogue)) -> struct (newline + 1, steps, dialogue))
