namespace TincPure.Topology

open TincPure.Primitives

/// What is stored of one node.
type NodeEntry =
    {
        Name: NodeName
        /// False once the node was forgotten: its number stays its own, but no enumeration shows it.
        Known: bool
        /// To and from other nodes, by their names.
        Links: Map<string, Link>
        /// The links with both edges, in the same order: what every path search goes through.
        Pairs: struct (Edge * Edge)[]
        Subnets: Set<Subnet>
    }

/// All nodes, edges and subnets that a node knows of. Persistent; a change costs O(log n). Nodes are numbered from 0, the
/// own node, in the order in which they were first mentioned, and keep their numbers.
type Topology =
    private
        {
            nodes: Vector<NodeEntry>
            numbers: HashTrie<NodeName, int>
            /// Known nodes in the order of their names.
            known: Map<string, int>
            table: SubnetTable
        }

module Topology =

    /// The number of the own node.
    [<Literal>]
    let self = 0

    let private entry name =
        { Name = name
          Known = true
          Links = Map.empty
          Pairs = [||]
          Subnets = Set.empty }

    /// A network of one node, the own one.
    let create (own: NodeName) : Topology =
        { nodes = Vector.ofArray [| entry own |]
          numbers = HashTrie.add own self HashTrie.empty
          known = Map.ofList [ own.Text, self ]
          table = SubnetTable.empty }

    /// Numbers given so far, those of forgotten nodes included: every node is less than this.
    let nodeCount (topology: Topology) = topology.nodes.Count

    /// Nodes that are known.
    let knownCount (topology: Topology) = topology.known.Count

    let name (node: int) (topology: Topology) : NodeName = topology.nodes[node].Name

    let isKnown (node: int) (topology: Topology) : bool = topology.nodes[node].Known

    /// The number of a known node.
    let tryFind (name: NodeName) (topology: Topology) : int voption =
        match HashTrie.tryFind name topology.numbers with
        | ValueSome node when topology.nodes[node].Known -> ValueSome node
        | _ -> ValueNone

    let private setEntry node entry topology = { topology with nodes = Vector.set node entry topology.nodes }

    /// The number of the node of this name, which becomes known if it was not.
    let intern (name: NodeName) (topology: Topology) : struct (int * Topology) =
        match HashTrie.tryFind name topology.numbers with
        | ValueSome node when topology.nodes[node].Known -> struct (node, topology)
        | ValueSome node ->
            let topology = setEntry node { topology.nodes[node] with Known = true } topology

            struct (node, { topology with known = Map.add name.Text node topology.known })
        | ValueNone ->
            let node = nodeCount topology

            struct (node,
                    { topology with
                        nodes = Vector.add (entry name) topology.nodes
                        numbers = HashTrie.add name node topology.numbers
                        known = Map.add name.Text node topology.known })

    /// Known nodes in the order of their names.
    let nodes (topology: Topology) : int seq = Map.values topology.known

    /// Visits the known nodes in the order of their names.
    let iterNodes (action: int -> unit) (topology: Topology) : unit =
        topology.known |> Map.iter (fun _ node -> action node)

    /// The links of a node in the order of the other ends' names.
    let linksOf (node: int) (topology: Topology) : Link seq = Map.values topology.nodes[node].Links

    /// Visits the pairs of edges between a node and others, in the order of the others' names: the outgoing edge and the
    /// one back. An edge without its counterpart does not exist for path search and spanning tree (spec 04 §2.2).
    let iterPairs (action: Edge -> Edge -> unit) (node: int) (topology: Topology) : unit =
        for struct (out, back) in topology.nodes[node].Pairs do
            action out back

    let private pairsOf (links: Map<string, Link>) =
        let pairs = ResizeArray links.Count

        links
        |> Map.iter (fun _ link ->
            match link with
            | Both(out, back) -> pairs.Add(struct (out, back))
            | OutOnly _
            | BackOnly _ -> ())

        pairs.ToArray()

    /// The edges that begin at a node, in the order of the names of their other ends.
    let edgesFrom (node: int) (topology: Topology) : Edge seq =
        linksOf node topology |> Seq.choose (fun link -> Link.out link |> ValueOption.toOption)

    /// The edges that end at a node, in the order of the names of the nodes where they begin.
    let edgesTo (node: int) (topology: Topology) : Edge seq =
        linksOf node topology |> Seq.choose (fun link -> Link.back link |> ValueOption.toOption)

    /// All edges, by name of their beginning, then of their end.
    let edges (topology: Topology) : Edge seq = nodes topology |> Seq.collect (fun node -> edgesFrom node topology)

    /// What connects two nodes, seen from the first.
    let tryLink (from: int) (target: int) (topology: Topology) : Link voption =
        topology.nodes[from].Links |> Map.tryFind (name target topology).Text |> ValueOption.ofOption

    let tryEdge (from: int) (target: int) (topology: Topology) : Edge voption =
        tryLink from target topology |> ValueOption.bind Link.out

    /// Puts the edges between two different nodes, seen from each of them.
    let private setLink from target (out: Edge voption) (back: Edge voption) topology =
        let put node other link topology =
            let entry = topology.nodes[node]
            let key = (name other topology).Text

            let links =
                match link with
                | ValueSome link -> Map.add key link entry.Links
                | ValueNone -> Map.remove key entry.Links

            setEntry node { entry with Links = links; Pairs = pairsOf links } topology

        topology |> put from target (Link.ofEdges out back) |> put target from (Link.ofEdges back out)

    /// Adds an edge between two different nodes, or replaces it.
    let setEdge (edge: Edge) (topology: Topology) : Topology =
        setLink edge.From edge.To (ValueSome edge) (tryEdge edge.To edge.From topology) topology

    /// Removes an edge, if it is there.
    let removeEdge (from: int) (target: int) (topology: Topology) : Topology =
        match tryEdge from target topology with
        | ValueSome _ -> setLink from target ValueNone (tryEdge target from topology) topology
        | ValueNone -> topology

    /// A node's subnets in their order.
    let subnetsOf (node: int) (topology: Topology) : Set<Subnet> = topology.nodes[node].Subnets

    let hasSubnet (node: int) (subnet: Subnet) (topology: Topology) : bool =
        Set.contains subnet topology.nodes[node].Subnets

    /// Subnets of all nodes and broadcast subnets, for lookups and dumps.
    let subnets (topology: Topology) : SubnetTable = topology.table

    /// Gives a node a subnet; changes nothing if it has it.
    let addSubnet (node: int) (subnet: Subnet) (topology: Topology) : Topology =
        let entry = topology.nodes[node]

        { setEntry node { entry with Subnets = Set.add subnet entry.Subnets } topology with
            table = SubnetTable.add (OwnedSubnet.by node entry.Name subnet) topology.table }

    /// Takes a subnet from a node; changes nothing if it has none such.
    let removeSubnet (node: int) (subnet: Subnet) (topology: Topology) : Topology =
        let entry = topology.nodes[node]

        { setEntry node { entry with Subnets = Set.remove subnet entry.Subnets } topology with
            table = SubnetTable.remove (OwnedSubnet.by node entry.Name subnet) topology.table }

    let addBroadcastSubnet (subnet: Subnet) (topology: Topology) : Topology =
        { topology with
            table = SubnetTable.add (OwnedSubnet.broadcast subnet) topology.table }

    let removeBroadcastSubnet (subnet: Subnet) (topology: Topology) : Topology =
        { topology with
            table = SubnetTable.remove (OwnedSubnet.broadcast subnet) topology.table }

    /// Forgets a node other than the own one, its subnets and all edges that begin or end at it. Its number stays reserved for its name.
    let forget (node: int) (topology: Topology) : Topology =
        let unlink topology link =
            match link with
            | OutOnly edge
            | BackOnly edge
            | Both(edge, _) -> setLink edge.From edge.To ValueNone ValueNone topology

        let topology = linksOf node topology |> Seq.fold unlink topology

        let topology =
            subnetsOf node topology
            |> Set.fold (fun topology subnet -> removeSubnet node subnet topology) topology

        let entry = topology.nodes[node]

        { setEntry node { entry with Known = false } topology with
            known = Map.remove entry.Name.Text topology.known }
