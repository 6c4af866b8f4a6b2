/// Somebody with an invitation, or who says so: records of the invitation's session, and files that are not what they
/// should be.
module TincPure.Fuzz.InvitedNode

open System
open System.Collections.Generic
open System.Text
open TincPure.Primitives
open TincPure.Config
open TincPure.Sptps
open TincPure.Node

let private world = lazy (Neighbourhood.alone Variant.Plain)

let private theirs = Fixed.keyPair 40

let private random = Fixed.bytes 41 Handshake.RandomSize

let private id = ConnectionId.Incoming 1

let private isUrlSafe (c: char) = Char.IsAsciiLetterOrDigit c || c = '-' || c = '_'

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    let world = world.Value.Fork()

    let invitationKey =
        match world.Node.Settings.InvitationKey with
        | ValueSome key -> key
        | ValueNone -> Target.broken "no invitation key"

    let struct (kex, party) =
        Party.start
            random
            { Role = Handshake.Initiator
              Own = theirs
              Peer = invitationKey.Public
              Label = Handshake.Label.invitation }

    let mutable party = party
    let mutable greeted = false
    let mutable taken = 0
    let answers = Queue<Input>()

    /// What the host would find.
    let file () =
        match tape.Below 4 with
        | 0 -> InvitationMissing
        | 1 -> InvitationUnusable "no"
        | _ ->
            let age = int64 (tape.Word()) * 60L * Instant.second
            InvitationText(tape.Bytes(tape.Word() % 3000), Instant.add -age world.Now)

    let read (bytes: byte[]) =
        // Two lines come before the session.
        let bytes =
            if greeted then
                bytes
            else
                let first = Array.IndexOf(bytes, '\n'B)
                Array.skip (1 + Array.IndexOf(bytes, '\n'B, first + 1)) bytes

        greeted <- true
        let struct (answer, data, next) = Party.receive random bytes party
        party <- next
        behaviour.Saw("data", data.Length)

        if answer.Length > 0 then
            answers.Enqueue(Received(id, answer))

    let onEffect (effect: Effect) =
        match effect with
        | Log line -> behaviour.SawText line.Text
        | Send(_, bytes) -> read bytes
        | TakeInvitation(_, name) ->
            taken <- taken + 1
            Target.check (name.Length = 24 && String.forall isUrlSafe name) "an invitation file of a strange name"
            answers.Enqueue(InvitationTaken(id, file ()))
        | RemoveInvitation name ->
            Target.check (name.Length = 24 && String.forall isUrlSafe name) "an invitation file of a strange name"
        | CreateHostFile(_, name, text) ->
            behaviour.Saw "host file"
            Target.check (taken > 0) "a host file without an invitation"
            Target.check (name <> Neighbourhood.ownName) "our own host file is given away"
            let lines = Syntax.rawLines text
            Target.check (lines.Length = 1 && text.Length = 63) "a host file with more than a key"
            let problem = [| ValueNone; ValueSome ""; ValueSome "disk full" |][tape.Below 3]
            answers.Enqueue(HostFileCreated(id, problem))
        | RunScript script ->
            behaviour.SawText script.Name
            Target.check (not (script.Name.Contains "..")) "a script elsewhere"
        | _ -> ()

    let feed (input: Input) =
        world.Feed input

        while answers.Count > 0 do
            world.Feed(answers.Dequeue())

    world.OnEffect <- onEffect
    feed (Accepted(id, ValueNone, Tcp(Neighbourhood.endpoint 0xc0000207u)))
    let greeting = "0 ?" + KeyFile.publicText theirs.Public + " 17.1\n"
    feed (Received(id, Array.append (Encoding.ASCII.GetBytes greeting) kex))
    let mutable moves = 0

    while not tape.AtEnd && moves < 16 do
        moves <- moves + 1

        let data =
            match tape.Below 4 with
            | 0 -> Fixed.bytes 50 18
            | 1 -> Encoding.ASCII.GetBytes(KeyFile.publicText theirs.Public)
            | _ -> tape.Block()

        let struct (bytes, next) = Party.seal (tape.Byte()) data party
        party <- next
        feed (Received(id, bytes))

    world.Wait 600_000_000L
    feed (Lost(id, ValueNone))
    Target.check world.Node.Connections.IsEmpty "an invited node stays"
    Target.check (world.Node.Established.IsEmpty) "an invited node becomes a neighbour at once"

let private seeds () =
    let text (text: string) =
        Array.concat [ [| 2uy; 0uy; 1uy; byte (text.Length >>> 8); byte text.Length |]; Encoding.ASCII.GetBytes text ]
    let cookie = [| 0uy; 0uy |]
    let key = [| 1uy; 1uy |]

    [ for file in Corpus.texts "06-invitation-server.json" [ "invitation_file" ] do
          Array.concat [ cookie; text file; key; [| 0uy |] ]
      Array.concat [ cookie; text "Name = beta\nConnectTo = alpha\n"; key; [| 1uy |] ]
      Array.concat [ cookie; text "Name = alpha\n" ]
      Array.concat [ cookie; text "Name = ../../x\n" ]
      Array.concat [ cookie; [| 0uy |] ]
      Array.concat [ cookie; [| 1uy |] ]
      key
      [| 2uy; 18uy; 1uy; 2uy; 3uy |] ]

let target =
    { Target.create "invitations" "an invitation opens one file once, and gives one key to one new node" seeds run with
        Words = [ "Name = "; "beta"; "alpha"; "../"; "\n"; "#" ] }
