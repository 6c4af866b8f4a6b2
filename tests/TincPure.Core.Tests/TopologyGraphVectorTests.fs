/// The graph as the vectors have it: paths, trees, and transitions in their order (spec 04).
module TincPure.Core.Tests.TopologyGraphVectorTests

open System
open TincPure.Primitives
open TincPure.Topology
open TincPure.Core.Tests.GraphVectors
open TincPure.Core.Tests.TopologySubnetTests
open Xunit
open Xunit.Abstractions

let node (text: string) (topology: Topology) : struct (int * Topology) = Topology.intern (name text) topology

let addEdge (edge: VectorEdge) (topology: Topology) : Topology =
    let struct (from, topology) = node edge.From topology
    let struct (target, topology) = node edge.To topology

    topology
    |> Topology.setEdge
        { From = from
          To = target
          Address = Address.ofWire edge.Address edge.Port
          LocalAddress = Unspecified
          Options = edge.Options
          Weight = edge.Weight }

let build (self: string) (edges: VectorEdge list) : Topology =
    List.fold (fun topology edge -> addEdge edge topology) (Topology.create (name self)) edges

let nameOf (topology: Topology) (number: int) = if number < 0 then "-" else (Topology.name number topology).Text

let find (topology: Topology) (text: string) : int =
    match Topology.tryFind (name text) topology with
    | ValueSome number -> number
    | ValueNone -> failwith ("no node " + text)

let computeAfresh (topology: Topology) : Paths = Graph.compute Graph.initial (fun _ -> false) topology

let namedTree (paths: Paths) (topology: Topology) : (string * string) list =
    [ for struct (left, right) in paths.Tree -> nameOf topology left, nameOf topology right ]
    |> List.sortWith (fun (a, b) (c, d) ->
        match String.CompareOrdinal(a, c) with
        | 0 -> String.CompareOrdinal(b, d)
        | order -> order)

/// Everything that a computation finds, by name.
let summary (paths: Paths) (topology: Topology) =
    let routes =
        [ for number in Topology.nodes topology do
              let route = Graph.route number paths

              nameOf topology number,
              (route.Reachable, route.Indirect, route.Distance, route.WeightedDistance, route.Options),
              (nameOf topology route.NextHop, nameOf topology route.Via, nameOf topology route.Previous) ]

    let addresses = [ for struct (number, address) in paths.Addresses -> nameOf topology number, address ]

    routes, namedTree paths topology, List.map (nameOf topology) paths.TreeNeighbours, addresses

/// The address that the node ends up with.
let lastAddress (number: int) (paths: Paths) : string option =
    paths.Addresses
    |> List.filter (fun struct (node, _) -> node = number)
    |> List.tryLast
    |> Option.map (fun struct (_, address) -> Address.toText address)

let private checkGraph (case: GraphCase) =
    let topology = build case.Self case.Edges
    let paths = computeAfresh topology
    Assert.Equal(case.Nodes.Length, Topology.knownCount topology)

    for text, expected in case.Nodes do
        let number = find topology text
        let route = Graph.route number paths

        let found: VectorRoute =
            { Reachable = route.Reachable
              Indirect = route.Indirect
              Distance = route.Distance
              WeightedDistance = route.WeightedDistance
              NextHop = nameOf topology route.NextHop
              Via = nameOf topology route.Via
              Previous = nameOf topology route.Previous
              // The own node's options come from its settings, not from the graph.
              Options = if number = Topology.self then expected.Options else route.Options
              UdpAddress = lastAddress number paths }

        Assert.Equal((case.Name, text, expected), (case.Name, text, found))

    Assert.Equal<(string * string) list>(case.Tree, namedTree paths topology)

    let neighbours =
        case.Tree
        |> List.choose (fun (left, right) ->
            if left = case.Self then Some right
            elif right = case.Self then Some left
            else None)
        |> List.sortWith (fun left right -> String.CompareOrdinal(left, right))

    Assert.Equal<string list>(neighbours, List.map (nameOf topology) paths.TreeNeighbours)

