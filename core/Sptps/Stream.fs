/// An SPTPS session over a reliable stream of bytes: meta connections and invitations (spec 01 §8.4 and §11.2).
module TincPure.Sptps.Stream

open System
open System.Buffers.Binary
open TincPure.Crypto

/// One direction of a stream. Without a key, records are in the clear.
[<Struct>]
type private Direction = { Key: byte[] voption; Seqno: int64 }

/// A session at a moment.
type Session =
    private
        {
            Handshake: Handshake.State
            Outgoing: Direction
            Incoming: Direction
            /// The receive key that the peer's ACK will activate.
            Offered: byte[] voption
            /// The beginning of a record, in pieces, the newest first. Each piece is longer than the next newer one, so
            /// that there are few of them and bytes are moved few times, however small the portions are that came in.
            Partial: byte[] list
            PartialLength: int
        }

type Event =
    /// Application data of types 0 to 127.
    | Record of recordType: byte * data: byte[]
    | HandshakeComplete

/// What became of a piece of input.
[<Struct>]
type Received =
    {
        /// Bytes taken from the start of the input: up to the end of one record, or all.
        Consumed: int
        Event: Event voption
        /// To be sent to the peer, in order.
        Outgoing: byte[] list
        Session: Session
    }

[<Literal>]
let private LengthSize = 2

let private seqnoLimit = 0x1_0000_0000L

/// One record: length, then type and data, sealed if there is a key.
let private encode (recordType: byte) (data: ReadOnlySpan<byte>) (direction: Direction) : byte[] =
    let plainLength = LengthSize + 1 + data.Length

    let record =
        Array.zeroCreate<byte>(if direction.Key.IsSome then plainLength + ChaChaPoly.TagSize else plainLength)

    BinaryPrimitives.WriteUInt16BigEndian(Span record, uint16 data.Length)
    record[LengthSize] <- recordType
    data.CopyTo(Span(record).Slice(LengthSize + 1))

    match direction.Key with
    | ValueSome key ->
        ChaChaPoly.seal
            (ReadOnlySpan key)
            (uint64 direction.Seqno)
            (ReadOnlySpan(record, LengthSize, 1 + data.Length))
            (Span(record).Slice LengthSize)
    | ValueNone -> ()

    record

let private sent (session: Session) : Session =
    { session with
        Outgoing = { session.Outgoing with Seqno = session.Outgoing.Seqno + 1L } }

/// Does what the handshake asks for, in order. The records come out newest first.
let rec private carryOut
    (outputs: Handshake.Output list)
    (records: byte[] list)
    (event: Event voption)
    (session: Session)
    =
    match outputs with
    | [] -> Ok struct (List.rev records, event, session)
    | Handshake.Send body :: rest ->
        let record = encode Record.Handshake (ReadOnlySpan body) session.Outgoing
        carryOut rest (record :: records) event (sent session)
    | Handshake.UseSendKey key :: rest ->
        { session with Outgoing = { session.Outgoing with Key = ValueSome key } }
        |> carryOut rest records event
    | Handshake.OfferReceiveKey key :: rest -> carryOut rest records event { session with Offered = ValueSome key }
    | Handshake.ActivateReceiveKey :: rest ->
        { session with
            Incoming = { session.Incoming with Key = session.Offered }
            Offered = ValueNone }
        |> carryOut rest records event
    | Handshake.Complete :: rest -> carryOut rest records (ValueSome HandshakeComplete) session
    | Handshake.Refused error :: _ -> Error error

/// Starts a session: our KEX, to be sent first. `random` is 64 secret random bytes.
let start (random: byte[]) (parameters: Handshake.Parameters) : struct (byte[] list * Session) =
    let struct (handshake, outputs) = Handshake.start random parameters

    let session =
        { Handshake = handshake
          Outgoing = { Key = ValueNone; Seqno = 0L }
          Incoming = { Key = ValueNone; Seqno = 0L }
          Offered = ValueNone
          Partial = []
          PartialLength = 0 }

    match carryOut outputs [] ValueNone session with
    | Ok struct (records, _, session) -> struct (records, session)
    | Error _ -> struct ([], session)

/// True once application data can be sent.
let isEstablished (session: Session) : bool = session.Outgoing.Key.IsSome

/// One record of application data, `recordType` below 128, at most 65535 bytes (spec 01 §10.5).
let send (recordType: byte) (data: ReadOnlySpan<byte>) (session: Session) : Result<struct (byte[] * Session), Error> =
    if not (isEstablished session) then
        Error HandshakeNotFinished
    elif not (Record.isApplication recordType) then
        Error InvalidApplicationRecordType
    elif data.Length > Record.MaxData then
        Error RecordTooLong
    elif session.Outgoing.Seqno >= seqnoLimit then
        Error SeqnosUsedUp
    else
        Ok struct (encode recordType data session.Outgoing, sent session)

