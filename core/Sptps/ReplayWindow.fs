namespace TincPure.Sptps

open System

/// What becomes of an authentic datagram.
type Verdict =
    | Accepted = 0
    /// Accepted: so many datagrams far ahead have come in a row that the window jumped there.
    | AcceptedAfterJump = 1
    /// Older than the window, or received before.
    | Late = 2
    | FarFuture = 3

/// Which sequence numbers have been received (spec 01 §11.4), in 64-bit arithmetic, so that nothing special happens near
/// 2^32. Owned by one thread. `size` is in bytes, eight numbers each; without a size everything is accepted. `first` is
/// the first number expected; those before it count as received. After a jump of an SPTPS window (`forgives`) what it jumped over may
/// still come; a legacy window counts all of it as received, and calls numbers far that are one nearer (spec 01 §15.6).
[<Sealed>]
type ReplayWindow(size: int, first: uint32, forgives: bool) =
    let ring = Array.zeroCreate<byte>(max 0 size)
    let span = 8L * int64 ring.Length
    let mutable next = int64 first
    let mutable far = 0

    // A set bit says: not yet received.

    let isMissing (seqno: int64) = ring[int ((seqno >>> 3) % int64 ring.Length)] &&& (1uy <<< int (seqno &&& 7L)) <> 0uy

    let setMissing (seqno: int64) =
        let index = int ((seqno >>> 3) % int64 ring.Length)
        ring[index] <- ring[index] ||| (1uy <<< int (seqno &&& 7L))

    let setReceived (seqno: int64) =
        let index = int ((seqno >>> 3) % int64 ring.Length)
        ring[index] <- ring[index] &&& ~~~(1uy <<< int (seqno &&& 7L))

    let judge (seqno: int64) =
        if ring.Length = 0 || seqno = next then
            Verdict.Accepted
        elif seqno >= next + span - (if forgives then 0L else 1L) then
            if far < ring.Length / 4 then Verdict.FarFuture else Verdict.AcceptedAfterJump
        elif seqno < next && (seqno < next - span || not (isMissing seqno)) then
            Verdict.Late
        else
            Verdict.Accepted

    /// A window of SPTPS.
    new(size, first) = ReplayWindow(size, first, true)

    /// One more than the highest number accepted.
    member _.Next: int64 = next

    /// How many datagrams in a row were dropped for being far ahead.
    member _.Far: int = far

    /// The whole ring: number q is bit q mod 8 of byte (q div 8) mod size; a set bit has not been received.
    member _.Ring: ReadOnlySpan<byte> = ReadOnlySpan ring

    /// Would a datagram with this number be accepted? Changes nothing.
    member _.Test(seqno: uint32) : bool =
        match judge (int64 seqno) with
        | Verdict.Accepted
        | Verdict.AcceptedAfterJump -> true
        | _ -> false

    /// Judges the number of an authentic datagram and remembers it.
    member _.Accept(seqno: uint32) : Verdict =
        let seqno = int64 seqno
        let verdict = judge seqno

        match verdict with
        | Verdict.Late -> ()
        | Verdict.FarFuture -> far <- far + 1
        | _ ->
            if ring.Length > 0 then
                if verdict = Verdict.AcceptedAfterJump then
                    Array.Fill(ring, (if forgives then 255uy else 0uy))
                else
                    for missed in next .. seqno - 1L do
                        setMissing missed

                setReceived seqno
                far <- 0

            next <- max next (seqno + 1L)

        verdict

module ReplayWindow =

    /// Numbers that the window remembers when nothing is configured, in bytes (spec 01 §11.4 and §18).
    let defaultSize = 16

    /// What the reference says about a verdict (spec 01 §11.4), empty if nothing. `next` is the window's from before the
    /// datagram, `far` from after it.
    let message (verdict: Verdict) (seqno: uint32) (next: int64) (far: int) : string =
        match verdict with
        | Verdict.AcceptedAfterJump -> "Lost " + (int64 seqno - next).ToString() + " packets"
        | Verdict.Late ->
            "Received late or replayed packet, seqno " + seqno.ToString() + ", last received " + next.ToString()
        | Verdict.FarFuture ->
            "Packet is "
            + (int64 seqno - next).ToString()
            + " seqs in the future, dropped ("
            + far.ToString()
            + ")"
        | _ -> ""