type VectorTests(output: ITestOutputHelper) =

    let check file count =
        let cases = graphs file
        Assert.Equal(count, cases.Length)
        List.iter checkGraph cases

        for case in cases |> List.filter _.OlderVersionsDiffer do
            output.WriteLine(case.Name + ": as newest; the variants of pre18 and 1.0 are not ours")

    [<Fact>]
    member _.``hand made graphs give the routes and trees of the vectors``() = check "04-graph-small.json" 20

    [<Fact>]
    member _.``random graphs give the routes and trees of the vectors``() = check "04-graph-random.json" 14

/// What the graph alone says about a run of 04-graph-transitions: addresses set, nodes flipped, their subnets.
let private expectedEvents (run: GraphRun) =
    run.Events
    |> List.choose (fun event ->
        match event with
        | Logged(_, _, text) -> Some text
        | ScriptRun(("subnet-up" | "subnet-down") as script, environment) ->
            let value key = snd (List.find (fun (name, _) -> name = key) environment)
            Some(script + " " + value "NODE" + " " + value "SUBNET" + " " + value "WEIGHT")
        // Host scripts and keys are the business of Node.step.
        | ScriptRun _
        | LegacyKeySent _ -> None)

type private TransitionState = { Topology: Topology; Paths: Paths; Addresses: Map<int, Address> }

let private computeRun (state: TransitionState) : TransitionState * string list =
    let paths = Graph.compute state.Paths (fun node -> Map.containsKey node state.Addresses) state.Topology

    let addresses =
        paths.Addresses
        |> List.fold (fun addresses (struct (node, address)) -> Map.add node address addresses) state.Addresses

    let nameOf = nameOf state.Topology

    let events =
        [ for struct (node, address) in paths.Addresses do
              "UDP address of " + nameOf node + " set to " + Address.toText address

          for transition in Graph.transitions state.Paths paths state.Topology do
              let host = Address.toText addresses[transition.Node]
              let became = if transition.Up then "reachable" else "unreachable"
              "Node " + nameOf transition.Node + " (" + host + ") became " + became

              for subnet in Topology.subnetsOf transition.Node state.Topology do
                  (if transition.Up then "subnet-up " else "subnet-down ")
                  + nameOf transition.Node
                  + " "
                  + Subnet.netText subnet
                  + " "
                  + Subnet.weightText subnet ]

    { state with Paths = paths; Addresses = addresses }, events

[<Fact>]
let ``transitions come in the order of the vectors`` () =
    let cases = transitions ()
    Assert.Equal(5, cases.Length)

    for case in cases do
        let step (state, runs) op =
            match op with
            | Subnet(owner, text) ->
                let struct (owner, topology) = node owner state.Topology

                { state with Topology = Topology.addSubnet owner (subnet text) topology }, runs
            | AddEdge edge -> { state with Topology = addEdge edge state.Topology }, runs
            | DeleteEdge(from, target) ->
                let find = find state.Topology

                { state with
                    Topology = Topology.removeEdge (find from) (find target) state.Topology },
                runs
            | DirectConnection _ -> state, runs
            | Compute ->
                let run, runs =
                    match runs with
                    | run :: runs -> run, runs
                    | [] -> failwith "more computations than runs"

                let state, events = computeRun state
                Assert.Equal<string list>(expectedEvents run, events)

                for text, expected in run.Nodes do
                    let route = Graph.route (find state.Topology text) state.Paths
                    Assert.Equal(expected.Reachable, route.Reachable)

                    if expected.Reachable then
                        Assert.Equal(expected.Indirect, route.Indirect)
                        Assert.Equal(expected.NextHop, nameOf state.Topology route.NextHop)
                        Assert.Equal(expected.Via, nameOf state.Topology route.Via)

                state, runs

        let start =
            { Topology = Topology.create (name "A")
              Paths = Graph.initial
              Addresses = Map.empty }

        let _, left = List.fold step (start, case.Runs) case.Ops
        Assert.Empty left
