/// What the names in Address lines stood for when they were last looked up. They are looked up anew when a connection is
/// made and, behind its back, now and then while it is wanted; a look-up that fails changes nothing: links stay up, and
/// what the name stood for goes on counting.
module TincPure.Node.Lookups

open System
open TincPure.Primitives
open TincPure.Config

/// A name is looked up again after so many PingIntervals, in bounds.
let private pings = 5

let private shortest = 5

let private longest = 900

let private interval (settings: Settings) : Seconds =
    min longest (max shortest (pings * min longest settings.PingInterval))

let toText (address: HostPort) : string = address.Host + " port " + address.Port

/// The address, if it is no name that has to be looked up.
let literal (address: HostPort) : Endpoint voption =
    match struct (Ip.tryParse address.Host, UInt16.TryParse address.Port) with
    | struct (ValueSome ip, (true, port)) -> ValueSome(Endpoint.create ip port)
    | _ -> ValueNone

/// Asks for the addresses that the name stands for now.
let ask (turn: Turn) (target: NodeName) (address: HostPort) (inBackground: bool) : unit =
    let request = turn.Node.NextRequest
    let lookup = { Target = target; Address = address; InBackground = inBackground }

    turn.Node <-
        { turn.Node with
            NextRequest = request + 1
            Resolving = turn.Node.Resolving.Add(request, lookup) }

    turn.Emit(Resolve(request, turn.Node.Settings.AddressFamily, address.Host, address.Port))

/// A connection to the node waits for an answer.
let isAwaited (turn: Turn) (target: NodeName) : bool =
    turn.Node.Resolving
    |> Map.exists (fun _ lookup -> lookup.Target = target && not lookup.InBackground)

/// What the name stood for last.
let known (turn: Turn) (address: HostPort) : Endpoint list =
    match turn.Node.Names.TryGetValue address with
    | true, name -> name.Endpoints
    | _ -> []

let private remember (turn: Turn) (address: HostPort) (endpoints: Endpoint list) =
    turn.Node <-
        { turn.Node with
            Names = turn.Node.Names.Add(address, { Endpoints = endpoints; LookedUp = turn.Now }) }

/// An answer has come: true if the name stands for something else than before.
let answered (turn: Turn) (lookup: Lookup) (result: Result<Endpoint list, string>) : bool =
    let before = known turn lookup.Address

    match result with
    | Ok endpoints ->
        let endpoints = List.truncate Bounds.addressesOfName endpoints
        remember turn lookup.Address endpoints
        let moved = not before.IsEmpty && Set.ofList before <> Set.ofList endpoints

        if moved then
            turn.Log(
                DebugLevel.connections,
                Priority.Notice,
                toText lookup.Address + " is now " + String.Join(", ", endpoints |> List.map Endpoint.toText)
            )

        moved
    | Error reason ->
        remember turn lookup.Address before

        let level, rest =
            if lookup.InBackground then
                DebugLevel.connections, ", which changes nothing as long as the connections work"
            else
                DebugLevel.always, ""

        turn.Log(level, Priority.Warning, "Error looking up " + toText lookup.Address + ": " + reason + rest)
        false

/// The names of the nodes that we want to be connected to.
let private wanted (turn: Turn) : (HostPort * NodeName) list =
    [ for KeyValue(target, record) in turn.Node.Outgoing do
          if not record.Waiting then
              match Peers.tryFind turn target |> ValueOption.bind _.Host with
              | ValueSome host ->
                  for address in host.Addresses do
                      if (literal address).IsNone then
                          address, target
              | ValueNone -> () ]

/// Looks a name up again if one is due: one at a time, so that a resolver that does not answer is not asked in a crowd,
/// and those who wait for an answer do not wait behind it.
let refresh (turn: Turn) : unit =
    if not (turn.Node.Resolving |> Map.exists (fun _ lookup -> lookup.InBackground)) then
        let wanted = wanted turn
        let names = wanted |> List.map fst |> Set.ofList

        if not turn.Node.Names.IsEmpty then
            let isUsed (address: HostPort) _ =
                names.Contains address || turn.Node.Outgoing |> Map.exists (fun _ r -> r.Waiting)
            turn.Node <- { turn.Node with Names = turn.Node.Names |> Map.filter isUsed }

        let due address =
            match turn.Node.Names.TryGetValue address with
            | true, name -> Instant.addSeconds (interval turn.Node.Settings) name.LookedUp
            | _ -> Instant.never

        match wanted |> List.filter (fun (address, _) -> due address <= turn.Now) with
        | [] -> ()
        | overdue ->
            let address, target = overdue |> List.minBy (fun (address, _) -> due address)
            ask turn target address true
