/// The graph as a drawing for GraphDumpFile, written at most once a minute (spec 05 §8.3).
module TincPure.Node.GraphDump

open System.Text
open TincPure.Primitives
open TincPure.Topology

let private period = 60

/// Nodes by name, then directed edges by weight.
let text (node: Node) : string =
    let nameOf index = node.Peers[index].Name.Text
    let nodes = Topology.nodes node.Topology
    let drawing = StringBuilder "digraph {\n"

    for index in nodes do
        let name = nameOf index

        drawing.Append("\t\"").Append(name).Append("\" [label = \"").Append(name).Append "\"];\n" |> ignore

    let edges =
        [ for index in nodes do
              yield! Topology.edgesFrom index node.Topology ]
        |> List.sortBy (fun edge -> struct (edge.Weight, nameOf edge.From, nameOf edge.To))

    for edge in edges do
        drawing.Append("\t\"").Append(nameOf edge.From).Append("\" -> \"").Append(nameOf edge.To).Append "\";\n"
        |> ignore

    drawing.Append("}\n").ToString()

/// When the graph is to be written; the far future while nobody wants it or it has not changed.
let due (node: Node) : Instant =
    if node.Settings.GraphDumpFile.IsSome && node.GraphChanged then
        node.Timers.GraphDump
    else
        Instant.distant

let run (turn: Turn) : unit =
    match turn.Node.Settings.GraphDumpFile with
    | ValueSome target ->
        turn.Log(DebugLevel.protocol, Priority.Notice, "Dumping graph")
        turn.Emit(WriteGraph(target, text turn.Node))
        turn.Node <- { turn.Node with GraphChanged = false }
    | ValueNone -> ()

    turn.Node <-
        { turn.Node with
            Timers = { turn.Node.Timers with GraphDump = Instant.addSeconds period turn.Now } }
