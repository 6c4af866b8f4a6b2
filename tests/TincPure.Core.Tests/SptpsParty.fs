/// What the tests of SPTPS share: parties of the vectors, and a datagram session put together the way a node does it.
module TincPure.Core.Tests.SptpsParty

open System
open System.Text.Json
open TincPure.Crypto
open TincPure.Primitives
open TincPure.Sptps

let randomBytes (random: Random) (count: int) : byte[] =
    let bytes = Array.zeroCreate<byte> count
    random.NextBytes bytes
    bytes

let private keyPair (element: JsonElement) : Ed25519.KeyPair =
    { Private = Secret(Vectors.bytes "private_expanded" element)
      Public = Vectors.bytes "public" element }

/// The parameters of initiator and responder in a vector file.
let parameters (role: Handshake.Role) (label: byte[]) (vectors: JsonElement) : Handshake.Parameters =
    let initiator = keyPair (vectors.GetProperty "initiator")
    let responder = keyPair (vectors.GetProperty "responder")

    let struct (own, peer) =
        match role with
        | Handshake.Initiator -> struct (initiator, responder)
        | Handshake.Responder -> struct (responder, initiator)

    { Role = role; Own = own; Peer = peer.Public; Label = label }

/// Parameters of two parties with random keys.
let randomParameters (random: Random) (label: byte[]) : struct (Handshake.Parameters * Handshake.Parameters) =
    let initiator = Ed25519.generate (ReadOnlySpan(randomBytes random 32))
    let responder = Ed25519.generate (ReadOnlySpan(randomBytes random 32))

    let of' role (own: Ed25519.KeyPair) (peer: Ed25519.KeyPair) : Handshake.Parameters =
        { Role = role; Own = own; Peer = peer.Public; Label = label }

    struct (of' Handshake.Initiator initiator responder, of' Handshake.Responder responder initiator)

let sealWith (session: Session) (recordType: byte) (data: byte[]) : byte[] =
    let datagram = Array.zeroCreate<byte>(data.Length + Record.DatagramOverhead)
    let length = session.Seal(recordType, ReadOnlySpan data, Span datagram)
    Array.truncate length datagram

type Opened =
    | Delivered of recordType: byte * data: byte[]
    | NotOpened of OpenResult

let openWith (session: Session) (datagram: byte[]) : Opened =
    let buffer = Array.copy datagram
    let mutable recordType = 0uy
    let mutable length = 0

    match session.Open(Span buffer, &recordType, &length) with
    | OpenResult.Opened -> Delivered(recordType, Array.sub buffer Record.DataOffset length)
    | result -> NotOpened result

/// One side of a datagram session: the handshake, plain datagrams before keys are there, a session afterwards.
type Datagrams =
    { Handshake: Handshake.State
      ExpectedSeqno: uint32
      NextSeqno: uint32
      ReplayWindow: int
      SendKey: byte[]
      Session: Session voption }

type Reaction =
    {
        Outgoing: (byte * byte[]) list
        Completed: bool
        Application: (byte * byte[]) voption
        /// As the reference would word it.
        Log: string
    }

let private quiet = { Outgoing = []; Completed = false; Application = ValueNone; Log = "" }

let private carryOut (outputs: Handshake.Output list) (party: Datagrams) : struct (Datagrams * Reaction) =
    let step struct (party: Datagrams, reaction) output =
        let send datagram party =
            struct (party,
                    { reaction with
                        Outgoing = reaction.Outgoing @ [ (Record.Handshake, datagram) ] })

        match output, party.Session with
        | Handshake.Send body, ValueSome session -> send (sealWith session Record.Handshake body) party
        | Handshake.Send body, ValueNone ->
            send (Record.plainDatagram party.NextSeqno body) { party with NextSeqno = party.NextSeqno + 1u }
        | Handshake.UseSendKey key, ValueSome session ->
            session.UseSendKey key
            struct (party, reaction)
        | Handshake.UseSendKey key, ValueNone -> struct ({ party with SendKey = key }, reaction)
        | Handshake.OfferReceiveKey key, ValueSome session ->
            session.OfferReceiveKey key
            struct (party, reaction)
        | Handshake.OfferReceiveKey key, ValueNone ->
            struct ({ party with
                        Session = ValueSome(Session(party.SendKey, key, party.ReplayWindow)) },
                    reaction)
        | Handshake.ActivateReceiveKey, session ->
            ValueOption.iter (fun (session: Session) -> session.ActivateReceiveKey(Instant 1L)) session
            struct (party, reaction)
        | Handshake.Complete, _ -> struct (party, { reaction with Completed = true })
        | Handshake.Refused error, _ -> struct (party, { reaction with Log = Handshake.errorText error })

    List.fold step struct (party, quiet) outputs

let startDatagrams (random: byte[]) (parameters: Handshake.Parameters) : struct (Datagrams * Reaction) =
    let struct (handshake, outputs) = Handshake.start random parameters

    carryOut
        outputs
        { Handshake = handshake
          ExpectedSeqno = 0u
          NextSeqno = 0u
          ReplayWindow = ReplayWindow.defaultSize
          SendKey = [||]
          Session = ValueNone }

let private receiveBody (random: byte[]) (body: byte[]) (party: Datagrams) =
    let struct (handshake, outputs) = Handshake.receive random body party.Handshake
    carryOut outputs { party with Handshake = handshake }

let receiveDatagram (random: byte[]) (datagram: byte[]) (party: Datagrams) : struct (Datagrams * Reaction) =
    match party.Session with
    | ValueNone ->
        let after error =
            match error with
            | ShortPacket
            | UnexpectedSeqno _ -> party
            | _ -> { party with ExpectedSeqno = party.ExpectedSeqno + 1u }

        match Record.readPlainDatagram party.ExpectedSeqno datagram with
        | Error error -> struct (after error, { quiet with Log = Error.text error })
        | Ok body -> receiveBody random body { party with ExpectedSeqno = party.ExpectedSeqno + 1u }
    | ValueSome session ->
        match openWith session datagram with
        | NotOpened OpenResult.TooShort -> struct (party, { quiet with Log = Error.text ShortPacket })
        | NotOpened OpenResult.BadTag -> struct (party, { quiet with Log = "Failed to decrypt and verify packet" })
        | NotOpened _ -> struct (party, { quiet with Log = session.LastMessage })
        | Delivered(recordType, body) when recordType = Record.Handshake -> receiveBody random body party
        | Delivered(recordType, data) when Record.isApplication recordType ->
            struct (party,
                    { quiet with
                        Application = ValueSome((recordType, data))
                        Log = session.LastMessage })
        | Delivered(recordType, _) -> struct (party, { quiet with Log = Error.text (InvalidRecordType recordType) })

let sendDatagram (recordType: byte) (data: byte[]) (party: Datagrams) : Result<byte[], Error> =
    match party.Session with
    | ValueNone -> Error HandshakeNotFinished
    | ValueSome _ when not (Record.isApplication recordType) -> Error InvalidApplicationRecordType
    | ValueSome session -> Ok(sealWith session recordType data)

let forceDatagramRekey (random: byte[]) (party: Datagrams) : Result<struct (Datagrams * Reaction), Error> =
    Handshake.forceRekey random party.Handshake
    |> Result.map (fun struct (handshake, outputs) -> carryOut outputs { party with Handshake = handshake })
