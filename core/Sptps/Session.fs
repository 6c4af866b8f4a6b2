namespace TincPure.Sptps

open System
open System.Buffers.Binary
open System.Runtime.InteropServices
open System.Security.Cryptography
open TincPure.Crypto
open TincPure.Primitives

type OpenResult =
    | Opened = 0
    | TooShort = 1
    | BadTag = 2
    /// Late, or received before.
    | Replayed = 3
    | FarFuture = 4

/// The packet plane's half of an established datagram session: seals and opens datagrams (spec 01 §8.5 and §11.3).
/// Keys come from the control plane, which holds the handshake. All receive keys share one sequence and one replay window
/// (spec 03 §11.6). Owned by one thread; allocates nothing per datagram.
[<Sealed>]
type Session(sendKey: byte[], receiveKey: byte[], replayWindow: int) =
    // KEX and SIG had numbers 0 and 1 in both directions.
    let window = ReplayWindow(replayWindow, 2u)
    let mutable nextSeqno = 2L
    // Copies, so that they can be zeroed without changing what the commands carried.
    let mutable sendKey = Array.copy sendKey
    let mutable current = Array.copy receiveKey
    let mutable offered: byte[] voption = ValueNone
    let mutable previous: byte[] voption = ValueNone
    let mutable previousUntil = Instant.never
    let mutable lastSeqno = 0u
    let mutable lastVerdict = Verdict.Accepted
    let mutable nextBeforeLast = 2L

    let wipe (key: byte[] voption) =
        match key with
        | ValueSome key -> CryptographicOperations.ZeroMemory(Span key)
        | ValueNone -> ()

    let openWith (key: byte[] voption) (seqno: uint32) (sealed': Span<byte>) =
        match key with
        | ValueSome key -> ChaChaPoly.tryOpen (ReadOnlySpan key) (uint64 seqno) (Span.op_Implicit sealed') sealed'
        | ValueNone -> false

    let verifies (key: byte[] voption) (seqno: uint32) (sealed': ReadOnlySpan<byte>) =
        match key with
        | ValueSome key -> ChaChaPoly.verify (ReadOnlySpan key) (uint64 seqno) sealed'
        | ValueNone -> false

    /// How long a receive key outlives its successor's activation: datagrams that were on their way when the ACK, which
    /// may have travelled by TCP, overtook them.
    static member PreviousKeyLifetime: int64 = 10L * Instant.second

    /// Numbers from here on are not used: the last 2^16 of 2^32 are left to the handshake that replaces the session.
    static member LastDataSeqno: int64 = 0xffff0000L

    /// The number that the next datagram will bear.
    member _.NextSeqno: int64 = nextSeqno

    /// True when so many numbers are used up that the session should be replaced by a new one soon: a rekey goes on
    /// counting.
    member _.NearlyUsedUp: bool = nextSeqno > 0xf0000000L

    /// One more than the highest number received.
    member _.NextReceived: int64 = window.Next

    /// Seals data (record type, then `data`) into `target` and returns the length: `data.Length + 21`. 0, and nothing
    /// written, when the sequence numbers are used up. `data` may already be in place, at offset 5 of `target`.
    member _.Seal(recordType: byte, data: ReadOnlySpan<byte>, target: Span<byte>) : int =
        let limit = if Record.isApplication recordType then Session.LastDataSeqno else 0xffffffffL

        if nextSeqno >= limit then
            0
        else
            let plaintext = target.Slice(Record.SeqnoSize, 1 + data.Length)
            data.CopyTo(plaintext.Slice 1)
            plaintext[0] <- recordType
            BinaryPrimitives.WriteUInt32BigEndian(target, uint32 nextSeqno)

            ChaChaPoly.seal
                (ReadOnlySpan sendKey)
                (uint64 nextSeqno)
                (Span.op_Implicit plaintext)
                (target.Slice Record.SeqnoSize)

            nextSeqno <- nextSeqno + 1L
            data.Length + Record.DatagramOverhead

    /// Opens a datagram in place. When it is `Opened`, `recordType` is set and the data is the `dataLength` bytes at offset 5
    /// (`Record.DataOffset`). The tag is checked first, under the current, the offered and the previous key, then the
    /// window; a datagram with a bad tag is left as it was.
    member _.Open(datagram: Span<byte>, [<Out>] recordType: byref<byte>, [<Out>] dataLength: byref<int>) : OpenResult =
        recordType <- 0uy
        dataLength <- 0

        if datagram.Length < Record.DatagramOverhead then
            OpenResult.TooShort
        else
            let seqno = BinaryPrimitives.ReadUInt32BigEndian(Span.op_Implicit datagram)
            let sealed' = datagram.Slice Record.SeqnoSize
            lastSeqno <- seqno
            lastVerdict <- Verdict.Accepted

            if
                not (openWith (ValueSome current) seqno sealed')
                && not (openWith offered seqno sealed')
                && not (openWith previous seqno sealed')
            then
                OpenResult.BadTag
            else
                nextBeforeLast <- window.Next
                lastVerdict <- window.Accept seqno

                match lastVerdict with
                | Verdict.Late -> OpenResult.Replayed
                | Verdict.FarFuture -> OpenResult.FarFuture
                | _ ->
                    recordType <- datagram[Record.SeqnoSize]
                    dataLength <- datagram.Length - Record.DatagramOverhead
                    OpenResult.Opened

    /// What the reference says about the datagram opened last, beside its result: "Lost N packets" or why the window
    /// refused it; else empty (spec 01 §11.4).
    member _.LastMessage: string = ReplayWindow.message lastVerdict lastSeqno nextBeforeLast window.Far

    /// Would `Open` succeed? Changes nothing: for finding out whose datagram this is (spec 01 §11.3).
    member _.TryCheck(datagram: ReadOnlySpan<byte>) : bool =
        if datagram.Length < Record.DatagramOverhead then
            false
        else
            let seqno = BinaryPrimitives.ReadUInt32BigEndian datagram
            let sealed' = datagram.Slice Record.SeqnoSize

            window.Test seqno
            && (verifies (ValueSome current) seqno sealed'
                || verifies offered seqno sealed'
                || verifies previous seqno sealed')

    /// From now on seal with this key.
    member _.UseSendKey(key: byte[]) : unit =
        CryptographicOperations.ZeroMemory(Span sendKey)
        sendKey <- Array.copy key

    /// The next receive key, tried beside the current one from now on.
    member _.OfferReceiveKey(key: byte[]) : unit =
        wipe offered
        offered <- ValueSome(Array.copy key)

    /// The offered key becomes the current one, which is kept for a while as the previous one. Nothing happens if none was
    /// offered.
    member _.ActivateReceiveKey(now: Instant) : unit =
        match offered with
        | ValueNone -> ()
        | ValueSome key ->
            wipe previous
            previous <- ValueSome current
            previousUntil <- Instant.add Session.PreviousKeyLifetime now
            current <- key
            offered <- ValueNone

    /// Drops the previous receive key when its time has come.
    member _.ExpirePreviousKey(now: Instant) : unit =
        if previous.IsSome && now >= previousUntil then
            wipe previous
            previous <- ValueNone

    /// Zeroes all keys; the session is of no use any more.
    member _.Wipe() : unit =
        CryptographicOperations.ZeroMemory(Span sendKey)
        CryptographicOperations.ZeroMemory(Span current)
        wipe offered
        wipe previous
        offered <- ValueNone
        previous <- ValueNone
