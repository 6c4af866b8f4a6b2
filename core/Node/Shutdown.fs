/// The orderly end (spec 05 §7.6).
module TincPure.Node.Shutdown

open TincPure.Primitives
open TincPure.Topology

/// Closes every meta connection without telling the peers, takes down what was up, and leaves. Control connections stay
/// open until the process ends, so that a client sees the real end.
let run (turn: Turn) : unit =
    if not turn.Node.Stopping then
        turn.Node <- { turn.Node with Stopping = true }

        for KeyValue(id, connection) in turn.Node.Connections do
            match connection.Stage with
            | Stage.Control _ -> ()
            | _ -> Termination.close turn id Termination.Silent Termination.Closed

        turn.Node <- { turn.Node with Outgoing = Map.empty }

        let own = turn.Peer 0

        for subnet in Topology.subnetsOf 0 turn.Node.Topology do
            Scripts.subnet turn own subnet false

        // With DeviceStandby it went down with the last node.
        if not turn.Node.Settings.DeviceStandby then
            Scripts.device turn false

        turn.Emit(Exit 0)
