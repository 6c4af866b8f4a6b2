/// `tinc info` (spec 06 §10).
module TincPure.Commands.Info

open System
open System.Globalization
open TincPure.Primitives
open TincPure.Topology
open TincPure.Commands.Dump

/// What the argument is about.
type Subject =
    | NodeCalled of NodeName
    /// All networks that contain an address, of its weight if that was given.
    | Containing of Subnet * weighted: bool
    /// Exactly this network.
    | Exactly of Subnet * weighted: bool

/// What to ask about, or what to say about the argument.
let parse (item: string) : Result<Subject, string> =
    match NodeName.tryParse item with
    | ValueSome name -> Ok(NodeCalled name)
    | ValueNone when not (item.Contains '.' || item.Contains ':') ->
        Error "Argument is not a node name, subnet or address."
    | ValueNone ->
        match Subnet.tryParse item with
        | Error _ -> Error("Could not parse subnet or address '" + item + "'.")
        | Ok subnet when not (item.Contains '/') && subnet.Family <> Family.Mac ->
            Ok(Containing(subnet, item.Contains '#'))
        | Ok subnet -> Ok(Exactly(subnet, item.Contains '#'))

let private sameNetwork (left: Subnet) (right: Subnet) =
    left.Family = right.Family
    && left.Prefix = right.Prefix
    && left.High = right.High
    && left.Low = right.Low

/// Is this address in this network?
let contains (address: Subnet) (network: Subnet) =
    let struct (high, low) = Subnet.mask network.Prefix

    network.Family = address.Family
    && (network.High ^^^ address.High) &&& high = 0UL
    && (network.Low ^^^ address.Low) &&& low = 0UL

/// The networks in question; the error is what to say if there are none.
let findSubnets (item: string) (subject: Subject) (subnets: OwnedSubnet list) : Result<OwnedSubnet list, string> =
    let sameWeight weighted (wanted: Subnet) (network: Subnet) = not weighted || wanted.Weight = network.Weight

    let matches (owned: OwnedSubnet) =
        match subject, Subnet.tryParse owned.Subnet with
        | Containing(address, weighted), Ok network -> contains address network && sameWeight weighted address network
        | Exactly(wanted, weighted), Ok network -> sameNetwork wanted network && sameWeight weighted wanted network
        | _ -> false

    match List.filter matches subnets with
    | [] when item.Contains '/' -> Error("Unknown subnet " + item + ".")
    | [] -> Error("Unknown address " + item + ".")
    | found -> Ok found

/// The lines about networks.
let describeSubnets (subnets: OwnedSubnet list) : string list =
    subnets |> List.collect (fun owned -> [ "Subnet: " + owned.Subnet; "Owner:  " + owned.Owner ])

let private reachability (node: Node) : string list =
    if node.Host = "MYSELF" then
        [ "can reach itself" ]
    elif not (has Status.reachable node.Status) then
        [ "unreachable" ]
    elif node.Via <> node.Name then
        [ "indirectly via " + node.Via ]
    elif not (has Status.validKey node.Status) then
        [ "unknown" ]
    elif node.MinMtu > 0 then
        let rtt = if node.Rtt = -1 then [] else [ "RTT:          " + milliseconds node.Rtt ]

        "directly with UDP" :: "PMTU:         " + node.Mtu.ToString CultureInfo.InvariantCulture :: rtt
    elif node.NextHop = node.Name then
        [ "directly with TCP" ]
    else
        [ "none, forwarded via " + node.NextHop ]

let private flags (names: (string * uint32) list) (bits: uint32) : string =
    names
    |> List.filter (fun (_, bit) -> has bit bits)
    |> List.map (fun (name, _) -> " " + name)
    |> String.Concat

let private traffic (packets: uint64) (bytes: uint64) =
    packets.ToString CultureInfo.InvariantCulture
    + " packets  "
    + bytes.ToString CultureInfo.InvariantCulture
    + " bytes"

let private list (items: string list) = items |> List.map (fun item -> " " + item) |> String.Concat

/// The lines about a node. `localTime` prints seconds since the epoch as `YYYY-MM-DD hh:mm:ss`.
let describeNode
    (localTime: int64 -> string)
    (node: Node)
    (edges: Edge list)
    (subnets: OwnedSubnet list)
    : string list =
    let lastChange = if node.LastChange = 0L then "never" else localTime node.LastChange

    let status =
        flags
            [ "validkey", Status.validKey
              "visited", Status.visited
              "reachable", Status.reachable
              "indirect", Status.indirect
              "sptps", Status.sptps
              "udp_confirmed", Status.udpConfirmed ]
            node.Status

    let options =
        flags
            [ "indirect", Options.indirect
              "tcponly", Options.tcpOnly
              "pmtu_discovery", Options.pmtuDiscovery
              "clamp_mss", Options.clampMss ]
            node.Options

    let neighbours =
        edges |> List.filter (fun edge -> edge.From = node.Name) |> List.map (fun edge -> edge.To)

    let owned =
        subnets
        |> List.filter (fun subnet -> subnet.Owner = node.Name)
        |> List.map (fun subnet -> subnet.Subnet)

    let reachability = reachability node

    [ "Node:         " + node.Name
      "Node ID:      " + node.Id
      "Address:      " + node.Host + " port " + node.Port
      (if has Status.reachable node.Status then "Online since: " else "Last seen:    ") + lastChange
      "Status:      " + status
      "Options:     " + options
      "Protocol:     " + Protocol.major.ToString() + "." + (Options.minor node.Options).ToString()
      "Reachability: " + List.head reachability ]
    @ List.tail reachability
    @ [ "RX:           " + traffic node.InPackets node.InBytes
        "TX:           " + traffic node.OutPackets node.OutBytes
        "Edges:       " + list neighbours
        "Subnets:     " + list owned ]
