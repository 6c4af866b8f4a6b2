/// The search for a peer's address and path MTU, told anything at any time.
module TincPure.Fuzz.Discovery

open TincPure.Primitives
open TincPure.Tunnel

let private limits = [| PathMtu.maximum; 1400; 600; PathMtu.minimum; 100 |]

let private pathMtu (behaviour: Behaviour) (tape: Tape) =
    let settings: PathMtu.Settings =
        { Label = "peer (host)"
          Enabled = tape.Below 8 > 0
          PingInterval = tape.Below 100
          Limit = limits[tape.Below limits.Length] }

    let size () = if tape.Flag() then tape.Word() % 1600 else tape.Int32()
    let mutable state = PathMtu.initial settings
    let mutable now = Instant.addSeconds 1000 Instant.never
    let mutable moves = 0

    while not tape.AtEnd && moves < 400 do
        moves <- moves + 1

        let input =
            match tape.Below 9 with
            | 0
            | 1
            | 2 -> PathMtu.Maintain(tape.Below 8 > 0)
            | 3 -> PathMtu.Reply state.LargestSent
            | 4 -> PathMtu.Reply(size ())
            | 5 -> PathMtu.TooBig(size ())
            | 6 ->
                PathMtu.KernelMtu(
                    (if tape.Below 4 = 0 then Error "no" else Ok(size ())),
                    tape.Flag(),
                    PathMtu.SptpsOverhead(tape.Flag())
                )
            | 7 -> if tape.Below 8 = 0 then PathMtu.Reset else PathMtu.Provisional(max 0 (size ()))
            | _ ->
                now <- Instant.add (int64 (tape.Word()) * 10L * Instant.millisecond) now
                PathMtu.Maintain true

        let before = state
        let struct (next, outputs) = PathMtu.step settings now input state
        state <- next
        behaviour.Saw("phase", 2 + PathMtu.probeCount state.Phase)
        Target.check (outputs.Length <= 8) "much said about one input"
        Target.check (state.Mtu <= settings.Limit && state.MaxMtu <= settings.Limit) "an MTU beyond the limit"
        Target.check (state.MinMtu >= 0) "a negative MTU"
        Target.check (state.MinMtu <= max state.LargestSent PathMtu.shortestProbe) "an MTU that nobody confirmed"

        for output in outputs do
            match output with
            | PathMtu.SendProbe size ->
                behaviour.Saw("probe", size)
                Target.check settings.Enabled "a probe without leave"
                Target.check (size >= PathMtu.shortestProbe) "a probe too short"
                Target.check (size <= max settings.Limit PathMtu.shortestProbe) "a probe beyond the limit"
            | PathMtu.AskInitialMaximum -> behaviour.Saw "ask"
            | PathMtu.MtuChanged(mtu, minMtu) ->
                Target.check ((mtu, minMtu) = (state.Mtu, state.MinMtu)) "another MTU is told"
            | PathMtu.Log line -> behaviour.SawText line.Text

        let told = outputs |> List.exists _.IsMtuChanged
        Target.check (told = (state.Mtu <> before.Mtu || state.MinMtu <> before.MinMtu)) "a change is not told"

let private udp (behaviour: Behaviour) (tape: Tape) =
    let settings: UdpDiscovery.Settings =
        { Label = "peer (host)"
          Enabled = tape.Below 8 > 0
          Interval = tape.Below 20
          KeepaliveInterval = tape.Below 20
          Timeout = tape.Below 60
          LocalDiscovery = tape.Flag()
          PeerMinor = tape.Below 9 }

    let endpoint (number: int) = Endpoint.create (Ip.v4 (0xc0000200u + uint32 number)) 655us

    let candidates () : UdpDiscovery.Candidates =
        { Known = (if tape.Flag() then ValueSome(endpoint 1) else ValueNone)
          Reverse = Array.init (tape.Below 3) endpoint
          Local = Array.init (tape.Below 3) endpoint }

    let mutable state = UdpDiscovery.initial
    let mutable now = Instant.addSeconds 1000 Instant.never
    let mutable moves = 0

    while not tape.AtEnd && moves < 400 do
        moves <- moves + 1

        let input =
            match tape.Below 8 with
            | 0
            | 1 -> UdpDiscovery.Maintain(tape.Word(), tape.Flag())
            | 2 ->
                UdpDiscovery.ReplyReceived(
                    (if tape.Flag() then UdpDiscovery.Echo else UdpDiscovery.Statement),
                    tape.Word()
                )
            | 3 -> UdpDiscovery.AddressSet
            | 4 -> UdpDiscovery.Reset
            | 5 -> UdpDiscovery.TimeoutCheck
            | 6 ->
                let struct (next, choice) =
                    UdpDiscovery.choose (candidates ()) (tape.Flag()) (uint32 (tape.Int32())) state
                state <- next
                behaviour.Saw(if choice.IsSome then "somewhere" else "nowhere")
                UdpDiscovery.TimeoutCheck
            | _ ->
                now <- Instant.add (int64 (tape.Word()) * Instant.millisecond) now
                UdpDiscovery.TimeoutCheck

        let before = state
        let struct (next, outputs) = UdpDiscovery.step settings now input state
        state <- next
        Target.check (outputs.Length <= 6) "much said about one input"
        Target.check (not state.Confirmed || before.Confirmed || input.IsReplyReceived) "confirmed without a reply"

        for output in outputs do
            match output with
            | UdpDiscovery.SendPing _ ->
                behaviour.Saw "ping"
                Target.check settings.Enabled "a ping without leave"
            | UdpDiscovery.SendGratuitous length -> behaviour.Saw("gratuitous", length)
            | UdpDiscovery.Confirmed -> Target.check (not before.Confirmed) "confirmed twice"
            | UdpDiscovery.TimedOut -> Target.check (before.Confirmed && not state.Confirmed) "a time-out of nothing"
            | UdpDiscovery.Log line -> behaviour.SawText line.Text

let private run (behaviour: Behaviour) (input: byte[]) =
    let tape = Tape input
    if tape.Flag() then udp behaviour tape else pathMtu behaviour tape

let private seeds () =
    let later = [| 8uy; 1uy; 0uy |]
    let rounds = Array.concat [ for _ in 1..25 -> Array.append later [| 3uy |] ]

    [ Array.append [| 0uy; 1uy; 10uy; 0uy |] rounds
      Array.append [| 0uy; 1uy; 10uy; 1uy; 6uy; 1uy; 1uy; 5uy; 220uy |] rounds
      Array.append [| 0uy; 1uy; 5uy; 4uy |] rounds
      [| 1uy
         1uy
         2uy
         9uy
         30uy
         1uy
         7uy
         0uy
         1uy
         0uy
         1uy
         2uy
         1uy
         0uy
         40uy
         7uy
         200uy
         0uy
         0uy
         0uy
         9uy
         1uy |] ]

let target =
    { Target.create "discovery" "probes stay within limits; nothing is believed that no reply confirmed" seeds run with
        MaxSize = 2048 }