/// Starts a rekey of an established session. `random` is 64 secret random bytes.
let forceRekey (random: byte[]) (session: Session) : Result<struct (byte[] list * Session), Error> =
    match Handshake.forceRekey random session.Handshake with
    | Error error -> Error error
    | Ok struct (handshake, outputs) ->
        match carryOut outputs [] ValueNone { session with Handshake = handshake } with
        | Ok struct (records, _, session) -> Ok struct (records, session)
        | Error error -> Error error

let private dispatch (random: byte[]) (consumed: int) (recordType: byte) (data: ReadOnlySpan<byte>) (session: Session) =
    if recordType = Record.Handshake then
        let struct (handshake, outputs) = Handshake.receive random (data.ToArray()) session.Handshake

        match carryOut outputs [] ValueNone { session with Handshake = handshake } with
        | Ok struct (records, event, session) ->
            Ok { Consumed = consumed; Event = event; Outgoing = records; Session = session }
        | Error error -> Error error
    elif not (Record.isApplication recordType) then
        Error(InvalidRecordType recordType)
    elif session.Incoming.Key.IsNone then
        Error ApplicationRecordTooEarly
    else
        Ok
            { Consumed = consumed
              Event = ValueSome(Record(recordType, data.ToArray()))
              Outgoing = []
              Session = session }

/// A whole record, with its length.
let private receiveRecord (random: byte[]) (consumed: int) (record: ReadOnlySpan<byte>) (session: Session) =
    let incoming = session.Incoming

    let session =
        { session with
            Incoming = { incoming with Seqno = incoming.Seqno + 1L }
            Partial = []
            PartialLength = 0 }

    match incoming.Key with
    | _ when incoming.Seqno >= seqnoLimit -> Error SeqnosUsedUp
    | ValueNone -> dispatch random consumed record[LengthSize] (record.Slice(LengthSize + 1)) session
    | ValueSome key ->
        let plaintext = Array.zeroCreate<byte>(record.Length - LengthSize - ChaChaPoly.TagSize)

        if ChaChaPoly.tryOpen (ReadOnlySpan key) (uint64 incoming.Seqno) (record.Slice LengthSize) (Span plaintext) then
            dispatch random consumed plaintext[0] (ReadOnlySpan(plaintext, 1, plaintext.Length - 1)) session
        else
            Error BadRecordTag

let rec private addPiece (piece: byte[]) (pieces: byte[] list) : byte[] list =
    match pieces with
    | last :: older when last.Length <= piece.Length -> addPiece (Array.append last piece) older
    | _ -> piece :: pieces

/// The byte at `index` of what is there of a record: first the pieces, then the input.
let private byteAt (index: int) (session: Session) (input: ReadOnlySpan<byte>) : byte =
    if index >= session.PartialLength then
        input[index - session.PartialLength]
    else
        // The oldest piece, last in the list, comes first.
        let rec find (index: int) (pieces: byte[] list) =
            match pieces with
            | [] -> 0uy
            | piece :: _ when index < piece.Length -> piece[index]
            | piece :: rest -> find (index - piece.Length) rest

        find index (List.rev session.Partial)

/// Takes at most one record from the start of `input` and says how many bytes that were; the caller comes back with the
/// rest, if there is any. The beginning of a record is kept until its end comes. After an error the session is dead.
///
/// `random` is 64 secret random bytes for the answer to a rekey, should there be one in the input: draw them anew for
/// each portion of input from the network.
let receive (random: byte[]) (input: ReadOnlySpan<byte>) (session: Session) : Result<Received, Error> =
    let available = session.PartialLength + input.Length

    let total =
        if available < LengthSize then
            Int32.MaxValue
        else
            let length = (int (byteAt 0 session input) <<< 8) ||| int (byteAt 1 session input)

            let tag = if session.Incoming.Key.IsSome then ChaChaPoly.TagSize else 0

            LengthSize + 1 + length + tag

    if available < total then
        let partial =
            if input.IsEmpty then
                session
            else
                { session with
                    Partial = addPiece (input.ToArray()) session.Partial
                    PartialLength = available }

        Ok { Consumed = input.Length; Event = ValueNone; Outgoing = []; Session = partial }
    elif session.PartialLength = 0 then
        receiveRecord random total (input.Slice(0, total)) session
    else
        let consumed = total - session.PartialLength

        let record = Array.concat (List.rev (input.Slice(0, consumed).ToArray() :: session.Partial))

        receiveRecord random consumed (ReadOnlySpan record) session
