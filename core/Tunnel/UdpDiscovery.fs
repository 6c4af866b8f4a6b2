/// Finds out whether a peer can be reached by UDP, and at which of its addresses, by pings that are cheap enough to go on
/// for ever; they also keep NATs and firewalls open (spec 03 §8, §14).
module TincPure.Tunnel.UdpDiscovery

open TincPure.Primitives

/// Seconds, each of them an option of the same name.
type Settings =
    {
        /// `NAME (HOST)`, as logs show it.
        Label: string
        /// UDPDiscovery. Off: nothing is pinged, and nothing times out.
        Enabled: bool
        /// Between pings while UDP is not confirmed.
        Interval: int
        /// Between pings while it is.
        KeepaliveInterval: int
        /// Without any reply for so long, UDP is given up.
        Timeout: int
        LocalDiscovery: bool
        /// Protocol minor version of the peer: from 3 on it understands unasked-for replies.
        PeerMinor: int
    }

/// The protocol's name for a reply: copied request, or a short one that states a length (spec 03 §6).
type ReplyKind =
    | Echo
    | Statement

type State =
    {
        /// A reply has come since the address was last set.
        Confirmed: bool
        LastPing: Instant
        /// A ping is out whose reply would tell the round-trip time.
        PingInFlight: bool
        /// Microseconds.
        RoundTrip: int64 voption
        /// How the last pings ended, newest in the lowest bit, 1 for an answer; and how many those are.
        Outcomes: uint32
        Ended: int
        LastGratuitous: Instant
        /// Longest record payload that the peer got through to us and that we have not told it of yet.
        LargestReceived: int
        /// When UDP is given up unless a reply comes first.
        Deadline: Instant
        /// Counts the sends while unconfirmed: every third goes to the node's own address.
        Turn: int
    }

type Input =
    /// The peer is being maintained (spec 03 §9). `largestReceived`: longest record payload that came from it by UDP since
    /// the last maintenance, 0 if none. `hasEdge`: the graph reaches it by an edge of somebody else's or ours.
    | Maintain of largestReceived: int * hasEdge: bool
    | ReplyReceived of kind: ReplyKind * length: int
    /// The peer has another address now, which proves itself before it is used.
    | AddressSet
    /// Reachability changed.
    | Reset
    /// The time may have come that `deadline` names.
    | TimeoutCheck

type Output =
    /// A request of the shortest length, to the address that `choose` gives.
    | SendPing of local: bool
    /// A reply that nobody asked for: keeps the peer from probing and from giving up.
    | SendGratuitous of length: int
    /// UDP works, at the address that the reply came from.
    | Confirmed
    /// UDP works no longer: the path MTU has to be reset.
    | TimedOut
    | Log of LogLine

let initial: State =
    { Confirmed = false
      LastPing = Instant.never
      PingInFlight = false
      RoundTrip = ValueNone
      Outcomes = 0u
      Ended = 0
      LastGratuitous = Instant.never
      LargestReceived = 0
      Deadline = Instant.distant
      Turn = 0 }

let private log text = Log { Level = DebugLevel.traffic; Priority = Priority.Info; Text = text }

let private seconds count = int64 count * Instant.second

let private pingDue settings (state: State) =
    let interval = if state.Confirmed then settings.KeepaliveInterval else settings.Interval

    Instant.add (seconds interval) state.LastPing

/// Gratuitous replies come a second before the peer would ask (spec 03 §14.1).
let private gratuitousDue settings (state: State) =
    if settings.PeerMinor >= 3 && state.Confirmed then
        Instant.add (seconds (settings.KeepaliveInterval - 1)) state.LastGratuitous
    else
        Instant.distant

/// When maintenance would next do something.
let nextDue (settings: Settings) (state: State) : Instant =
    if settings.Enabled then
        min (pingDue settings state) (gratuitousDue settings state)
    else
        Instant.distant

/// When `TimeoutCheck` would next do something.
let deadline (state: State) : Instant = state.Deadline

let private reassure settings now (state: State) : struct (State * Output list) =
    if now < gratuitousDue settings state then
        struct (state, [])
    else
        let quiet = { state with LastGratuitous = now; LargestReceived = 0 }

        if state.LargestReceived = 0 then
            struct (quiet, [])
        else
            struct (quiet, [ SendGratuitous state.LargestReceived ])

/// Pings whose end is remembered.
[<Literal>]
let private window = 32

let private ended (answered: bool) (state: State) =
    { state with
        Outcomes = (state.Outcomes <<< 1) ||| (if answered then 1u else 0u)
        Ended = min window (state.Ended + 1) }

/// How many of the last 32 pings have ended, and how many of those were answered. One ends by its answer or when the next is sent.
let outcomes (state: State) : struct (int * int) =
    struct (state.Ended, System.Numerics.BitOperations.PopCount state.Outcomes)

