namespace TincPure.Routing

open System
open TincPure.Primitives
open TincPure.Sptps
open TincPure.Legacy

/// No more than so many events of one kind in one second of the clock.
[<Struct>]
type internal Ration =
    val mutable private second: int64
    val mutable private taken: int

    /// One more, now?
    member this.Take(now: Instant, perSecond: int) : bool =
        let current = Instant.seconds now

        if current <> this.second then
            this.second <- current
            this.taken <- 0

        this.taken <- this.taken + 1
        this.taken <= perSecond

/// What the packet plane keeps of one peer: its session, counters, and what the control plane was told already.
[<Sealed>]
type internal PeerSession() =
    /// How long a session that was replaced goes on receiving (spec 03 §11.6).
    let graceTime = 30L * Instant.second

    let mutable session: Session | null = null
    let mutable retired: Session | null = null
    let mutable retiredUntil = Instant.never

    let mutable inbound: InboundKey | null = null
    let mutable olderInbound: InboundKey | null = null
    let mutable olderUntil = Instant.never

    /// The session that saw the last datagram.
    let mutable opener: Session | null = null

    [<DefaultValue>]
    val mutable InPackets: int64

    [<DefaultValue>]
    val mutable InBytes: int64

    [<DefaultValue>]
    val mutable OutPackets: int64

    [<DefaultValue>]
    val mutable OutBytes: int64

    /// Longest record payload that came straight from it by UDP since this was last reported.
    [<DefaultValue>]
    val mutable LargestReceived: int

    /// Datagrams whose tag did not verify since one whose tag did.
    [<DefaultValue>]
    val mutable BadTags: int

    /// When the first of them came.
    [<DefaultValue>]
    val mutable BadTagsSince: Instant

    /// Punts of each kind are rationed, so that a flood costs little.
    [<DefaultValue>]
    val mutable Failures: Ration

    [<DefaultValue>]
    val mutable Moves: Ration

    [<DefaultValue>]
    val mutable Detours: Ration

    [<DefaultValue>]
    val mutable Relays: Ration

    [<DefaultValue>]
    val mutable WornOut: Ration

    [<DefaultValue>]
    val mutable Notes: Ration

    /// The second in which `LargestReceived` began, in the receiving half.
    [<DefaultValue>]
    val mutable LargestSince: int64

    /// The `MaintenanceDue` that was punted last, in microseconds.
    member val MaintainedAt = Int64.MinValue with get, set

    /// The session that seals.
    member _.Session = session

    member _.CanReceive = not (isNull session && isNull retired)

    /// What seals for a legacy node, once it has given us a key.
    member val Outbound: OutboundKey | null = null with get, set

    /// What opens the datagrams of a legacy node.
    member _.Inbound = inbound

    /// Another key for a legacy node. The one before it opens what is still on its way for some seconds.
    member _.GiveLegacyKey(fresh: InboundKey, now: Instant) : unit =
        olderInbound <- inbound
        olderUntil <- Instant.add Session.PreviousKeyLifetime now
        inbound <- fresh

    member _.DropLegacyReceiveKey() : unit =
        match inbound with
        | null -> ()
        | inbound -> inbound.Wipe()

        inbound <- null
        olderInbound <- null

    member this.DropLegacySendKey() : unit =
        match this.Outbound with
        | null -> ()
        | outbound -> outbound.Wipe()

        this.Outbound <- null

    /// Is this a datagram of the legacy node? Changes nothing.
    member _.VerifiesLegacy(datagram: Span<byte>, now: Instant) : bool =
        (match inbound with
         | null -> false
         | inbound -> inbound.Verifies datagram)
        || (match olderInbound with
            | null -> false
            | older -> now.Microseconds < olderUntil.Microseconds && older.Verifies datagram)

    /// Opens a datagram of a legacy node in place with the key that it has, or with the one before it while its time lasts.
    member _.OpenLegacy(datagram: Span<byte>, now: Instant, length: byref<int>) : LegacyResult =
        match struct (inbound, olderInbound) with
        | struct (null, _) -> LegacyResult.BadMac
        | struct (inbound, null) -> inbound.Open(datagram, &length)
        | struct (_, older) when now.Microseconds < olderUntil.Microseconds && older.Verifies datagram ->
            older.Open(datagram, &length)
        | struct (inbound, older) ->
            if now.Microseconds >= olderUntil.Microseconds then
                older.Wipe()
                olderInbound <- null

            inbound.Open(datagram, &length)

    member this.CountIn(length: int) : unit =
        this.InPackets <- this.InPackets + 1L
        this.InBytes <- this.InBytes + int64 length

    member this.CountOut(length: int) : unit =
        this.OutPackets <- this.OutPackets + 1L
        this.OutBytes <- this.OutBytes + int64 length

    /// A record payload of this length came straight from it by UDP; true if none of this second was longer.
    member this.NoteReceived(length: int, second: int64) : bool =
        if second <> this.LargestSince then
            this.LargestSince <- second
            this.LargestReceived <- 0

        length > this.LargestReceived
        && (this.LargestReceived <- length
            true)

    member this.TakeLargestReceived() : int =
        let largest = this.LargestReceived
        this.LargestReceived <- 0
        largest

    member private _.Forget(older: Session | null) : unit =
        match older with
        | null -> ()
        | older -> older.Wipe()

    /// The session seals no more; it goes on receiving for a while in place of the one that did so until now.
    member this.Retire(now: Instant) : unit =
        if not (isNull session) then
            this.Forget retired
            retired <- session
            retiredUntil <- Instant.add graceTime now
            session <- null

    member this.Start(fresh: Session, now: Instant) : unit =
        this.Retire now
        this.BadTags <- 0
        session <- fresh

    member this.Drop() : unit =
        this.Forget session
        this.Forget retired
        session <- null
        retired <- null
        opener <- null
        this.BadTags <- 0

    /// What there is to say of the number of the datagram opened last, usually nothing (spec 03 §13).
    member _.LastMessage: string =
        match opener with
        | null -> ""
        | opener -> opener.LastMessage

    /// Opens a datagram in place with the session, or with the one before it while its time lasts; the first that the
    /// session itself opens ends that time. When it is `Opened`, its data are `length` bytes at `Record.DataOffset`.
    member this.Open(datagram: Span<byte>, now: Instant, recordType: byref<byte>, length: byref<int>) : OpenResult =
        let first =
            match session with
            | null -> OpenResult.BadTag
            | session ->
                session.ExpirePreviousKey now
                session.Open(datagram, &recordType, &length)

        if not (obj.ReferenceEquals(opener, session)) then
            opener <- session

        match retired with
        | null -> first
        | older when first = OpenResult.Opened || now.Microseconds >= retiredUntil.Microseconds ->
            older.Wipe()
            retired <- null
            first
        | older when first = OpenResult.BadTag ->
            opener <- older
            older.Open(datagram, &recordType, &length)
        | _ -> first
