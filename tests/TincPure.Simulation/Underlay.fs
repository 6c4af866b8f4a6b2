namespace TincPure.Simulation

open System.Collections.Generic
open TincPure.Primitives

/// What the network between two machines is like. Times are microseconds.
type Conditions =
    {
        /// One way.
        Latency: int64
        /// Up to so much more, differently for each packet: datagrams overtake each other.
        Jitter: int64
        /// Probability that a packet is lost; streams make up for it with a delay.
        Loss: float
        /// Probability that a datagram arrives twice.
        Duplication: float
        /// Largest IP packet that gets through. Longer ones vanish without notice.
        Mtu: int
        UdpPasses: bool
        Connected: bool
    }

module Conditions =

    /// A good wide-area network.
    let usual =
        { Latency = 10L * Instant.millisecond
          Jitter = 2L * Instant.millisecond
          Loss = 0.0
          Duplication = 0.0
          Mtu = 1500
          UdpPasses = true
          Connected = true }

/// The network that the mesh is built upon, between machines that are known by number.
[<Sealed>]
type Underlay() =
    let between = Dictionary<struct (int * int), Conditions>()
    let groups = Dictionary<int, int>()

    let pair a b = if a < b then struct (a, b) else struct (b, a)

    let groupOf machine =
        match groups.TryGetValue machine with
        | true, group -> group
        | _ -> 0

    /// Between pairs of which nothing else is said.
    member val Everywhere = Conditions.usual with get, set

    member this.Between(a: int, b: int) : Conditions =
        let conditions =
            match between.TryGetValue(pair a b) with
            | true, conditions -> conditions
            | _ -> this.Everywhere

        if groupOf a = groupOf b then
            conditions
        else
            { conditions with Connected = false }

    /// Changes what is between two machines.
    member this.Set(a: int, b: int, change: Conditions -> Conditions) : unit =
        let before =
            match between.TryGetValue(pair a b) with
            | true, conditions -> conditions
            | _ -> this.Everywhere

        between[pair a b] <- change before

    /// Cuts the network into parts that cannot talk to each other; who is not named stays together in a part of their own.
    member _.Partition(parts: int list list) : unit =
        groups.Clear()

        for group, part in List.indexed parts do
            for machine in part do
                groups[machine] <- group + 1

    member _.Heal() : unit = groups.Clear()

/// An address translator in front of some machines: from outside, everything they send comes from one address, and only
/// those get through to them whom they have sent something before (port-restricted cone).
[<Sealed>]
type Nat(outside: Ip) =
    let ports = Dictionary<struct (int * uint16), uint16>()
    let inside = Dictionary<uint16, struct (int * uint16)>()
    let allowed = HashSet<struct (uint16 * Endpoint)>()
    let mutable next = 20000us

    member _.Address: Ip = outside

    /// A datagram leaves: the address from which it seems to come.
    member _.Leave(machine: int, port: uint16, target: Endpoint) : Endpoint =
        let outer =
            match ports.TryGetValue(struct (machine, port)) with
            | true, outer -> outer
            | _ ->
                next <- next + 1us
                ports[struct (machine, port)] <- next
                inside[next] <- struct (machine, port)
                next

        allowed.Add(struct (outer, target)) |> ignore
        Endpoint.create outside outer

    /// A datagram arrives: the machine and port that it is for, if it may pass.
    member _.Enter(port: uint16, source: Endpoint) : struct (int * uint16) voption =
        match inside.TryGetValue port with
        | true, target when allowed.Contains(struct (port, source)) -> ValueSome target
        | _ -> ValueNone
