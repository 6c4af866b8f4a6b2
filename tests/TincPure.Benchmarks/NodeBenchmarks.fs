/// What messages cost the control plane, in a mesh of 1,000 nodes and 3,000 links: `dotnet run -c Release -- node`.
module TincPure.Benchmarks.NodeBenchmarks

open System
open System.Diagnostics
open TincPure.Benchmarks.Measure
open TincPure.Primitives
open TincPure.Node
open TincPure.Core.Tests.NodeFakePeer
open TincPure.Core.Tests.NodeFixture

let private nodes = 1000

let private links = 3000

let private name (index: int) = if index = 0 then "hub" else "node" + index.ToString "0000"

/// A random connected network, as pairs.
let private pairs: (int * int)[] =
    let random = Random 2
    let tree = [| for i in 1 .. nodes - 1 -> i, random.Next i |]

    let others =
        Seq.initInfinite (fun _ ->
            let a, b = random.Next nodes, random.Next nodes
            max a b, min a b)
        |> Seq.filter (fun (a, b) -> a <> b)
        |> Seq.distinct
        |> Seq.except tree
        |> Seq.truncate (links - tree.Length)

    Array.append tree (Array.ofSeq others)

let private weight a b = 1 + (a * 7 + b * 13) % 500

let private edge a b =
    name a
    + " "
    + name b
    + " 192.0.2."
    + string (b % 256)
    + " 655 700000c "
    + string (weight (max a b) (min a b))

/// As a neighbour tells it: node by node, subnets before edges.
let private everything: string list =
    let neighbours = Array.init nodes (fun _ -> ResizeArray<int>())

    for a, b in pairs do
        neighbours[a].Add b
        neighbours[b].Add a

    [ for a in 0 .. nodes - 1 do
          "10 " + name a + " 10." + string (a / 256) + "." + string (a % 256) + ".0/24"

          for b in neighbours[a] do
              "12 " + edge a b ]

/// Puts a nonce into the requests that have one.
let private withNonce (index: int) (line: string) =
    if line.StartsWith "1" && not (line.StartsWith "15") then
        line.Insert(3, index.ToString "x8" + " ")
    else
        line

/// A quiet node with the neighbour hub, and as many more as are wanted.
let private begun (others: string list) : struct (Rig * FakePeer) =
    let rig = Rig(settingsOf "alpha" ("hub" :: others), { launch with DebugLevel = 0 })
    rig.Start 655
    let hub = rig.Neighbour "hub"

    for other in others do
        rig.Neighbour other |> ignore

    rig.Settle()
    struct (rig, hub)

let private received (peer: FakePeer) (line: string) : Input =
    peer.Say line
    Received(peer.Id, peer.TakeOutput())

let private stepped (now: Instant) (node: Node) (input: Input) : Node =
    let struct (node, _) = Node.step now input node
    node

let private settled (now: Instant) (node: Node) : Node =
    let struct (node, _) = Node.settle now node
    node

/// A node that knows the whole mesh, and its two neighbours.
let private learned () : struct (Rig * FakePeer) =
    let struct (rig, hub) = begun [ "obs" ]

    everything
    |> List.iteri (fun i line ->
        hub.Say(withNonce i line)
        rig.Step(Received(hub.Id, hub.TakeOutput())))

    rig.Settle()
    struct (rig, hub)

/// The node is a value: the same message can come again and again in the same state.
let private stepOf (struct (rig: Rig, hub: FakePeer)) (lines: string list) : unit -> Node =
    let node = rig.Node
    let inputs = lines |> List.mapi (fun i line -> received hub (withNonce ((1 <<< 24) + i) line))
    fun () -> List.fold (stepped rig.Now) node inputs

let private message (what: string) (lines: string list) =
    let struct (rig, hub) = learned ()
    let step = stepOf (struct (rig, hub)) lines

    report (what + ": step") (measure 500 (fun _ -> step () |> ignore))
    report (what + ": step and settle") (measure 50 (fun _ -> step () |> settled rig.Now |> ignore))

