/// Finds the largest packet that reaches a peer by UDP, by probing (spec 03 §15, as the newest stock 1.1 does it).
module TincPure.Tunnel.PathMtu

open TincPure.Primitives

/// Largest frame: 1500 bytes of payload, Ethernet header and VLAN tag (spec 03 §1).
[<Literal>]
let maximum = 1518

/// No path is expected to carry less (spec 03 §1).
[<Literal>]
let minimum = 512

/// Shortest probe that is sent: a ping (spec 03 §6).
[<Literal>]
let shortestProbe = 18

/// What the search for one peer goes by.
type Settings =
    {
        /// `NAME (HOST)`, as logs show it.
        Label: string
        /// Both ends have PMTUDiscovery; without it nothing is ever probed.
        Enabled: bool
        /// Seconds between two looks at a path whose MTU is known.
        PingInterval: int
        /// The PMTU option, or `maximum`: an upper bound for everything found or told.
        Limit: int
    }

/// Where the search stands.
type Phase =
    /// Nothing was tried since the last reset.
    | Fresh
    /// The host was asked what the kernel knows of the path.
    | Asking
    /// So many probes were sent, 1 to 20.
    | Searching of probes: int
    /// The MTU is known; so many probes that should confirm it went unanswered, 0 to 3.
    | Settled of missed: int
    /// Nothing that is worth using got through. To be tried again after a while.
    | Resting

/// What we know of the path to one peer. Sizes are frame lengths, Ethernet header included.
type State =
    {
        Phase: Phase
        /// What the router fragments to and announces.
        Mtu: int
        /// The largest size known to get through: data up to this size may go by UDP.
        MinMtu: int
        /// The largest size that may get through.
        MaxMtu: int
        /// The largest probe sent since the last reset: nobody can honestly confirm more.
        LargestSent: int
        /// The last probe, as long as a refusal of it by our own socket is worth one more try in the same round.
        Retry: int voption
        /// When the search last went a step.
        LastStep: Instant
    }

/// What a packet is wrapped in on its way (spec 03 §3, §4).
type Overhead =
    | SptpsOverhead of withIds: bool
    | LegacyOverhead of macLength: int * cipherBlock: int

type Input =
    /// The peer is being maintained (spec 03 §9). `udpUsable`: UDP is confirmed, or UDPDiscovery is off.
    | Maintain of udpUsable: bool
    /// A probe of this length arrived at the peer.
    | Reply of length: int
    /// Our own socket refused a packet that carried so much.
    | TooBig of size: int
    /// The peer moved, UDP timed out, or its reachability changed.
    | Reset
    /// The kernel's path MTU, IP header included, in answer to `AskInitialMaximum`.
    | KernelMtu of mtu: Result<int, string> * isV6: bool * overhead: Overhead
    /// MTU_INFO named this value (spec 03 §17.2).
    | Provisional of mtu: int

type Output =
    | SendProbe of size: int
    | AskInitialMaximum
    /// What the forwarding table says of the peer is no longer so.
    | MtuChanged of mtu: int * minMtu: int
    | Log of LogLine

let private log text = Log { Level = DebugLevel.traffic; Priority = Priority.Info; Text = text }

let private logError text = Log { Level = DebugLevel.traffic; Priority = Priority.Error; Text = text }

/// A peer that we never probed.
let initial (settings: Settings) : State =
    { Phase = Fresh
      Mtu = settings.Limit
      MinMtu = 0
      MaxMtu = settings.Limit
      LargestSent = 0
      Retry = ValueNone
      LastStep = Instant.never }

/// The counter by which tinc knows these phases (`mtuprobes`, spec 03 §15.1).
let probeCount (phase: Phase) : int =
    match phase with
    | Fresh
    | Asking -> 0
    | Searching probes -> probes
    | Settled missed -> -1 - missed
    | Resting -> 20

/// Both ends of the search, as `MinMtu` and `MaxMtu`, with so many probes sent: the next probe's length. A cycle of 8 goes
/// along a curve that spends most of its probes near the top, where real links live (spec 03 §15.2).
let probeSize (floor: int) (minMtu: int) (maxMtu: int) (probes: int) : int =
    let low = max minMtu floor
    let interval = maxMtu - low

    if interval <= 0 then
        max low shortestProbe
    else
        let position = float (7 - probes % 8)
        let multiplier = if maxMtu = maximum then 0.97 else 1.0
        let offset = System.Math.Pow(float interval, multiplier * position / 7.0)
        max (low + int (System.Math.Round(offset, System.MidpointRounding.AwayFromZero))) shortestProbe

