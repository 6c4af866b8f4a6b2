module TincPure.Core.Tests.TunnelPathMtuTests

open System.Text.Json
open FsCheck
open FsCheck.FSharp
open TincPure.Primitives
open TincPure.Tunnel
open TincPure.Tunnel.PathMtu
open Xunit

let private file = lazy (Vectors.load "03-pmtu-discovery.json")

let private settings =
    { Label = "peer (192.0.2.1 port 655)"
      Enabled = true
      PingInterval = 60
      Limit = maximum }

let private at (milliseconds: int64) = Instant(1_000_000_000_000L + milliseconds * Instant.millisecond)

let private probesOf outputs =
    outputs
    |> List.choose (function
        | SendProbe size -> Some size
        | _ -> None)

let private textsOf outputs =
    outputs
    |> List.choose (function
        | Log line -> Some line.Text
        | _ -> None)

[<Fact>]
let ``probe sizes are those of the newest stock tinc`` () =
    for case in Vectors.items "probe_size" file.Value do
        let minMtu, maxMtu = Vectors.number "minmtu" case, Vectors.number "maxmtu" case
        let sizes = [ for probes in 0..7 -> probeSize minimum minMtu maxMtu probes ]
        Assert.Equal<int list>(Vectors.numbers "newest" case, sizes)

        // 1.1pre18 truncated where the newest rounds: a column that we read but do not follow.
        for ours, theirs in List.zip sizes (Vectors.numbers "pre18" case) do
            Assert.InRange(ours - theirs, -1, 1)

[<Fact>]
let ``the kernel's path MTU leaves as much for a frame as in stock tinc`` () =
    let overheads =
        Map
            [ "sptps 17.4+", SptpsOverhead true
              "sptps 17.2/17.3", SptpsOverhead false
              "legacy aes-256-cbc sha256/4", LegacyOverhead(4, 16)
              "legacy aes-256-cfb sha256/4", LegacyOverhead(4, 1)
              "legacy none/none", LegacyOverhead(0, 1) ]

    for case in Vectors.items "initial_maxmtu" file.Value do
        let overhead = overheads[Vectors.text "peer" case]

        for row in Vectors.items "table" case do
            let kernel, expected = row[0].GetInt32(), row[1].GetInt32()
            let asking = { initial settings with Phase = Asking }
            let answer = KernelMtu(Ok kernel, false, overhead)
            let struct (state, _) = step settings (at 0L) answer asking
            Assert.Equal(expected, state.MaxMtu)

            if kernel >= minimum then
                Assert.Equal(expected, ofKernelMtu true overhead (kernel + 20))

/// A path, as the sequences describe it: kernel's MTU, size that the own socket refuses, what happens to each probe.
type private Path = { KernelMtu: int; SocketLimit: int; Overhead: int }

/// One maintenance with all that follows from it at once: kernel's answer and refusals by the socket. Gives the probes that
/// left the machine.
let private maintain path settings now state =
    let rec settle state sent pending =
        match pending with
        | [] -> struct (state, List.rev sent)
        | AskInitialMaximum :: rest ->
            let answer = KernelMtu(Ok path.KernelMtu, false, SptpsOverhead true)
            let struct (state, outputs) = step settings now answer state
            settle state sent (rest @ outputs)
        | SendProbe size :: rest when path.SocketLimit > 0 && size + path.Overhead > path.SocketLimit ->
            let struct (state, outputs) = step settings now (TooBig size) state
            settle state sent (rest @ outputs)
        | SendProbe size :: rest -> settle state (size :: sent) rest
        | _ :: rest -> settle state sent rest

    fun input ->
        let struct (state, outputs) = step settings now input state
        settle state [] outputs

let private check (expected: JsonElement) state =
    let describe minMtu maxMtu mtu probes = (minMtu, maxMtu, mtu, probes)

    Assert.Equal(
        describe
            (Vectors.number "minmtu" expected)
            (Vectors.number "maxmtu" expected)
            (Vectors.number "mtu" expected)
            (Vectors.number "mtuprobes" expected),
        describe state.MinMtu state.MaxMtu state.Mtu (probeCount state.Phase)
    )

