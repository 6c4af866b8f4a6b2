namespace TincPure.Sptps

open System
open System.Buffers.Binary

/// What can be wrong with input to an SPTPS session, or with a wish of its user (spec 01 §12.1).
type Error =
    | HandshakeNotFinished
    | InvalidApplicationRecordType
    | RecordTooLong
    /// A KEX that is not 65 bytes, or a SIG that is not 64.
    | InvalidKexLength
    | IncorrectVersion of version: byte
    | SignatureMismatch
    /// The peer's ephemeral key gives a shared secret of zeros.
    | NoSharedSecret
    | InvalidAckLength
    | CannotForceKex
    | ApplicationRecordTooEarly
    | InvalidRecordType of recordType: byte
    | BadRecordTag
    | ShortPacket
    | UnexpectedSeqno of got: uint32 * expected: uint32
    /// 2^32 records have been sealed or opened; no number may be used twice with one key.
    | SeqnosUsedUp

/// Types and layouts of records (spec 01 §8).
module Record =

    /// Application data has the types below this one.
    [<Literal>]
    let Handshake = 128uy

    /// Data that a record can carry.
    [<Literal>]
    let MaxData = 65535

    /// A datagram starts with its sequence number.
    [<Literal>]
    let SeqnoSize = 4

    /// Where the data of a datagram is: behind sequence number and type.
    [<Literal>]
    let DataOffset = 5

    /// What a sealed datagram adds to its data: sequence number, type and tag.
    [<Literal>]
    let DatagramOverhead = 21

    let isApplication (recordType: byte) : bool = recordType < Handshake

    /// A datagram of the first handshake, before anything is sealed: sequence number, type 128, body (spec 01 §8.5).
    let plainDatagram (seqno: uint32) (body: byte[]) : byte[] =
        let datagram = Array.zeroCreate<byte>(DataOffset + body.Length)
        BinaryPrimitives.WriteUInt32BigEndian(Span datagram, seqno)
        datagram[SeqnoSize] <- Handshake
        body.CopyTo(datagram, DataOffset)
        datagram

    /// The handshake body in a datagram before anything is sealed, which must bear exactly the expected number
    /// (spec 01 §11.3). After `UnexpectedSeqno` and `ShortPacket` the same number is still expected, else the next.
    let readPlainDatagram (expected: uint32) (datagram: byte[]) : Result<byte[], Error> =
        if datagram.Length < DataOffset then
            Error ShortPacket
        else
            let seqno = BinaryPrimitives.ReadUInt32BigEndian(ReadOnlySpan datagram)

            if seqno <> expected then Error(UnexpectedSeqno(seqno, expected))
            elif datagram[SeqnoSize] <> Handshake then Error ApplicationRecordTooEarly
            else Ok(Array.sub datagram DataOffset (datagram.Length - DataOffset))

module Error =

    /// The reference's words (spec 01 §12.1); the last two are our own.
    let text (error: Error) : string =
        match error with
        | HandshakeNotFinished -> "Handshake phase not finished yet"
        | InvalidApplicationRecordType -> "Invalid application record type"
        | InvalidKexLength -> "Invalid KEX record length"
        | IncorrectVersion version -> "Received incorrect version " + version.ToString()
        | SignatureMismatch -> "Failed to verify SIG record"
        | NoSharedSecret -> "Failed to compute ECDH shared secret"
        | InvalidAckLength -> "Invalid ACK record length"
        | CannotForceKex -> "Cannot force KEX in current state"
        | ApplicationRecordTooEarly -> "Application record received before handshake finished"
        | InvalidRecordType recordType -> "Invalid record type " + recordType.ToString()
        | BadRecordTag -> "Failed to decrypt and verify record"
        | ShortPacket -> "Received short packet"
        | UnexpectedSeqno(got, expected) -> "Invalid packet seqno: " + got.ToString() + " != " + expected.ToString()
        | RecordTooLong -> "Application record too long"
        | SeqnosUsedUp -> "Sequence numbers used up"