/// What of the kernel's path MTU is left for a frame, `maximum` at most (spec 03 §15.6).
let ofKernelMtu (isV6: bool) (overhead: Overhead) (kernel: int) : int =
    let payload = kernel - (if isV6 then 40 else 20) - 8

    let frame =
        match overhead with
        | SptpsOverhead withIds -> payload - 21 - (if withIds then 12 else 0)
        | LegacyOverhead(macLength, block) ->
            let sealed' = payload - macLength
            (if block > 1 then sealed' / block * block - 1 else sealed') - 4

    min frame maximum

let private floorOf settings = min minimum settings.Limit

let private interval settings (state: State) : int64 =
    match state.Phase with
    | Fresh -> 0L
    | Asking
    | Searching _ -> 333_333L
    | Settled 0
    | Resting -> int64 settings.PingInterval * Instant.second
    | Settled _ -> Instant.second

/// When maintenance would next do something.
let nextDue (settings: Settings) (udpUsable: bool) (state: State) : Instant =
    if not (settings.Enabled && udpUsable) then
        Instant.distant
    else
        Instant.add (interval settings state) state.LastStep

let private forget settings state =
    { state with
        Phase = Fresh
        MinMtu = 0
        MaxMtu = settings.Limit
        LargestSent = 0
        Retry = ValueNone }

/// Ends the search when its ends have met or it took too long (spec 03 §15.3). A search that found nothing settles nothing:
/// the router must not be told an MTU of 0.
let private tryFix settings (state: State) : struct (State * Output list) =
    let found = min state.MinMtu state.MaxMtu

    match state.Phase with
    | Settled _
    | Resting -> struct (state, [])
    | phase when probeCount phase < 20 && state.MinMtu < state.MaxMtu -> struct (state, [])
    | _ when found < floorOf settings -> struct ({ state with Phase = Resting }, [])
    | phase ->
        let text =
            "Fixing MTU of "
            + settings.Label
            + " to "
            + found.ToString()
            + " after "
            + (probeCount phase).ToString()
            + " probes"

        struct ({ state with Phase = Settled 0; MinMtu = found; MaxMtu = found; Mtu = found }, [ log text ])

let private sendProbe settings size (state: State) : struct (State * Output list) =
    let text = "Sending UDP probe length " + size.ToString() + " to " + settings.Label

    struct ({ state with LargestSent = max state.LargestSent size }, [ log text; SendProbe size ])

let private search settings probes (state: State) : struct (State * Output list) =
    let size = probeSize (floorOf settings) state.MinMtu state.MaxMtu probes |> min settings.Limit

    { state with Phase = Searching(probes + 1); Retry = ValueSome size } |> sendProbe settings size

let private ask settings (state: State) : struct (State * Output list) =
    struct ({ state with Phase = Asking; MaxMtu = settings.Limit }, [ AskInitialMaximum ])

let private confirm settings missed (state: State) : struct (State * Output list) =
    let struct (state, probe) =
        { state with Phase = Settled(missed + 1); Retry = ValueNone }
        |> sendProbe settings (max state.MaxMtu shortestProbe)

    if missed = 0 && state.MaxMtu + 1 < maximum && state.MaxMtu < settings.Limit then
        let struct (state, larger) = sendProbe settings (state.MaxMtu + 1) state
        struct (state, probe @ larger)
    else
        struct (state, probe)

let private maintain settings now (before: State) : struct (State * Output list) =
    let struct (state, fixing) = tryFix settings { before with LastStep = now }

    let struct (state, probing) =
        match before.Phase, state.Phase with
        | Resting, _
        | _, Fresh -> ask settings state
        | _, Resting -> struct (state, [])
        // The host does not answer: without its help, then.
        | _, Asking -> search settings 0 state
        | _, Searching probes -> search settings probes state
        | _, Settled missed when missed < 3 -> confirm settings missed state
        | _, Settled _ ->
            let struct (state, asking) = ask settings { state with MinMtu = 0 }

            let text = "Decrease in PMTU to " + settings.Label + " detected, restarting PMTU discovery"

            struct (state, log text :: asking)

    struct (state, fixing @ probing)

