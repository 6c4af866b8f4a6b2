/// Changes the keys of an established data session (spec 03 §11.7). Records of this handshake take the meta connections
/// while data goes by UDP and may overtake them; no datagram shall be lost for that.
module TincPure.Tunnel.KeyChange

open TincPure.Primitives
open TincPure.Sptps

type State =
    {
        Handshake: Handshake.State
        /// The responder's ACK, and its change to the new key, wait for the ACK of the initiator: until then nobody knows
        /// whether the responder's SIG has arrived, and without it the initiator lacks the key.
        Held: Handshake.Output list
        /// When the last record came or the change was begun.
        At: Instant
    }

/// A session that was just established.
let ofHandshake (now: Instant) (handshake: Handshake.State) : State = { Handshake = handshake; Held = []; At = now }

let private isAck (output: Handshake.Output) =
    match output with
    | Handshake.Send body -> body.Length = 0
    | Handshake.UseSendKey _ -> true
    | _ -> false

/// Takes the body of a handshake record. `random` is 64 secret random bytes.
let receive (now: Instant) (random: byte[]) (body: byte[]) (state: State) : struct (State * Handshake.Output list) =
    let struct (handshake, outputs) = Handshake.receive random body state.Handshake

    let state = { state with Handshake = handshake; At = now }

    if handshake.Phase = Handshake.Established then
        struct ({ state with Held = [] }, state.Held @ outputs)
    elif handshake.Parameters.Role = Handshake.Responder then
        let held, free = List.partition isAck outputs
        struct ({ state with Held = state.Held @ held }, free)
    else
        struct (state, outputs)

/// Begins a change. `random` is 64 secret random bytes. An error if one is under way.
let force (now: Instant) (random: byte[]) (state: State) : Result<struct (State * Handshake.Output list), Error> =
    Handshake.forceRekey random state.Handshake
    |> Result.map (fun struct (handshake, outputs) -> struct ({ state with Handshake = handshake; At = now }, outputs))