let private ping settings now hasEdge (state: State) : struct (State * Output list) =
    if now < pingDue settings state then
        struct (state, [])
    else
        let text = "Sending UDP probe length " + PathMtu.shortestProbe.ToString() + " to " + settings.Label

        let near = settings.LocalDiscovery && not state.Confirmed && hasEdge

        let state = if state.PingInFlight then ended false state else state

        struct ({ state with LastPing = now; PingInFlight = true },
                [ log text
                  SendPing false
                  if near then
                      log text
                      SendPing true ])

let private replied settings now kind (length: int) (state: State) : struct (State * Output list) =
    let roundTrip = Instant.between state.LastPing now

    // The replies to other probes say nothing of the ping.
    let isTimed = state.PingInFlight && length = PathMtu.shortestProbe

    let text =
        "Got type "
        + (match kind with
           | Echo -> "1"
           | Statement -> "2")
        + " UDP probe reply "
        + length.ToString()
        + " from "
        + settings.Label
        + (if isTimed then
               " rtt=" + (roundTrip / 1000L).ToString() + "." + (roundTrip % 1000L).ToString("000")
           else
               "")

    let state = if isTimed then ended true state else state

    struct ({ state with
                Confirmed = true
                PingInFlight = state.PingInFlight && not isTimed
                RoundTrip = if isTimed then ValueSome roundTrip else state.RoundTrip
                Deadline =
                    if settings.Enabled then
                        Instant.add (seconds settings.Timeout) now
                    else
                        Instant.distant },
            [ log text
              if not state.Confirmed then
                  Confirmed ])

let private unconfirmed (state: State) =
    { state with
        Confirmed = false
        LargestReceived = 0
        Deadline = Instant.distant }

/// One step. `Maintain` may come as often as it likes: discovery keeps its own pace.
let step (settings: Settings) (now: Instant) (input: Input) (state: State) : struct (State * Output list) =
    match input with
    | Maintain _ when not settings.Enabled -> struct (state, [])
    | Maintain(largestReceived, hasEdge) ->
        let struct (state, reassuring) =
            reassure settings now { state with LargestReceived = max state.LargestReceived largestReceived }

        let struct (state, pinging) = ping settings now hasEdge state
        struct (state, reassuring @ pinging)
    | ReplyReceived(kind, length) -> replied settings now kind length state
    | AddressSet -> struct (unconfirmed state, [])
    // The round-trip time of an earlier life says nothing, and the first ping of the new one need not wait.
    | Reset -> struct ({ initial with Turn = state.Turn }, [])
    | TimeoutCheck when state.Confirmed && now >= state.Deadline ->
        let text =
            "Too much time has elapsed since last UDP ping response from "
            + settings.Label
            + ", stopping UDP communication"

        struct ({ unconfirmed state with RoundTrip = ValueNone }, [ log text; TimedOut ])
    | TimeoutCheck -> struct (state, [])

/// Where a peer may be.
[<Struct>]
type Candidates =
    {
        /// The node's own address, as last set.
        Known: Endpoint voption
        /// How its neighbours see it: addresses on the reverses of its edges.
        Reverse: Endpoint array
        /// What it says of itself: local addresses on its edges.
        Local: Endpoint array
    }

let private pick (random: uint32) (from: Endpoint array) = ValueSome from[int (random % uint32 from.Length)]

/// Where the next datagram to the peer goes (spec 03 §8). An address that has proved itself is kept; else every third
/// send goes to the known address and the others to what its neighbours tell. Any number will do as `random`.
let choose (candidates: Candidates) (local: bool) (random: uint32) (state: State) : struct (State * Endpoint voption) =
    if local && candidates.Local.Length > 0 then
        struct (state, pick random candidates.Local)
    elif state.Confirmed then
        struct (state, candidates.Known)
    else
        let elsewhere = candidates.Reverse.Length > 0 && (state.Turn <> 0 || candidates.Known.IsNone)

        let target = if elsewhere then pick random candidates.Reverse else candidates.Known

        struct ({ state with Turn = (state.Turn + 1) % 3 }, target)

/// The listening socket to send from: the wished one if it is of the target's family, else the first that is (spec 03 §8).
/// `sockets` are the sockets' local addresses, by number; none when no socket is of that family.
let socketFor (sockets: Endpoint array) (wished: int) (target: Endpoint) : int voption =
    let fits (socket: Endpoint) = socket.Ip.IsV6 = target.Ip.IsV6

    if wished >= 0 && wished < sockets.Length && fits sockets[wished] then
        ValueSome wished
    else
        match Array.tryFindIndex fits sockets with
        | Some socket -> ValueSome socket
        | None -> ValueNone
