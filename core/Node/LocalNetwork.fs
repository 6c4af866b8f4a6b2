/// The machine's own network has changed: what failed may work now, and what works may not, so that neither the pauses
/// between attempts nor those between PINGs are waited for.
module TincPure.Node.LocalNetwork

open TincPure.Primitives

/// Changes come in swarms: a link goes up, gets addresses, routes. The first try waits until most of it is over.
let private settling = 300L * Instant.millisecond

/// An interface that comes and goes all the time must not make us hammer the mesh.
let private pause = 5

let private setTimers (turn: Turn) (change: Timers -> Timers) =
    turn.Node <- { turn.Node with Timers = change turn.Node.Timers }

/// Of our own device we know what there is to know.
let changed (turn: Turn) (interfaceName: string) : unit =
    let timers = turn.Node.Timers

    if
        timers.Network = Instant.distant
        && (interfaceName = "" || turn.Node.Launch.Interface <> ValueSome interfaceName)
    then
        let at = max (Instant.add settling turn.Now) (Instant.addSeconds pause timers.LastNetwork)

        setTimers turn (fun timers -> { timers with Network = at })

/// Connections may be dead without knowing: a PING tells.
let private pingAll (turn: Turn) =
    for connection, _ in Wire.established turn do
        if not connection.PingSent then
            Measure.ping turn { connection with PingSent = true; Clock = turn.Now } ValueNone |> ignore

let tryAgain (turn: Turn) : unit =
    turn.Log(DebugLevel.connections, Priority.Notice, "The local network has changed, trying everything again")
    setTimers turn (fun timers -> { timers with Network = Instant.distant; LastNetwork = turn.Now })
    pingAll turn
    Keepalive.retry turn
