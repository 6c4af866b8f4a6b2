/// A new configuration in a running node: old and new are compared as data, and only the difference is applied
/// (spec 05 §7.1).
module TincPure.Node.Reload

open TincPure.Primitives
open TincPure.Config
open TincPure.Topology

/// What only a restart changes stays as it was.
let private kept (old: Settings) (fresh: Settings) : Settings =
    { fresh with
        Name = old.Name
        PrivateKey = old.PrivateKey
        PublicKey = old.PublicKey
        ExperimentalProtocol = old.ExperimentalProtocol
        BindToAddress = old.BindToAddress
        ListenAddress = old.ListenAddress
        BindToInterface = old.BindToInterface
        Device = old.Device
        DeviceType = old.DeviceType
        Interface = old.Interface
        TunnelServer = old.TunnelServer
        StrictSubnets = old.StrictSubnets
        Compression = old.Compression
        ReplayWindow = old.ReplayWindow
        PingInterval = old.PingInterval
        PingTimeout = old.PingTimeout
        MaxOutputBufferSize = old.MaxOutputBufferSize
        MaxConnectionBurst = old.MaxConnectionBurst }

/// The subnets that files give to each node: our own, and under StrictSubnets those of all nodes (spec 04 §6.6).
let private configuredSubnets (turn: Turn) (settings: Settings) : (int * Set<Subnet>) list =
    (Topology.self, Set.ofList settings.Own.Subnets)
    :: [ if settings.StrictSubnets then
             for index in Topology.nodes turn.Node.Topology do
                 if index <> Topology.self then
                     match settings.Hosts.TryFind (turn.Peer index).Name with
                     | Some host -> index, Set.ofList host.Subnets
                     | None -> index, Set.empty ]

/// Learned addresses stay, except under StrictSubnets; those that are configured by now are learned ones no more.
let private stillLearned (turn: Turn) (owner: int) (fresh: Settings) : Set<Subnet> =
    let configured = fresh.Own.Subnets |> List.map Subnet.macAddress |> Set.ofList

    if owner = Topology.self then
        turn.Node <-
            { turn.Node with
                Learned =
                    if fresh.StrictSubnets then
                        Map.empty
                    else
                        Map.filter (fun address _ -> not (configured.Contains(ValueSome address))) turn.Node.Learned }

        Set.ofSeq (Seq.map Learning.subnetOf turn.Node.Learned.Keys)
    else
        Set.empty

let private applySubnets (turn: Turn) (fresh: Settings) =
    for owner, configured in configuredSubnets turn fresh do
        let current = Topology.subnetsOf owner turn.Node.Topology - stillLearned turn owner fresh

        for subnet in configured - current do
            SubnetGossip.announceSubnet turn owner subnet true

        for subnet in current - configured do
            SubnetGossip.announceSubnet turn owner subnet false

let private applyBroadcastSubnets (turn: Turn) (old: Settings) (fresh: Settings) =
    let before = Set.ofList old.BroadcastSubnets
    let after = Set.ofList fresh.BroadcastSubnets

    let removed =
        Set.fold
            (fun topology subnet -> Topology.removeBroadcastSubnet subnet topology)
            turn.Node.Topology
            (before - after)

    turn.Node <-
        { turn.Node with
            Topology =
                Set.fold (fun topology subnet -> Topology.addBroadcastSubnet subnet topology) removed (after - before)
            FibDirty = true }

/// Connections whose host file is gone or says something else now are made anew.
let private closeChanged (turn: Turn) (old: Settings) (fresh: Settings) =
    for connection, peer in Wire.established turn do
        let name = (turn.Peer peer).Name

        if fresh.Hosts.TryFind name <> old.Hosts.TryFind name then
            turn.Log(DebugLevel.connections, Priority.Info, "Host config file of " + name.Text + " has been changed")

            Termination.close turn connection.Id Termination.Reported Termination.Closed

let private applyConnectTo (turn: Turn) (fresh: Settings) =
    let wanted = Set.ofList fresh.ConnectTo

    for KeyValue(target, record) in turn.Node.Outgoing do
        if record.Configured && not (wanted.Contains target) then
            Outgoing.remove turn target

            match record.Connection |> ValueOption.bind turn.TryConnection with
            // One that came by itself only loses its record.
            | ValueSome({ Id = ConnectionId.Incoming _ } as connection) ->
                turn.SetConnection { connection with Outgoing = ValueNone }
            | ValueSome connection ->
                turn.Log(DebugLevel.connections, Priority.Info, "No more outgoing connection to " + target.Text)

                turn.SetConnection { connection with Outgoing = ValueNone }

                Termination.close turn connection.Id Termination.Reported Termination.Closed
            | ValueNone -> ()

    for target in fresh.ConnectTo do
        match Outgoing.tryFind turn target with
        | ValueSome _ -> Outgoing.succeeded turn target
        | ValueNone -> Outgoing.want turn target true

/// Every node that has a host file is known, and so is what the file says.
let private learnHosts (turn: Turn) (settings: Settings) : unit =
    for KeyValue(name, host) in settings.Hosts do
        match Peers.intern turn name with
        | ValueSome peer when peer.Index <> Topology.self ->
            Peers.setHost turn peer.Index (Present(host, peer.RecentAddresses))
        | _ -> ()

/// What a node that starts knows from its files.
let learn (turn: Turn) (settings: Settings) : unit =
    learnHosts turn settings

    for owner, subnets in configuredSubnets turn settings do
        for subnet in subnets do
            turn.Node <- { turn.Node with Topology = Topology.addSubnet owner subnet turn.Node.Topology }

let apply (turn: Turn) (read: Settings) : unit =
    let old = turn.Node.Settings
    let fresh = kept old read

    turn.Node <-
        { turn.Node with
            Settings = fresh
            // Bits are only ever added (spec 02 §1).
            OwnOptions = turn.Node.OwnOptions ||| Settings.ownOptions fresh
            FibDirty = true }

    turn.SetPeer
        { turn.Peer Topology.self with
            Host = ValueSome fresh.Own
            Options = turn.Node.OwnOptions }

    learnHosts turn fresh
    if fresh.Hostnames <> old.Hostnames then
        HostNames.switched turn

    applySubnets turn fresh
    applyBroadcastSubnets turn old fresh
    applyConnectTo turn fresh
    closeChanged turn old fresh
