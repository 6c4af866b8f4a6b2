namespace TincPure.Routing

open TincPure.Primitives
open TincPure.Sptps
open TincPure.Legacy

/// Datagrams that came to nothing: told to the control plane and the log, a few times a second, so that a flood of them
/// costs little (spec 03 §10, §11.6, §23).
[<Sealed>]
type internal Failures(plane: Plane) =
    let perSecond = 4
    let mutable strangers = Ration()

    let tell (peer: int) (carrier: Carrier voption) (failure: OpenFailure) (priority: Priority) (text: string) =
        plane.Log(DebugLevel.traffic, priority, text)
        plane.Outbox.Punt(OpenFailed(peer, carrier, failure))

    /// No node could be found that sealed it.
    member _.Stranger(source: Endpoint, length: int) : unit =
        plane.Drops.Add DropCause.Stranger

        if strangers.Take(plane.Now, perSecond) then
            plane.Outbox.Punt(UnknownSource(source, length))

    /// Why a datagram was not opened.
    member _.Count(result: OpenResult) : unit =
        match result with
        | OpenResult.TooShort -> plane.Drops.Add DropCause.Short
        | OpenResult.BadTag -> plane.Drops.Add DropCause.BadTag
        | _ -> plane.Drops.Add DropCause.Replayed

    /// No session of the peer opened it.
    member this.Unopened(peer: int, carrier: Carrier voption, result: OpenResult) : unit =
        this.Count result
        let state = plane.State peer

        if result = OpenResult.BadTag && state.CanReceive then
            if state.BadTags = 0 then
                state.BadTagsSince <- plane.Now

            state.BadTags <- state.BadTags + 1

        if state.Failures.Take(plane.Now, perSecond) then
            let from = " from " + plane.Peer(peer).Label

            match result with
            | OpenResult.BadTag when not state.CanReceive ->
                tell peer carrier NoSession Priority.Debug ("Got packet" + from + " but we haven't exchanged keys yet")
            | OpenResult.BadTag ->
                let failure = BadTag(state.BadTags, state.BadTagsSince)
                tell peer carrier failure Priority.Error ("Failed to decrypt and verify packet" + from)
            | OpenResult.TooShort -> tell peer carrier TooShort Priority.Error ("Received short packet" + from)
            | _ -> tell peer carrier Replayed Priority.Error (state.LastMessage + from)

    /// A datagram of a legacy node came to nothing.
    member _.Legacy(peer: int, result: LegacyResult) : unit =
        match result with
        | LegacyResult.TooShort -> plane.Drops.Add DropCause.Short
        | LegacyResult.BadMac
        | LegacyResult.BadCipher -> plane.Drops.Add DropCause.BadTag
        | _ -> plane.Drops.Add DropCause.Replayed

        let state = plane.State peer

        if plane.Shows DebugLevel.traffic && state.Failures.Take(plane.Now, perSecond) then
            let label = plane.Peer(peer).Label

            let debug text = plane.Log(DebugLevel.traffic, Priority.Debug, text)

            match state.Inbound with
            | null -> debug ("Got packet from " + label + " but he hasn't got our key yet")
            | inbound ->
                match result with
                | LegacyResult.TooShort -> debug ("Got too short packet from " + label)
                | LegacyResult.BadMac -> debug ("Got unauthenticated packet from " + label)
                | LegacyResult.BadCipher -> debug ("Error decrypting packet from " + label)
                | _ -> plane.Log(DebugLevel.traffic, Priority.Warning, inbound.Message label)

    /// It is authentic, but what is in it makes no sense.
    member _.Senseless(peer: int, carrier: Carrier voption, level: int, priority: Priority, text: string) : unit =
        plane.Drops.Add DropCause.Senseless

        if plane.State(peer).Failures.Take(plane.Now, perSecond) then
            plane.Log(level, priority, text)
            plane.Outbox.Punt(OpenFailed(peer, carrier, BadPayload text))
