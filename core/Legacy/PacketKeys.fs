namespace TincPure.Legacy

open System
open System.Buffers.Binary
open System.Security.Cryptography
open TincPure.Primitives
open TincPure.Crypto.Legacy
open TincPure.Sptps

/// What may come of a datagram of a legacy node.
type LegacyResult =
    | Opened = 0
    | TooShort = 1
    /// Not from the node that has the key, or changed on the way.
    | BadMac = 2
    | BadCipher = 3
    /// Late, or received before.
    | Replayed = 4
    | FarFuture = 5

/// How datagrams of legacy nodes are laid out (spec 08 §14): sequence number and frame, encrypted together, then the MAC.
module LegacyDatagram =

    [<Literal>]
    let SeqnoSize = 4

    /// Longest datagram that is made or read: a compressed frame with all that surrounds it.
    let capacity = 2048

    /// Behind such a number all keys are renewed.
    let lastSeqno = 1u <<< 30

    let internal packetCipher (key: PacketKey) : PacketCipher voption =
        match struct (key.Algorithms.Cipher, PacketKey.blockCipher key) with
        | struct (ValueSome cipher, ValueSome block) ->
            let iv = key.Material[cipher.KeyLength ..]
            ValueSome(PacketCipher(cipher.Mode, block, iv, capacity))
        | _ -> ValueNone

    let internal mac (key: PacketKey) : Mac voption =
        match key.Algorithms.Digest with
        | ValueSome digest when key.Algorithms.MacLength > 0 -> ValueSome(Digest.mac digest key.Material)
        | _ -> ValueNone

/// Seals what we send to a legacy node, under the key that it gave us. Owned by one thread; allocates nothing per datagram.
[<Sealed>]
type OutboundKey(key: PacketKey) =
    let cipher = LegacyDatagram.packetCipher key
    let mac = LegacyDatagram.mac key
    let macLength = if mac.IsSome then key.Algorithms.MacLength else 0
    let tag = Array.zeroCreate<byte> Digest.maxSize
    let mutable seqno = 0u

    let sealedLength (length: int) =
        match cipher with
        | ValueSome cipher -> cipher.SealedLength length
        | ValueNone -> length

    /// Length of the datagram for a frame, compressed or not, of so many bytes.
    member _.DatagramLength(frameLength: int) : int = sealedLength (LegacyDatagram.SeqnoSize + frameLength) + macLength

    /// The level at which its receiver wants every frame compressed; 0 for none.
    member _.Compression: int = key.Compression

    /// The number that the last datagram bore.
    member _.Seqno: uint32 = seqno

    /// Seals a frame into the first `DatagramLength` bytes of `target`.
    member _.Seal(frame: ReadOnlySpan<byte>, target: Span<byte>) : unit =
        seqno <- seqno + 1u
        BinaryPrimitives.WriteUInt32BigEndian(target, seqno)
        frame.CopyTo(target.Slice LegacyDatagram.SeqnoSize)
        let plainLength = LegacyDatagram.SeqnoSize + frame.Length

        match cipher with
        | ValueSome cipher -> cipher.Encrypt(target, plainLength)
        | ValueNone -> ()

        match mac with
        | ValueSome mac ->
            let bodyLength = sealedLength plainLength
            mac.Compute(Span.op_Implicit (target.Slice(0, bodyLength)), Span tag)
            tag.AsSpan(0, macLength).CopyTo(target.Slice bodyLength)
        | ValueNone -> ()

    member _.Wipe() : unit =
        match cipher with
        | ValueSome cipher -> cipher.Wipe()
        | ValueNone -> ()

/// Opens what a legacy node sends us, under the key that we gave it. `replayWindow` is in bytes. Owned by one thread; allocates
/// nothing per datagram.
[<Sealed>]
type InboundKey(key: PacketKey, replayWindow: int) =
    let cipher = LegacyDatagram.packetCipher key
    let mac = LegacyDatagram.mac key
    let macLength = if mac.IsSome then key.Algorithms.MacLength else 0
    let tag = Array.zeroCreate<byte> Digest.maxSize
    let window = ReplayWindow(replayWindow, 1u, false)
    let mutable lastSeqno = 0u
    let mutable lastVerdict = Verdict.Accepted
    let mutable lastBefore = 0L

    let verify (datagram: Span<byte>) =
        match mac with
        | ValueNone -> true
        | ValueSome mac ->
            let bodyLength = datagram.Length - macLength
            mac.Compute(Span.op_Implicit (datagram.Slice(0, bodyLength)), Span tag)

            CryptographicOperations.FixedTimeEquals(
                ReadOnlySpan(tag, 0, macLength),
                Span.op_Implicit (datagram.Slice bodyLength)
            )

    /// The level at which every frame is compressed; 0 for none.
    member _.Compression: int = key.Compression

    /// Datagrams show whose they are. Without a MAC any datagram would do.
    member _.IsAuthenticated: bool = macLength > 0

    /// Keys should be renewed soon.
    member _.IsWornOut: bool = window.Next > int64 LegacyDatagram.lastSeqno

    /// Is this datagram from the node that has the key? Changes nothing.
    member _.Verifies(datagram: Span<byte>) : bool =
        macLength > 0
        && datagram.Length >= LegacyDatagram.SeqnoSize + macLength
        && datagram.Length <= LegacyDatagram.capacity
        && verify datagram

    /// Opens a datagram in place. When it is `Opened`, the frame, compressed if we asked for that, is the `length` bytes at
    /// `LegacyDatagram.SeqnoSize`. The MAC is checked first, then the padding, then the number.
    member _.Open(datagram: Span<byte>, length: byref<int>) : LegacyResult =
        length <- 0

        if datagram.Length < LegacyDatagram.SeqnoSize + macLength || datagram.Length > LegacyDatagram.capacity then
            LegacyResult.TooShort
        elif not (verify datagram) then
            LegacyResult.BadMac
        else
            let body = datagram.Slice(0, datagram.Length - macLength)

            let plainLength =
                match cipher with
                | ValueSome cipher -> cipher.Decrypt body
                | ValueNone -> body.Length

            if plainLength < LegacyDatagram.SeqnoSize then
                LegacyResult.BadCipher
            else
                lastSeqno <- BinaryPrimitives.ReadUInt32BigEndian(Span.op_Implicit body)
                lastBefore <- window.Next - 1L
                lastVerdict <- window.Accept lastSeqno

                match lastVerdict with
                | Verdict.Late -> LegacyResult.Replayed
                | Verdict.FarFuture -> LegacyResult.FarFuture
                | _ ->
                    length <- plainLength - LegacyDatagram.SeqnoSize
                    LegacyResult.Opened

    /// What stock daemons say about the number of the datagram opened last; `from` is `NAME (HOST)`. Empty if nothing (spec 08 §14).
    member _.Message(from: string) : string =
        let ahead = (int64 lastSeqno - lastBefore - 1L).ToString()

        match lastVerdict with
        | Verdict.AcceptedAfterJump -> "Lost " + ahead + " packets from " + from
        | Verdict.FarFuture ->
            "Packet from "
            + from
            + " is "
            + ahead
            + " seqs in the future, dropped ("
            + window.Far.ToString()
            + ")"
        | Verdict.Late ->
            "Got late or replayed packet from "
            + from
            + ", seqno "
            + lastSeqno.ToString()
            + ", last received "
            + lastBefore.ToString()
        | _ -> ""

    member _.Wipe() : unit =
        match cipher with
        | ValueSome cipher -> cipher.Wipe()
        | ValueNone -> ()
