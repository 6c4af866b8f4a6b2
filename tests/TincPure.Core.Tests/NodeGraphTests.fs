/// What a graph computation sets off in a whole node (spec 04 §4.3), by the vectors of 04-graph-transitions.json.
module TincPure.Core.Tests.NodeGraphTests

open System
open TincPure.Primitives
open TincPure.Config
open TincPure.Topology
open TincPure.Node
open TincPure.Core.Tests.GraphVectors
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture
open Xunit
open Xunit.Abstractions

let private ownPort = 655

let private neighboursOf (case: TransitionCase) =
    [ for op in case.Ops do
          match op with
          | AddEdge edge when edge.From = "A" -> edge
          | _ -> () ]

let private settingsFor (case: TransitionCase) : Settings =
    let own =
        [ for op in case.Ops do
              match op with
              | GraphOp.Subnet("A", text) -> subnet text
              | _ -> () ]

    { settingsOf "A" [ for edge in neighboursOf case -> edge.To ] with
        Own = { HostSettings.empty (nodeName "A") with Subnets = own } }

/// An edge of the own node is there when the neighbour has connected. Without its reverse it means nothing yet. The weight is
/// the mean of the peer's and ours, which is 0 here, where no time passes.
let private connect (rig: Rig) (edge: VectorEdge) : FakePeer =
    rig.Arrive(
        edge.To,
        { manner with
            Address = endpoint edge.Address 40000
            AckPort = edge.Port
            AckWeight = 2 * edge.Weight
            AckOptions = edge.Options }
    )

/// The variables that every script gets are not in the vectors.
let private common = [ "NETNAME"; "NAME"; "DEVICE"; "INTERFACE"; "DEBUG" ]

let private eventOf (effect: Effect) : GraphEvent option =
    match effect with
    | Log line when
        line.Text.StartsWith("UDP address of", StringComparison.Ordinal)
        || line.Text.StartsWith("Node ", StringComparison.Ordinal)
        ->
        Some(Logged(line.Level, line.Priority.ToString().ToLowerInvariant(), line.Text))
    | RunScript script ->
        Some(
            ScriptRun(script.Name, script.Environment |> List.filter (fun (name, _) -> not (List.contains name common)))
        )
    | _ -> None

let private isLegacy (event: GraphEvent) =
    match event with
    | LegacyKeySent _ -> true
    | _ -> false

/// A removal and a later addition never melt into nothing here, even if the reference computes once for both: the node may
/// have restarted in between, and scripts and keys must know (spec 04 §18).
let private meltedAway (case: TransitionCase) (run: int) : GraphEvent list option =
    if case.Name = "address_changes_while_down" && run = 3 then
        let script name address = ScriptRun(name, [ "NODE", "C"; "REMOTEADDRESS", address; "REMOTEPORT", "655" ])

        Some
            [ Logged(5, "debug", "Node C (192.0.2.33 port 655) became unreachable")
              script "host-down" "192.0.2.33"
              script "hosts/C-down" "192.0.2.33"
              Logged(3, "debug", "UDP address of C set to 192.0.2.44 port 655")
              Logged(5, "debug", "Node C (192.0.2.44 port 655) became reachable")
              script "host-up" "192.0.2.44"
              script "hosts/C-up" "192.0.2.44" ]
    else
        None

let private nameAt (rig: Rig) (index: int) = if index < 0 then "-" else rig.Node.Peers[index].Name.Text

let private checkNode (rig: Rig) (hostText: string) (name: string, expected: NodeState) =
    match peerState rig name with
    | ValueNone -> Assert.Fail("no node " + name)
    | ValueSome peer ->
        let route = Graph.route peer.Index rig.Node.Paths
        Assert.Equal(expected.Reachable, peer.Reachable)

        // What an unreachable node has left of a path is stale in the reference.
        if expected.Reachable then
            Assert.Equal(expected.Indirect, route.Indirect)
            Assert.Equal(expected.NextHop, nameAt rig route.NextHop)
            Assert.Equal(expected.Via, nameAt rig route.Via)
            Assert.Equal(hostText, Label.peerHost rig.Node peer)

            if name <> "A" then
                Assert.Equal(expected.Options, peer.Options)

type Transitions(output: ITestOutputHelper) =

    let play (case: TransitionCase) =
        let rig = Rig(settingsFor case)
        rig.Start ownPort
        let neighbours = neighboursOf case |> List.map (connect rig)
        let speaker = List.head neighbours
        rig.Forget()
        let mutable run = 0

        for op in case.Ops do
            match op with
            | GraphOp.Subnet("A", _)
            | DirectConnection _ -> ()
            | GraphOp.Subnet(owner, text) -> rig.FloodInBatch(speaker, "10", owner + " " + text)
            | AddEdge edge when edge.From = "A" -> ()
            | AddEdge edge ->
                rig.FloodInBatch(
                    speaker,
                    "12",
                    String.Join(
                        ' ',
                        [ edge.From
                          edge.To
                          edge.Address
                          edge.Port
                          edge.Options.ToString "x"
                          edge.Weight.ToString() ]
                    )
                )
            | DeleteEdge(from, target) -> rig.FloodInBatch(speaker, "13", from + " " + target)
            | Compute ->
                rig.Settle()
                let expected = case.Runs[run]
                let legacy, events = List.partition isLegacy expected.Events

                for event in legacy do
                    output.WriteLine(case.Name + ": " + string event + " comes with the legacy protocol")

                let events =
                    match meltedAway case run with
                    | Some events ->
                        output.WriteLine(case.Name + ": run " + string run + " shows the transitions between its ops")
                        events
                    | None -> events

                Assert.Equal<GraphEvent list>(events, List.choose eventOf rig.Effects)

                for name, state in expected.Nodes do
                    let hostText =
                        if name = "C" && (meltedAway case run).IsSome then
                            "192.0.2.44 port 655"
                        else
                            state.HostText

                    checkNode rig hostText (name, state)

                rig.Forget()
                run <- run + 1

        Assert.Equal(case.Runs.Length, run)

    [<Fact>]
    member _.``transitions log and run scripts in the order of the reference``() =
        for case in transitions () do
            output.WriteLine case.Name
            play case
