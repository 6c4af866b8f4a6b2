/// `tinc why ADDRESS`: the decisions that a packet to an address meets, one after the other (spec 03 §7, spec 04 §7).
module TincPure.Commands.Why

open System.Globalization
open TincPure.Primitives
open TincPure.Topology
open TincPure.Commands.Dump

/// One decision: what it is about, and what came of it.
type Step = { Topic: string; Finding: string }

let private step topic finding = { Topic = topic; Finding = finding }

let private number (value: int) = value.ToString CultureInfo.InvariantCulture

/// The networks that contain an address, in the order in which they are tried: longest prefix first, then least weight.
let private candidates (address: Subnet) (subnets: OwnedSubnet list) : (Subnet * OwnedSubnet) list =
    subnets
    |> List.choose (fun owned ->
        match Subnet.tryParse owned.Subnet with
        | Ok network when Info.contains address network -> Some(network, owned)
        | _ -> None)
    |> List.sortBy (fun (network, owned) -> -network.Prefix, network.Weight, owned.Owner)

let private isReachable (nodes: Node list) (owner: string) =
    nodes |> List.exists (fun node -> node.Name = owner && has Status.reachable node.Status)

let private isOwn (node: Node) = node.Host = "MYSELF"

/// By UDP or TCP, why, and how large packets may be.
let private transport (own: Node) (owner: Node) (hop: Node) : Step list =
    let tcpOnly = has Options.tcpOnly (own.Options ||| hop.Options)

    if tcpOnly then
        [ step
              "transport"
              ("TCP: TCPOnly is set " + (if has Options.tcpOnly own.Options then "here" else "for " + hop.Name))
          step "mtu" (number owner.Mtu + " bytes: TCP carries every packet") ]
    elif hop.MinMtu > 0 then
        [ step
              "transport"
              ("UDP to "
               + hop.Name
               + " at "
               + hop.Host
               + " port "
               + hop.Port
               + (if has Status.udpConfirmed hop.Status then ", confirmed by a reply" else ""))
          step
              "mtu"
              ("up to "
               + number hop.MinMtu
               + " bytes by UDP"
               + (if hop.MinMtu = hop.Mtu then
                      ""
                  else
                      ", at most " + number hop.MaxMtu + " while the search goes on")
               + "; larger packets are fragmented, refused, or sent by TCP") ]
    else
        [ step "transport" ("TCP: no UDP datagram to " + hop.Name + " has been answered yet")
          step "mtu" "no limit by UDP yet" ]

let private toNode (nodes: Node list) (owner: Node) : Step list =
    let find name = nodes |> List.tryFind (fun node -> node.Name = name)

    match List.tryFind isOwn nodes with
    | _ when isOwn owner -> [ step "delivery" "it is ours: to our own device" ]
    | _ when not (has Status.reachable owner.Status) ->
        [ step "reachability" (owner.Name + " is not reachable: the sender gets an ICMP error") ]
    | None -> []
    | Some own ->
        let path =
            [ step
                  "next hop"
                  (owner.NextHop
                   + ", "
                   + number owner.Distance
                   + (if owner.Distance = 1 then " edge" else " edges")
                   + " away")
              (if owner.Via = owner.Name then
                   step "relay" "none: straight to it"
               else
                   step "relay" (owner.Via + " passes it on: " + owner.Name + " cannot be contacted directly")) ]

        let key =
            if has Status.validKey owner.Status then
                []
            else
                [ step "key" ("no session with " + owner.Name + " yet: the first packet asks for one") ]

        let relay = if owner.Via = own.Name then owner.NextHop else owner.Via

        match find relay with
        | Some hop -> path @ key @ transport own owner hop
        | None -> path @ key

/// The steps, or why there are none.
let explain (item: string) (nodes: Node list) (subnets: OwnedSubnet list) : Result<Step list, string> =
    match Subnet.tryParse item with
    | Error _ -> Error("Could not parse address '" + item + "'.")
    | Ok _ when item.Contains '/' -> Error("An address is needed, not the subnet '" + item + "'.")
    | Ok address ->
        let found = candidates address subnets

        let considered (network: Subnet, owned: OwnedSubnet) =
            let owner = if owned.Owner = "(broadcast)" then "everybody (broadcast)" else owned.Owner

            step
                "subnet"
                (Subnet.netText network
                 + " of "
                 + owner
                 + ", weight "
                 + number network.Weight
                 + (if owned.Owner = "(broadcast)" || isReachable nodes owned.Owner then
                        ""
                    else
                        ": passed over, " + owned.Owner + " is not reachable"))

        let usable (_: Subnet, owned: OwnedSubnet) = owned.Owner = "(broadcast)" || isReachable nodes owned.Owner

        match found with
        | [] ->
            Ok
                [ step "subnet" ("no node has a subnet that contains " + item)
                  step "delivery" "none: the sender gets an ICMP error (network unknown)" ]
        | _ ->
            let tried = List.takeWhile (usable >> not) found
            let chosen = List.tryFind usable found
            let steps = List.map considered (tried @ Option.toList chosen)

            match chosen with
            | None -> Ok(steps @ [ step "delivery" "none: the sender gets an ICMP error (host unreachable)" ])
            | Some(_, owned) when owned.Owner = "(broadcast)" -> Ok(steps @ [ step "delivery" "to every node" ])
            | Some(_, owned) ->
                match List.tryFind (fun (node: Node) -> node.Name = owned.Owner) nodes with
                | None -> Ok steps
                | Some owner -> Ok(steps @ step "owner" owner.Name :: toNode nodes owner)

let lines (steps: Step list) : string list =
    steps |> List.map (fun step -> (step.Topic + ":").PadRight 14 + step.Finding)

let json (item: string) (steps: Step list) : Json.Json =
    Json.Object
        [ "address", Json.Text item
          "steps",
          Json.List(
              steps
              |> List.map (fun step -> Json.Object [ "topic", Json.Text step.Topic; "finding", Json.Text step.Finding ])
          ) ]