[<Fact>]
let ``discovery goes the way of stock tinc, step by step`` () =
    for sequence in Vectors.items "sequences" file.Value do
        let name = Vectors.text "name" sequence

        let path =
            { KernelMtu = Vectors.number "ip_mtu" sequence
              SocketLimit = Vectors.number "local_udp_limit" sequence
              Overhead = 33 }

        let options = System.Convert.ToUInt32(Vectors.text "options" sequence, 16)

        let settings = { settings with Enabled = options &&& 4u <> 0u }

        let mutable state = initial settings
        let mutable diverged = false

        for expected in Vectors.items "steps" sequence do
            let now = at (int64 (Vectors.number "t_ms" expected))

            // Stock settles on an MTU of 0 when nothing was answered; we rest instead (spec 03 §15.3). What it does from
            // there on is not to be followed.
            if name = "no-replies" && probeCount state.Phase = 20 then
                diverged <- true

            if diverged then
                let struct (after, probes) = maintain path settings now state (Maintain true)
                Assert.Equal(Resting, after.Phase)
                Assert.Equal(maximum, after.Mtu)
                Assert.Empty probes
                state <- after
            else
                let before = expected.GetProperty "before"
                let usable = before.GetProperty("udp_confirmed").GetBoolean()
                check before state
                let struct (sent, probes) = maintain path settings now state (Maintain usable)
                Assert.Equal<int list>(Vectors.numbers "probe_lengths" expected, probes)
                check (expected.GetProperty "after_send") sent
                state <- sent

                for length in Vectors.numbers "replies" expected do
                    let struct (replied, _) = step settings now (Reply length) state
                    state <- replied

                check (expected.GetProperty "after_replies") state

        Assert.Equal((name = "no-replies"), diverged)

/// A path that carries frames up to a size, and says nothing about the others; probes and replies may be lost.
let private discover settings capacity kernel (lost: int -> bool) rounds =
    let path = { KernelMtu = kernel; SocketLimit = -1; Overhead = 33 }

    let mutable state = initial settings
    let mutable count = 0

    for round in 0..rounds do
        let now = at (int64 round * 334L)
        let struct (sent, probes) = maintain path settings now state (Maintain true)
        state <- sent

        for probe in probes do
            count <- count + 1

            if probe <= capacity && not (lost count) then
                let struct (replied, _) = step settings now (Reply probe) state
                state <- replied

    struct (state, count)

[<Fact>]
let ``what is found is never more than the path carries, and close to it without loss`` () =
    let property (NonNegativeInt size) (NonNegativeInt kernel) =
        let capacity = minimum + 2 + size % 1006
        let kernel = 1 + kernel % 2000
        let struct (state, probes) = discover settings capacity kernel (fun _ -> false) 25
        let known = ofKernelMtu false (SptpsOverhead true) (max kernel minimum)

        (state.MinMtu <= capacity
         && (kernel >= minimum && known <= minimum + 1 || state.MinMtu >= min known capacity * 9 / 10)
         && probes <= 30)
        |> Prop.label ("found " + state.MinMtu.ToString() + " in " + probes.ToString() + " probes")

    Check.QuickThrowOnFailure property

[<Fact>]
let ``a link in the middle of the path that a router tells of is measured exactly`` () =
    let narrow = 1400
    let start = initial settings
    let struct (asking, _) = step settings (at 0L) (Maintain true) start
    let struct (searching, _) = step settings (at 0L) (KernelMtu(Ok 1500, false, SptpsOverhead true)) asking
    Assert.Equal(1439, searching.MaxMtu)

    // The first probe was lost in the middle; the kernel refuses the next of that size, and knows why.
    let struct (refused, outputs) = step settings (at 1L) (TooBig 1439) searching
    Assert.Contains(AskInitialMaximum, outputs)
    let struct (told, outputs) =
        step settings (at 2L) (KernelMtu(Ok narrow, false, SptpsOverhead true)) refused
    let exact = ofKernelMtu false (SptpsOverhead true) narrow
    Assert.Contains(SendProbe exact, outputs)
    let struct (found, _) = step settings (at 3L) (Reply exact) told
    Assert.Equal((Settled 0, exact), (found.Phase, found.Mtu))

[<Fact>]
let ``lost probes never make the MTU larger than the path carries`` () =
    let property (NonNegativeInt size) (seed: int) =
        let capacity = minimum + size % 1006
        let random = System.Random seed
        let struct (state, _) = discover settings capacity 1500 (fun _ -> random.Next 3 = 0) 200
        state.MinMtu <= capacity

    Check.QuickThrowOnFailure property

type private Event =
    | Tick of udpUsable: bool * seconds: int
    | Confirm of int
    | Refuse of int
    | Forget
    | Kernel of int
    | Told of int

