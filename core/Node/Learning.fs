/// Switch mode: Ethernet addresses behind our device become subnets of ours for as long as they are heard of (spec 04 §6.7).
module TincPure.Node.Learning

open TincPure.Primitives
open TincPure.Config
open TincPure.Topology

/// Pause between two looks for addresses that were not heard of any more.
let private ageingInterval = 10L * Instant.second

/// The subnet that a learned address is announced as.
let subnetOf (address: uint64) : Subnet = Subnet.mac address Subnet.defaultWeight

/// As logs show a learned address: without leading zeros.
let private text (address: uint64) : string =
    System.String.Join(':', [| for shift in 40..-8..0 -> ((address >>> shift) &&& 0xffUL).ToString "x" |])

/// Our host file gives us the address, so that there is nothing to learn.
let private isConfigured (turn: Turn) (address: uint64) : bool =
    turn.Node.Settings.Own.Subnets
    |> List.exists (fun subnet -> Subnet.macAddress subnet = ValueSome address)

let private setAgeing (turn: Turn) (at: Instant) =
    turn.Node <- { turn.Node with Timers = { turn.Node.Timers with Ageing = at } }

let private startAgeing (turn: Turn) = setAgeing turn (Instant.add (ageingInterval + turn.Jitter()) turn.Now)

/// A frame from our device had this source address.
let seen (turn: Turn) (address: uint64) : unit =
    let known = turn.Node.Learned.ContainsKey address

    if turn.Node.Settings.Mode.IsSwitch && not turn.Node.Stopping && not (isConfigured turn address) then
        if not known && turn.Node.Learned.Count >= Bounds.learnedAddresses then
            turn.Log(DebugLevel.traffic, Priority.Warning, "Too many MAC addresses, not learning " + text address)
        else
            let expiry = Instant.addSeconds turn.Node.Settings.MacExpire turn.Now

            turn.Node <- { turn.Node with Learned = turn.Node.Learned.Add(address, expiry) }

            if not known then
                turn.Log(DebugLevel.traffic, Priority.Info, "Learned new MAC address " + text address)
                SubnetGossip.announceSubnet turn Topology.self (subnetOf address) true

                // One look serves all: putting it off for each new address could put it off for ever.
                if turn.Node.Timers.Ageing = Instant.distant then
                    startAgeing turn

/// Gives up the addresses whose time is over.
let age (turn: Turn) : unit =
    for KeyValue(address, expiry) in turn.Node.Learned do
        if expiry < turn.Now then
            let subnet = subnetOf address
            turn.Log(DebugLevel.traffic, Priority.Info, "Subnet " + Subnet.toText subnet + " expired")

            turn.Node <- { turn.Node with Learned = turn.Node.Learned.Remove address }

            SubnetGossip.announceSubnet turn Topology.self subnet false

    if turn.Node.Learned.IsEmpty then
        setAgeing turn Instant.distant
    else
        startAgeing turn