let private replied settings now length (state: State) : struct (State * Output list) =
    if length > max state.LargestSent shortestProbe then
        struct (state, [])
    elif length > state.MaxMtu then
        let text = "Increase in PMTU to " + settings.Label + " detected, restarting PMTU discovery"

        struct ({ state with
                    Phase = Searching 1
                    MinMtu = length
                    MaxMtu = settings.Limit
                    Retry = ValueNone },
                [ log text ])
    else
        let state =
            match state.Phase with
            | Settled _ when length = state.MaxMtu -> { state with Phase = Settled 0; LastStep = now }
            | _ -> state

        if state.MinMtu < length then
            tryFix settings { state with MinMtu = length }
        else
            struct (state, [])

/// Everything above what was refused is out of reach. The probe that found out is made again at once, only smaller: once,
/// so that a small local limit cannot make a burst (spec 03 §15.2 step 8, §15.5). Where stock goes down byte by byte until its
/// socket is content, we ask the kernel again, which may have learned from a router in the meantime.
let private refused settings size (state: State) : struct (State * Output list) =
    let fits = max (size - 1) (floorOf settings)

    let struct (state, fixing) =
        tryFix
            settings
            { state with
                MaxMtu = min state.MaxMtu fits
                Mtu = min state.Mtu fits
                MinMtu = min state.MinMtu fits }

    match state.Phase, state.Retry with
    | Searching probes, ValueSome probe when probe = size && fits < size ->
        let struct (state, again) = search settings (probes - 1) state
        struct ({ state with Retry = ValueNone }, fixing @ again @ [ AskInitialMaximum ])
    | _ -> struct (state, fixing)

let private kernelMtu settings answer isV6 overhead (state: State) : struct (State * Output list) =
    let size, outputs =
        match answer with
        | Error reason ->
            maximum, [ logError ("Connecting MTU assessment socket for " + settings.Label + " failed: " + reason) ]
        | Ok mtu when mtu < minimum ->
            maximum,
            [ logError ("getsockopt(IP_MTU) on " + settings.Label + " returned absurdly small value: " + mtu.ToString()) ]
        | Ok mtu ->
            match ofKernelMtu isV6 overhead mtu with
            | frame when frame = maximum -> maximum, []
            | frame ->
                frame,
                [ log ("Using system-provided maximum tinc MTU for " + settings.Label + ": " + frame.ToString()) ]

    match state.Phase with
    | Asking ->
        let struct (state, probe) = search settings 0 { state with MaxMtu = min size settings.Limit }

        struct (state, outputs @ probe)
    // Asked again after a refusal: the search begins anew below what the kernel has learned.
    | Searching _ when size < state.MaxMtu && state.MinMtu <= size ->
        let struct (state, probe) = search settings 0 { state with MaxMtu = size }

        struct (state, outputs @ probe)
    | _ -> struct (state, [])

let private provisional settings mtu (state: State) : struct (State * Output list) =
    let mtu = min mtu settings.Limit

    if mtu = state.Mtu || state.MinMtu = state.MaxMtu then
        struct (state, [])
    else
        let text = "Using provisional MTU " + mtu.ToString() + " for node " + settings.Label

        struct ({ state with Mtu = mtu }, [ log text ])

/// One step of the search. `Maintain` may come as often as it likes: the search keeps its own pace.
let step (settings: Settings) (now: Instant) (input: Input) (before: State) : struct (State * Output list) =
    let struct (state, outputs) =
        match input with
        | Maintain _ when not settings.Enabled -> struct (before, [])
        | Maintain false
        | Reset -> struct (forget settings before, [])
        | Maintain true when now < nextDue settings true before -> struct (before, [])
        | Maintain true -> maintain settings now before
        | Reply length -> replied settings now length before
        | TooBig size -> refused settings size before
        | KernelMtu(mtu, isV6, overhead) -> kernelMtu settings mtu isV6 overhead before
        | Provisional mtu -> provisional settings mtu before

    if state.Mtu = before.Mtu && state.MinMtu = before.MinMtu then
        struct (state, outputs)
    else
        struct (state, outputs @ [ MtuChanged(state.Mtu, state.MinMtu) ])
