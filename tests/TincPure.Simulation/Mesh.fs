/// Meshes of nodes for a world: names, addresses, keys, host files, and who connects to whom.
module TincPure.Simulation.Mesh

open System
open TincPure.Primitives
open TincPure.Crypto
open TincPure.Topology
open TincPure.Config

/// Nodes by number, and the pairs of which the first has the second in its ConnectTo.
type Plan = { Names: NodeName array; Links: (int * int) list }

let private nameOf (text: string) =
    match NodeName.tryParse text with
    | ValueSome name -> name
    | ValueNone -> invalidArg (nameof text) text

/// The address of a machine on the underlay: 172.16.0.1 and on.
let address (index: int) : Ip = Ip.v4 (0xAC100001u + uint32 index)

/// The machine's address in the VPN, the first of its subnet 10.x.y.0/24.
let deviceAddress (index: int) : Ip = Ip.v4 (0x0A000001u + (uint32 index <<< 8))

let private subnet index =
    match Subnet.tryParse ("10." + string (index / 256) + "." + string (index % 256) + ".0/24") with
    | Ok subnet -> subnet
    | Error _ -> invalidArg (nameof index) "no such subnet"

let named (names: string list) (links: (int * int) list) : Plan =
    { Names = names |> List.map nameOf |> Array.ofList; Links = links }

let private numbered count = Array.init count (fun index -> nameOf ("n" + index.ToString "000"))

/// A connected graph: a random tree, and some links more.
let random (count: int) (extra: int) (dice: Dice) : Plan =
    let tree = [ for node in 1 .. count - 1 -> node, dice.Below node ]

    let more =
        [ for _ in 1..extra do
              let a, b = dice.Below count, dice.Below count

              if a <> b then
                  a, b ]

    { Names = numbered count
      Links =
        List.distinctBy (fun (a, b) -> min a b, max a b) (tree @ more)
        |> List.map (fun (a, b) -> max a b, min a b) }

/// The usual shape of a large mesh: a few nodes that everybody knows, each node connected to some of them.
let hubs (count: int) (hubCount: int) (perNode: int) (dice: Dice) : Plan =
    let links =
        [ for node in 0 .. count - 1 do
              if node < hubCount then
                  for other in 0 .. node - 1 do
                      node, other
              else
                  let first = dice.Below hubCount

                  for choice in 0 .. perNode - 1 do
                      node, (first + choice) % hubCount ]

    { Names = numbered count; Links = links }

let private keyOf (name: NodeName) =
    let seed = Array.zeroCreate<byte> 32
    NodeId.write (NodeId.ofName name) (Span seed)
    Ed25519.generate (ReadOnlySpan seed)

/// A world with a machine for every node of the plan, all of them off. `adjust` changes the settings of some node.
let create (settings: WorldSettings) (plan: Plan) (adjust: int -> Settings -> Settings) : World =
    let world = World settings
    let keys = plan.Names |> Array.map keyOf

    let hosts =
        plan.Names
        |> Array.mapi (fun index name ->
            { HostSettings.empty name with
                PublicKey = ValueSome keys[index].Public
                Addresses = [ { Host = Ip.toText (address index); Port = HostSettings.defaultPort } ]
                Subnets = [ subnet index ] })

    let all = hosts |> Array.map (fun host -> host.Name, host) |> Map.ofArray

    for index, name in Array.indexed plan.Names do
        let own =
            { Settings.defaults name "/etc/tinc" with
                PrivateKey = ValueSome(keys[index].Private.Span.ToArray())
                PublicKey = ValueSome keys[index].Public
                Own = hosts[index]
                Hosts = Map.remove name all
                AutoConnect = false
                ConnectTo =
                    plan.Links
                    |> List.choose (fun (from, target) -> if from = index then Some plan.Names[target] else None) }

        world.Add(address index, deviceAddress index, adjust index own) |> ignore

    world

let start (world: World) : unit =
    for machine in world.Machines do
        world.Start machine

/// Every pair of running machines between which the links that are up make a path, in both orders. `cut` says which machines
/// cannot talk to each other.
let pairs (world: World) (plan: Plan) : (Machine * Machine) list =
    let count = world.Machines.Count
    let group = Array.init count id

    let rec find node = if group[node] = node then node else find group[node]

    for a, b in plan.Links do
        if world.Machines[a].IsRunning && world.Machines[b].IsRunning && world.Underlay.Between(a, b).Connected then
            group[find a] <- find b

    [ for a in 0 .. count - 1 do
          for b in 0 .. count - 1 do
              if a <> b && find a = find b && world.Machines[a].IsRunning && world.Machines[b].IsRunning then
                  world.Machines[a], world.Machines[b] ]

/// Of these ordered pairs, those of which no packet got through in `limit` seconds although one was sent every `every`.
let silent (world: World) (pairs: (Machine * Machine) list) (every: float) (limit: float) : (Machine * Machine) list =
    let mutable waiting = pairs |> List.map (fun pair -> pair, Set.empty<int64>)
    let last = Instant.add (int64 (limit * 1e6)) world.Now

    while not waiting.IsEmpty && world.Now < last do
        waiting <-
            waiting
            |> List.map (fun ((from, target), numbers) -> (from, target), numbers.Add(world.Send(from, target, 100)))

        world.RunFor every

        waiting <-
            waiting
            |> List.filter (fun ((_, target), numbers) -> not (numbers |> Set.exists target.HasReceived))

    List.map fst waiting
