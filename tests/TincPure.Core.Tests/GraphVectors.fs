/// The graph vectors of spec chapter 04, typed.
module TincPure.Core.Tests.GraphVectors

open System
open System.Globalization
open System.Text.Json

type VectorEdge =
    { From: string
      To: string
      Weight: int
      Options: uint32
      Address: string
      Port: string }

/// A node's row in 04-graph-small and 04-graph-random; `-` stands for no node.
type VectorRoute =
    {
        Reachable: bool
        Indirect: bool
        Distance: int
        WeightedDistance: int64
        NextHop: string
        Via: string
        Previous: string
        Options: uint32
        /// `ADDRESS port PORT`
        UdpAddress: string option
    }

type GraphCase =
    {
        Name: string
        Self: string
        Edges: VectorEdge list
        Nodes: (string * VectorRoute) list
        /// Undirected, each pair and the list sorted.
        Tree: (string * string) list
        /// Nodes for which pre18 or 1.0 differ: not asserted here, we follow the newest version.
        OlderVersionsDiffer: bool
    }

type GraphOp =
    | Subnet of owner: string * text: string
    | AddEdge of VectorEdge
    | DeleteEdge of from: string * target: string
    | DirectConnection of node: string
    | Compute

type GraphEvent =
    | Logged of level: int * priority: string * text: string
    | ScriptRun of script: string * environment: (string * string) list
    | LegacyKeySent of node: string

type NodeState =
    { Reachable: bool
      Indirect: bool
      NextHop: string
      Via: string
      Options: uint32
      HostText: string }

type GraphRun = { Events: GraphEvent list; Nodes: (string * NodeState) list }

/// A case of 04-graph-transitions; the own node is `A`. Each `Compute` has one run.
type TransitionCase = { Name: string; Ops: GraphOp list; Runs: GraphRun list }

let private text (element: JsonElement) : string = Option.ofObj (element.GetString()) |> Option.defaultValue ""

let private hex (element: JsonElement) : uint32 =
    UInt32.Parse(text element, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)

let private array (element: JsonElement) : JsonElement list = List.ofSeq (element.EnumerateArray())

let private fields (element: JsonElement) : (string * JsonElement) list =
    [ for property in element.EnumerateObject() -> property.Name, property.Value ]

let private edgeOf (row: JsonElement) : VectorEdge =
    let address = (text row[4]).Split ' '

    { From = text row[0]
      To = text row[1]
      Weight = row[2].GetInt32()
      Options = hex row[3]
      Address = address[0]
      Port = address[2] }

let private routeOf (row: JsonElement) : VectorRoute =
    { Reachable = row[0].GetBoolean()
      Indirect = row[1].GetBoolean()
      Distance = row[2].GetInt32()
      WeightedDistance = row[3].GetInt64()
      NextHop = text row[4]
      Via = text row[5]
      Previous = text row[6]
      Options = hex row[7]
      UdpAddress = Option.ofObj (row[8].GetString()) }

let private caseOf (element: JsonElement) : GraphCase =
    { Name = Vectors.text "name" element
      Self = Vectors.text "self" element
      Edges = Vectors.items "edges" element |> List.map edgeOf
      Nodes = fields (element.GetProperty "nodes") |> List.map (fun (name, row) -> name, routeOf row)
      Tree = Vectors.items "mst" element |> List.map (fun row -> text row[0], text row[1])
      OlderVersionsDiffer =
        fields element
        |> List.exists (fun (name, _) -> name.StartsWith("differs_", StringComparison.Ordinal)) }

/// The cases of 04-graph-small.json or 04-graph-random.json.
let graphs (file: string) : GraphCase list = Vectors.items "cases" (Vectors.load file) |> List.map caseOf

let private opOf (row: JsonElement) : GraphOp =
    match text row[0] with
    | "subnet" -> Subnet(text row[1], text row[2])
    | "add_edge" ->
        AddEdge
            { From = text row[1]
              To = text row[2]
              Weight = row[3].GetInt32()
              Options = hex row[4]
              Address = text row[5]
              Port = text row[6] }
    | "del_edge" -> DeleteEdge(text row[1], text row[2])
    | "direct_connection" -> DirectConnection(text row[1])
    | "graph" -> Compute
    | other -> failwith ("unknown op " + other)

let private eventOf (row: JsonElement) : GraphEvent =
    match text row[0] with
    | "log" -> Logged(row[1].GetInt32(), text row[2], text row[3])
    | "script" -> ScriptRun(text row[1], fields row[2] |> List.map (fun (name, value) -> name, text value))
    | "send_legacy_key" -> LegacyKeySent(text row[1])
    | other -> failwith ("unknown event " + other)

let private stateOf (row: JsonElement) : NodeState =
    { Reachable = row[0].GetBoolean()
      Indirect = row[1].GetBoolean()
      NextHop = text row[2]
      Via = text row[3]
      Options = hex row[4]
      HostText = text row[5] }

/// The cases of 04-graph-transitions.json.
let transitions () : TransitionCase list =
    Vectors.items "cases" (Vectors.load "04-graph-transitions.json")
    |> List.map (fun case ->
        { Name = Vectors.text "name" case
          Ops = Vectors.items "ops" case |> List.map opOf
          Runs =
            Vectors.items "runs" case
            |> List.map (fun run ->
                { Events = Vectors.items "events" run |> List.map eventOf
                  Nodes = fields (run.GetProperty "nodes") |> List.map (fun (name, row) -> name, stateOf row) }) })