[<Fact>]
let ``whatever happens, the sizes stay in order and within the limit`` () =
    let length = Gen.choose (0, 70000)

    let event =
        Gen.frequency
            [ 10,
              Gen.map2
                  (fun usable seconds -> Tick(usable, seconds))
                  (Gen.elements [ true; true; false ])
                  (Gen.choose (0, 90))
              6, Gen.map Confirm length
              6, Gen.map Confirm (Gen.choose (0, 1600))
              3, Gen.map Refuse (Gen.choose (1, 1600))
              1, Gen.constant Forget
              3, Gen.map Kernel (Gen.choose (-5, 70000))
              2, Gen.map Told (Gen.choose (512, 1518)) ]

    let limits = Gen.elements [ maximum; 1400; 512; 300; 18 ]

    let property (limit, events) =
        let settings = { settings with Limit = limit }
        let mutable state = initial settings
        let mutable time = 0L
        let mutable fine = true

        for event in events do
            let input =
                match event with
                | Tick(usable, seconds) ->
                    time <- time + int64 seconds * 1000L
                    Maintain usable
                | Confirm length -> Reply length
                | Refuse size -> TooBig size
                | Forget -> Reset
                | Kernel mtu -> KernelMtu(Ok mtu, false, SptpsOverhead true)
                | Told mtu -> Provisional mtu

            let struct (next, outputs) = step settings (at time) input state
            state <- next

            fine <-
                fine
                && state.Mtu <= limit
                && state.MaxMtu <= limit
                && state.Mtu > 0
                && state.MinMtu <= max state.LargestSent shortestProbe
                && (state.MinMtu <= limit || limit < shortestProbe)
                && probesOf outputs
                   |> List.forall (fun size -> size >= shortestProbe && size <= max limit shortestProbe)
                && (probesOf outputs).Length <= 2

        fine

    Prop.forAll (Arb.fromGen (Gen.zip limits (Gen.listOf event))) property |> Check.QuickThrowOnFailure

[<Fact>]
let ``a length that was never probed is not believed`` () =
    let asking = { initial settings with Phase = Asking }
    let struct (state, _) = step settings (at 0L) (KernelMtu(Ok 1500, false, SptpsOverhead true)) asking
    let struct (state, outputs) = step settings (at 1L) (Reply 1500) state
    Assert.Equal(0, state.MinMtu)
    Assert.Empty outputs

[<Fact>]
let ``after a restart a path that got narrower is noticed without waiting for lost confirmations`` () =
    let settled =
        { initial settings with
            Phase = Settled 0
            Mtu = 1439
            MinMtu = 1439
            MaxMtu = 1439
            LargestSent = 1439 }

    let struct (state, outputs) = step settings (at 0L) (TooBig 1400) settled
    Assert.Equal((1399, 1399, 1399), (state.Mtu, state.MinMtu, state.MaxMtu))
    Assert.Contains(MtuChanged(1399, 1399), outputs)

[<Fact>]
let ``a provisional MTU counts until the real one is known`` () =
    let struct (state, outputs) = step settings (at 0L) (Provisional 1300) (initial settings)
    Assert.Equal(1300, state.Mtu)
    Assert.Contains("Using provisional MTU 1300 for node peer (192.0.2.1 port 655)", textsOf outputs)

    let settled =
        { initial settings with
            Phase = Settled 0
            Mtu = 1439
            MinMtu = 1439
            MaxMtu = 1439 }

    let struct (state, outputs) = step settings (at 0L) (Provisional 1300) settled
    Assert.Equal(1439, state.Mtu)
    Assert.Empty outputs

[<Fact>]
let ``a host that does not know the path MTU delays the search by one round only`` () =
    let struct (state, outputs) = step settings (at 0L) (Maintain true) (initial settings)
    Assert.Equal<Output list>([ AskInitialMaximum ], outputs)
    Assert.Equal(at 0L |> Instant.add 333_333L, nextDue settings true state)
    let struct (_, outputs) = step settings (at 334L) (Maintain true) state
    Assert.Equal<int list>([ 1330 ], probesOf outputs)

[<Fact>]
let ``maintenance before its time does nothing`` () =
    let property (NonNegativeInt round) (early: int) =
        let struct (state, _) = discover settings 1400 1500 (fun _ -> false) (round % 40)
        let due = nextDue settings true state
        let sooner = Instant.add (-1L - int64 (abs (early % 1000))) due
        let struct (after, outputs) = step settings sooner (Maintain true) state
        after = state && outputs.IsEmpty

    Check.QuickThrowOnFailure property