let private seconds (action: unit -> unit) : struct (float * int64) =
    GC.Collect()
    let before = GC.GetAllocatedBytesForCurrentThread()
    let watch = Stopwatch.StartNew()
    action ()
    struct (watch.Elapsed.TotalSeconds, GC.GetAllocatedBytesForCurrentThread() - before)

let private learn (what: string) (neighbours: string list) (inBatches: bool) =
    let run () =
        let struct (rig, hub) = begun neighbours

        let records =
            everything
            |> List.mapi (fun i line ->
                hub.Say(withNonce i line)
                hub.TakeOutput())

        let portions =
            if inBatches then
                Array.concat records |> Array.chunkBySize 65536 |> List.ofArray
            else
                records

        let mutable node = rig.Node

        let result =
            seconds (fun () ->
                for portion in portions do
                    node <- stepped rig.Now node (Received(hub.Id, portion)) |> settled rig.Now)

        if Seq.length (TincPure.Topology.Topology.edges node.Topology) < 2 * links then
            failwith "it has not learned everything"

        result

    run () |> ignore
    let struct (time, bytes) = List.min [ for _ in 1..3 -> run () ]

    Console.WriteLine(
        what.PadRight 58
        + (time * 1000.0).ToString("N0").PadLeft 14
        + " ms"
        + (float bytes / 1e6).ToString("N0").PadLeft 14
        + " MB"
    )

/// A pair of nodes that the spanning tree connects directly, and one that has a link beside the tree.
let private onAndOffTree () : struct ((int * int) * (int * int)) =
    let struct (rig, _) = learned ()
    let number index = TincPure.Topology.Topology.tryFind (nodeName (name index)) rig.Node.Topology

    let isOnTree (a, b) =
        match number a, number b with
        | ValueSome left, ValueSome right -> TincPure.Topology.Graph.isOnTree left right rig.Node.Paths
        | _ -> false

    struct (Array.findBack isOnTree pairs, Array.findBack (isOnTree >> not) pairs)

/// Some messages by name, each of which leads from the same state to the next.
let steps () : (string * (unit -> Node)) list =
    let struct ((a, b), _) = onAndOffTree ()

    [ for what, line in
          [ "PING", "8"
            "ADD_EDGE, known", "12 " + edge a b
            "ADD_EDGE, other weight", "12 " + edge a b + "1"
            "ADD_SUBNET, new", "10 node0500 10.200.0.0/24" ] -> what, stepOf (learned ()) [ line ] ]

let run () : unit =
    let struct ((a, b), (c, d)) = onAndOffTree ()
    let stranger = if pairs |> Array.contains (501, 500) then 502 else 501
    message "PING" [ "8" ]
    message "ADD_EDGE, known" [ "12 " + edge a b ]
    message "ADD_EDGE, new, without reverse" [ "12 " + edge 500 stranger ]
    message "ADD_EDGE, new, both directions" [ "12 " + edge 500 stranger; "12 " + edge stranger 500 ]
    message "ADD_EDGE, other weight" [ "12 " + edge a b + "1" ]
    message "DEL_EDGE" [ "13 " + name a + " " + name b ]
    message "DEL_EDGE and ADD_EDGE, on the tree" [ "13 " + name a + " " + name b; "12 " + edge a b ]
    message "DEL_EDGE and ADD_EDGE, off the tree" [ "13 " + name c + " " + name d; "12 " + edge c d ]
    message "ADD_SUBNET, known" [ "10 node0500 10.1.244.0/24" ]
    message "ADD_SUBNET, new" [ "10 node0500 10.200.0.0/24" ]
    message "REQ_KEY to another node" [ "15 " + name a + " obs 19" ]
    let size = nodes.ToString "N0" + " nodes, " + links.ToString "N0" + " links, "
    learn (size + "one by one") [] false
    learn (size + "in portions of 64 KB") [] true
    learn (size + "in portions, passed on to one other") [ "obs" ] true
