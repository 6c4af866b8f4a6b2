/// Which subnets nodes have, as they tell everybody (spec 02 §9.2, §9.3).
module TincPure.Node.SubnetGossip

open TincPure.Primitives
open TincPure.Topology
open TincPure.Node.Gossip

/// To those that watch.
let tellSubnet (turn: Turn) (kind: string) (owner: int) (subnet: Subnet) : unit =
    turn.Tell(kind, [ "subnet", Subnet.toText subnet; "owner", (turn.Peer owner).Name.Text ])

/// Puts a subnet into the tables, if it is new there.
let insertSubnet (turn: Turn) (owner: int) (subnet: Subnet) : unit =
    let peer = turn.Peer owner

    turn.Node <-
        { turn.Node with
            Topology = Topology.addSubnet owner subnet turn.Node.Topology
            FibDirty = true }

    tellSubnet turn "subnet-added" owner subnet

    if peer.Reachable then
        Scripts.subnet turn peer subnet true

/// Takes a subnet out of the tables.
let removeSubnet (turn: Turn) (owner: int) (subnet: Subnet) : unit =
    let peer = turn.Peer owner

    if peer.Reachable then
        Scripts.subnet turn peer subnet false

    turn.Node <-
        { turn.Node with
            Topology = Topology.removeSubnet owner subnet turn.Node.Topology
            FibDirty = true }

    tellSubnet turn "subnet-removed" owner subnet

/// A host that was behind our device showed up behind another's: our claim ends with the next look at learned addresses,
/// unless the host is heard of here again (spec 04 §6.4 step 6).
let private handOver (turn: Turn) (subnet: Subnet) =
    match Subnet.macAddress subnet with
    | ValueSome address when Subnet.weight subnet = Subnet.defaultWeight && turn.Node.Learned.ContainsKey address ->
        turn.Node <- { turn.Node with Learned = turn.Node.Learned.Add(address, Instant.never) }
    | _ -> ()

/// ADD_SUBNET (spec 02 §9.2): takes it up and passes it on, unless it is ours to say.
let addSubnet (turn: Turn) (arrival: Arrival) (owner: NodeName) (subnet: Subnet) : unit =
    let settings = turn.Node.Settings
    let known = Topology.tryFind owner turn.Node.Topology

    if settings.TunnelServer && isIndirect arrival known then
        warn turn ("Ignoring indirect ADD_SUBNET from " + arrival.From + " for " + Subnet.toText subnet)
    else
        match Peers.intern turn owner with
        | ValueNone -> ()
        | ValueSome peer when Topology.hasSubnet peer.Index subnet turn.Node.Topology -> ()
        | ValueSome peer when peer.Index = 0 ->
            warn turn ("Got ADD_SUBNET from " + arrival.From + " for ourself")
            correct turn arrival.Connection (Corrections.OwnSubnet(Subnet.toText subnet))
        | ValueSome _ when settings.TunnelServer || settings.StrictSubnets ->
            turn.Log(
                DebugLevel.always,
                Priority.Warning,
                "Ignoring unauthorized ADD_SUBNET from " + arrival.From + ": " + Subnet.toText subnet
            )

            Wire.forward turn arrival.Connection "ADD_SUBNET" arrival.Line
        | ValueSome _ when (Topology.subnets turn.Node.Topology).Count >= Bounds.subnets ->
            warn turn ("Too many subnets, ignoring " + Subnet.toText subnet + " of " + owner.Text)
        | ValueSome peer ->
            insertSubnet turn peer.Index subnet
            Wire.forward turn arrival.Connection "ADD_SUBNET" arrival.Line
            handOver turn subnet

/// DEL_SUBNET (spec 02 §9.3): takes it away and passes it on, unless it is ours to say.
let delSubnet (turn: Turn) (arrival: Arrival) (owner: NodeName) (subnet: Subnet) : unit =
    let settings = turn.Node.Settings
    let known = Topology.tryFind owner turn.Node.Topology
    let forward () = Wire.forward turn arrival.Connection "DEL_SUBNET" arrival.Line

    if settings.TunnelServer && isIndirect arrival known then
        warn turn ("Ignoring indirect DEL_SUBNET from " + arrival.From + " for " + Subnet.toText subnet)
    else
        match known with
        | ValueNone ->
            warn turn ("Got DEL_SUBNET from " + arrival.From + " for " + owner.Text + " which is not in our node tree")
        | ValueSome index when not (Topology.hasSubnet index subnet turn.Node.Topology) ->
            warn
                turn
                ("Got DEL_SUBNET from "
                 + arrival.From
                 + " for "
                 + owner.Text
                 + " which does not appear in his subnet tree")

            if settings.StrictSubnets then
                forward ()
        | ValueSome 0 ->
            warn turn ("Got DEL_SUBNET from " + arrival.From + " for ourself")
            correct turn arrival.Connection (Corrections.OwnSubnet(Subnet.toText subnet))
        | ValueSome index ->
            if not settings.TunnelServer then
                forward ()

                if not settings.StrictSubnets then
                    removeSubnet turn index subnet

/// A subnet of ours, or under StrictSubnets of anybody, came or went with a reload.
let announceSubnet (turn: Turn) (owner: int) (subnet: Subnet) (added: bool) : unit =
    let tell message =
        if owner = Topology.self || not turn.Node.Settings.TunnelServer then
            Wire.broadcast turn (message turn (turn.Peer owner).Name subnet)

    if added then
        insertSubnet turn owner subnet
        tell addSubnetMessage
    else
        tell delSubnetMessage
        removeSubnet turn owner subnet
